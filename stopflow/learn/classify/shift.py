"""Images moved by some pixels at random: what a class does not depend on."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RandomShift:
    """Moves each image of a batch by itself.

    Attributes
    ----------
    places
        (K, n) for each of K shifts the pixel that moves to each place, n where none does.
    background
        What moves in from beyond the edge: a black pixel in the network's units.
    """

    places: Tensor
    background: float

    @classmethod
    def up_to(cls, pixels: int, *, rows: int, columns: int, background: float) -> Self:
        """Return all shifts of at most so many pixels each way."""
        grid = torch.full((rows + 2 * pixels, columns + 2 * pixels), rows * columns)
        inner = torch.arange(rows * columns).reshape(rows, columns)
        grid[pixels : pixels + rows, pixels : pixels + columns] = inner
        steps = range(2 * pixels + 1)
        windows = [grid[i : i + rows, j : j + columns].flatten() for i in steps for j in steps]
        return cls(places=torch.stack(windows), background=background)

    def __call__(
        self, rows: Tensor, _chosen: tuple[Tensor, Tensor], generator: torch.Generator
    ) -> Tensor:
        """Return the moved images (B, n)."""
        drawn = torch.randint(len(self.places), (len(rows),), generator=generator)
        beyond = rows.new_full((len(rows), 1), self.background)
        return torch.cat([rows, beyond], dim=1).gather(1, self.places[drawn].to(rows.device))
