"""Where the mixing artefact ends, found from the trace alone.

For a growing cut the rest of the trace is fitted, extrapolated back over the points before the
cut and compared with them. Under the model those recursive residuals are independent of what
was fitted (Brown, Durbin and Evans, J. R. Stat. Soc. B 37, 149 (1975)). The first cut is taken

- after which every run of points, up to twice the cut, follows the fit of what comes later, and
- whose k agrees with that of twice the cut within the error of their difference.

A small artefact hides in the noise but still moves k. So the decay of what was seen of it is
continued to where it is 1/50 of the noise, and the fit starts there.

A first phase of the reaction must not be taken for an artefact: earlier cuts are tried once more
with two phases, where AICc clearly prefers them and the faster one lasts 3 ms or longer.
"""

from dataclasses import dataclass
from math import log, nan, sqrt

import numpy as np

from stopflow.kinetics.fit_result import Refusal
from stopflow.kinetics.fit_screen import screen
from stopflow.kinetics.tails import (
    SHORTEST_PHASE_S,
    STRIDE,
    Residual,
    Tails,
    fastest_rate,
)
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
        First time of the trace.
    cut_s, k_per_s, k_stderr_per_s
        (C,) k of the fit from each cut tried, in order of the cuts; NaN where refused. The errors
        are for the noise of the trace, its correlation included.
    reason
        Why there.
    """

    window: TrimWindow
    found: bool
    first_s: float
    cut_s: FloatArray
    k_per_s: FloatArray
    k_stderr_per_s: FloatArray
    reason: str

    def __post_init__(self) -> None:
        for name in ("cut_s", "k_per_s", "k_stderr_per_s"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))

    @property
    def shows_artefact(self) -> bool:
        """Whether points at the beginning were cut."""
        return self.found and self.window.start_s > self.first_s


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
    # Nothing here depends on the unit of the signal; near 1 no square under- or overflows.
    scaled = signal / float(np.abs(signal).max())
    tails, accepted = _search(time_s, scaled)
    if accepted is None:
        return _undetected(time_s, reason=NOWHERE, tails=tails)
    start_s, reason = _first_phase(tails, accepted) or _artefact_end(tails, accepted)
    if start_s > time_s[0] and tails.fit(_edge_at(tails, start_s)) is None:
        # The cut took the reaction rather than an artefact.
        return _undetected(time_s, reason=NOWHERE, tails=tails)
    return StartDetection(
        window=TrimWindow(
            start_s=start_s, stop_s=float(time_s[-1]), source="detected", reason=reason
        ),
        found=True,
        first_s=float(time_s[0]),
        reason=reason,
        **_curve(tails),
    )


def _search(time_s: FloatArray, signal: FloatArray) -> tuple[Tails, int | None]:
    """Look for the cut; once more with robust fits when a bubble or a spike may be in the way."""
    tails = Tails(time_s, signal)
    accepted = _first_accepted(tails)
    if accepted is not None:
        return tails, accepted
    robust = Tails(time_s, signal, robust=True)
    accepted = _first_accepted(robust)
    return (tails, None) if accepted is None else (robust, accepted)


def _first_phase(tails: Tails, accepted: int) -> tuple[float, str] | None:
    """Find an earlier start from which two phases describe what one phase cannot."""
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
        _artefact_end(both, edge)[0],
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
    return abs(mean) > SURPRISING * sqrt(variance + max(part.fit_sd for part in run) ** 2)


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
