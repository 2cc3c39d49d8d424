"""One free rate: variable projection with an exact Newton step, global in k.

The baseline (straight line, or what is left of it) is projected out of the signal and of the
exponential. What remains to be maximised over ``x = ln(k T)`` is the explained sum of squares
``G(x) = (y . e)^2 / (e . e)`` of the projected vectors, after Golub and Pereyra, SIAM J. Numer.
Anal. 10, 413 (1973), 10.1137/0710036. A scan of G on a logarithmic grid of rates sees every
maximum, so no starting value is needed.
"""

from dataclasses import dataclass
from math import exp, log

import numpy as np
from scipy.optimize import minimize_scalar

from stopflow.kinetics.fit_blocks import block_means
from stopflow.kinetics.fit_evidence import Evidence, no_amplitude
from stopflow.kinetics.fit_frame import orthonormal_rows
from stopflow.kinetics.fit_pins import Pins
from stopflow.kinetics.fit_result import FitStatus, Refusal
from stopflow.kinetics.fit_screen import ROUNDING, SLOWEST_KT, Window, fastest_kt
from stopflow.kinetics.models import baseline_rows
from stopflow.trace import FloatArray

# In ln k; G is a smooth function of ln k that changes over about 1.
GRID_STEP = 0.15
NEWTON_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OneRate:
    """The projected problem.

    Attributes
    ----------
    time
        (N,) dimensionless.
    root_weights
        (N,) or None.
    frame
        (b, N) orthonormal rows spanning the weighted baseline.
    signal
        (N,) weighted signal, baseline projected out.
    tie
        (N,) what is added to the exponential by ties to its amplitude, or None.
    """

    time: FloatArray
    root_weights: FloatArray | None
    frame: FloatArray
    signal: FloatArray
    tie: FloatArray | None


def has_one_rate(pins: Pins) -> bool:
    """Whether exactly one exponential with a free rate and a free amplitude is left."""
    free_amplitude = bool(pins.mixing[:, 0].any())
    return pins.law.exponentials == 1 and bool(pins.free[0]) and free_amplitude


