"""Other rate laws fitted to the same trace, where its residuals call for more."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, log

import numpy as np

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import DEFAULT, find_law
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.kept_times import OfTimes
from stopflow.kinetics.solver.projection import qr_of_rows
from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.solver.result import Fit, predict
from stopflow.kinetics.solver.statistics import small_sample_aic
from stopflow.kinetics.solver.window import Window
from stopflow.kinetics.uncertainty.interval import noise_correlation
from stopflow.kinetics.verdicts.law_comparison import (
    AS_LIKELY,
    Alternative,
    LawComparison,
    describe_fit,
)
from stopflow.trace import FloatArray

# Rivals are fitted when a further phase could lower AICc by more than this.
WORTH_TRYING = 10.0
MOST_POINTS = 2000
SECOND_RATES = 24
# So close that the best of them is as good as a fit where noise hides the shape.
RATES = 48


def compare_laws(
    window: Window | Refusal, *, fits: Sequence[Fit], tried: Sequence[str], always: bool = False
) -> LawComparison:
    """Compare rate laws on one trace.

    Parameters
    ----------
    window
        The points that are fitted, centred.
    fits
        What is there already; must hold ``single-slope``, may hold any other law.
    tried
        Keys of further laws to fit: where the residuals of the default law call for more, and those
        of another shape with one rate also where they are as likely.
    always
        All of them, whatever the residuals say.
    """
    done = {fit.law: fit for fit in fits}
    if isinstance(window, Refusal):
        return LawComparison(alternatives={law: describe_fit(fit) for law, fit in done.items()})
    slope = done[DEFAULT]
    called_for = always or not slope.ok or second_phase_gain(window, slope) >= WORTH_TRYING
    found = {law: describe_fit(fit) for law, fit in done.items()}
    curves = {law: fit for law, fit in done.items() if fit.ok}
    for law in tried:
        if law in found or not (called_for or _is_as_likely(window, law, fits)):
            continue
        fit = _fit_blocks(window, law=law)
        rest = _residuals(window, fit) if fit.ok or fit.nearest else None
        found[law] = describe_fit(fit, rest=rest)
        if rest is not None:
            curves[law] = fit
    return _fairly(found, curves, window)


def _fairly(
    found: dict[str, Alternative], curves: Mapping[str, Fit], window: Window
) -> LawComparison:
    """Rate laws by the noise that the best of them leaves: a wrong law's residuals are no noise."""
    known = [law for law in curves if found[law].aicc < inf]
    if not known:
        return LawComparison(alternatives=found)
    best = min(known, key=lambda law: found[law].aicc)
    noise = noise_correlation(_residuals(window, curves[best]), parameters=found[best].numbers)
    inflation = noise.inflation if noise.significant else 1.0
    rated = {law: _rated(item, len(window.time), inflation) for law, item in found.items()}
    return LawComparison(alternatives=rated, inflation=inflation)


def _rated(item: Alternative, points: int, inflation: float) -> Alternative:
    penalty = small_sample_aic(points, numbers=item.numbers + 1, information=0.0)
    if not item.aicc < inf:
        return item
    return replace(item, fair_aicc=penalty + (item.aicc - penalty) / inflation**2)


def second_phase_gain(window: Window, fit: Fit) -> float:
    """Bound how much a further phase could lower AICc below that of a fit.

    The residuals' best projection on exp(-k2 t), beside the tangent plane of the fit (score
    test); a law with slope and second phase is never worse than one without the slope.
    """
    time, values, root_weights = block_means(window)
    weights = np.ones_like(time) if root_weights is None else root_weights
    seconds = time * window.length_s
    with np.errstate(all="ignore"):
        plane = fit.rate_law.jacobian(seconds, fit.parameters).T
        plane = plane / np.sqrt(np.einsum("pn,pn->p", plane, plane))[:, None] * weights
    rest = values - (predict(fit, seconds + window.start_s) - window.centre) / window.unit
    if not (np.isfinite(plane).all() and np.isfinite(rest).all()):
        return 0.0
    _, explained = _best_of(_second_phases(time) * weights, rest * weights, plane)
    whole = fit.rss / window.unit**2
    if not (explained > 0 and whole > 0):
        return 0.0
    return -fit.points * log(max(1 - explained / whole, 1e-12)) - 2.0


