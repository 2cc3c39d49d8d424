"""The numbers that an optimiser works with, checked at construction."""

from dataclasses import dataclass
from typing import Final

from stopflow.lowrank.arguments import require_real

HIGHEST_RATE: Final = 1e12
"""Learning rates from here on are refused: float32 does not hold what their squares multiply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """What every optimiser is given.

    Attributes
    ----------
    learning_rate
        Step size at the start; `Stepper.set_learning_rate` changes it.
    momentum
        Heavy-ball coefficient, and Adam's first-moment decay.
    second_decay
        Second-moment decay of Adam and RMSprop.
    epsilon
        Added to the root of the second moment.
    weight_decay
        Decoupled: every weight matrix is multiplied by ``1 - learning_rate * weight_decay`` a
        step, biases are not.
    """

    learning_rate: float = 1e-3
    momentum: float = 0.9
    second_decay: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        require_learning_rate(self.learning_rate)
        require_real("momentum", self.momentum, low=0.0, high=1.0, closed_low=True)
        require_real("second_decay", self.second_decay, low=0.0, high=1.0)
        require_real("epsilon", self.epsilon, low=0.0)
        require_real("weight_decay", self.weight_decay, low=0.0, closed_low=True)


def require_learning_rate(value: object) -> None:
    """Raise a `SettingsError` unless the learning rate is between 0 and `HIGHEST_RATE`."""
    require_real("learning_rate", value, low=0.0, high=HIGHEST_RATE)
