"""One set of rates for several traces: replicates of a shot, or channels of one recording.

The rates (and a stretching exponent) are common; every trace keeps its amplitudes, slope and
intercept, and its own noise unless told otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import Proportional, RateLaw, find_law
from stopflow.kinetics.many.between_traces import scatter_covariance
from stopflow.kinetics.solver.any_law import Coarse, linear_part, projected_problem
from stopflow.kinetics.solver.fixed_parameters import Constraints, constrain, free_count, may_centre
from stopflow.kinetics.solver.refusals import Refusable, Refusal, refuse
from stopflow.kinetics.solver.result import Fit
from stopflow.kinetics.solver.statistics import build_fit
from stopflow.kinetics.solver.window import MIN_POINTS, Window, validate_trace
from stopflow.trace import FloatArray, frozen_array

NOISE_ROUNDS = 30
NOISE_SETTLED = 1e-12
STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedFit(Refusable):
    """Several traces with common rates.

    Attributes
    ----------
    refusal
        Why there are no numbers: that of the first trace where none can be fitted. A trace that is
        refused alone is left out and keeps its own.
    parameters, stderr
        The common nonlinear parameters by name; NaN where refused.
    covariance
        (q, q) of the free common parameters, in the law's order, for what the noise of the traces
        does alone.
    scatter
        (q, q) their covariance from the scatter between the traces; NaN for a single one.
    fits
        One for each trace: common rates, own amplitudes; errors include those of the rates.
    rss, dof
        Sum of squares over noise variances, and points less parameters, of all traces.
    """

    refusal: Refusal | None = None
    parameters: Mapping[str, float]
    stderr: Mapping[str, float]
    covariance: FloatArray
    scatter: FloatArray
    fits: tuple[Fit, ...]
    rss: float
    dof: int

    def __post_init__(self) -> None:
        for name in ("covariance", "scatter"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """One usable trace; its constraints carry the units that make common rates its own."""

    window: Window
    constraints: Constraints
    coarse: Coarse


def fit_shared(
    traces: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    law: str | RateLaw = "single-slope",
    starts_s: Sequence[float | None] | None = None,
    fixed: Mapping[str, float | Proportional] | None = None,
    own_noise: bool = True,
) -> SharedFit:
    """Fit all traces with common rates by maximum likelihood.

    Parameters
    ----------
    traces
        (time (N_i,), signal (N_i,)); lengths and grids may differ.
    starts_s
        One for each trace; None: the first points.
    own_noise
        Every trace has its own noise, estimated; False: one noise for all.

    Raises
    ------
    SettingsError
        Unknown law or parameter name.
    """
    rate_law, held = find_law(law), dict(fixed or {})
    begin = list(starts_s) if starts_s is not None else [None] * len(traces)
    alone = [
        fit_trace(time, signal, law=rate_law, start_s=start, fixed=held)
        for (time, signal), start in zip(traces, begin, strict=True)
    ]
    needed = max(MIN_POINTS, free_count(rate_law, held) + 1)
    parts: dict[int, _Part] = {}
    for i, ((time, signal), start) in enumerate(zip(traces, begin, strict=True)):
        window = validate_trace(
            time, signal, start_s=start, needed=needed, centred=may_centre(rate_law, held)
        )
        if isinstance(window, Window):
            constraints = constrain(rate_law, held, window)
            coarse = Coarse(
                constraints=constraints, time=window.time, signal=window.signal, root_weights=None
            )
            parts[i] = _Part(window=window, constraints=constraints, coarse=coarse)
    starts = [np.array([f.parameters[n] for n in rate_law.nonlinear]) for f in alone if f.ok]
    if not starts:
        return _refused(rate_law, alone)
    members = list(parts.values())
    noise = np.array([_noise_alone(part) for part in members])
    theta, noise = _maximise(members, starts, noise, own_noise=own_noise)
    if not held:
        theta = theta[rate_law.by_falling_rate(theta)[: len(theta)]]
    return _collect(rate_law, alone, parts, theta, noise)


def _refused(law: RateLaw, alone: Sequence[Fit]) -> SharedFit:
    nothing = dict.fromkeys(law.nonlinear, np.nan)
    return SharedFit(
        refusal=alone[0].refusal if alone else refuse("no-traces"),
        parameters=nothing,
        stderr=nothing,
        covariance=np.full((len(nothing), len(nothing)), np.nan),
        scatter=np.full((len(nothing), len(nothing)), np.nan),
        fits=tuple(alone),
        rss=np.nan,
        dof=0,
    )


def _noise_alone(part: _Part) -> float:
    """First guess from neighbouring differences; only relative weights matter at first."""
    steps = np.diff(part.window.signal)
    return float(np.sqrt(steps @ steps / (2 * len(steps))))


def _theta(part: _Part, theta: FloatArray) -> FloatArray:
    """Turn common parameters into the dimensionless units of one trace."""
    return theta / part.constraints.theta_units


def _stack(
    parts: Sequence[_Part], x: FloatArray, base: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Projected residuals over noise (sum N,) and their Jacobian in the logarithms (sum N, q)."""
    residuals, slopes = [], []
    for part, deviation in zip(parts, noise, strict=True):
        residual, jacobian = projected_problem(part.coarse, partial(_theta_at, part, base))
        residuals.append(residual(x) / deviation)
        slopes.append(jacobian(x) / deviation)
    return np.concatenate(residuals), np.concatenate(slopes)


