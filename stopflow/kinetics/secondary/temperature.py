"""Rates against temperature: Arrhenius and Eyring.

Where every experiment of a plot has a k_on of its own from the line against concentration, that is
what temperature acts on; k_obs mixes it with k_off and the concentration. Else k_obs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from stopflow.kinetics.secondary.curves import CURVES
from stopflow.kinetics.secondary.fit import Parameter, SecondaryFit, quote_parameters
from stopflow.kinetics.secondary.points import (
    SecondaryPoint,
    coordinate_of,
    describe_points,
    group_points,
)
from stopflow.kinetics.secondary.regression import fit_curve

SCATTERED = 1e-4
K_OBS, K_ON = "k_obs in 1/s", "k_on in 1/(M s) from the line of each experiment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A rate at one temperature, with its relative error and, for k_on, its 95 % interval."""

    experiment: str
    kelvin: float
    k: float
    error: float
    low: float = nan
    high: float = nan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConcentrationLine:
    """The chosen straight line of one experiment, and the points that it goes through."""

    fit: SecondaryFit
    points: Sequence[SecondaryPoint]

    @property
    def k_on(self) -> Parameter:
        """Its slope."""
        return next(item for item in self.fit.parameters if item.name == "k_on")

    @property
    def rate(self) -> Rate:
        """k_on at the temperature of the points."""
        return Rate(
            experiment=self.fit.experiment,
            kelvin=_kelvin(self.points[0]),
            k=self.k_on.value,
            error=self.k_on.stderr / self.k_on.value,
            low=self.k_on.low,
            high=self.k_on.high,
        )


def fit_temperature(
    points: Sequence[SecondaryPoint], lines: Sequence[ConcentrationLine]
) -> list[SecondaryFit]:
    """Fit every plot against temperature.

    Parameters
    ----------
    points
        All conditions with a rate.
    lines
        Chosen straight lines against concentration, with their points.
    """
    usable = {id(line.points[0]): line for line in lines if line.k_on.value > 0}
    firsts = [line.points[0] for line in usable.values()]
    of_point = {id(point): key for key, line in usable.items() for point in line.points}
    fits, left = [], group_points(points, leave_out="temperature")
    for group in group_points(firsts, leave_out="temperature", ignoring="concentration"):
        members = {id(point) for point in group}
        met = [item for item in left if any(of_point.get(id(p)) in members for p in item)]
        if all(of_point.get(id(point)) in members for item in met for point in item):
            fits += _fit_both([usable[id(point)].rate for point in group], group, k_on=True)
            left = [item for item in left if item not in met]
    for group in left:
        fits += _fit_both([_k_obs(point) for point in group], group, k_on=False)
    return fits


def _k_obs(point: SecondaryPoint) -> Rate:
    return Rate(
        experiment=point.experiment,
        kelvin=_kelvin(point),
        k=point.k_per_s,
        error=point.relative_error,
    )


def _kelvin(point: SecondaryPoint) -> float:
    return coordinate_of(point, "temperature") or nan


def _fit_both(
    rates: Sequence[Rate], group: Sequence[SecondaryPoint], *, k_on: bool
) -> list[SecondaryFit]:
    """Fit Arrhenius' and Eyring's lines; k_on comes as rows of its own for each temperature."""
    rates = sorted(rates, key=lambda rate: rate.kelvin)
    kelvin, k, error = (
        np.array([getattr(rate, name) for rate in rates]) for name in ("kelvin", "k", "error")
    )
    names = list(dict.fromkeys(rate.experiment for rate in rates))
    experiment = names[0] if len(names) == 1 else ""
    left_out = ("temperature", "concentration") if k_on else ("temperature",)
    described = describe_points(group, leave_out=left_out)
    fits = []
    for kind, y in (("arrhenius", np.log(k)), ("eyring", np.log(k / kelvin))):
        curve = fit_curve(CURVES[kind], 1 / kelvin, y, error)
        if curve is None:
            continue
        off_line = curve.misfit_chance < SCATTERED
        text = f"{CURVES[kind].equation}, k = {K_ON if k_on else K_OBS}"
        fits.append(
            SecondaryFit(
                plot=f"temperature/{experiment}/{described}/{kind}{'/k_on' if k_on else ''}",
                experiment=experiment,
                group=described,
                kind=kind,
                chosen=not off_line,
                x=1 / kelvin,
                y=y,
                error=error,
                curve=curve,
                parameters=quote_parameters(curve),
                members=() if k_on else tuple(point.place for point in group),
                rates=() if k_on else tuple(point.phase.rate for point in group),
                made_of=tuple(_as_parameter(rate) for rate in rates) if k_on else (),
                text=text
                + ("; the points do not lie on a line within their errors" if off_line else ""),
            )
        )
    return fits


def _as_parameter(rate: Rate) -> Parameter:
    """Name a k_on by its temperature, as the table and the picture need it."""
    return Parameter(
        name=f"k_on at {rate.kelvin:.2f} K",
        value=rate.k,
        stderr=rate.k * rate.error,
        low=rate.low,
        high=rate.high,
        unit="M^-1 s^-1",
    )
