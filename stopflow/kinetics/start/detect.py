"""Where the mixing artefact ends, found from the trace alone.

For a growing cut the rest of the trace is fitted, extrapolated back over the points before the
cut and compared with them. Under the model those recursive residuals are independent of what
was fitted (Brown, Durbin and Evans, J. R. Stat. Soc. B 37, 149 (1975)). The first cut is taken

- after which every run of points, up to twice the cut, follows the fit of what comes later, and
- whose k agrees with that of twice the cut within the error of their difference.

A small artefact hides in the noise but still moves k. So the decay of what was seen of it is
continued to where it is 1/50 of the noise, and the fit starts there. Where the detector was at
its limit around the start, the trace begins after that.

A first phase of the reaction must not be taken for an artefact: earlier cuts are tried once more
with two phases, where AICc clearly prefers them and the faster one lasts 3 ms or longer.
"""

from dataclasses import dataclass, field, replace
from math import hypot, log, nan, sqrt

import numpy as np

from stopflow.kinetics.solver.result import Refusal
from stopflow.kinetics.solver.window import screen
from stopflow.kinetics.start.backward_extrapolation import (
    SHORTEST_PHASE_S,
    STRIDE,
    Residual,
    Tails,
    fastest_rate,
)
from stopflow.kinetics.start.residual_artefact import rest_of_artefact
from stopflow.kinetics.verdicts.signal_checks import CLIPPED_GAP, clipped_stretch, misfit
from stopflow.trace import FloatArray, frozen_array
from stopflow.trimming import TrimWindow, whole_window

FEWEST_POINTS = 48
# How far after the cut the points must follow, as a part of the trace, at least.
LEAST_SPAN = 1 / 25
RUNS = (1, 2, 4, 8)
# In standard errors; many runs are tested in each trace.
SURPRISING = 4.3
SEEN = 3.5
AGREEING = 2.5
NOWHERE = "no start detected: no part of the trace follows the fit of what comes after"
# Over which fall of the artefact its decay is measured, and what of the noise may be left.
MEASURED_FALL = 2.5
NEGLIGIBLE = 1 / 50
# A part before the reaction is long enough to judge, and follows a line unless this is its chance.
FEWEST_STRAIGHT = 64
BENT = 1e-4
# The shortest phase stays visible for about so many times as long; earlier cuts can hide none.
PHASE_SEEN = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartDetection:
    """The detected start and the evidence for it.

    Attributes
    ----------
    window
        From the detected start on.
    found
        False when no cut passed and the window is the whole trace.
    first_s
        First time of the trace, or the first after the detector was at its limit.
    cut_s, k_per_s, k_stderr_per_s
        (C,) k of the fit from each cut tried, in order of the cuts; NaN where refused. The errors
        are for the noise of the trace, its correlation included.
    reason
        Why there.
    rest_s, rest_sigma
        (E,) starts, and how far what is left of the artefact there may shift k, in standard
        errors; empty where none was seen.
    """

    window: TrimWindow
    found: bool
    first_s: float
    cut_s: FloatArray
    k_per_s: FloatArray
    k_stderr_per_s: FloatArray
    reason: str
    rest_s: FloatArray = field(default_factory=lambda: np.empty(0))
    rest_sigma: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        for name in ("cut_s", "k_per_s", "k_stderr_per_s", "rest_s", "rest_sigma"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))

    @property
    def shows_artefact(self) -> bool:
        """Whether points at the beginning were cut."""
        return self.found and self.window.start_s > self.first_s

    @property
    def inflation(self) -> float:
        """Factor on the error of k for what is left of the artefact at the start."""
        if not len(self.rest_s):
            return 1.0
        return hypot(1.0, float(np.interp(self.window.start_s, self.rest_s, self.rest_sigma)))


def detect_start(time_s: FloatArray, signal: FloatArray) -> StartDetection:
    """Find where the reaction alone is left in the signal.

    Parameters
    ----------
    time_s
        (N,) seconds, increasing; may begin before the flow stops.
    signal
        (N,) any unit.

    Returns
    -------
    StartDetection
        Of a trace that cannot be judged (few points, constant, not finite, times that run
        backwards), the whole trace and the reason.
    """
    window = screen(time_s, signal, needed=FEWEST_POINTS)
    if isinstance(window, Refusal):
        return _undetected(time_s, reason=f"no start detected: {window.reason}")
    first, stop = clipped_stretch(signal)
    if not 0 < stop <= len(signal) // 2:
        return _after_the_flow(time_s, signal)
    if first > CLIPPED_GAP:
        found = _detect(time_s, signal)
        if found.window.start_s < time_s[first - CLIPPED_GAP]:
            return found
    rest = detect_start(time_s[stop:], signal[stop:])
    limit = f"the detector is at its limit up to {1e3 * time_s[stop - 1]:.4g} ms, then "
    reason = limit + rest.reason
    return replace(rest, window=replace(rest.window, reason=reason), reason=reason)


