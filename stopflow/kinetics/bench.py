"""Speed against `scipy.optimize.curve_fit`, in turns in one process, wrong answers counted.

The peer gets an analytic Jacobian, no finiteness checks and a start read off the trace as a
careful user would. It fits a random sample of the traces, since all of them would take minutes;
times are for one fit, so nothing is extrapolated in the ratio. A wrong answer is one more than
1 % of a standard error from the best minimum that either, or the peer started from the truth,
has found.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import e, nan
from time import perf_counter

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from stopflow.kinetics.many.batch import fit_batch
from stopflow.kinetics.many.individual_grids import fit_traces
from stopflow.trace import FloatArray

ROUNDS = 10
SIGNAL_TO_NOISE = 50.0
WINDOW_S = 0.5
KT = (2.0, 60.0)
WRONG = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Made:
    """Made traces: time (N,), signal (N,) and the true parameters (k, c, a, b) of each."""

    times: Sequence[FloatArray]
    signals: FloatArray
    truth: FloatArray


def bench_fit(
    *,
    traces: int = 100_000,
    points: int = 1000,
    own_traces: int = 320,
    own_points: int = 15_001,
    workers: int | None = None,
    seed: int = 1,
) -> list[dict[str, object]]:
    """Measure both cases.

    Parameters
    ----------
    traces, points
        The batch on one grid, made and fitted in rounds.
    own_traces, own_points
        Traces with a grid each, half of them even, half of them uneven.
    workers
        Threads; None: one for each core.

    Returns
    -------
    list of dict
        A row for each case: seconds of one fit (median of the rounds), their ratio (median of
        the rounds' ratios), and wrong or refused answers among the sampled traces.
    """
    rng = np.random.default_rng(seed)
    threads = workers or os.cpu_count() or 1

    def one_grid(made: _Made) -> FloatArray:
        return fit_batch(made.times[0], made.signals, workers=threads).k_per_s

    def individual_grids(made: _Made) -> FloatArray:
        traces = list(zip(made.times, made.signals, strict=True))
        return fit_traces(traces, workers=threads).k_per_s

    return [
        _measure(
            f"{points} points, one grid", traces, points, rng, fit=one_grid, own=False, part=0.01
        ),
        _measure(
            f"{own_points} points, individual time grids",
            own_traces,
            own_points,
            rng,
            fit=individual_grids,
            own=True,
            part=0.25,
        ),
    ]


def _measure(
    case: str,
    traces: int,
    points: int,
    rng: np.random.Generator,
    *,
    fit: Callable[[_Made], FloatArray],
    own: bool,
    part: float,
) -> dict[str, object]:
    size = max(traces // ROUNDS, 1)
    ours, peer, wrong_ours, wrong_peer, sampled, refused = [], [], 0, 0, 0, 0
    fit(_make(min(size, 32), points, rng, own=own))
    for _ in range(ROUNDS):
        made = _make(size, points, rng, own=own)
        begin = perf_counter()
        rates = fit(made)
        ours.append((perf_counter() - begin) / size)
        refused += int(np.count_nonzero(~np.isfinite(rates)))
        sample = rng.choice(size, size=max(int(part * size), min(size, 4)), replace=False)
        begin = perf_counter()
        answers = [_peer(made, int(i), _start(made, int(i))) for i in sample]
        peer.append((perf_counter() - begin) / len(sample))
        for i, answer in zip(sample, answers, strict=True):
            best, error = _best(made, int(i), float(rates[i]), answer)
            wrong_ours += not abs(rates[i] - best) <= WRONG * error
            wrong_peer += not abs(answer - best) <= WRONG * error
        sampled += len(sample)
    return {
        "case": case,
        "traces": size * ROUNDS,
        "ours_s": float(np.median(ours)),
        "peer_s": float(np.median(peer)),
        "ratio": float(np.median(np.array(peer) / np.array(ours))),
        "sampled": sampled,
        "wrong_ours": wrong_ours,
        "wrong_peer": wrong_peer,
        "refused_ours": refused,
    }


def _make(count: int, points: int, rng: np.random.Generator, *, own: bool) -> _Made:
    """Traces of signal to noise 50, k T from 2 to 60, with a drift and an offset."""
    truth = np.empty((count, 4))
    truth[:, 0] = np.exp(rng.uniform(np.log(KT[0]), np.log(KT[1]), count)) / WINDOW_S
    truth[:, 1] = rng.choice([-1.0, 1.0], count)
    truth[:, 2:] = rng.normal(size=(count, 2))
    even = np.linspace(0, WINDOW_S, points)
    times = [_grid(even, rng, uneven=bool(i % 2)) for i in range(count)] if own else [even] * count
    signals = rng.normal(scale=1 / SIGNAL_TO_NOISE, size=(count, points))
    for row, time, parameters in zip(signals, times, truth, strict=True):
        row += _model(time, *parameters)
    return _Made(times=times, signals=signals, truth=truth)


def _grid(even: FloatArray, rng: np.random.Generator, *, uneven: bool) -> FloatArray:
    """Return a grid of its own: another step, or steps that jitter by half."""
    if not uneven:
        return even * rng.uniform(0.9, 1.1)
    steps = np.cumsum(rng.uniform(0.5, 1.5, len(even)))
    return (steps - steps[0]) * (WINDOW_S / (steps[-1] - steps[0]))


def _model(time: FloatArray, k: float, c: float, a: float, b: float) -> FloatArray:
    return c * np.exp(-k * time) + a * time + b


def _jacobian(time: FloatArray, k: float, c: float, *_: float) -> FloatArray:
    decay = np.exp(-k * time)
    columns = np.empty((len(time), 4))
    columns[:, 0] = -c * time * decay
    columns[:, 1] = decay
    columns[:, 2] = time
    columns[:, 3] = 1
    return columns


def _start(made: _Made, at: int) -> tuple[float, ...]:
    """Read a start off the trace: end level, first level, time to fall to 1/e."""
    time, signal = made.times[at], made.signals[at]
    tail = max(len(signal) // 20, 1)
    level = float(signal[-tail:].mean())
    height = float(signal[:5].mean()) - level
    fallen = np.abs(signal - level) < abs(height) / e
    return 1 / float(time[max(int(np.argmax(fallen)), 1)]), height, 0.0, level


def _peer(made: _Made, at: int, start: Sequence[float]) -> float:
    """Fit by the peer: k, or NaN where it gives up."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found, _ = curve_fit(
                _model,
                made.times[at],
                made.signals[at],
                p0=start,
                jac=_jacobian,
                check_finite=False,
            )
    except (RuntimeError, OptimizeWarning):
        return nan
    return float(found[0])


def _best(made: _Made, at: int, *answers: float) -> tuple[float, float]:
    """Rate of the lowest minimum known, and its standard error."""
    time, signal = made.times[at], made.signals[at]
    candidates = [*answers, _peer(made, at, made.truth[at])]

    def misfit(k: float) -> float:
        rows = _jacobian(time, k, 1.0)[:, 1:]
        left = signal - rows @ np.linalg.lstsq(rows, signal, rcond=None)[0]
        return float(left @ left)

    best = min((k for k in candidates if k > 0), key=misfit)
    rows = _jacobian(time, best, made.truth[at, 1])
    covariance = np.linalg.inv(rows.T @ rows)
    return best, float(np.sqrt(misfit(best) / (len(time) - 4) * covariance[0, 0]))
