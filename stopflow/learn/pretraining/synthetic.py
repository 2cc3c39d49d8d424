"""Simulated traces, drawn directly in the coordinates that the first layer takes.

A trace is exp(-k T tau) + slope tau + a weak second exponential + noise on one of a bank of time
grids. Its coordinates Q^T R y are drawn without computing its points: exponentials are taken from a
table over log(k T), noise is drawn as an exact Gaussian of covariance Q^T R (AR(1) covariance)
R^T Q, and the energy of the noise outside Q, which enters the trace's own SD, is drawn from its
mean and spread. The result has the distribution of the rows of `stopflow.features`, quantisation
apart, at 1/100 of the cost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from stopflow.bins import EDGES, bin_matrix
from stopflow.features import FeatureSpec, sign_weights
from stopflow.kinetics.uncertainty.drawn_noise import draw_noise
from stopflow.learn.pretraining.prior import (
    RHOS,
    Prior,
    ar1_root,
    even_grid,
    jittered_grid,
    log_grid,
    log_uniform,
    two_rate_grid,
)
from stopflow.trace import FloatArray

RATES_IN_TABLE: Final = 1400
TABLE_BOUNDS: Final = (0.25, 11_000.0)
NOISE_DRAWS: Final = 12
TRACES_A_GRID: Final = 64
LONG_SHARE: Final = 0.25
"""Share of traces on the long even grids, on top of their share in the bank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCounts:
    """How many time grids of each kind a bank holds; `long` ones have 8,000 points or more."""

    even: int = 60
    long: int = 24
    jittered: int = 30
    log: int = 15
    two_rate: int = 15


