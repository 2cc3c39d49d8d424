"""Shots that are left out of the mean of their condition, because they are not like the others.

A shot is left out where its ln k is so far from the mean of its replicates that chance would bring
one as far in fewer than one experiment in a hundred, `QualityThresholds.left_out_chance`. The scale
is the error of its fit and the scatter that the conditions of its experiment have in common without
it (`stopflow.kinetics.verdicts.repeatability`); Student's distribution makes up for how few shots
that scatter is known from. One shot after another is tried, the oddest first, each against all that
are left.

Of three shots none is left out: which of them is the odd one, three do not say. At least three are
kept, and no more than a third go: shots that fall into two groups are not an outlier.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from stopflow.kinetics.verdicts.repeatability import Deviation, Series, as_series, outliers_of
from stopflow.kinetics.verdicts.series import JudgedShot

FEWEST_KEPT = 3
LARGEST_SHARE = 3
"""One in so many shots may go."""


def find_left_out(shots: Sequence[JudgedShot], *, chance: float) -> Mapping[int, Deviation]:
    """Find the shots of an experiment that are left out of the means of their conditions.

    Parameters
    ----------
    shots
        All of the experiment, before any is left out.
    chance
        Below which a shot as far off is no accident, for the whole experiment.

    Returns
    -------
    dict
        By place among `shots`: how far k is from that of its replicates, and the chance of it.
    """
    groups: dict[int, list[int]] = {}
    for place, shot in enumerate(shots):
        if shot.usable and shot.shot.result is not None:
            groups.setdefault(shot.condition, []).append(place)
    kept = {condition: list(members) for condition, members in groups.items()}
    tried = sum(len(members) for members in groups.values())
    found: dict[int, Deviation] = {}
    while odd := _oddest(shots, kept, groups, chance=chance / max(tried, 1)):
        condition, place, deviation = odd
        kept[condition].remove(place)
        found[place] = deviation
    return found


def _oddest(
    shots: Sequence[JudgedShot],
    kept: Mapping[int, list[int]],
    groups: Mapping[int, list[int]],
    *,
    chance: float,
) -> tuple[int, int, Deviation] | None:
    """Find the shot least like its replicates, of those that may go: (condition, place, how far).

    None where no chance is small enough.
    """
    conditions = list(kept)
    rows = outliers_of([_series(shots, kept[condition]) for condition in conditions])
    best = None
    for condition, row in zip(conditions, rows, strict=True):
        members = kept[condition]
        gone = len(groups[condition]) - len(members)
        if len(members) <= FEWEST_KEPT or LARGEST_SHARE * (gone + 1) > len(groups[condition]):
            continue
        for place, deviation in zip(members, row, strict=True):
            if deviation and deviation.chance < min(chance, best[2].chance if best else chance):
                best = condition, place, deviation
    return best


def _series(shots: Sequence[JudgedShot], members: Sequence[int]) -> Series:
    """Rates of shots; the order in which they were made is that of their places."""
    results = [result for place in members if (result := shots[place].shot.result) is not None]
    k = [result.fit.k_per_s for result in results]
    return as_series(np.arange(len(k)), k, [result.k_stderr_per_s for result in results])