def project(
    pins: Pins, time: FloatArray, signal: FloatArray, root_weights: FloatArray | None
) -> OneRate:
    """Project the baseline out of the signal."""
    law = pins.law
    lines = baseline_rows(
        time, slope="slope_per_s" in law.linear, intercept="intercept" in law.linear
    )
    tied = pins.mixing[0, 1:]
    tie = tied @ lines if tied.any() else None
    frame = pins.mixing[1:, 1:] @ lines if pins.pinned else lines
    rest = signal - pins.offset[1:] @ lines if pins.offset.any() else signal
    if root_weights is not None:
        frame, rest = frame * root_weights, rest * root_weights
    frame = orthonormal_rows(frame)
    for _ in range(2):
        rest = rest - (frame @ rest) @ frame
    return OneRate(time=time, root_weights=root_weights, frame=frame, signal=rest, tie=tie)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """Where the sum of squares is smallest, in dimensionless units.

    Attributes
    ----------
    theta
        (q,) all nonlinear parameters.
    coefficients
        (f,) free linear parameters; those of the baseline may still be 0.
    evidence
        That there is a decay at all.
    """

    theta: FloatArray
    coefficients: FloatArray
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The explained sum of squares on the grid.

    Attributes
    ----------
    log_rates
        (G,) ln(k T).
    explained
        (G,) part of the projected signal's sum of squares explained, 0 to 1.
    length
        Length of the curve that the unit vectors draw on the sphere.
    """

    log_rates: FloatArray
    explained: FloatArray
    length: float


def rate_grid(fastest: float) -> FloatArray:
    """Grid of ln(k T) from the slowest to the fastest rate that can be seen."""
    low, high = log(SLOWEST_KT), log(fastest)
    count = max(int((high - low) / GRID_STEP) + 2, 4)
    return np.linspace(low, high, count)


def unit_vectors(problem: OneRate, log_rates: FloatArray) -> FloatArray:
    """Projected exponentials (G, N), normalised; zero where nothing is left but rounding."""
    columns = np.exp(-np.exp(log_rates)[:, None] * problem.time)
    if problem.tie is not None:
        columns += problem.tie
    if problem.root_weights is not None:
        columns *= problem.root_weights
    before = np.einsum("gn,gn->g", columns, columns)
    for _ in range(2):
        columns -= (columns @ problem.frame.T) @ problem.frame
    after = np.einsum("gn,gn->g", columns, columns)
    alive = after > ROUNDING**2 * before
    columns *= np.where(alive, 1 / np.sqrt(np.where(alive, after, 1)), 0)[:, None]
    return columns


def scan(problem: OneRate, log_rates: FloatArray) -> Scan:
    """Explain the signal by every rate of the grid."""
    vectors = unit_vectors(problem, log_rates)
    total = problem.signal @ problem.signal
    steps = np.diff(vectors, axis=0)
    return Scan(
        log_rates=log_rates,
        explained=(vectors @ problem.signal) ** 2 / total,
        length=float(np.sqrt(np.einsum("gn,gn->g", steps, steps)).sum()),
    )


@dataclass(frozen=True, slots=True)
class Slope:
    """First and second derivative of G in x, and the amplitude, at one x."""

    first: float
    second: float
    amplitude: float
    explained: float


def newton_terms(problem: OneRate, x: float) -> Slope:
    """Evaluate G, its derivatives and the amplitude; one exponential per point."""
    rate = exp(x)
    scaled = problem.time * -rate
    column = np.exp(scaled)
    if problem.root_weights is not None:
        column *= problem.root_weights
    first = scaled * column
    second = first * (scaled + 1)
    if problem.tie is not None:
        column = column + (
            problem.tie if problem.root_weights is None else problem.tie * problem.root_weights
        )
    signal, frame = problem.signal, problem.frame
    column = column - (frame @ column) @ frame
    inside = frame @ first
    a, a1, a2 = signal @ column, signal @ first, signal @ second
    s, s1 = column @ column, 2 * (column @ first)
    s2 = 2 * (first @ first - inside @ inside + column @ second)
    if s <= 0:
        return Slope(0.0, 0.0, 0.0, 0.0)
    c = a / s
    c1 = (a1 - c * s1) / s
    return Slope(
        first=float(2 * c * a1 - c * c * s1),
        second=float(2 * (c1 * a1 + c * a2) - 2 * c * c1 * s1 - c * c * s2),
        amplitude=float(c),
        explained=float(a * c),
    )


def climb(problem: OneRate, x: float, *, low: float, high: float) -> tuple[float, Slope]:
    """Newton from `x` to the maximum of G between `low` and `high`, to machine precision.

    A step that leaves the bracket, or a G that is not concave, goes to Brent's method first.
    """
    terms = newton_terms(problem, x)
    best = float("inf")
    for _ in range(NEWTON_STEPS):
        if terms.second >= 0:
            break
        step = -terms.first / terms.second
        if not low <= x + step <= high:
            break
        # The last digits only wander: stop when a step is no smaller than the one before.
        if abs(step) < 1e-9 and abs(step) >= best / 4:
            return x, terms
        best = abs(step)
        x += step
        if best < 1e-13:
            return x, terms
        terms = newton_terms(problem, x)
    found = minimize_scalar(
        lambda at: -newton_terms(problem, at).explained,
        bounds=(low, high),
        method="bounded",
        options={"xatol": 1e-9},
    )
    x = float(found.x)
    terms = newton_terms(problem, x)
    if terms.second < 0 and low <= x - terms.first / terms.second <= high:
        x -= terms.first / terms.second
        terms = newton_terms(problem, x)
    return x, terms


def edge_refusal(rate: float, *, fastest: float, length_s: float) -> Refusal | None:
    """Refuse a `rate` k T at the edge of what the window or the sampling can show."""
    if rate <= SLOWEST_KT * (1 + 1e-6):
        return Refusal(
            status=FitStatus.TOO_SLOW,
            reason=f"no decay within the window of {length_s:.4g} s: k would be below "
            f"{SLOWEST_KT / length_s:.3g}/s, or the curve bends the other way",
        )
    if rate >= fastest * (1 - 1e-6):
        return Refusal(
            status=FitStatus.TOO_FAST,
            reason="the signal falls within the first points: k would be above "
            f"{fastest / length_s:.4g}/s, the fastest this sampling can show",
        )
    return None


def solve_one_rate(pins: Pins, window: Window) -> Solution | Refusal:
    """Scan block means, then climb on the points themselves."""
    fastest = fastest_kt(window.time)
    coarse = project(pins, *block_means(window))
    fine = project(pins, window.time, window.signal, window.root_weights)
    rest = float(fine.signal @ fine.signal)
    whole = window.weighted(window.signal)
    if rest <= len(whole) * ROUNDING**2 * (whole @ whole):
        return Refusal(
            status=FitStatus.NO_AMPLITUDE, reason="the signal is a straight line, without a decay"
        )
    scanned = scan(coarse, rate_grid(fastest))
    x, terms = max(
        (_climb_from(coarse, fine, scanned, top) for top in summits(scanned.explained)),
        key=lambda found: found[1].explained,
    )
    solution = Solution(
        theta=np.array([exp(x)]),
        coefficients=terms.amplitude * (np.arange(len(pins.mixing)) == 0),
        evidence=Evidence(
            explained=terms.explained / rest,
            length=scanned.length,
            free=len(fine.time) - len(fine.frame),
        ),
    )
    return (
        no_amplitude(solution.evidence)
        or edge_refusal(exp(x), fastest=fastest, length_s=window.length_s)
        or solution
    )


def summits(explained: FloatArray) -> list[int]:
    """Grid indices of maxima that could be the highest one, the highest first.

    Block means misplace a maximum's height a little, so near rivals are tried as well.
    """
    padded = np.concatenate(([-1.0], explained, [-1.0]))
    tops = np.flatnonzero((explained >= padded[:-2]) & (explained > padded[2:]))
    order = tops[np.argsort(-explained[tops])]
    return [int(i) for i in order[:3] if explained[i] > 0.9 * explained[order[0]]]


def _climb_from(coarse: OneRate, fine: OneRate, scanned: Scan, top: int) -> tuple[float, Slope]:
    """Follow one summit of the scan up to the maximum on the points."""
    grid = scanned.log_rates
    last = len(grid) - 1
    low, high = float(grid[max(top - 1, 0)]), float(grid[min(top + 1, last)])
    if top in (0, last):
        edge = float(grid[top])
        terms = newton_terms(fine, edge)
        if (terms.first <= 0) == (top == 0):
            return edge, terms
    x, _ = climb(coarse, float(grid[top]), low=low, high=high)
    # Blocks and points differ by little; still the maximum may lie just outside.
    return climb(fine, x, low=low - GRID_STEP, high=high + GRID_STEP)
