"""What other rate laws make of the same trace, and which one the data ask for."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, nan

import numpy as np

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.result import Fit, Refusal, predict
from stopflow.kinetics.solver.statistics import small_sample_aic
from stopflow.kinetics.solver.window import Window, screen
from stopflow.trace import FloatArray

# A second phase is fitted when it could lower AICc by more than this.
WORTH_TRYING = 10.0
# Laws whose AICc is within this of the best one are not ruled out; Burnham and Anderson, Model
# Selection and Multimodel Inference (2002), section 2.6.
NOT_RULED_OUT = 10.0
MOST_POINTS = 2000
SECOND_RATES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One law on one trace.

    Attributes
    ----------
    law
        Key.
    k_per_s
        Of the main phase; NaN where `note` says why.
    aicc
        For the points as they are, white noise.
    fair_aicc
        For the number of independent points, where noise is correlated; what laws are compared by.
    note
        Why there are no numbers.
    """

    law: str
    k_per_s: float = nan
    k2_per_s: float = nan
    amplitude2: float = nan
    beta: float = nan
    aicc: float = nan
    fair_aicc: float = inf
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawComparison:
    """All laws tried on one trace; `alternatives` by key."""

    alternatives: dict[str, Alternative]

    def __getitem__(self, law: str) -> Alternative:
        return self.alternatives.get(law, Alternative(law=law, note="not tried"))

    @property
    def best(self) -> str:
        """Key of the law with the lowest AICc; empty when all were refused."""
        rated = {key: item.fair_aicc for key, item in self.alternatives.items()}
        best = min(rated, key=rated.__getitem__, default="")
        return best if rated.get(best, inf) < inf else ""

    def including(self, fit: Fit, *, inflation: float) -> "LawComparison":
        """Put a fit in the place of its law."""
        added = {fit.law: _alternative(fit, inflation=inflation)}
        return LawComparison(alternatives={**self.alternatives, **added})

    def shift_sigma(self, fit: Fit, *, k_stderr_per_s: float) -> float:
        """Find the largest shift of k to a law that is not ruled out, in standard errors.

        0 when every other law is ruled out.
        """
        lowest = min((item.fair_aicc for item in self.alternatives.values()), default=inf)
        shifts = [
            abs(item.k_per_s - fit.k_per_s) / k_stderr_per_s
            for item in self.alternatives.values()
            if item.law != fit.law and item.fair_aicc <= lowest + NOT_RULED_OUT
        ]
        return max(shifts, default=0.0) if k_stderr_per_s > 0 else nan


def compare_laws(
    time_s: FloatArray,
    signal: FloatArray,
    *,
    start_s: float,
    fits: Sequence[Fit],
    inflation: float = 1.0,
    try_all: bool = False,
) -> LawComparison:
    """Compare rate laws on one trace.

    Parameters
    ----------
    time_s, signal
        (N,) the whole trace.
    start_s
        Where the fit starts.
    fits
        What is there already; must hold ``single-slope``, may hold any other law.
    inflation
        Of standard errors, for correlated noise: ``N / inflation^2`` points are independent.
    try_all
        Also fit a stretched exponential, and a second phase that promises nothing.
    """
    found = {fit.law: _alternative(fit, inflation=inflation) for fit in fits}
    slope = next(fit for fit in fits if fit.law == "single-slope")
    window = screen(time_s, signal, start_s=start_s, centred=True)
    if isinstance(window, Refusal):
        return LawComparison(alternatives=found)
    for law in ("double", "stretched"):
        if law in found:
            continue
        if law == "double" and slope.ok and not try_all:
            gain = second_phase_gain(window, slope, inflation=inflation)
            if gain < WORTH_TRYING:
                note = "a second phase would not improve the fit"
                found[law] = Alternative(law=law, note=note)
                continue
        if law == "double" or try_all:
            found[law] = _fit_blocks(window, law=law, inflation=inflation)
    return LawComparison(alternatives=found)


