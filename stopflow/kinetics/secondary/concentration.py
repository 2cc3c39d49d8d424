"""One plot against concentration: the points of one phase, the curves tried, the one chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from stopflow.kinetics.laws.phases import AMPLITUDES, FIRST_RATE, name_phase
from stopflow.kinetics.secondary.choice import choose_curve, curve_to_report
from stopflow.kinetics.secondary.curve_model import PARTNER, SecondaryCurve
from stopflow.kinetics.secondary.curve_table import rivals
from stopflow.kinetics.secondary.fit import SecondaryFit, quote_parameters
from stopflow.kinetics.secondary.points import (
    SecondaryPoint,
    common_conditions,
    coordinate_of,
    describe_points,
    partner_M,
)
from stopflow.kinetics.secondary.regression import Curve, curvature_chance, fit_curve
from stopflow.kinetics.verdicts.series import ExperimentAnalysis
from stopflow.trace import FloatArray

CURVED = 0.01
SCATTERED = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConcentrationPlot:
    """Points in order of concentration, and what was fitted to them.

    Attributes
    ----------
    x, y, error
        (n,) concentrations in M and the numbers with their errors.
    """

    points: tuple[SecondaryPoint, ...]
    x: FloatArray
    y: FloatArray
    error: FloatArray
    curves: tuple[Curve, ...]
    chosen: Curve
    following: Curve | None
    behind: float

    @property
    def error_dof(self) -> float:
        """Degrees of freedom behind the errors."""
        return self.points[0].error_dof

    @property
    def columns(self) -> tuple[str, ...]:
        """Which column of the table of conditions each point is."""
        return tuple(point.column for point in self.points)


def build_plot(
    points: Sequence[SecondaryPoint],
    *,
    given: Mapping[str, float],
    models: Sequence[SecondaryCurve] | None = None,
) -> ConcentrationPlot:
    """Fit every curve to the points, at least one of which always can be, and choose.

    Parameters
    ----------
    given
        What the lab knows, by `CurveParameter.given`.
    models
        Curves that compete; None: all for points of this kind.
    """
    ordered = sorted(points, key=lambda point: coordinate_of(point, "concentration") or 0.0)
    x = np.array([coordinate_of(point, "concentration") for point in ordered], dtype=np.float64)
    y = np.array([point.value for point in ordered])
    error = np.array([point.error for point in ordered])
    of = "amplitude" if ordered[0].column in AMPLITUDES.values() else "rate"
    tried = rivals("concentration", of=of) if models is None else models
    curves = [
        curve
        for model in tried
        if (curve := fit_curve(model, x, y, error, error_dof=ordered[0].error_dof, given=given))
        is not None
    ]
    chosen, following, behind = choose_curve(curves)
    return ConcentrationPlot(
        points=tuple(ordered),
        x=x,
        y=y,
        error=error,
        curves=tuple(curves),
        chosen=chosen,
        following=following,
        behind=behind,
    )


def known_of(points: Sequence[SecondaryPoint], experiment: ExperimentAnalysis) -> dict[str, float]:
    """Look up what the lab knows that a curve may need: the partner, where all have the same."""
    stated = [item.conditions.concentration_M or 0.0 for item in experiment.conditions]
    largest = max(stated, default=0.0)
    found = {partner_M(point, largest_M=largest) for point in points}
    partner = next(iter(found)) if len(found) == 1 else None
    return {} if partner is None else {PARTNER: partner}


def describe_plot(
    plot: ConcentrationPlot,
    experiment: str,
    *,
    unit: str = "s^-1",
    note: str = "",
    instead: Sequence[Curve] = (),
) -> list[SecondaryFit]:
    """Write the plot as one entry a curve.

    Parameters
    ----------
    unit
        Of the points.
    note
        What is to be said of every curve of the plot.
    instead
        Curves of a model of both phases; the first is chosen instead of the plot's own.
    """
    taken = instead[0] if instead else plot.chosen
    of_amplitude = taken.model.of == "amplitude"
    chance = curvature_chance(plot.x, plot.y, plot.error, error_dof=plot.error_dof)
    shared = common_conditions(plot.points, leave_out=("concentration",))
    described = describe_points(shared)
    phase = name_phase(plot.columns)
    place = "" if set(plot.columns) == {FIRST_RATE} else f"/{phase}"
    reported, why = curve_to_report(taken, plot.curves, span=float(np.ptp(plot.x)))
    bent = taken.model.kind == "line" and chance < CURVED
    fits = []
    for curve in (*plot.curves, *instead):
        shape = "" if of_amplitude or curve.model.mechanism else _shape(curve, chance)
        rank = "" if instead else _rank(curve, plot)
        follows = curve.misfit_chance >= SCATTERED or curve.error_dof == 0
        remark = why if curve in (taken, reported) else ""
        said = (remark or shape, rank, note)
        fits.append(
            SecondaryFit(
                plot=f"concentration/{experiment}/{described}{place}",
                experiment=experiment,
                group=described,
                shared=shared,
                kind=curve.model.kind,
                chosen=curve is reported and not bent and (follows or not of_amplitude),
                x=plot.x,
                y=plot.y,
                error=plot.error,
                members=tuple(point.place for point in plot.points),
                rates=plot.columns,
                curve=curve,
                parameters=quote_parameters(curve, unit=unit),
                text=curve.model.equation,
                remark="; ".join(part for part in said if part),
            )
        )
    return fits


def _shape(curve: Curve, chance: float) -> str:
    scatters = curve.misfit_chance < SCATTERED
    scatter = "the points scatter more than their errors say" if scatters else ""
    if curve.model.kind != "line":
        return scatter
    if not isnan(chance) and chance < CURVED:
        return f"curved (chance {chance:.1g} for a straight line)"
    said = f"{'curvature not shown' if scatters else 'straight'} (p = {chance:.2f})"
    said = "too few concentrations to test linearity" if isnan(chance) else said
    return f"{said}, but {scatter}" if scatter else said


def _rank(curve: Curve, plot: ConcentrationPlot) -> str:
    if curve is not plot.chosen or plot.following is None:
        return ""
    kind = plot.following.model.kind
    if plot.behind < 0:
        return f"not better by enough to take: {kind} (AICc {plot.behind:+.1f})"
    return f"next best: {kind} (AICc {plot.behind:+.1f})"
