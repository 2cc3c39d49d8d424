"""The same global fits by this program, by scipy and by COPASI, in one run, one after the other.

Each way gets the same shots, starting values and tolerance of the rate equations, and the settings
that serve it best; COPASI fits responses and offsets beside the constants.
"""

from collections.abc import Callable, Mapping

import numpy as np

from stopflow.mechanism.bench.cases import CASES, POINTS, build_case
from stopflow.mechanism.bench.ways import Reached, Way, clock, fit_here, fit_with_scipy
from stopflow.mechanism.fit import fit_mechanism
from stopflow.mechanism.problem import FitProblem

SEED = 0
LONG_S = 2.0
"""A way that takes longer is followed once and not in every round."""


def find_ways() -> dict[str, Way]:
    """List the ways of fitting that are installed, this program's first."""
    ways: dict[str, Way] = {"stopflow": fit_here, "scipy": fit_with_scipy}
    try:
        from stopflow.mechanism.bench.copasi import fit_with_copasi
    except ImportError:
        return ways
    return {**ways, "copasi": fit_with_copasi}


def bench_mechanism(
    *,
    names: tuple[str, ...] = tuple(CASES),
    rounds: int = 3,
    points: int = POINTS,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[dict[str, object]]:
    """Fit every case in every way, alternately, and compare medians; `points` are of a shot.

    Returns
    -------
    list of dict
        A row a case: milliseconds here, and for each other way how many times longer it took, by
        how much its sum of squares lies above (relative), and the largest relative difference of a
        constant; and the milliseconds of the whole fit, without starting values and with errors,
        which the other ways do not have.
    """
    ways, rows = find_ways(), []
    for done, name in enumerate(names):
        if progress is not None:
            progress("fitting", done, len(names))
        problem, start = build_case(name, generator=np.random.default_rng(SEED), points=points)
        own: dict[str, list[Reached]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, fit in ways.items():
                if not own[way] or own[way][0].seconds < LONG_S:
                    own[way].append(fit(problem, start))
        rows.append({"case": name, **_compare(own), "whole_ms": 1e3 * _time_whole(problem)})
    if progress is not None:
        progress("fitting", len(names), len(names))
    return rows


def _time_whole(problem: FitProblem) -> float:
    """Time the search that needs no starting values, with its errors, in seconds."""
    return clock(lambda: fit_mechanism(problem, generator=np.random.default_rng(SEED)))[1]


def _compare(own: Mapping[str, list[Reached]]) -> dict[str, object]:
    spent = {way: float(np.median([item.seconds for item in found])) for way, found in own.items()}
    here = own["stopflow"][0]
    row: dict[str, object] = {"ms": 1e3 * spent["stopflow"]}
    for way, found in own.items():
        if way == "stopflow":
            continue
        apart = np.abs(found[0].constants / here.constants - 1).max()
        row[f"{way}_times"] = spent[way] / spent["stopflow"]
        row[f"{way}_squares_above"] = found[0].squares / here.squares - 1
        row[f"{way}_constants_apart"] = float(apart)
    return row
