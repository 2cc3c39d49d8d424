"""How squares of gradients are averaged: Adam, RMSprop and AdaGrad."""

import math
from dataclasses import dataclass

from torch import Tensor

from stopflow.lowrank.hyperparameters import Hyperparameters


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondMoment:
    """v <- decay v + (1 - decay) g^2, or v <- v + g^2.

    Attributes
    ----------
    averaged
        Whether v is an average (Adam, RMSprop) or a sum (AdaGrad).
    corrected
        Whether the zero that v starts from is corrected for (Adam).
    """

    averaged: bool = True
    corrected: bool = True

    def average(self, squares: Tensor, gradient: Tensor, settings: Hyperparameters) -> None:
        """Take the squares of a gradient into `squares`, in place."""
        decay = settings.second_decay if self.averaged else 1.0
        taken = 1 - decay if self.averaged else 1.0
        squares.mul_(decay).addcmul_(gradient, gradient, value=taken)

    def factor(self, settings: Hyperparameters, count: int) -> float:
        """Return what a direction m / (sqrt(v) + epsilon_t) is to be multiplied by.

        For Adam that gives m / (sqrt(v / (1 - beta2^t)) + epsilon).
        """
        return math.sqrt(1 - settings.second_decay**count) if self.corrected else 1.0

    def epsilon(self, settings: Hyperparameters, count: int) -> float:
        """Return epsilon_t."""
        return settings.epsilon * self.factor(settings, count)


ADAM = SecondMoment()
RMSPROP = SecondMoment(corrected=False)
ADAGRAD = SecondMoment(averaged=False, corrected=False)
