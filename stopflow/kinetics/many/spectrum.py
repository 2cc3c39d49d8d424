"""Signals recorded together, by wavelength or by channel: components above noise, one set of rates.

A matrix of signals is divided by the noise of each signal and decomposed into singular vectors.
White noise of unit variance alone has singular values up to the edge of the Tracy-Widom law; those
above it are components of the data. The rates are fitted to the leading components together, which
is the joint fit of all signals as far as the rest is noise (Golub and Van Loan, Matrix
Computations, 2.4; Johnstone, Ann. Stat. 29, 295 (2001), doi:10.1214/aos/1009210544). With the rates
known, every signal gives its own amplitudes: the spectrum of the amplitude.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from stopflow.errors import SettingsError
from stopflow.kinetics.laws import RateLaw, find_law
from stopflow.kinetics.many.shared import fit_shared
from stopflow.trace import FloatArray, frozen_array

TRACY_WIDOM_99 = 2.0234
"""Of white noise, the largest squared singular value exceeds this quantile in 1 of 100 cases."""

MOST_COMPONENTS = 12
_STEP = 1e-5
_SECOND_DIFFERENCE = np.sqrt(6.0)
_MAD = 1.4826


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decomposition:
    """Signals (n, N) as components in falling order.

    Attributes
    ----------
    components
        How many stand above the noise.
    singular_values
        (m,) of the matrix in units of the noise, m the smaller of n and N.
    edge
        Largest singular value that noise alone has, in 99 of 100 cases.
    noise_sd
        (n,) of each signal, from its second differences.
    courses
        (m, N) time courses, each times its singular value.
    spectra
        (n, m) in the units of the signals.
    """

    components: int
    singular_values: FloatArray
    edge: float
    noise_sd: FloatArray
    courses: FloatArray
    spectra: FloatArray

    def __post_init__(self) -> None:
        for name in ("singular_values", "noise_sd", "courses", "spectra"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpectrumFit:
    """One set of rates for signals recorded together.

    Attributes
    ----------
    reason
        Why there are no rates; ``""`` where there are.
    parameters, stderr
        The common rates by name.
    coefficients
        Linear parameter of the law -> (n,), one a signal: the spectrum of each amplitude.
    coefficient_stderr
        Likewise; the error of the rates is in it.
    residual_sd
        (n,) of each signal; where it is larger than the noise, the law does not describe it.
    start_s
        Start of the fit.
    """

    reason: str
    decomposition: Decomposition
    law: RateLaw
    parameters: Mapping[str, float]
    stderr: Mapping[str, float]
    coefficients: Mapping[str, FloatArray]
    coefficient_stderr: Mapping[str, FloatArray]
    residual_sd: FloatArray
    start_s: float

    @property
    def ok(self) -> bool:
        """Whether there are rates."""
        return not self.reason


def noise_of(signals: FloatArray) -> FloatArray:
    """Noise (n,) of signals (n, N >= 3), from second differences, which slow changes leave out."""
    second = np.diff(signals, n=2, axis=1)
    spread = np.median(np.abs(second - np.median(second, axis=1, keepdims=True)), axis=1)
    largest = np.abs(signals).max(axis=1, initial=0.0)
    tiny = np.finfo(np.float64).eps * np.where(largest > 0, largest, 1.0)
    return np.maximum(_MAD * spread / _SECOND_DIFFERENCE, tiny)


def decompose(signals: FloatArray) -> Decomposition:
    """Decompose signals (n, N), n >= 1, N >= 3, into components and tell those above the noise.

    Correlated noise and rounding have larger singular values than white noise and can be counted
    as components.
    """
    noise = noise_of(signals)
    left, values, right = np.linalg.svd(signals / noise[:, None], full_matrices=False)
    edge = noise_edge(*signals.shape)
    return Decomposition(
        components=int((values > edge).sum()),
        singular_values=values,
        edge=edge,
        noise_sd=noise,
        courses=values[:, None] * right,
        spectra=left * noise[:, None],
    )


def noise_edge(signals: int, points: int) -> float:
    """Largest singular value of (n, N) white noise of unit variance, in 99 of 100 cases."""
    low, high = sorted((signals, points))
    sum_of_roots = np.sqrt(high - 1) + np.sqrt(low)
    scale = sum_of_roots * (1 / np.sqrt(high - 1) + 1 / np.sqrt(low)) ** (1 / 3)
    return float(np.sqrt(sum_of_roots**2 + TRACY_WIDOM_99 * scale))


def fit_spectrum(
    time_s: FloatArray,
    signals: FloatArray,
    *,
    law: str | RateLaw = "single-slope",
    start_s: float | None = None,
    end_s: float | None = None,
) -> SpectrumFit:
    """Fit signals (n, N) at times (N,) with one set of rates.

    Parameters
    ----------
    start_s, end_s
        Part that is fitted; None: the first and the last point.

    Raises
    ------
    SettingsError
        For an unknown law, or fewer than 3 points in the window.
    """
    rate_law = find_law(law)
    begin = float(time_s[0]) if start_s is None else start_s
    kept = (time_s >= begin) & (time_s <= (np.inf if end_s is None else end_s))
    if kept.sum() < 3:
        raise SettingsError("start and end", (start_s, end_s), valid="a window with points")
    time, values = time_s[kept], signals[:, kept]
    parts = decompose(values)
    leading = parts.courses[: min(max(parts.components, 1), MOST_COMPONENTS)]
    shared = fit_shared(
        [(time, course) for course in leading],
        law=rate_law,
        starts_s=[begin] * len(leading),
        own_noise=False,
    )
    nothing = {name: np.full(len(values), np.nan) for name in rate_law.linear}
    if not shared.ok:
        return SpectrumFit(
            reason=shared.reason,
            decomposition=parts,
            law=rate_law,
            parameters=shared.parameters,
            stderr=shared.stderr,
            coefficients=nothing,
            coefficient_stderr=nothing,
            residual_sd=np.full(len(values), np.nan),
            start_s=begin,
        )
    theta = np.array([shared.parameters[name] for name in rate_law.nonlinear])
    coefficients, errors, rest = _amplitudes(
        time - begin, values, rate_law, theta, shared.covariance, parts.noise_sd
    )
    return SpectrumFit(
        reason="",
        decomposition=parts,
        law=rate_law,
        parameters=shared.parameters,
        stderr=shared.stderr,
        coefficients=dict(zip(rate_law.linear, coefficients, strict=True)),
        coefficient_stderr=dict(zip(rate_law.linear, errors, strict=True)),
        residual_sd=rest,
        start_s=begin,
    )


def _amplitudes(
    since_s: FloatArray,
    values: FloatArray,
    law: RateLaw,
    theta: FloatArray,
    covariance: FloatArray,
    noise_sd: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Linear parameters (m, n), their errors (m, n) and the residual SD (n,) at known rates."""
    coefficients, inverse = _project(since_s, values, law, theta)
    free = max(len(since_s) - len(coefficients), 1)
    rest = values - coefficients.T @ law.basis(since_s, theta)
    residual_sd = np.sqrt((rest**2).sum(axis=1) / free)
    sd = np.maximum(residual_sd, noise_sd)
    variance = np.diag(inverse)[:, None] * sd**2
    slopes = []
    for place, value in enumerate(theta):
        step = np.zeros_like(theta)
        step[place] = _STEP * abs(value)
        above, _ = _project(since_s, values, law, theta + step)
        below, _ = _project(since_s, values, law, theta - step)
        slopes.append((above - below) / (2 * step[place]))
    if slopes:
        pull = np.array(slopes)
        variance = variance + np.einsum("amn,ab,bmn->mn", pull, covariance, pull)
    return coefficients, np.sqrt(variance), residual_sd


def _project(
    since_s: FloatArray, values: FloatArray, law: RateLaw, theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Least squares of signals (n, N) on the law's basis: (m, n) and the inverse (m, m)."""
    frame, upper = np.linalg.qr(np.asarray(law.basis(since_s, theta), dtype=np.float64).T)
    back = np.linalg.inv(upper)
    return back @ (frame.T @ values.T), back @ back.T
