"""What every layer of a network can do, whatever its weight matrix W is made of."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from stopflow.lowrank.forward_cache import ForwardCache

ColumnMap = Callable[[Tensor], Tensor]
"""(inputs before, columns) -> (inputs after, columns)."""

Factors = tuple[Tensor, Tensor, Tensor]
"""left, core and right of W = left core right^T, left and right with orthonormal columns."""


class Layer(nn.Module, ABC):
    """y = x W^T + b with W (outputs, inputs).

    Attributes
    ----------
    fan_in
        Inputs before any exact reduction of them.
    """

    fan_in: int

    @property
    @abstractmethod
    def rank(self) -> int | None:
        """Present rank, ``None`` where W is a full matrix."""

    @abstractmethod
    def run(self, x: Tensor) -> tuple[Tensor, ForwardCache]:
        """Return the outputs and a forward cache."""

    @abstractmethod
    def complete(self, cache: ForwardCache) -> None:
        """Put in the cache what the layer needs of `delta`, which is set."""

    @abstractmethod
    def input_gradient(self, cache: ForwardCache) -> Tensor:
        """Return dLoss/dx from a completed cache."""

    @abstractmethod
    def factors(self) -> Factors:
        """Return W = left core right^T, float64."""

    @abstractmethod
    def map_inputs(self, mapped: ColumnMap, *, orthonormal: bool) -> None:
        """Let the layer act on other inputs, W^T becoming ``mapped(W^T)``.

        With ``orthonormal=True`` a basis of the inputs is orthonormal afterwards.
        """

    @abstractmethod
    def split_inputs(self) -> Tensor:
        """Return A (inputs, q) of W = W' A^T, and let the layer act on x A by W'."""

    @abstractmethod
    def add_product(self, left: Tensor, right: Tensor) -> None:
        """Add left right^T, (outputs, q) and (inputs, q), to W."""