def _theta_at(part: _Part, base: FloatArray, logs: FloatArray) -> FloatArray:
    """Dimensionless parameters (q,) of one trace, the free ones at common logarithms."""
    theta = base.copy()
    theta[part.constraints.free] = np.exp(logs)
    return _theta(part, theta)


def _maximise(
    parts: Sequence[_Part],
    starts: Sequence[FloatArray],
    noise: FloatArray,
    *,
    own_noise: bool,
) -> tuple[FloatArray, FloatArray]:
    """Alternate common rates and noises until both stand still."""
    free = parts[0].constraints.free
    base = starts[0].copy()
    x = np.empty(0)
    if free.any():
        found = [
            least_squares(
                lambda x: _stack(parts, x, base, noise)[0],
                np.log(start[free]),
                jac=lambda x: _stack(parts, x, base, noise)[1],
                method="lm",
            )
            for start in starts
        ]
        x = min(found, key=lambda one: float(one.cost)).x
    for _ in range(NOISE_ROUNDS):
        for _ in range(STEPS if free.any() else 0):
            residual, slopes = _stack(parts, x, base, noise)
            step = np.linalg.lstsq(slopes, residual, rcond=None)[0]
            x = x - step
            if np.abs(step).max() < NOISE_SETTLED:
                break
        before = noise
        theta = base.copy()
        theta[free] = np.exp(x)
        noise = _noises(parts, theta, own_noise=own_noise)
        if np.abs(noise / before - 1).max() < NOISE_SETTLED:
            break
    return theta, noise


def _noises(parts: Sequence[_Part], theta: FloatArray, *, own_noise: bool) -> FloatArray:
    """Dimensionless noise of every trace; the rates' parameters are counted evenly."""
    sums, dofs, units = [], [], []
    for part in parts:
        rows, rest = part.coarse.rows(_theta(part, theta))
        rest = rest - linear_part(part.coarse, _theta(part, theta)) @ rows
        sums.append(rest @ rest)
        dofs.append(len(rest) - len(rows) - part.constraints.free.sum() / len(parts))
        units.append(part.window.unit)
    total, left, unit = np.array(sums), np.array(dofs), np.array(units)
    floor = np.finfo(np.float64).eps
    if own_noise:
        return np.maximum(np.sqrt(total / left), floor)
    common = np.sqrt((total * unit**2).sum() / left.sum())
    return np.maximum(common / unit, floor)


def _collect(
    law: RateLaw,
    alone: Sequence[Fit],
    parts: Mapping[int, _Part],
    theta: FloatArray,
    noise: FloatArray,
) -> SharedFit:
    members = list(parts.values())
    free = members[0].constraints.free
    residual, slopes = _stack(members, np.log(theta[free]), theta, noise)
    upper = np.linalg.qr(slopes, mode="r")
    covariance = np.zeros((len(theta), len(theta)))
    scatter = np.full((len(theta), len(theta)), 0.0 if len(members) > 1 else np.nan)
    if free.any():
        inverse = np.linalg.inv(upper)
        logs, units = inverse @ inverse.T, np.outer(theta[free], theta[free])
        covariance[np.ix_(free, free)] = logs * units
        if len(members) > 1:
            ends = np.cumsum([len(part.window.time) for part in members])[:-1]
            between = scatter_covariance(np.split(residual, ends), np.split(slopes, ends))
            scatter[np.ix_(free, free)] = between * units
    fits = list(alone)
    linear = 0
    for (i, part), deviation in zip(parts.items(), noise, strict=True):
        fits[i] = _member(part, theta, covariance, float(deviation))
        linear += len(part.constraints.mixing)
    errors = np.sqrt(np.diag(covariance))
    return SharedFit(
        parameters=dict(zip(law.nonlinear, theta.tolist(), strict=True)),
        stderr=dict(zip(law.nonlinear, errors.tolist(), strict=True)),
        covariance=covariance,
        scatter=scatter,
        fits=tuple(fits),
        rss=float(residual @ residual),
        dof=len(residual) - linear - int(free.sum()),
    )


def _member(part: _Part, theta: FloatArray, covariance: FloatArray, noise: float) -> Fit:
    """One trace's own parameters; their errors follow those of the common rates."""
    constraints, own = part.constraints, _theta(part, theta)
    coefficients = linear_part(part.coarse, own)
    rows, rest = part.coarse.rows(own)
    rest = rest - coefficients @ rows
    slopes = constraints.law.theta_jacobian(
        part.window.time, own, constraints.linear(coefficients)
    )[constraints.free]
    frame, upper = np.linalg.qr(rows.T)
    back = np.linalg.inv(upper)
    units = constraints.theta_units[constraints.free]
    common = (
        covariance[np.ix_(constraints.free, constraints.free)] / np.outer(units, units) / noise**2
    )
    pull = -back @ (frame.T @ slopes.T)
    size = len(common)
    whole = np.empty((constraints.count, constraints.count))
    whole[:size, :size] = common
    whole[size:, :size] = pull @ common
    whole[:size, size:] = whole[size:, :size].T
    whole[size:, size:] = back @ back.T + pull @ common @ pull.T
    return build_fit(
        constraints,
        part.window,
        theta=own,
        coefficients=coefficients,
        covariance=whole,
        rss=float(rest @ rest),
        fixed={},
        noise=noise,
    )