def _is_as_likely(window: Window, law: str, fits: Sequence[Fit]) -> bool:
    """Whether a law of one rate that is no exponential has as low an AICc as the fits.

    Its best curve on a grid of rates stands for its fit. Where noise hides the difference the
    residuals of an exponential call for nothing, and yet k under the other law is another one.
    """
    rate_law = find_law(law)
    if rate_law.exponentials or len(rate_law.nonlinear) > 1:
        return False
    time, values, root_weights = block_means(window)
    weights = np.ones_like(time) if root_weights is None else root_weights
    curves, baseline = _shapes(time, law)
    values = values * weights
    beside, explained = _best_of(curves * weights, values, baseline * weights)
    within = float(window.signal @ window.signal) - float(values @ values)
    left = (beside - explained + max(within, 0.0)) * window.unit**2
    points = len(window.signal)
    if not left > 0:
        return False
    numbers = len(rate_law.parameters) + 1
    aicc = small_sample_aic(points, numbers=numbers, information=log(left / points))
    return aicc < min(fit.aicc for fit in fits if fit.ok) + AS_LIKELY


def _best_of(curves: FloatArray, values: FloatArray, plane: FloatArray) -> tuple[float, float]:
    """Squares of values (B,) beside a plane (b, B), and how much of them the best curve explains.

    Of curves (G, B), those that lie in the plane themselves explain nothing.
    """
    frame = qr_of_rows(plane)[0].T
    rest = values - (frame @ values) @ frame
    curves = curves - (curves @ frame.T) @ frame
    power = np.einsum("gn,gn->g", curves, curves)
    seen = power > 1e-10
    explained = (curves[seen] @ rest) ** 2 / power[seen]
    return float(rest @ rest), float(explained.max(initial=0.0))


def _shapes_tried(time: FloatArray, law: str) -> tuple[FloatArray, FloatArray]:
    """Curves (G, B) of a law of one rate at dimensionless times (B,), and its baseline (b, B)."""
    rows = find_law(law).basis(time, _rates_tried(time, RATES)[:, None])
    return rows[:, 0], rows[0, 1:]


_shapes = OfTimes(_shapes_tried)


def _rates_tried(time: FloatArray, count: int) -> FloatArray:
    return np.geomspace(0.3, 1 / max(time[1] - time[0], 1e-6), count)


def _phases_tried(time: FloatArray) -> FloatArray:
    """Further phases (G, B) at dimensionless times (B,)."""
    return np.exp(-_rates_tried(time, SECOND_RATES)[:, None] * time)


_second_phases = OfTimes(_phases_tried)


def _fit_blocks(window: Window, *, law: str) -> Fit:
    """Fit a law on block means."""
    if len(window.time) <= MOST_POINTS:
        time, values, weights = window.time, window.signal, None
    else:
        time, values, root_weights = block_means(window)
        weights = None if root_weights is None else root_weights**2
    return fit_trace(
        _seconds_of(time, window.length_s, window.start_s),
        values * window.unit + window.centre,
        law=law,
        start_s=window.start_s,
        weights=weights,
    )


def _in_seconds(time: FloatArray, length_s: float, start_s: float) -> FloatArray:
    """Give the times (N,) of a window in s, one array for all laws and shots that share it."""
    seconds = time * length_s + start_s
    seconds.setflags(write=False)
    return seconds


_seconds_of = OfTimes(_in_seconds)


def _residuals(window: Window, fit: Fit) -> FloatArray:
    """Return what a fit, or the nearest curve of a refused one, leaves of the points (N,)."""
    seconds = window.time * window.length_s
    with np.errstate(over="ignore"):
        curve = fit.rate_law.evaluate(seconds, fit.parameters if fit.ok else fit.nearest)
    return window.signal * window.unit + window.centre - curve
