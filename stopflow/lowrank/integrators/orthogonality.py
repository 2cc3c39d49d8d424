"""The loss of orthogonality ||U^T U - I||, bounded from step to step.

A retraction forms U1 = U c - b A R^-1 in rounded products. What U has lost already comes back
multiplied by ||c||^2, and the rounding of the step itself is added. `OrthogonalityLoss` follows
both. When its bound has reached `LIMIT` units of the machine's epsilon (2.4e-6 in float32), the
next retraction measures U^T U and takes the loss away; a step that exceeds `URGENT` units by itself
is repaired at once. So the loss stays below 5e-6 in float32 for as long as training lasts.
"""

import math
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 20.0
URGENT: Final = 30.0


@dataclass(slots=True)
class OrthogonalityLoss:
    """Bound of ||U^T U - I||_F of all bases of an integrator, in units of the machine's epsilon.

    The roundings of successive steps are independent, so their squares add. One step adds the
    rounding of its r x r coefficients, 3 + 0.4 sqrt(r) units, and that of sums over r columns in m
    rows, 0.16 r^1.5 / sqrt(m); 4.2 units in all were measured at r = 8, m = 30, 5.6 at r = 50,
    m = 250, and 28 at r = 200, m = 250.

    Attributes
    ----------
    squared
        Square of the bound.
    """

    squared: float = 0.0

    @property
    def due(self) -> bool:
        """Whether the next retraction is to take the loss away."""
        return not self.squared <= LIMIT**2

    @property
    def urgent(self) -> bool:
        """Whether the bases are to be repaired at once."""
        return not self.squared <= URGENT**2

    def grow(self, growth: float, *, rank: int, rows: int) -> None:
        """Take in a step of bases of `rank` columns and at least `rows` rows.

        `growth` is that of `Retraction`.
        """
        added = (3.0 + 0.4 * math.sqrt(rank)) ** 2 + 0.0256 * rank**3 / rows
        self.squared = growth**2 * (self.squared + added)
