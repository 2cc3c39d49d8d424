"""Numbers of a global fit as its pictures need them."""

from dataclasses import dataclass

import numpy as np

from stopflow.mechanism.fit import GlobalFit
from stopflow.mechanism.problem import FitProblem
from stopflow.report.paper.rounding import format_concentration, format_temperature
from stopflow.trace import FloatArray

MOST_POINTS = 400
"""Points of a panel on paper; a trace has hundreds and a mixture many traces."""
LOGARITHMIC = 30.0
"""Ratio of the last to the first time from which a logarithmic axis shows more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MixturePanel:
    """The shots of a mixture beside the fitted curve, both from their value at mixing.

    Attributes
    ----------
    title
        Its concentrations and, where the constants depend on it, its temperature.
    time_s, signal
        Of all shots, thinned.
    residual
        The same points, in units of the noise.
    curves
        What the scheme gives, times and values: a line for each group of shots that share their
        responses.
    mean_square
        Of the residuals of all points, in units of the noise.
    """

    title: str
    time_s: FloatArray
    signal: FloatArray
    residual: FloatArray
    curves: tuple[tuple[FloatArray, FloatArray], ...]
    mean_square: float


def build_panels(fit: GlobalFit) -> list[MixturePanel]:
    """Put together a panel for each mixture, in the order of concentration."""
    problem = fit.problem
    members: dict[int, list[int]] = {}
    for number, mixture in enumerate(problem.windows.mixture):
        members.setdefault(int(mixture), []).append(number)
    order = sorted(members, key=lambda place: _order(problem, place))
    return [_panel(fit, place, members[place]) for place in order]


def _order(problem: FitProblem, place: int) -> tuple[float, ...]:
    starts = problem.starts
    return (*starts.given[place], starts.delays_s[place], problem.kelvin[place])


def _panel(fit: GlobalFit, mixture: int, members: list[int]) -> MixturePanel:
    problem, windows = fit.problem, fit.problem.windows
    bounds, lengths = windows.bounds, windows.lengths
    seen = [problem.scheme.species.index(name) for name in problem.observed]
    c = problem.concentrations(np.asarray(fit.best.theta))[mixture][:, seen]
    responses = np.broadcast_to(
        windows.spread(fit.point.responses), (len(problem.shots), len(seen))
    )
    c = c - problem.find_starts(np.asarray(fit.best.theta))[mixture, seen]
    times, signals, residuals, squares = [], [], [], 0.0
    group_of = {int(number): place for place, own in enumerate(windows.groups) for number in own}
    curves: dict[int, tuple[FloatArray, FloatArray]] = {}
    for number in members:
        shot = problem.shots[number]
        curve = c[windows.rows[number, : lengths[number]]] @ responses[number]
        residual = fit.point.residual[bounds[number] : bounds[number + 1]]
        stride = max(1, len(curve) * len(members) // MOST_POINTS)
        kept = slice(number % stride, None, stride)
        times.append(shot.time_s[kept])
        signals.append((curve + residual * shot.noise_sd)[kept])
        residuals.append(residual[kept])
        squares += float(residual @ residual) / float(lengths[members].sum())
        drawn = curves.get(group_of[number])
        if drawn is None or len(drawn[0]) < len(curve):
            curves[group_of[number]] = shot.time_s, curve
    return MixturePanel(
        title=describe_mixture(fit, mixture),
        time_s=np.concatenate(times),
        signal=np.concatenate(signals),
        residual=np.concatenate(residuals),
        curves=tuple(curves.values()),
        mean_square=squares,
    )


def describe_mixture(fit: GlobalFit, mixture: int) -> str:
    """Write what a mixture holds at the start, those species alone that are there."""
    problem = fit.problem
    said = [
        f"{name} {format_concentration(float(amount))}"
        for name, amount in zip(problem.scheme.species, problem.starts.given[mixture], strict=True)
        if amount > 0
    ]
    if problem.starts.delays_s.any():
        said.append(f"after {1e3 * problem.starts.delays_s[mixture]:.4g} ms")
    if problem.constants.reference_K is not None:
        said.append(format_temperature(float(problem.kelvin[mixture])))
    return ", ".join(said)


def choose_spread(count: int, most: int) -> list[int]:
    """Choose at most so many of `count` things, spread over all, the first and last among them."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, most).round())]
