"""What comes after each possible cut, fitted, and the points before it against that fit."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.laws import LAWS, RateLaw, sum_of_exponentials
from stopflow.kinetics.solver.blocks import block_means
from stopflow.kinetics.solver.result import Fit, Refusal
from stopflow.kinetics.solver.window import Window, screen
from stopflow.kinetics.uncertainty.noise import Noise, estimate_noise
from stopflow.kinetics.verdicts.compare_laws import second_phase_gain
from stopflow.trace import FloatArray

ONE_PHASE = LAWS["single-slope"]
TWO_PHASES = sum_of_exponentials(2, slope=True)
# AICc by which a second phase must be better: an artefact's rest is not to become one.
CLEARLY_BETTER = 10.0
# A phase that lasts longer than this is a reaction, a shorter one before another is an artefact.
SHORTEST_PHASE_S = 3e-3
# How well its rate must be known.
KNOWN = 0.1
# Speed at first, over that of the faster of two phases, below which they are a lag.
LEAST_SPEED = 0.8
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
    one_phase
        The same with one phase: then two are fitted, where they are clearly better.
    """

    def __init__(
        self,
        time_s: FloatArray,
        signal: FloatArray,
        *,
        robust: bool = False,
        one_phase: "Tails | None" = None,
    ) -> None:
        self.robust = robust
        self.one_phase = one_phase
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
            first = int(self.edges[edge])
            window = screen(self.time_s[first:], self.signal[first:], centred=True)
            if isinstance(window, Refusal):
                self.fits[edge] = None
            elif self.one_phase is None:
                self.fits[edge] = self._fit(window, ONE_PHASE)
            else:
                self.fits[edge] = self._two_phases(window, self.one_phase.fit(edge))
        return self.fits[edge]

    def _two_phases(self, window: Window, single: Fit | None) -> Fit | None:
        if single is None or second_phase_gain(window, single) < CLEARLY_BETTER:
            return None
        double = self._fit(window, TWO_PHASES)
        return double if double and double.aicc < single.aicc - CLEARLY_BETTER else None

    def _fit(self, window: Window, law: RateLaw) -> Fit | None:
        """Fit block means; None when refused."""
        time, values, root_weights = block_means(window)
        fit = fit_trace(
            time * window.length_s + window.start_s,
            values * window.unit + window.centre,
            law=law,
            start_s=window.start_s,
            weights=None if root_weights is None else root_weights**2,
            robust=self.robust,
        )
        return fit if fit.ok else None

    def variance_scale(self, fit: Fit) -> float:
        """From the fit's own noise to that of the trace."""
        return (self.noise.sd * self.noise.inflation / fit.noise_sd) ** 2 if fit.noise_sd else 0.0

    def k_variance(self, fit: Fit) -> float:
        """Variance of the fastest rate for the noise of the trace."""
        return fit.stderr[fastest_rate(fit)] ** 2 * self.variance_scale(fit)

    def is_reaction(self, fit: Fit) -> bool:
        """Whether the faster of two phases is known, slow enough, and no lag.

        Before the flow stops the signal stands still: two phases describe that too, with speeds
        that cancel at first.
        """
        rate = fit.parameters[fastest_rate(fit)]
        known = self.k_variance(fit) < (KNOWN * rate) ** 2
        phases = zip(fit.rate_law.nonlinear, fit.rate_law.linear, strict=False)
        speeds = [fit.parameters[name] * fit.parameters[amplitude] for name, amplitude in phases]
        moves = abs(sum(speeds)) > LEAST_SPEED * max(map(abs, speeds))
        return known and moves and rate < 1 / SHORTEST_PHASE_S

    def residual(self, edge: int, fit: Fit) -> Residual:
        """Points between `edge` and the next one against `fit`."""
        first, stop = int(self.edges[edge]), int(self.edges[edge + 1])
        time = self.time_s[first:stop] - fit.start_s
        jacobian = fit.rate_law.jacobian(time, fit.parameters).mean(axis=0)
        variance = float(jacobian @ fit.covariance @ jacobian) * self.variance_scale(fit)
        expected = fit.rate_law.evaluate(time, fit.parameters).mean()
        return Residual(
            mean=float(self.signal[first:stop].mean() - expected),
            noise_sd=float(self.noise.mean_sd(stop - first)),
            # Below 0 by the rounding of a covariance that is all but singular.
            fit_sd=sqrt(variance) if not variance < 0 else 0.0,
            points=stop - first,
        )

    def recursive_residual(self, edge: int) -> Residual | None:
        """Points after `edge` against the fit of the next tail; None when that was refused."""
        if edge not in self.residuals:
            later = min((edge // STRIDE + 1) * STRIDE, len(self.edges) - 1)
            fit = self.fit(later)
            self.residuals[edge] = None if fit is None else self.residual(edge, fit)
        return self.residuals[edge]


def fastest_rate(fit: Fit) -> str:
    """Name the largest rate of a fit."""
    return max(fit.rate_law.nonlinear, key=fit.parameters.__getitem__)


def list_edges(points: int) -> NDArray[np.intp]:
    """List the indices of possible cuts: even steps at first, then growing, to half."""
    finest = max(int(points * FINEST_PART), 1)
    edges = [0]
    while edges[-1] < points // 2:
        edges.append(max(edges[-1] + finest, round(edges[-1] * GROWTH)))
    return np.array(edges)
