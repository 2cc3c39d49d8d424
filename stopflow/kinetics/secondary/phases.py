"""Two phases of an experiment side by side: whether they cross, or belong to one mechanism.

The tables name phases by falling rate. Where a phase that rises with the concentration overtakes
one that does not, the names change places and each plot has a kink. Three readings of the same
points compete by AICc: the phases as they are named; the phases crossing between two neighbouring
concentrations; and two coupled steps, whose rates avoid each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stopflow.kinetics.secondary.choice import DECISIVE, is_established
from stopflow.kinetics.secondary.concentration import ConcentrationPlot, build_plot, describe_plot
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.kinetics.secondary.fit import SecondaryFit
from stopflow.kinetics.secondary.points import SecondaryPoint
from stopflow.kinetics.secondary.regression import FOLLOWED, Curve, information, misfit_chance
from stopflow.kinetics.secondary.two_step import MECHANISMS, PhasePoints, falls, fit_two_step

FEWEST_SHARED = 4
OF_A_BRANCH = tuple(CURVES[kind] for kind in ("constant", "line", "hyperbola", "falling hyperbola"))
"""Curves by which a crossing is recognised: simple ones, for many crossings are tried."""
EQUAL = 0.5
"""Mechanisms whose AICc differ by less describe the rates equally well."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reading:
    """One way to read both phases.

    Attributes
    ----------
    fast, slow
        The plots of the phase that is the fastest at the highest concentration, and of the other.
    steps
        Curves of a two-step mechanism for each of them; empty: each has a curve of its own.
    at
        Between which places the phases cross; 0: they do not.
    """

    fast: ConcentrationPlot
    slow: ConcentrationPlot
    steps: tuple[Curve, ...] = ()
    at: int = 0

    @property
    def points(self) -> int:
        """Points of both phases."""
        return len(self.fast.x) + len(self.slow.x)

    @property
    def parameters(self) -> int:
        """Parameters of both curves; the place of a crossing is one."""
        if self.steps:
            return self.steps[0].fitted
        return self.fast.chosen.fitted + self.slow.chosen.fitted + (self.at > 0)

    @property
    def squares(self) -> float:
        """Weighted sum over both phases."""
        if self.steps:
            return self.steps[0].squares
        return self.fast.chosen.squares + self.slow.chosen.squares


def fit_phases(
    experiment: str,
    fast: Sequence[SecondaryPoint],
    slow: Sequence[SecondaryPoint],
    *,
    given: Mapping[str, float],
) -> tuple[list[SecondaryFit], tuple[tuple[SecondaryPoint, ...], tuple[SecondaryPoint, ...]]]:
    """Fit the plots of two phases of equal conditions.

    Returns
    -------
    fits
        Of both plots.
    branches
        The points of each phase, followed through a crossing.
    """
    named = _Reading(fast=build_plot(fast, given=given), slow=build_plot(slow, given=given))
    readings = [named, *_crossings(named, given)]
    steps = {
        name: found
        for name in MECHANISMS
        if (found := _two_step(named, name)) and is_established(found[0])
    }
    readings += [
        _Reading(fast=named.fast, slow=named.slow, steps=found) for found in steps.values()
    ]
    best = _choose(readings)
    if best.steps:
        fits = _describe_steps(experiment, best, steps)
    else:
        note = _say_crossing(best) if best.at else ""
        fits = [
            fit
            for plot in (best.fast, best.slow)
            for fit in describe_plot(plot, experiment, note=note)
        ]
    return fits, (best.fast.points, best.slow.points)


def _crossings(named: _Reading, given: Mapping[str, float]) -> list[_Reading]:
    """Every crossing between neighbours that simple curves like better; best ones fitted whole."""
    fast, slow = named.fast.points, named.slow.points
    same = [point.place for point in fast] == [point.place for point in slow]
    if not same or len(fast) < FEWEST_SHARED:
        return []
    found = []
    for at in range(1, len(fast)):
        branches = (slow[:at] + fast[at:], fast[:at] + slow[at:])
        first, second = (build_plot(own, given={}, models=OF_A_BRANCH) for own in branches)
        found.append(_Reading(fast=first, slow=second, at=at))
    best = min(found, key=lambda reading: reading.squares)
    first, second = (build_plot(plot.points, given=given) for plot in (best.fast, best.slow))
    return [_Reading(fast=first, slow=second, at=best.at)]


def _two_step(named: _Reading, mechanism: str) -> tuple[Curve, ...]:
    fast, slow = (
        PhasePoints(x=plot.x, y=plot.y, error=plot.error) for plot in (named.fast, named.slow)
    )
    return fit_two_step(mechanism, fast, slow, error_dof=_error_dof(named)) or ()


def _error_dof(reading: _Reading) -> float:
    return reading.fast.error_dof + reading.slow.error_dof


def _choose(readings: Sequence[_Reading]) -> _Reading:
    """Choose the reading of lowest AICc; among near ones the first of the fewest parameters."""
    widest = max(readings, key=lambda reading: reading.parameters)
    chance = misfit_chance(
        widest.squares, dof=widest.points - widest.parameters, error_dof=_error_dof(widest)
    )
    dof = _error_dof(widest) if chance >= FOLLOWED else 0

    def criterion(reading: _Reading) -> float:
        found = information(
            reading.squares, points=reading.points, parameters=reading.parameters, error_dof=dof
        )
        return found if np.isfinite(found) else np.inf

    lowest = min(criterion(reading) for reading in readings)
    if not np.isfinite(lowest):
        return readings[0]
    near = [reading for reading in readings if criterion(reading) <= lowest + DECISIVE]
    fewest = min(reading.parameters for reading in near)
    simple = [reading for reading in near if reading.parameters == fewest]
    best = min(criterion(reading) for reading in simple)
    return next(reading for reading in simple if criterion(reading) <= best + EQUAL)


def _say_crossing(reading: _Reading) -> str:
    low, high = (1e3 * reading.fast.x[place] for place in (reading.at - 1, reading.at))
    return (
        f"the phases cross between {low:.4g} and {high:.4g} mM: below, the one that is named k "
        "above is k2 in the tables, and the other way round"
    )


def _describe_steps(
    experiment: str, best: _Reading, steps: Mapping[str, tuple[Curve, ...]]
) -> list[SecondaryFit]:
    """Put the mechanism that was chosen first, and say what the rates know of the other."""
    chosen = best.steps
    others = [found for found in steps.values() if found is not chosen]
    mechanism = chosen[0].model.mechanism
    note = f"both phases are fitted together as {mechanism}"
    if mechanism == "conformational selection" and falls(chosen[1]):
        note += (
            ", which alone lets the slower phase fall; k_off and k_r + k_-r may be exchanged "
            "without any change of the rates, and the larger is taken for k_off"
        )
    elif others and abs(others[0][0].squares - chosen[0].squares) < EQUAL:
        other = others[0][0].model.mechanism
        note += f"; {other} gives the same rates, so that these do not tell the two apart"
    fits = []
    for place, plot in enumerate((best.fast, best.slow)):
        curves = [found[place] for found in (chosen, *others)]
        fits += describe_plot(plot, experiment, note=note, instead=curves)
    return fits