def _after_the_flow(time_s: FloatArray, signal: FloatArray) -> StartDetection:
    """Look in the whole trace, then after a straight line at its beginning, then robustly.

    Robust fits are for a bubble or a spike in the way; a late reaction would be taken for one.
    """
    whole = _detect(time_s, signal)
    if whole.found:
        return whole
    first = _end_of_line(signal)
    if first:
        late_s, late = time_s[first:], signal[first:]
        rest = _detect(late_s, late)
        rest = rest if rest.found else _detect(late_s, late, robust=True)
        if rest.found:
            reason = f"a straight line up to {1e3 * late_s[0]:.4g} ms, then {rest.reason}"
            window = replace(rest.window, reason=reason)
            return replace(rest, window=window, reason=reason, first_s=float(time_s[0]))
    robust = _detect(time_s, signal, robust=True)
    return robust if robust.found else whole


def _end_of_line(signal: FloatArray) -> int:
    """Length of the longest straight beginning, in eighths of the trace; 0 where there is none."""
    for eighth in range(7, 0, -1):
        count = len(signal) * eighth // 8
        if count < FEWEST_STRAIGHT:
            return 0
        if len(signal) - count >= FEWEST_POINTS and _is_straight(signal[:count]):
            return count
    return 0


def _is_straight(signal: FloatArray) -> bool:
    """Whether points (n,) lie on a straight line within their noise."""
    place = np.linspace(-1, 1, len(signal))
    rest = signal - signal.mean()
    rest = rest - place * float(place @ rest) / float(place @ place)
    return misfit(rest, parameters=2)[1] > BENT


def _detect(time_s: FloatArray, signal: FloatArray, *, robust: bool = False) -> StartDetection:
    # Nothing here depends on the unit of the signal; near 1 no square under- or overflows.
    tails = Tails(time_s, signal / float(np.abs(signal).max()), robust=robust)
    accepted = _first_accepted(tails)
    if accepted is None:
        return _undetected(time_s, reason=NOWHERE, tails=tails)
    used, accepted, phase = _first_phase(tails, accepted) or (tails, accepted, "")
    start_s, reason = _artefact_end(used, accepted)
    reason = phase or reason
    if start_s > time_s[0] and tails.fit(_edge_at(tails, start_s)) is None:
        # The cut took the reaction rather than an artefact.
        return _undetected(time_s, reason=NOWHERE, tails=tails)
    rest_s, rest_sigma = rest_of_artefact(used, accepted)
    return StartDetection(
        window=TrimWindow(
            start_s=start_s, stop_s=float(time_s[-1]), source="detected", reason=reason
        ),
        found=True,
        first_s=float(time_s[0]),
        reason=reason,
        rest_s=rest_s,
        rest_sigma=rest_sigma,
        **_curve(tails),
    )


def _first_phase(tails: Tails, accepted: int) -> tuple[Tails, int, str] | None:
    """Find an earlier edge from which two phases describe what one phase cannot; and say so."""
    time = tails.time_s
    earliest_s = float(time[tails.edges[accepted]])
    if earliest_s - time[0] < PHASE_SEEN * SHORTEST_PHASE_S:
        return None
    both = Tails(time, tails.signal, robust=tails.robust, one_phase=tails)
    edge = _first_accepted(both, before=accepted)
    fit = None if edge is None else both.fit(edge)
    if edge is None or fit is None:
        return None
    rate = fit.parameters[fastest_rate(fit)]
    return (
        both,
        edge,
        f"a faster phase of about {rate:.3g}/s comes first, and from here on two phases describe "
        "the points",
    )


def _first_accepted(tails: Tails, *, before: int | None = None) -> int | None:
    edges = tails.edges
    least = max(8, int(len(tails.signal) * LEAST_SPAN))
    for edge in range(0, len(edges) - 2 if before is None else before, STRIDE):
        span = max(2 * edges[edge], edges[edge] + least)
        last = min(int(np.searchsorted(edges, span)), len(edges) - 2)
        last -= last % STRIDE
        if _stands(tails, edge) and _follows(tails, edge, last) and _agree(tails, edge, last):
            return edge
    return None


def _stands(tails: Tails, edge: int) -> bool:
    """Whether two phases from `edge` on, where two are asked for, are those of a reaction."""
    if tails.one_phase is None:
        return True
    fit = tails.fit(edge)
    return fit is not None and tails.is_reaction(fit)


def _edge_at(tails: Tails, start_s: float) -> int:
    """Find the number of the last edge that is not after `start_s`."""
    return int(np.searchsorted(tails.time_s[tails.edges], start_s, side="right")) - 1


