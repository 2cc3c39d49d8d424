"""Fewer shots and points of a problem, for the search of its minima."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from stopflow.mechanism.observations import MechanismShot
from stopflow.mechanism.problem import FitProblem

THIN_POINTS, THIN_SHOTS = 48, 16


def thin_problem(problem: FitProblem) -> FitProblem:
    """Take fewer shots, spread over the mixtures, and fewer points, dense at the beginning."""
    firsts: dict[tuple[int, str], int] = {}
    for number, shot in enumerate(problem.shots):
        firsts.setdefault((int(problem.windows.mixture[number]), shot.channel), number)
    numbers = list(firsts.values())
    at = np.unique(np.linspace(0, len(numbers) - 1, THIN_SHOTS).astype(int))
    return problem.with_shots([_thin(problem.shots[numbers[place]]) for place in at])


def _thin(shot: MechanismShot) -> MechanismShot:
    count = len(shot.time_s)
    edges = np.unique(np.geomspace(1, count, min(THIN_POINTS, count)).astype(int))
    edges = np.concatenate(([0], edges))
    blocks = [slice(int(a), int(b)) for a, b in pairwise(edges) if b > a]
    return replace(
        shot,
        time_s=np.array([shot.time_s[block].mean() for block in blocks]),
        signal=np.array([shot.signal[block].mean() for block in blocks]),
    )
