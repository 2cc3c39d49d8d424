"""What depends on times alone, kept while one shot after the other of an experiment has the same.

Shots of an instrument hold one array of times between them, which nobody can change, and few
different starts: windows, blocks and decays are made for the first of them.
"""

from collections import deque
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Final, Generic, TypeVar

import numpy as np

from stopflow.kinetics.laws import RealArray

Result = TypeVar("Result")

KEPT: Final = 8
"""Results that are kept: shots of an experiment have some four starts."""
LARGEST_KEPT: Final = 65_536
"""Points up to which results are kept; of more the memory would count."""
GRIDS_KEPT: Final = 8
"""Grids of time that are kept from experiment to experiment: an instrument records on a few."""


class OfTimes(Generic[Result]):
    """A function of times and more, called once for the same array and the same of the rest."""

    def __init__(self, build: Callable[..., Result]) -> None:
        self._build = build
        self._kept: deque[tuple[RealArray, tuple[Hashable, ...], Result]] = deque(maxlen=KEPT)

    def __call__(self, time: RealArray, *rest: Hashable) -> Result:
        """Return the result for times (N,); of times that may change it is not kept."""
        for kept, of, result in tuple(self._kept):
            if kept is time and of == rest:
                return result
        found = self._build(time, *rest)
        if not time.flags.writeable and time.flags.owndata and len(time) <= LARGEST_KEPT:
            self._kept.append((time, rest, found))
        return found


def kept_by_value(build: Callable[[RealArray], Result]) -> Callable[[RealArray], Result]:
    """Have what follows from times (N,) made once for all equal ones, of `GRIDS_KEPT` grids."""

    @lru_cache(maxsize=GRIDS_KEPT)
    def kept(times: bytes) -> Result:
        return build(np.frombuffer(times))

    @wraps(build)
    def find(time_s: RealArray) -> Result:
        if len(time_s) > LARGEST_KEPT:
            return build(time_s)
        return kept(np.ascontiguousarray(time_s, dtype=np.float64).tobytes())

    return find


def _bytes(time: RealArray) -> bytes:
    return np.ascontiguousarray(time).tobytes()


bytes_of_times = OfTimes(_bytes)
"""Bytes by which traces on equal times are found."""
