"""Secondary plots of a lab: against concentration, temperature and pH, by the models of `CURVES`.

Points are weighted by the error of their mean as the repeatability of the whole lab gives it: the
scatter of three shots alone would be a weight left to chance. The model of lowest AICc is reported
and the next best one named; among models that the data hardly tell apart it is the one with the
fewest parameters.
"""

from collections.abc import Sequence

from stopflow.kinetics.laws.phases import AMPLITUDES, FIRST_RATE
from stopflow.kinetics.secondary.concentration import build_plot, describe_plot, known_of
from stopflow.kinetics.secondary.fit import SecondaryFit
from stopflow.kinetics.secondary.phases import fit_phases
from stopflow.kinetics.secondary.points import (
    SecondaryPoint,
    build_points,
    common_conditions,
    describe_points,
    group_points,
)
from stopflow.kinetics.secondary.profiles import ConcentrationLine, fit_profiles
from stopflow.kinetics.verdicts.series import ExperimentAnalysis

Points = Sequence[SecondaryPoint]


def fit_secondary(experiments: Sequence[ExperimentAnalysis]) -> tuple[SecondaryFit, ...]:
    """Fit every secondary plot that the conditions of a lab allow.

    Every phase has its own plot against concentration, and so has its amplitude where there are
    several phases or the partner of the varied reagent is known; plots against temperature and pH
    are of k.
    """
    points = {rate: build_points(experiments, rate=rate) for rate in AMPLITUDES}
    sizes = {
        (point.place, point.column): point
        for rate in AMPLITUDES
        for point in build_points(experiments, rate=rate, amplitude=True)
    }
    fits: list[SecondaryFit] = []
    lines: list[ConcentrationLine] = []
    divided = {rate: _by_experiment(found) for rate, found in points.items()}
    for experiment in experiments:
        own = _fit_experiment(experiment, divided, sizes)
        fits += own
        groups = _groups(divided[FIRST_RATE], experiment)
        lines += [
            ConcentrationLine(fit=fit, points=group)
            for fit in own
            if fit.chosen and fit.phase == "k" and "k_on" in fit.curve.model.names
            for group in groups
            if {point.place for point in group} == set(fit.members)
        ]
    return (*fits, *fit_profiles(points[FIRST_RATE], lines))


def _fit_experiment(
    experiment: ExperimentAnalysis,
    points: dict[str, dict[str, list[SecondaryPoint]]],
    sizes: dict[tuple[tuple[str, int], str], SecondaryPoint],
) -> list[SecondaryFit]:
    """Fit the plots against concentration: first of k, then of slower phases, then amplitudes."""
    first, second, third = (
        {_key(group): group for group in _groups(points[rate], experiment)} for rate in AMPLITUDES
    )
    fits: list[SecondaryFit] = []
    later: list[SecondaryFit] = []
    branches: list[Points] = []
    for key, group in first.items():
        given = known_of(group, experiment)
        if key in second:
            found, both = fit_phases(experiment.name, group, second[key], given=given)
            own = [fit for fit in found if fit.phase == "k"]
            fits += own
            later += [fit for fit in found if fit not in own]
            branches += both
        else:
            fits += describe_plot(build_plot(group, given=given), experiment.name)
            branches += [group] if given else []
    alone = [group for key, group in second.items() if key not in first]
    for group in (*alone, *third.values()):
        later += describe_plot(build_plot(group, given={}), experiment.name)
        branches.append(group)
    for branch in branches:
        later += _fit_amplitudes(experiment, branch, sizes)
    return [*fits, *later]


def _fit_amplitudes(
    experiment: ExperimentAnalysis,
    branch: Points,
    sizes: dict[tuple[tuple[str, int], str], SecondaryPoint],
) -> list[SecondaryFit]:
    """Fit the amplitudes of a phase, followed where the phase is followed."""
    found = [sizes.get((point.place, AMPLITUDES[point.column])) for point in branch]
    known = [point for point in found if point is not None and point.value != 0]
    if len(known) < len(branch):
        return []
    units = {shot.shot.signal_unit for shot in experiment.shots if shot.usable}
    plot = build_plot(known, given=known_of(known, experiment))
    return describe_plot(plot, experiment.name, unit=units.pop() if len(units) == 1 else "")


def _by_experiment(points: Points) -> dict[str, list[SecondaryPoint]]:
    found: dict[str, list[SecondaryPoint]] = {}
    for point in points:
        found.setdefault(point.experiment, []).append(point)
    return found


def _groups(
    points: dict[str, list[SecondaryPoint]], experiment: ExperimentAnalysis
) -> list[list[SecondaryPoint]]:
    return group_points(points.get(experiment.name, []), leave_out="concentration")


def _key(group: Points) -> tuple[object, ...]:
    """Equal for groups of different phases of the same mixtures."""
    given = group[0].condition.conditions
    shared = common_conditions(group, leave_out=("concentration",))
    return describe_points(shared), given.temperature_K
