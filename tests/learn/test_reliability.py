"""Reliability: no warning about good traces, and the right reason about bad ones."""

import math

import numpy as np
import pytest

from stopflow.learn.predict.reliability import ReliabilityLimits, check_reliability, disagreement
from stopflow.learn.predict.residues import residues
from stopflow.learn.pretraining.prior import Prior, sample_trace


def curve(
    kt: float, *, points: int = 4000, noise: float = 0.01, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    tau = np.arange(points) / (points - 1)
    return tau, np.exp(-kt * tau) + noise * np.random.default_rng(seed).normal(size=points)


def one(time_s: np.ndarray, signal: np.ndarray, *, k: float, log_sd: float = 0.01) -> str:
    return "; ".join(reasons(time_s, signal, k=k, log_sd=log_sd))


def reasons(time_s: np.ndarray, signal: np.ndarray, *, k: float, log_sd: float) -> tuple[str, ...]:
    left = residues([(time_s, signal[None])], kt=np.array([k * (time_s[-1] - time_s[0])]))
    rates = {"k_per_s": np.array([k]), "log_sd": np.array([log_sd])}
    return check_reliability(time_s, signal[None], left=left, **rates)[0]


@pytest.mark.slow
def test_good_traces_raise_next_to_no_doubt(*, full_proof: bool) -> None:
    count = 1500 if full_proof else 200
    prior = Prior(second_share=0.0, kt=(1.0, 3000.0), noise=(5e-4, 0.05))
    generator = np.random.default_rng(1)
    alarms = 0
    for _ in range(count):
        trace = sample_trace(prior, generator=generator)
        if trace.k_per_s > ReliabilityLimits().k_per_s:
            continue
        found = reasons(trace.time_s, trace.signal, k=trace.k_per_s, log_sd=0.005)
        alarms += any("at or" not in reason for reason in found)
    assert alarms <= 0.03 * count


def test_two_phases() -> None:
    tau, signal = curve(12.0)
    assert one(tau, signal, k=12.0) == ""
    assert "two phases" in one(tau, signal + 0.2 * np.exp(-90.0 * tau), k=12.5)
    assert "slower" in one(tau, signal + 0.3 * np.exp(-3.0 * tau), k=12.0, log_sd=0.2)


def test_start_too_early() -> None:
    tau, signal = curve(12.0)
    signal = signal + 0.4 * np.exp(-((tau / 0.002) ** 2)) * np.cos(5000 * tau)
    assert "start too early" in one(tau, signal, k=12.0)


def test_no_reaction() -> None:
    tau = np.arange(3000) / 2999
    noise = 0.02 * np.random.default_rng(2).normal(size=3000)
    assert "no reaction" in one(tau, 0.4 * tau + noise, k=20.0)


@pytest.mark.parametrize(("kt", "words"), [(0.5, "record longer"), (7900.0, "first points")])
def test_outside_the_prior(kt: float, words: str) -> None:
    assert words in one(*curve(kt, points=14_000), k=kt)


def test_a_wrong_k_is_noticed() -> None:
    tau, signal = curve(20.0)
    (found,) = residues([(tau, signal[None])], kt=np.array([20.0 * 1.1]))
    assert found is not None
    assert found.log_k_step == pytest.approx(-math.log(1.1), rel=0.25)
    assert "another k" in one(tau, signal, k=22.0)


def test_records_of_another_kind() -> None:
    tau, signal = curve(12.0)
    assert "trained on 150" in one(tau[::40], signal[::40], k=12.0)
    assert "time unit" in one(tau * 1e6, signal, k=12.0 / 1e6)
    kept = (tau < 0.1) | (tau > 0.3)
    assert "a gap of 0.2 s" in one(tau[kept], signal[kept], k=12.0)
    assert "hardly determines" in one(tau, signal, k=12.0, log_sd=0.8)
    assert "no number" in one(tau, signal, k=math.nan)


def test_a_spike_and_a_rate_no_mixer_shows() -> None:
    tau, signal = curve(12.0)
    signal[1500] += 30.0
    assert "a spike at 0.375" in one(tau, signal, k=12.0)
    assert "spike" not in one(*curve(12.0, noise=0.3), k=12.0, log_sd=0.1)
    tau, signal = curve(12.0)
    assert "check the time unit" in one(tau * 1e-3 * 1.5, signal, k=8000.0)


def test_noise_that_jumps_from_point_to_point_is_no_spike() -> None:
    signal = np.random.default_rng(3).uniform(size=400)
    away = np.abs(signal[1:-1] - 0.5 * (signal[:-2] + signal[2:]))
    assert away.max() > 0.6 * np.ptp(signal)
    assert "spike" not in one(np.linspace(0, 1, 400), signal, k=12.0)


def test_network_against_fit() -> None:
    def between(k: float, fit: float) -> str:
        return disagreement(k_per_s=k, log_sd=0.01, k_fit_per_s=fit, k_fit_stderr_per_s=0.01 * fit)

    assert between(10.0, 10.2) == ""
    assert "differ by 7 of their joint errors" in between(11.0, 10.0)
    assert between(math.nan, 10.0) == between(10.0, math.nan) == ""
