"""What comes after each possible cut, fitted, and the points before it against that fit."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.fit_blocks import block_means
from stopflow.kinetics.fit_result import Fit, Refusal
from stopflow.kinetics.fit_screen import screen
from stopflow.kinetics.models import LAWS
from stopflow.kinetics.noise import Noise, estimate_noise
from stopflow.trace import FloatArray

LAW = LAWS["single-slope"]
GROWTH = 1.07
# The finest edge is at least this part of the trace: cutting less changes nothing.
FINEST_PART = 1 / 5000
# Tail fits stand at every third edge.
STRIDE = 3
# Noise below this is rounding of a signal of size 1.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Residual:
    """Mean deviation of a run of points from an extrapolated fit."""

    mean: float
    noise_sd: float
    fit_sd: float
    points: int

    @property
    def sd(self) -> float:
        """Of noise and fit together."""
        return sqrt(self.noise_sd**2 + self.fit_sd**2)


class Tails:
    """Fits of what comes after a cut, each made once.

    Parameters
    ----------
    time_s, signal
        (N,) seconds, and a signal of about size 1.
    robust
        Soft-L1 loss, which a bubble or a spike moves little.
    """

    def __init__(self, time_s: FloatArray, signal: FloatArray, *, robust: bool = False) -> None:
        self.robust = robust
        self.time_s = time_s
        self.signal = signal
        noise = estimate_noise(signal)
        self.noise = Noise(sd=max(noise.sd, ROUNDING), rho=noise.rho)
        self.edges = list_edges(len(signal))
        self.fits: dict[int, Fit | None] = {}
        self.residuals: dict[int, Residual | None] = {}

    def fit(self, edge: int) -> Fit | None:
        """Fit from edge number `edge` on; None when refused."""
        if edge not in self.fits:
            self.fits[edge] = self._fit(int(self.edges[edge]))
        return self.fits[edge]

    def _fit(self, first: int) -> Fit | None:
        window = screen(self.time_s[first:], self.signal[first:], centred=True)
        if isinstance(window, Refusal):
            return None
        time, values, root_weights = block_means(window)
        fit = fit_trace(
            time * window.length_s + window.start_s,
            values * window.unit + window.centre,
            start_s=window.start_s,
            weights=None if root_weights is None else root_weights**2,
            robust=self.robust,
        )
        return fit if fit.ok else None

    def variance_scale(self, fit: Fit) -> float:
        """From the fit's own noise to that of the trace."""
        return (self.noise.sd * self.noise.inflation / fit.noise_sd) ** 2 if fit.noise_sd else 0.0

    def k_variance(self, fit: Fit) -> float:
        """Variance of k for the noise of the trace."""
        return fit.k_stderr_per_s**2 * self.variance_scale(fit)

    def residual(self, edge: int, fit: Fit) -> Residual:
        """Points between `edge` and the next one against `fit`."""
        first, stop = int(self.edges[edge]), int(self.edges[edge + 1])
        time = self.time_s[first:stop] - fit.start_s
        jacobian = LAW.jacobian(time, fit.parameters).mean(axis=0)
        variance = float(jacobian @ fit.covariance @ jacobian) * self.variance_scale(fit)
        expected = LAW.evaluate(time, fit.parameters).mean()
        return Residual(
            mean=float(self.signal[first:stop].mean() - expected),
            noise_sd=float(self.noise.mean_sd(stop - first)),
            fit_sd=sqrt(variance),
            points=stop - first,
        )

    def recursive_residual(self, edge: int) -> Residual | None:
        """Points after `edge` against the fit of the next tail; None when that was refused."""
        if edge not in self.residuals:
            later = min((edge // STRIDE + 1) * STRIDE, len(self.edges) - 1)
            fit = self.fit(later)
            self.residuals[edge] = None if fit is None else self.residual(edge, fit)
        return self.residuals[edge]


def list_edges(points: int) -> NDArray[np.intp]:
    """List the indices of possible cuts: even steps at first, then growing, to half."""
    finest = max(int(points * FINEST_PART), 1)
    edges = [0]
    while edges[-1] < points // 2:
        edges.append(max(edges[-1] + finest, round(edges[-1] * GROWTH)))
    return np.array(edges)