def choose_law(comparisons: Sequence[LawComparison]) -> tuple[str, str]:
    """Choose the law of an experiment: the lowest sum of AICc over its shots.

    A shot on which a law could not be fitted counts for it as its worst law does.

    Returns
    -------
    tuple of str
        (key, what decided).
    """
    laws = ("single", "single-slope", "double", "stretched")
    totals = dict.fromkeys(laws, 0.0)
    used = 0
    for comparison in comparisons:
        rated = {law: comparison[law].fair_aicc for law in laws}
        known = [value for value in rated.values() if value < inf]
        if known:
            used += 1
            for law in laws:
                totals[law] += min(rated[law], max(known))
    if not used:
        return "single-slope", "law auto: no shot could be fitted; single-slope is reported"
    best = min(totals, key=totals.__getitem__)
    others = ", ".join(f"{law} +{totals[law] - totals[best]:.1f}" for law in laws if law != best)
    return best, f"law auto: {best} has the lowest AICc over {used} shots ({others})"


def second_phase_gain(window: Window, slope: Fit, *, inflation: float = 1.0) -> float:
    """Bound how much a second phase could lower AICc below that of ``single-slope``.

    The residuals' best projection on exp(-k2 t), beside the tangent plane of the fit (score
    test); a law with slope and second phase is never worse than one without the slope.
    """
    time, values, root_weights = block_means(window)
    weights = np.ones_like(time) if root_weights is None else root_weights
    rate = slope.k_per_s * window.length_s
    seconds = time * window.length_s + window.start_s
    rest = values - (predict(slope, seconds) - window.centre) / window.unit
    decay = np.exp(-rate * time)
    plane = np.stack((np.ones_like(time), time, decay, time * decay)) * weights
    frame = np.linalg.qr(plane.T)[0].T
    rest = rest * weights
    rest = rest - (frame @ rest) @ frame
    fastest = 1 / max(time[1] - time[0], 1e-6)
    rates = np.geomspace(0.3, fastest, SECOND_RATES)
    phases = np.exp(-rates[:, None] * time) * weights
    phases = phases - (phases @ frame.T) @ frame
    power = np.einsum("gn,gn->g", phases, phases)
    seen = power > 1e-10
    if not seen.any() or slope.rss <= 0:
        return 0.0
    explained = float(((phases[seen] @ rest) ** 2 / power[seen]).max())
    whole = slope.rss / window.unit**2
    points = slope.points / inflation**2
    return -points * log(max(1 - explained / whole, 1e-12)) - 2.0


def _fit_blocks(window: Window, *, law: str, inflation: float) -> Alternative:
    """Fit a slow law on block means; its AICc is that of the points."""
    if len(window.time) <= MOST_POINTS:
        time, values, weights = window.time, window.signal, None
    else:
        time, values, root_weights = block_means(window)
        weights = None if root_weights is None else root_weights**2
    fit = fit_trace(
        time * window.length_s + window.start_s,
        values * window.unit + window.centre,
        law=law,
        start_s=window.start_s,
        weights=weights,
    )
    if not fit.ok:
        return Alternative(law=law, note=fit.reason)
    seconds = window.time * window.length_s + window.start_s
    rest = window.signal * window.unit + window.centre - predict(fit, seconds)
    return _alternative(fit, inflation=inflation, rss=float(rest @ rest), points=len(rest))


def _alternative(
    fit: Fit, *, inflation: float, rss: float | None = None, points: int | None = None
) -> Alternative:
    if not fit.ok:
        return Alternative(law=fit.law, note=fit.reason)
    count = fit.points if points is None else points
    numbers = len(fit.rate_law.parameters) - len(fit.fixed) + 1
    penalty = small_sample_aic(count, numbers=numbers, information=0.0)
    aicc = fit.aicc if not rss else penalty + count * log(rss / count)
    return Alternative(
        law=fit.law,
        k_per_s=fit.k_per_s,
        k2_per_s=fit.parameters.get("k2_per_s", nan),
        amplitude2=fit.parameters.get("amplitude2", nan),
        beta=fit.parameters.get("beta", nan),
        aicc=aicc,
        fair_aicc=penalty + (aicc - penalty) / inflation**2,
    )
