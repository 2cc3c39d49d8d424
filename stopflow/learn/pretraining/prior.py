"""The prior of the shipped models: what a shot can look like before anything is known of it."""

from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
from scipy.signal import lfilter

from stopflow.kinetics.uncertainty.drawn_noise import draw_noise
from stopflow.trace import FloatArray

RHOS: Final = (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)
"""AR(1) correlations of neighbouring points; the first is white noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """The ranges that traces are drawn from; each (low, high) is log-uniform.

    The amplitude of the exponential at the start time is the unit of slope, noise and second
    phase; the window T is the unit of time.

    Attributes
    ----------
    kt
        k T. On a grid whose first steps are d, k d stays below `fastest_step` as well.
    kt_core, core_share
        A narrower range of k T, which a lab aims for, and the share of traces drawn from it.
    slope
        SD of the slope over the window.
    noise
        SD of the noise of a point.
    correlated_share
        Share of traces with AR(1) noise, rho one of `RHOS`.
    second_share, second_amplitude, second_kt_low
        Share of traces with a second exponential, its amplitude (either sign), its slowest k T.
    points
        Points of a trace.
    quantum
        Step of the converter over the noise SD; in `sample_trace` only.
    """

    kt: tuple[float, float] = (0.7, 8000.0)
    kt_core: tuple[float, float] = (1.5, 300.0)
    core_share: float = 0.4
    fastest_step: float = 0.5
    slope: tuple[float, float] = (0.003, 0.5)
    noise: tuple[float, float] = (5e-4, 0.16)
    correlated_share: float = 0.33
    second_share: float = 0.05
    second_amplitude: tuple[float, float] = (0.001, 0.02)
    second_kt_low: float = 0.3
    points: tuple[int, int] = (150, 15_001)
    quantum: tuple[float, float] = (0.01, 2.0)

    def fastest(self, tau: FloatArray) -> float:
        """Largest k T that the first steps of a grid resolve."""
        return min(self.kt[1], self.fastest_step / median(np.diff(tau[:6]).tolist()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticTrace:
    """A trimmed trace with known truth."""

    time_s: FloatArray
    signal: FloatArray
    k_per_s: float
    kt: float
    noise: float


def log_uniform(bounds: tuple[float, float], *, generator: np.random.Generator) -> float:
    """Draw a number between two positive bounds, log-uniformly."""
    return float(np.exp(generator.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def even_grid(points: int) -> FloatArray:
    """Return relative times from 0 to 1 in equal steps."""
    return np.arange(points) / (points - 1)


def jittered_grid(points: int, *, generator: np.random.Generator) -> FloatArray:
    """Return a grid whose steps scatter by 2 to 20 %, as those of home-built recorders do."""
    scatter = generator.uniform(0.02, 0.2)
    steps = np.clip(1 + scatter * generator.standard_normal(points - 1), 0.2, None)
    return np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])


def log_grid(points: int, *, generator: np.random.Generator) -> FloatArray:
    """Return log-spaced times over 1.7 to 3.7 decades."""
    grid = np.geomspace(log_uniform((2e-4, 2e-2), generator=generator), 1.0, points)
    return (grid - grid[0]) / (grid[-1] - grid[0])


def two_rate_grid(points: int, *, generator: np.random.Generator) -> FloatArray:
    """Return a grid with half of its points in the first 5 to 30 % of the window."""
    turn, half = generator.uniform(0.05, 0.3), points // 2
    late = turn + (1 - turn) * even_grid(points - half)
    return np.concatenate([turn * np.arange(half) / half, late])


def draw_grid(prior: Prior, *, generator: np.random.Generator) -> FloatArray:
    """Draw relative times: two thirds of the grids are even, others jittered, log or two-rate."""
    low, high = prior.points
    kind = generator.choice(4, p=(0.65, 0.15, 0.1, 0.1))
    points = int(log_uniform((low, high if kind == 0 else min(high, 5000)), generator=generator))
    if kind == 0:
        return even_grid(points)
    return (jittered_grid, log_grid, two_rate_grid)[kind - 1](points, generator=generator)


def ar1_root(columns: FloatArray, *, rho: float) -> FloatArray:
    """Apply L^T to (n, q) columns, where L L^T is the covariance of `draw_noise`."""
    found = lfilter([1.0], [1.0, -rho], columns[::-1], axis=0)[::-1].copy()
    found[1:] *= np.sqrt(1 - rho**2)
    return found


def draw_kt(prior: Prior, fastest: float, *, generator: np.random.Generator) -> float:
    """Draw one k T from the prior, none above `fastest`."""
    low, high = prior.kt_core if generator.random() < prior.core_share else prior.kt
    return log_uniform((low, min(high, fastest)), generator=generator)


def sample_trace(prior: Prior, *, generator: np.random.Generator) -> SyntheticTrace:
    """Draw a whole trace point by point, with gain, offset, polarity, window and quantisation."""
    tau = draw_grid(prior, generator=generator)
    fastest = prior.fastest(tau)
    kt = draw_kt(prior, fastest, generator=generator)
    noise = log_uniform(prior.noise, generator=generator)
    slope = log_uniform(prior.slope, generator=generator) * generator.standard_normal()
    rho = generator.choice(RHOS[1:]) if generator.random() < prior.correlated_share else 0.0
    clean = np.exp(-kt * tau) + slope * tau
    if generator.random() < prior.second_share:
        size = log_uniform(prior.second_amplitude, generator=generator) * generator.choice((-1, 1))
        other = log_uniform((prior.second_kt_low, fastest), generator=generator)
        clean += size * np.exp(-other * tau)
    signal = clean + noise * draw_noise(len(tau), rho=rho, generator=generator)
    quantum = noise * log_uniform(prior.quantum, generator=generator)
    signal = np.round(signal / quantum) * quantum
    gain = log_uniform((1e-3, 10.0), generator=generator) * generator.choice((-1, 1))
    window_s = log_uniform((0.02, 100.0), generator=generator)
    return SyntheticTrace(
        time_s=generator.uniform(0.0, 0.1) + window_s * tau,
        signal=gain * (signal + generator.uniform(-5.0, 5.0)),
        k_per_s=kt / window_s,
        kt=kt,
        noise=noise,
    )
