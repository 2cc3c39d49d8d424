"""Which conditions of a lab make up one secondary plot: they differ in one thing only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan, sqrt

import numpy as np

from stopflow.kinetics.laws.phases import AMPLITUDES, FIRST_RATE
from stopflow.kinetics.verdicts.findings import Verdict, verdict_of
from stopflow.kinetics.verdicts.repeatability import Repeatability, pool
from stopflow.kinetics.verdicts.series import ConditionAnalysis, ExperimentAnalysis
from stopflow.kinetics.verdicts.series_phases import PhaseMean
from stopflow.kinetics.verdicts.workbook_columns import is_ph, partner_of, ph_of
from stopflow.trace import FloatArray

FEWEST_POINTS = 3
SMALLEST_ERROR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryPoint:
    """A number of a condition as a point: the mean rate of one phase, or its amplitude.

    Attributes
    ----------
    phase
        Which phase.
    column
        Its column in the table of conditions, such as ``"k2_per_s"`` or ``"amplitude"``.
    value
        The number.
    extra
        Workbook columns that describe the mixture.
    relative_error
        Of the number, as the repeatability of the whole lab gives it.
    error_dof
        Degrees of freedom behind it; 0 without replicates: then it is that of the fits alone.
    """

    experiment: str
    condition: ConditionAnalysis
    phase: PhaseMean
    column: str
    value: float
    extra: tuple[tuple[str, str], ...]
    relative_error: float
    error_dof: float

    @property
    def place(self) -> tuple[str, int]:
        """Name of its experiment, and its number there."""
        return self.experiment, self.condition.index

    @property
    def error(self) -> float:
        """Standard error, in the unit of the number."""
        return abs(self.value) * self.relative_error


def build_points(
    experiments: Sequence[ExperimentAnalysis], *, rate: str = FIRST_RATE, amplitude: bool = False
) -> list[SecondaryPoint]:
    """Make a point of every condition whose rate may be used.

    Parameters
    ----------
    rate
        Column of the phase's rate constant. Phases repeat each in their own way, so that the errors
        are those of this one.
    amplitude
        Whether the point is the amplitude of the phase.
    """
    names = _constant_extras(experiments)
    phases = {
        (experiment.name, condition.index): phase
        for experiment in experiments
        for condition in experiment.conditions
        if (phase := condition.phase(rate)) is not None and _is_known(phase, amplitude=amplitude)
    }
    runs = {key: phase.sizes if amplitude else phase.run for key, phase in phases.items()}
    common = pool(list(runs.values()))
    return [
        SecondaryPoint(
            experiment=experiment.name,
            condition=condition,
            phase=phase,
            column=AMPLITUDES[rate] if amplitude else rate,
            value=phase.amplitude if amplitude else phase.mean.k_per_s,
            extra=tuple((name, condition.conditions.extra.get(name, "")) for name in names),
            relative_error=_relative_error(runs[experiment.name, condition.index].error, common),
            error_dof=common.dof,
        )
        for experiment in experiments
        for condition in experiment.conditions
        if (phase := phases.get((experiment.name, condition.index))) is not None
        and phase.mean.shots
        and verdict_of(condition.findings) is not Verdict.FAIL
    ]


def _is_known(phase: PhaseMean, *, amplitude: bool) -> bool:
    """Whether there is an amplitude, of a size that is known for every shot."""
    if not amplitude:
        return True
    known = np.isfinite(phase.sizes.log_k).all() and np.isfinite(phase.sizes.error).all()
    return bool(known) and isfinite(phase.amplitude)


def _relative_error(errors: FloatArray, common: Repeatability) -> float:
    """Error of the mean of ln k; never exactly 0."""
    variance = common.tau**2 + float((errors**2).mean()) if len(errors) else 0.0
    return max(sqrt(variance / max(len(errors), 1)), SMALLEST_ERROR)


def _constant_extras(experiments: Sequence[ExperimentAnalysis]) -> tuple[str, ...]:
    """Workbook columns that describe the mixture: equal for all replicates, everywhere.

    A column that says the same everywhere, or no more than substrate and ionic strength, is none.
    """
    varying: set[str] = set()
    seen: dict[str, dict[object, set[str]]] = {}
    replicated = False
    for experiment in experiments:
        for condition in experiment.conditions:
            extras = [experiment.shots[i].shot.conditions.extra for i in condition.members]
            replicated = replicated or len(extras) > 1
            for name in dict.fromkeys(name for extra in extras for name in extra):
                texts = {extra.get(name, "") for extra in extras}
                given = condition.conditions
                stated = (given.substrate, given.ionic_strength_M)
                seen.setdefault(name, {}).setdefault(stated, set()).update(texts)
                if len(texts) > 1:
                    varying.add(name)
    telling = [
        name
        for name, texts in seen.items()
        if name not in varying and any(len(found) > 1 for found in texts.values())
    ]
    # A pH tells mixtures apart whether or not there are replicates to show that it belongs to them.
    return tuple(name for name in telling if replicated or is_ph(name))


def group_points(
    points: Sequence[SecondaryPoint], *, leave_out: str, ignoring: str = ""
) -> list[list[SecondaryPoint]]:
    """Points that differ in one thing, with at least 3 values of it, and in what is ignored."""
    names = [name for name, _ in points[0].extra] if points else []
    free = {leave_out, ignoring} - {""}
    ignored = {name for name in names for item in free if _follows(name, points, item)}
    groups: dict[tuple[object, ...], list[SecondaryPoint]] = {}
    for point in points:
        if coordinate_of(point, leave_out) is None:
            continue
        given = point.condition.conditions
        others = tuple(
            coordinate_of(point, name)
            for name in ("concentration", "temperature")
            if name not in free
        )
        extra = tuple(item for item in point.extra if item[0] not in ignored)
        key = (given.substrate, others, given.ionic_strength_M, extra)
        groups.setdefault(key, []).append(point)
    return [
        group
        for group in groups.values()
        if len({coordinate_of(point, leave_out) for point in group}) >= FEWEST_POINTS
    ]


def coordinate_of(point: SecondaryPoint, name: str) -> float | None:
    """Concentration after mixing, M; temperature, K; or pH."""
    if name == "concentration":
        return point.condition.concentration_after_mixing_M
    if name == "temperature":
        return point.condition.conditions.temperature_K
    return ph_of(point.condition.conditions)


def partner_M(point: SecondaryPoint, *, largest_M: float) -> float | None:
    """Concentration after mixing, M, of the reagent that the varied one reacts with.

    Parameters
    ----------
    largest_M
        Highest concentration of the varied reagent in the experiment, as the workbook states it.
    """
    stated = point.condition.conditions.concentration_M
    mixed = point.condition.concentration_after_mixing_M
    found = partner_of(point.condition.conditions, largest_M=largest_M) if stated else None
    if not stated or mixed is None or found is None:
        return None
    return found[1] * mixed / stated


def _follows(name: str, points: Sequence[SecondaryPoint], coordinate: str) -> bool:
    """Whether an extra column only repeats the coordinate, e.g. a temperature in words."""
    if coordinate == "pH" and is_ph(name):
        return True
    texts: dict[float | None, set[str]] = {}
    for point in points:
        texts.setdefault(coordinate_of(point, coordinate), set()).add(dict(point.extra)[name])
    single = all(len(found) == 1 for found in texts.values())
    return single and len({text for found in texts.values() for text in found}) > 1


def common_conditions(
    points: Sequence[SecondaryPoint], *, leave_out: Sequence[str]
) -> dict[str, float | str]:
    """Return what the points have in common, by column of a table of conditions.

    Parameters
    ----------
    leave_out
        What varies: ``"concentration"``, ``"temperature"`` or both.
    """
    given = points[0].condition
    numbers = {
        "concentration": ("concentration_M", given.concentration_after_mixing_M),
        "temperature": ("temperature_K", given.conditions.temperature_K),
        "ionic strength": ("ionic_strength_M", given.conditions.ionic_strength_M),
    }
    shared = [item for item in points[0].extra if all(item in point.extra for point in points)]
    return {
        "substrate": given.conditions.substrate or "",
        "mixture": ", ".join(f"{name} {text}" for name, text in shared if text),
        **{
            column: nan if value is None or name in leave_out else value
            for name, (column, value) in numbers.items()
        },
    }


def describe_points(shared: Mapping[str, float | str]) -> str:
    """Name what points have in common, as `common_conditions` gives it."""
    forms = {
        "substrate": "{}",
        "concentration_M": "{:.4g} M",
        "temperature_K": "{:.2f} K",
        "ionic_strength_M": "I = {:.4g} M",
        "mixture": "{}",
    }
    said = [form.format(shared[name]) for name, form in forms.items() if _is_given(shared[name])]
    return ", ".join(said)


def _is_given(value: float | str) -> bool:
    return bool(value) if isinstance(value, str) else not isnan(value)
