"""Traces with a grid each: the answers of `fit_trace`, whatever is among them."""

import numpy as np
import pytest

from stopflow.kinetics.fit import FitStatus, fit_trace
from stopflow.kinetics.many.individual_grids import fit_traces


def own_grid(rng, *, even):
    points = int(rng.integers(500, 4000))
    steps = np.full(points, 1.0) if even else rng.uniform(0.2, 1.8, points)
    time = np.cumsum(steps) * 0.4 / points
    return time + rng.uniform(0, 3)


def make_trace(rng, *, even, log_kt=(-1.0, 5.0), noise=0.02):
    time = own_grid(rng, even=even)
    since = time - time[0]
    k = np.exp(rng.uniform(*log_kt)) / since[-1]
    signal = rng.normal() + rng.normal() * since + np.exp(-k * since)
    return time, signal + noise * rng.normal(size=len(time))


@pytest.mark.parametrize("law", ["single", "single-slope"])
@pytest.mark.parametrize("noise", [0.05, 1e-3, 1e-6])
def test_answers_are_those_of_one_trace(law, noise, rng):
    traces = [make_trace(rng, even=bool(i % 2), noise=noise) for i in range(40)]
    starts = [None if i % 3 else float(time[7]) for i, (time, _) in enumerate(traces)]
    together = fit_traces(traces, law=law, starts_s=starts, workers=2)
    assert len(together) == 40
    for fit, (time, signal), start in zip(together, traces, starts, strict=True):
        alone = fit_trace(time, signal, law=law, start_s=start)
        assert fit.status == alone.status
        if not alone.ok:
            continue
        assert fit.k_per_s == pytest.approx(alone.k_per_s, rel=1e-9)
        assert fit.k_stderr_per_s == pytest.approx(alone.k_stderr_per_s, rel=1e-5)
        for name in alone.parameters:
            moved = fit.parameters[name] - alone.parameters[name]
            assert abs(moved) < 1e-5 * alone.stderr[name]
        assert (fit.points, fit.start_s) == (alone.points, alone.start_s)
        assert fit.window_s == pytest.approx(alone.window_s, rel=1e-12)
        assert fit.rss == pytest.approx(alone.rss, rel=1e-8)
        errors = list(alone.stderr.values())
        moved = (fit.covariance - alone.covariance) / np.outer(errors, errors)
        assert np.abs(moved).max() < 1e-5


def test_refusals_come_in_their_places(rng):
    traces = [make_trace(rng, even=True) for _ in range(8)]
    time, signal = traces[2]
    traces[1] = time[:5], signal[:5]
    traces[3] = time, np.zeros_like(signal)
    traces[4] = time, np.where(np.arange(len(time)) == 9, np.nan, signal)
    traces[5] = time[::-1], signal
    traces[6] = time, rng.normal(size=len(time))
    fits = fit_traces(traces)
    assert [fit.status for fit in fits] == [
        FitStatus.OK,
        FitStatus.TOO_FEW_POINTS,
        FitStatus.OK,
        FitStatus.CONSTANT,
        FitStatus.NOT_FINITE,
        FitStatus.TIMES_NOT_INCREASING,
        FitStatus.NO_AMPLITUDE,
        FitStatus.OK,
    ]
    assert all(fit.reason for fit in fits if not fit.ok)
    assert len(fit_traces([])) == 0


def test_other_laws_are_fitted_one_by_one(rng):
    traces = [make_trace(rng, even=False) for _ in range(2)]
    for fit, (time, signal) in zip(fit_traces(traces, law="stretched"), traces, strict=True):
        assert fit.parameters == fit_trace(time, signal, law="stretched").parameters
