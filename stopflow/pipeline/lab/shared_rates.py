"""One rate for all signals of a push, beside the rate of each."""

from collections.abc import Mapping
from math import nan

import numpy as np

from stopflow.kinetics.analysis import ExperimentAnalysis
from stopflow.kinetics.many.spectrum import fit_spectrum
from stopflow.trace import Experiment, Shot

COLUMNS = ("k_shared_per_s", "k_shared_stderr_per_s")
NONE = dict.fromkeys(COLUMNS, nan)


def shared_rates(
    experiment: Experiment, analysis: ExperimentAnalysis
) -> dict[str, Mapping[str, float]]:
    """Fit the channels of every push that has several: file -> the two columns.

    The fit begins where the last of its channels begins. Pushes with one channel are left out.
    """
    pushes: dict[str, list[tuple[Shot, float]]] = {}
    for shot, judged in zip(experiment.shots, analysis.shots, strict=True):
        if shot.until_end is not None and judged.shot.result is not None:
            pushes.setdefault(shot.file, []).append((shot, judged.shot.result.fit.start_s))
    return {
        file: _fit(members, analysis.law) for file, members in pushes.items() if len(members) > 1
    }


def _fit(members: list[tuple[Shot, float]], law: str) -> Mapping[str, float]:
    traces = [trace for shot, _ in members if (trace := shot.until_end) is not None]
    time_s = traces[0].time_s
    if any(not np.array_equal(trace.time_s, time_s) for trace in traces):
        return NONE
    found = fit_spectrum(
        time_s,
        np.array([trace.signal for trace in traces]),
        law=law,
        start_s=max(start for _, start in members),
    )
    if not found.ok:
        return NONE
    values = (found.parameters["k_per_s"], found.stderr["k_per_s"])
    return dict(zip(COLUMNS, values, strict=True))
