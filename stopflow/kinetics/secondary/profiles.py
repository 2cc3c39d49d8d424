"""Rates against temperature (Arrhenius, Eyring) and against pH.

Where every experiment of a plot has a k_on of its own from its plot against concentration, that is
what temperature or pH acts on; k_obs mixes it with k_off and the concentration. Else k_obs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan

import numpy as np

from stopflow.kinetics.secondary.choice import choose_curve, curve_to_report
from stopflow.kinetics.secondary.curve_table import CURVES, rivals
from stopflow.kinetics.secondary.fit import Parameter, SecondaryFit, quote_parameters
from stopflow.kinetics.secondary.points import (
    SecondaryPoint,
    common_conditions,
    coordinate_of,
    describe_points,
    group_points,
)
from stopflow.kinetics.secondary.regression import Curve, fit_curve
from stopflow.trace import FloatArray

SCATTERED = 1e-4
K_OBS, K_ON = "k_obs in 1/s", "k_on in 1/(M s) from the plot of each experiment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A rate at one temperature or pH, with its relative error and, for k_on, its 95 % interval."""

    experiment: str
    at: float
    k: float
    error: float
    low: float = nan
    high: float = nan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConcentrationLine:
    """The chosen curve of one experiment, a line as a rule, and the points that it goes through."""

    fit: SecondaryFit
    points: Sequence[SecondaryPoint]

    @property
    def k_on(self) -> Parameter:
        """Its slope, or what stands for it."""
        return next(item for item in self.fit.parameters if item.name == "k_on")

    def rate(self, coordinate: str) -> Rate:
        """k_on at the temperature or pH of the points."""
        return Rate(
            experiment=self.fit.experiment,
            at=coordinate_of(self.points[0], coordinate) or nan,
            k=self.k_on.value,
            error=self.k_on.stderr / self.k_on.value,
            low=self.k_on.low,
            high=self.k_on.high,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drawn:
    """Points of one plot as they are fitted, with the curves and which of these are reported."""

    name: str
    x: FloatArray
    y: FloatArray
    error: FloatArray
    curves: tuple[Curve, ...]
    reported: tuple[bool, ...]
    remarks: tuple[str, ...]


def fit_profiles(
    points: Sequence[SecondaryPoint], lines: Sequence[ConcentrationLine]
) -> list[SecondaryFit]:
    """Fit every plot against temperature and against pH.

    Parameters
    ----------
    points
        All conditions with a rate.
    lines
        Chosen curves against concentration that have a k_on, with their points.
    """
    return [
        fit
        for coordinate, draw in _DRAWN.items()
        for fit in _fit_against(coordinate, draw, points, lines)
    ]


def _fit_against(
    coordinate: str,
    draw: Callable[[FloatArray, FloatArray, FloatArray, float], list[_Drawn]],
    points: Sequence[SecondaryPoint],
    lines: Sequence[ConcentrationLine],
) -> list[SecondaryFit]:
    usable = {id(line.points[0]): line for line in lines if line.k_on.value > 0}
    firsts = [line.points[0] for line in usable.values()]
    of_point = {id(point): key for key, line in usable.items() for point in line.points}
    fits, left = [], group_points(points, leave_out=coordinate)
    for group in group_points(firsts, leave_out=coordinate, ignoring="concentration"):
        members = {id(point) for point in group}
        met = [item for item in left if any(of_point.get(id(p)) in members for p in item)]
        if all(of_point.get(id(point)) in members for item in met for point in item):
            rates = [usable[id(point)].rate(coordinate) for point in group]
            fits += _describe(coordinate, draw, rates, group, k_on=True)
            left = [item for item in left if item not in met]
    for group in left:
        rates = [_k_obs(point, coordinate) for point in group]
        fits += _describe(coordinate, draw, rates, group, k_on=False)
    return fits


def _k_obs(point: SecondaryPoint, coordinate: str) -> Rate:
    return Rate(
        experiment=point.experiment,
        at=coordinate_of(point, coordinate) or nan,
        k=point.value,
        error=point.relative_error,
    )


def _describe(
    coordinate: str,
    draw: Callable[[FloatArray, FloatArray, FloatArray, float], list[_Drawn]],
    rates: Sequence[Rate],
    group: Sequence[SecondaryPoint],
    *,
    k_on: bool,
) -> list[SecondaryFit]:
    """Fit one group of rates; k_on comes as rows of its own for each temperature or pH."""
    order = sorted(range(len(rates)), key=lambda place: rates[place].at)
    rates = [rates[place] for place in order]
    at, k, error = (
        np.array([getattr(rate, name) for rate in rates]) for name in ("at", "k", "error")
    )
    names = list(dict.fromkeys(rate.experiment for rate in rates))
    experiment = names[0] if len(names) == 1 else ""
    left_out = (coordinate, "concentration") if k_on else (coordinate,)
    shared = common_conditions(group, leave_out=left_out)
    described = describe_points(shared)
    dof = inf if k_on else group[0].error_dof
    return [
        SecondaryFit(
            plot=f"{coordinate}/{experiment}/{described}/{drawn.name}{'/k_on' if k_on else ''}",
            experiment=experiment,
            group=described,
            shared=shared,
            kind=curve.model.kind,
            chosen=reported,
            x=drawn.x,
            y=drawn.y,
            error=drawn.error,
            curve=curve,
            parameters=quote_parameters(curve, unit="M^-1 s^-1" if k_on else "s^-1"),
            members=() if k_on else tuple(group[place].place for place in order),
            rates=() if k_on else tuple(group[place].column for place in order),
            made_of=tuple(_as_parameter(rate, coordinate) for rate in rates) if k_on else (),
            text=f"{curve.model.equation}, k = {K_ON if k_on else K_OBS}",
            remark=remark,
        )
        for drawn in draw(at, k, error, dof)
        for curve, reported, remark in zip(drawn.curves, drawn.reported, drawn.remarks, strict=True)
    ]


def _against_temperature(
    kelvin: FloatArray,
    k: FloatArray,
    error: FloatArray,
    error_dof: float,  # noqa: ARG001
) -> list[_Drawn]:
    """Arrhenius' and Eyring's line, each with an ordinate of its own."""
    drawn = []
    for kind, y in (("arrhenius", np.log(k)), ("eyring", np.log(k / kelvin))):
        curve = fit_curve(CURVES[kind], 1 / kelvin, y, error)
        if curve is None:
            continue
        on_line = curve.misfit_chance >= SCATTERED
        remark = "" if on_line else "the points do not lie on a line within their errors"
        drawn.append(
            _Drawn(
                name=kind,
                x=1 / kelvin,
                y=y,
                error=error,
                curves=(curve,),
                reported=(on_line,),
                remarks=(remark,),
            )
        )
    return drawn


def _against_ph(ph: FloatArray, k: FloatArray, error: FloatArray, error_dof: float) -> list[_Drawn]:
    """One pKa, two of them, or none: the one that AICc prefers."""
    found = (fit_curve(model, ph, k, error * k, error_dof=error_dof) for model in rivals("pH"))
    curves = tuple(curve for curve in found if curve is not None)
    if not curves:
        return []
    chosen, following, behind = choose_curve(curves)
    on_curve = chosen.misfit_chance >= SCATTERED or error_dof == 0
    reported, why = curve_to_report(chosen, curves, span=float(np.ptp(ph)))
    said = [] if following is None else [f"next best: {following.model.kind} (AICc {behind:+.1f})"]
    said += [why] if why else []
    said += [] if on_curve else ["the points do not follow it within their errors"]
    return [
        _Drawn(
            name="profile",
            x=ph,
            y=k,
            error=error * k,
            curves=curves,
            reported=tuple(curve is reported and on_curve for curve in curves),
            remarks=tuple("; ".join(said) if curve is chosen else "" for curve in curves),
        )
    ]


_DRAWN: dict[str, Callable[[FloatArray, FloatArray, FloatArray, float], list[_Drawn]]] = {
    "temperature": _against_temperature,
    "pH": _against_ph,
}


def _as_parameter(rate: Rate, coordinate: str) -> Parameter:
    """Name a k_on by its temperature or pH, as the table shows it."""
    place = f"{rate.at:.2f} K" if coordinate == "temperature" else f"pH {rate.at:.2f}"
    return Parameter(
        role="point",
        name=f"k_on at {place}",
        at=rate.at,
        value=rate.k,
        stderr=rate.k * rate.error,
        low=rate.low,
        high=rate.high,
        unit="M^-1 s^-1",
    )
