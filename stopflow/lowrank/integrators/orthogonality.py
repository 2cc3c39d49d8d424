"""What rounding a turn costs orthonormal bases, and when that has to be measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_WORN = 100.0
"""Turns after which ||U^T U - I|| of one column is near 1e-5: each adds about 6e-8 in float32."""

_BELIEVED = 3
_GROWTH = 1.25
_CALM = 0.5
"""A column with all of it lost as much as it gained from a step a sixth of itself. At that pace and
growth it takes more turns than are believed until it vanishes."""


def rounding_of_a_turn(rank: int) -> float:
    """Return what a turn adds to bases of `rank` columns; 1 is ||U^T U - I|| near 1e-5."""
    return math.sqrt(rank) / _MOST_WORN


@dataclass(frozen=True, slots=True)
class Look:
    """The wear of a turn, believed of a few turns after it while they are as easy.

    Measuring it takes a twentieth of a step.

    Attributes
    ----------
    wear
        As in `Turn.look`: 1 for bases that hardly change; it grows with the condition of what is
        orthonormalised and with what cancels in it.
    rank
        Columns of the bases.
    signs
        What grows before a turn gets hard: norms of R^-1, and of steps.
    turns
        How many have been believed.
    """

    wear: float
    rank: int
    signs: Sequence[float]
    turns: int = 0

    def after(self, signs: Sequence[float]) -> "Look | None":
        """Return what is believed of the next turn; ``None`` where it has to be measured."""
        calm = self.turns < _BELIEVED and self.rank * (self.wear - 1.0) <= _CALM
        if calm and all(new <= _GROWTH * old for new, old in zip(signs, self.signs, strict=True)):
            return Look(self.wear, self.rank, self.signs, self.turns + 1)
        return None

    def numbers(self) -> list[float]:
        """Return it as numbers."""
        return [self.wear, self.rank, self.turns, *self.signs]

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Look":
        """Take what `numbers` returned."""
        wear, rank, turns, *signs = numbers
        return cls(wear, int(rank), signs, int(turns))
