"""Which conditions of a lab make up one secondary plot: they differ in one thing only."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from stopflow.kinetics.verdicts.findings import Verdict, verdict_of
from stopflow.kinetics.verdicts.repeatability import Repeatability, pool
from stopflow.kinetics.verdicts.series import ConditionAnalysis, ExperimentAnalysis
from stopflow.kinetics.verdicts.series_phases import FIRST_RATE, PhaseMean
from stopflow.trace import FloatArray

FEWEST_POINTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryPoint:
    """The mean rate of one phase of a condition as a point.

    Attributes
    ----------
    phase
        Whose rate it is.
    extra
        Workbook columns that describe the mixture.
    relative_error
        Of the mean k, as the repeatability of the whole lab gives it.
    error_dof
        Degrees of freedom behind it; 0 without replicates: then it is that of the fits alone.
    """

    experiment: str
    condition: ConditionAnalysis
    phase: PhaseMean
    extra: tuple[tuple[str, str], ...]
    relative_error: float
    error_dof: int

    @property
    def place(self) -> tuple[str, int]:
        """Name of its experiment, and its number there."""
        return self.experiment, self.condition.index

    @property
    def k_per_s(self) -> float:
        """Mean rate constant."""
        return self.phase.mean.k_per_s


def build_points(
    experiments: Sequence[ExperimentAnalysis], *, rate: str = FIRST_RATE
) -> list[SecondaryPoint]:
    """Make a point of every condition whose rate may be used.

    Parameters
    ----------
    rate
        Column of the phase's rate constant. Phases repeat each in their own way, so that the errors
        are those of this one.
    """
    names = _constant_extras(experiments)
    phases = {
        (experiment.name, condition.index): phase
        for experiment in experiments
        for condition in experiment.conditions
        if (phase := condition.phase(rate)) is not None
    }
    common = pool([phase.run for phase in phases.values()])
    return [
        SecondaryPoint(
            experiment=experiment.name,
            condition=condition,
            phase=phase,
            extra=tuple((name, condition.conditions.extra.get(name, "")) for name in names),
            relative_error=_relative_error(phase.run.error, common),
            error_dof=common.dof,
        )
        for experiment in experiments
        for condition in experiment.conditions
        if (phase := phases.get((experiment.name, condition.index))) is not None
        and phase.mean.shots
        and verdict_of(condition.findings) is not Verdict.FAIL
    ]


def _relative_error(errors: FloatArray, common: Repeatability) -> float:
    """Error of the mean of ln k; never exactly 0."""
    return max(sqrt((common.tau**2 + float((errors**2).mean())) / len(errors)), 1e-9)


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
    telling = (
        name
        for name, texts in seen.items()
        if name not in varying and any(len(found) > 1 for found in texts.values())
    )
    return tuple(telling) if replicated else ()


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
    """Concentration after mixing, M, or temperature, K."""
    if name == "concentration":
        return point.condition.concentration_after_mixing_M
    return point.condition.conditions.temperature_K


def _follows(name: str, points: Sequence[SecondaryPoint], coordinate: str) -> bool:
    """Whether an extra column only repeats the coordinate, e.g. a temperature in words."""
    texts: dict[float | None, set[str]] = {}
    for point in points:
        texts.setdefault(coordinate_of(point, coordinate), set()).add(dict(point.extra)[name])
    single = all(len(found) == 1 for found in texts.values())
    return single and len({text for found in texts.values() for text in found}) > 1


def describe_points(points: Sequence[SecondaryPoint], *, leave_out: Sequence[str]) -> str:
    """Name what the points have in common."""
    given = points[0].condition
    parts = [given.conditions.substrate or ""]
    if "concentration" not in leave_out and given.concentration_after_mixing_M is not None:
        parts.append(f"{given.concentration_after_mixing_M * 1e3:.4g} mM")
    if "temperature" not in leave_out and given.conditions.temperature_K is not None:
        parts.append(f"{given.conditions.temperature_K:.2f} K")
    if given.conditions.ionic_strength_M is not None:
        parts.append(f"I = {given.conditions.ionic_strength_M:.4g} M")
    parts += [
        f"{name} {text}"
        for name, text in points[0].extra
        if text and all((name, text) in point.extra for point in points)
    ]
    return ", ".join(part for part in parts if part)