def draw_grids(
    prior: Prior, counts: GridCounts, *, generator: np.random.Generator
) -> list[FloatArray]:
    """Draw relative time grids; long even ones come first, the longest of all at the start."""
    low, high = prior.points

    def points(most: int) -> int:
        return int(log_uniform((low, min(high, most)), generator=generator))

    grids = [even_grid(high)]
    long_low = min(8000, high)
    grids += [even_grid(int(generator.uniform(long_low, high))) for _ in range(counts.long - 1)]
    grids += [even_grid(points(high)) for _ in range(counts.even)]
    grids += [jittered_grid(points(4000), generator=generator) for _ in range(counts.jittered)]
    grids += [log_grid(points(4000), generator=generator) for _ in range(counts.log)]
    grids += [two_rate_grid(points(8000), generator=generator) for _ in range(counts.two_rate)]
    return grids


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SyntheticBatch:
    """Coordinates (B, q) of normalised traces and the parameters they were drawn with.

    `log_kt`, `noise` (SD over amplitude) and `grid` (number of the time grid) are (B,).
    """

    coordinates: Tensor
    log_kt: Tensor
    noise: Tensor
    grid: Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TraceBank:
    """Tables for a feature kind and a set of G time grids.

    Attributes
    ----------
    curves
        (G, K, q) coordinates of exp(-k T tau) for K values of log(k T), evenly spaced.
    slopes
        (G, q) coordinates of tau.
    roots
        (G, rho, q, q) F with F^T F = covariance of the coordinates of unit noise.
    outside
        (G, rho, 2) mean and SD of the energy of unit noise outside Q.
    fastest
        (G,) largest log(k T) of a grid.
    turning
        (q,) weights whose product with a trace has the sign of its amplitude.
    """

    prior: Prior
    pairs: int
    long: int
    curves: Tensor
    slopes: Tensor
    roots: Tensor
    outside: Tensor
    fastest: Tensor
    turning: Tensor
    first_log_kt: float
    step_log_kt: float

    @property
    def n_inputs(self) -> int:
        """Number of coordinates of a trace."""
        return self.curves.shape[2]

    def curve(self, grid: Tensor, log_kt: Tensor) -> Tensor:
        """Return the coordinates (B, q) of exponentials, interpolated linearly in the table."""
        place = (log_kt - self.first_log_kt) / self.step_log_kt
        below = place.long().clamp(0, self.curves.shape[1] - 2)
        row = grid * self.curves.shape[1] + below
        table = self.curves.flatten(0, 1)
        return torch.lerp(table[row], table[row + 1], (place - below)[:, None])

    def draw(self, traces: int, *, generator: torch.Generator) -> SyntheticBatch:
        """Draw traces from the prior, `TRACES_A_GRID` at a time on one grid with one rho."""
        prior, groups = self.prior, -(-traces // TRACES_A_GRID)
        count = groups * TRACES_A_GRID
        group = torch.rand(4, groups, generator=generator)
        each = torch.rand(8, count, generator=generator)
        normal = torch.randn(2, count, generator=generator)
        grids = (group[0] * len(self.curves)).long()
        grids = torch.where(group[1] < LONG_SHARE, (group[0] * self.long).long(), grids)
        correlated = 1 + (group[3] * (len(RHOS) - 1)).long()
        rho = torch.where(group[2] < prior.correlated_share, correlated, 0)
        grid = grids.repeat_interleave(TRACES_A_GRID)
        top = self.fastest[grid]

        in_core = each[0] < prior.core_share
        wide, core = (
            _between(low, top, each[1], cap=cap) for low, cap in (prior.kt, prior.kt_core)
        )
        log_kt = torch.where(in_core, core, wide)
        found = self.curve(grid, log_kt)
        slope = _between(prior.slope[0], math.log(prior.slope[1]), each[2]).exp() * normal[0]
        found.addcmul_(slope[:, None], self.slopes[grid])
        second = torch.nonzero(each[3] < prior.second_share)[:, 0]
        size = _between(prior.second_amplitude[0], math.log(prior.second_amplitude[1]), each[4])
        size = torch.where(each[5] < 0.5, -1.0, 1.0) * size.exp()
        other = _between(prior.second_kt_low, top, each[6])
        found[second] += size[second, None] * self.curve(grid[second], other[second])

        noise = _between(prior.noise[0], math.log(prior.noise[1]), each[7]).exp()
        q = found.shape[1]
        white = torch.randn(count, q, generator=generator).mul_(noise[:, None])
        found += torch.bmm(white.view(groups, -1, q), self.roots[grids, rho]).view(count, q)
        outside = self.outside[grids, rho].repeat_interleave(TRACES_A_GRID, dim=0)
        rest = (outside[:, 0] + outside[:, 1] * normal[1]).clamp_(min=0) * noise.square()
        scale = ((found.square().sum(dim=1) + rest) / self.pairs).sqrt()
        found *= (torch.where(found @ self.turning < 0, -1.0, 1.0) / scale)[:, None]
        return SyntheticBatch(
            coordinates=found[:traces],
            log_kt=log_kt[:traces],
            noise=noise[:traces],
            grid=grid[:traces],
        )


def _between(low: float, top: Tensor | float, uniform: Tensor, *, cap: float = math.inf) -> Tensor:
    """Draw the log of a log-uniform number from `low` to exp(top), or to a smaller `cap`."""
    first = math.log(low)
    last = torch.as_tensor(top).clamp(max=math.log(cap))
    return first + (last - first) * uniform


def build_bank(
    spec: FeatureSpec,
    basis: FloatArray,
    grids: Sequence[FloatArray],
    *,
    prior: Prior,
    long: int,
    generator: np.random.Generator,
) -> TraceBank:
    """Tabulate what `TraceBank.draw` needs.

    Parameters
    ----------
    basis
        Q (pairs, q) of `projection.bin_basis`.
    grids
        Relative time grids from 0 to 1; the first `long` are the long even ones.
    generator
        For the energy of noise outside Q.
    """
    edges = EDGES[spec.kind](spec.pairs)
    log_kt = np.linspace(math.log(TABLE_BOUNDS[0]), math.log(TABLE_BOUNDS[1]), RATES_IN_TABLE)
    q = basis.shape[1]
    curves = torch.empty(len(grids), RATES_IN_TABLE, q)
    slopes = torch.empty(len(grids), q)
    roots = torch.empty(len(grids), len(RHOS), q, q)
    outside = torch.empty(len(grids), len(RHOS), 2)
    for number, tau in enumerate(grids):
        matrix = bin_matrix(tau, edges)
        points = matrix.T @ basis
        for first in range(0, RATES_IN_TABLE, 200):
            rates = np.exp(log_kt[first : first + 200, None])
            curves[number, first : first + 200] = torch.from_numpy(np.exp(-rates * tau) @ points)
        slopes[number] = torch.from_numpy(tau @ points)
        for place, rho in enumerate(RHOS):
            filtered = ar1_root(points, rho=rho)
            roots[number, place] = torch.from_numpy(_square_root(filtered.T @ filtered))
            noise = draw_noise((NOISE_DRAWS, len(tau)), rho=rho, generator=generator)
            bins = (matrix @ noise.T).T
            bins -= bins.mean(axis=1, keepdims=True)
            rest = (bins**2).sum(axis=1) - ((bins @ basis) ** 2).sum(axis=1)
            outside[number, place, 0] = max(float(rest.mean()), 0.0)
            outside[number, place, 1] = float(rest.std(ddof=1))
    return TraceBank(
        prior=prior,
        pairs=spec.pairs,
        long=long,
        curves=curves,
        slopes=slopes,
        roots=roots,
        outside=outside,
        fastest=torch.tensor([math.log(prior.fastest(tau)) for tau in grids]),
        turning=torch.from_numpy(basis.T @ sign_weights(spec.kind, spec.pairs)).float(),
        first_log_kt=float(log_kt[0]),
        step_log_kt=float(log_kt[1] - log_kt[0]),
    )


def _square_root(covariance: FloatArray) -> FloatArray:
    """Return F with F^T F = covariance, which may be singular (fewer points than directions)."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))).T