def _follows(tails: Tails, edge: int, last: int) -> bool:
    """Whether every run of blocks from `edge` to `last` follows the fits of what comes later."""
    seen: list[Residual] = []
    for number in range(edge, last):
        residual = tails.recursive_residual(number)
        if residual is None:
            continue
        seen.append(residual)
        for run in RUNS:
            if len(seen) >= run and _is_surprising(seen[-run:]):
                return False
    return bool(seen)


def _is_surprising(run: list[Residual]) -> bool:
    points = sum(part.points for part in run)
    mean = sum(part.points * part.mean for part in run) / points
    variance = sum((part.points * part.noise_sd / points) ** 2 for part in run)
    # A fit whose continuation is no number is none to follow.
    return not abs(mean) <= SURPRISING * sqrt(variance + max(part.fit_sd for part in run) ** 2)


def _agree(tails: Tails, edge: int, last: int) -> bool:
    """Whether k from `edge` and from `last` differ by no more than the points between explain.

    The later fit uses part of the earlier one's points: the variance of the difference is the
    difference of the variances.
    """
    early, late = tails.fit(edge), tails.fit(last)
    if early is None or late is None:
        return early is not None
    rates = [fit.parameters[fastest_rate(fit)] for fit in (early, late)]
    variance = max(tails.k_variance(late) - tails.k_variance(early), 0.0)
    return abs(rates[0] - rates[1]) <= AGREEING * sqrt(variance) + 1e-9 * rates[0]


def _artefact_end(tails: Tails, accepted: int) -> tuple[float, str]:
    """Continue the artefact's decay into the noise; (start in seconds, why)."""
    if accepted == 0:
        return float(tails.time_s[0]), "no artefact seen: the first points follow the fit"
    fit = tails.fit(accepted)
    edges, time = tails.edges, tails.time_s
    first_ok = float(time[edges[accepted]])
    if fit is None:
        return first_ok, "from here on the points follow the fit"
    rows = [tails.residual(edge, fit) for edge in range(accepted + STRIDE)]
    middle = (time[edges[: len(rows)]] + time[edges[1 : len(rows) + 1] - 1]) / 2
    size = np.array([abs(row.mean) for row in rows])
    error = np.array([row.sd for row in rows])
    seen = np.flatnonzero(size[:accepted] > SEEN * error[:accepted])
    if len(seen) == 0:
        return first_ok, "from here on the points follow the fit"
    last = int(seen[-1])
    decay = _decay_time(middle, size, size + 2 * error, last=last)
    left = max(log(size[last] / (NEGLIGIBLE * tails.noise.sd)), 0.0)
    end = float(middle[last]) + decay * left if np.isfinite(decay) else first_ok
    latest = float(time[min(2 * int(edges[accepted]), len(time) - 1)])
    end = min(max(end, float(time[edges[last + 1]])), latest)
    at = int(np.searchsorted(time, end))
    reason = f"the artefact is last seen at {1e3 * middle[last]:.4g} ms"
    if np.isfinite(decay):
        reason += f" and falls with {1e3 * decay:.2g} ms; here 1/50 of the noise is left"
    return float(time[at]), reason


def _decay_time(middle: FloatArray, size: FloatArray, upper: FloatArray, *, last: int) -> float:
    """Time constant of the artefact's envelope around block `last`; NaN when it cannot be seen.

    The smaller of the fall before `last`, from the nearest block that is 2.5 times as high, and
    the fall after it, to the upper limit of the two next blocks.
    """
    envelope = np.maximum.accumulate(size[last::-1])[::-1]
    times = []
    higher = np.flatnonzero(envelope >= MEASURED_FALL * envelope[last])
    if len(higher):
        near = int(higher[-1])
        times.append((middle[last] - middle[near]) / log(envelope[near] / envelope[last]))
    for after in (last + 1, last + 2):
        if after + 1 < len(size):
            limit = max(upper[after], upper[after + 1])
            if limit < size[last]:
                times.append((middle[after] - middle[last]) / log(size[last] / limit))
                break
    return min(times, default=nan)


def _curve(tails: Tails) -> dict[str, FloatArray]:
    tried = sorted(tails.fits)
    fits = [tails.fits[edge] for edge in tried]
    return {
        "cut_s": tails.time_s[tails.edges[tried]],
        "k_per_s": np.array([nan if fit is None else fit.k_per_s for fit in fits]),
        "k_stderr_per_s": np.array(
            [nan if fit is None else sqrt(tails.k_variance(fit)) for fit in fits]
        ),
    }


def _undetected(time_s: FloatArray, *, reason: str, tails: Tails | None = None) -> StartDetection:
    empty = np.empty(0)
    curve = {"cut_s": empty, "k_per_s": empty, "k_stderr_per_s": empty}
    ends = time_s if len(time_s) else np.array([nan])
    return StartDetection(
        window=whole_window(ends, reason=reason),
        found=False,
        first_s=float(ends[0]),
        reason=reason,
        **(curve if tails is None else _curve(tails)),
    )
