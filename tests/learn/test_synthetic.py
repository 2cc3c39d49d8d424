"""Traces drawn in coordinates are what the point-by-point route through the features gives."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from stopflow.bins import EDGES, bin_means
from stopflow.features import FeatureSpec, build_feature_batch
from stopflow.kinetics.uncertainty.drawn_noise import draw_noise
from stopflow.learn.pretraining.prior import RHOS, Prior, ar1_root, sample_trace
from stopflow.learn.pretraining.synthetic import (
    TRACES_A_GRID,
    GridCounts,
    TraceBank,
    build_bank,
    draw_grids,
)
from stopflow.learn.projection import bin_basis
from stopflow.trace import FloatArray

pytestmark = pytest.mark.whole

SPECS = (FeatureSpec("shape", 600), FeatureSpec("blocks", 128))
FEW = GridCounts(even=1, long=1, jittered=1, log=1, two_rate=1)


def small_bank(
    spec: FeatureSpec, prior: Prior, *, grids: list[FloatArray] | None = None
) -> tuple[TraceBank, FloatArray, list[FloatArray]]:
    generator = np.random.default_rng(3)
    basis = bin_basis(spec.kind, spec.pairs, directions=72)
    found = grids or draw_grids(prior, FEW, generator=generator)
    bank = build_bank(spec, basis, found, prior=prior, long=1, generator=generator)
    return bank, basis, found


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_basis_is_orthonormal_centred_and_holds_the_curves(spec: FeatureSpec) -> None:
    basis = bin_basis(spec.kind, spec.pairs, directions=72)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-10)
    np.testing.assert_allclose(basis.sum(axis=0), 0.0, atol=1e-9)
    tau = np.arange(777) / 776
    rates = np.exp(np.linspace(0, np.log(80), 40))
    bins = bin_means(tau, np.exp(-rates[:, None] * tau), EDGES[spec.kind](spec.pairs))
    bins -= bins.mean(axis=1, keepdims=True)
    left = np.linalg.norm(bins - (bins @ basis) @ basis.T, axis=1)
    assert (left / np.linalg.norm(bins, axis=1)).max() < 1e-3


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_clean_coordinates_are_those_of_the_points(spec: FeatureSpec) -> None:
    bank, basis, grids = small_bank(spec, Prior(points=(150, 900)))
    for number, tau in enumerate(grids):
        log_kt = torch.tensor([0.123, 1.7, 3.456])
        drawn = bank.curve(torch.full((3,), number), log_kt).numpy()
        points = np.exp(-np.exp(log_kt.double().numpy())[:, None] * tau)
        direct = bin_means(tau, points, EDGES[spec.kind](spec.pairs)) @ basis
        np.testing.assert_allclose(drawn, direct, atol=3e-5 * np.abs(direct).max())
        slope = bin_means(tau, tau, EDGES[spec.kind](spec.pairs)) @ basis
        np.testing.assert_allclose(bank.slopes[number], slope, atol=1e-5 * np.abs(slope).max())


@pytest.mark.parametrize("rho", RHOS)
def test_correlated_noise_has_the_stated_covariance(rho: float) -> None:
    points = 40
    lag = np.abs(np.subtract.outer(np.arange(points), np.arange(points)))
    root = ar1_root(np.eye(points), rho=rho)
    np.testing.assert_allclose(root.T @ root, rho**lag, atol=1e-12)
    noise = draw_noise((20_000, points), rho=rho, generator=np.random.default_rng(4))
    np.testing.assert_allclose(noise.T @ noise / 20_000, rho**lag, atol=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
@pytest.mark.parametrize("rho_share", [0.0, 1.0])
def test_drawn_rows_are_distributed_as_rows_made_point_by_point(
    spec: FeatureSpec, rho_share: float, *, full_proof: bool
) -> None:
    """Two samples of the same prior on one grid, one by each route, must look alike."""
    count = 6000 if full_proof else 1500
    prior = Prior(correlated_share=rho_share, second_share=0.3, kt=(0.7, 90.0))
    tau = np.arange(401) / 400
    bank, basis, _ = small_bank(spec, prior, grids=[tau])
    batch = bank.draw(count, generator=torch.Generator().manual_seed(5))
    generator = np.random.default_rng(6)
    signals = np.stack([_signal(prior, tau, generator=generator) for _ in range(count)])
    rows = build_feature_batch(tau, signals, spec=spec)[:, 1::2].astype(float) @ basis
    drawn = batch.coordinates[:, : basis.shape[1]].double().numpy()
    columns = range(0, basis.shape[1], 5)
    worst = min(ks_2samp(rows[:, column], drawn[:, column]).pvalue for column in columns)
    # traces that share a rho make the drawn sample a little more scattered than independent ones
    assert worst * len(columns) > (1e-3 if rho_share == 0 else 1e-6)
    energy = np.linalg.norm(rows, axis=1), np.linalg.norm(drawn, axis=1)
    assert ks_2samp(*energy).pvalue > (1e-3 if rho_share == 0 else 1e-6)


def _signal(prior: Prior, tau: FloatArray, *, generator: np.random.Generator) -> FloatArray:
    """An independent reading of the prior, point by point."""

    def between(low: float, high: float) -> float:
        return float(low * (high / low) ** generator.random())

    narrow = generator.random() < prior.core_share
    low, high = prior.kt_core if narrow else prior.kt
    kt = between(low, min(high, prior.fastest(tau)))
    signal = np.exp(-kt * tau) + between(*prior.slope) * generator.normal() * tau
    if generator.random() < prior.second_share:
        other = between(prior.second_kt_low, prior.fastest(tau))
        signal += (
            generator.choice((-1, 1)) * between(*prior.second_amplitude) * np.exp(-other * tau)
        )
    rho = generator.choice(RHOS[1:]) if generator.random() < prior.correlated_share else 0.0
    noise = draw_noise(len(tau), rho=rho, generator=generator)
    return signal + between(*prior.noise) * noise


def test_draws_stay_inside_the_prior_and_repeat_with_the_seed() -> None:
    prior = Prior(points=(150, 900))
    bank, _, _ = small_bank(FeatureSpec("shape", 600), prior)
    first = bank.draw(1000, generator=torch.Generator().manual_seed(7))
    again = bank.draw(1000, generator=torch.Generator().manual_seed(7))
    assert torch.equal(first.coordinates, again.coordinates)
    assert len(first.coordinates) == 1000
    assert (first.log_kt >= np.log(prior.kt[0]) - 1e-6).all()
    assert (first.log_kt <= bank.fastest[first.grid] + 1e-6).all()
    assert (first.noise >= prior.noise[0] * 0.999).all()
    assert (first.noise <= prior.noise[1] * 1.001).all()
    assert len(set(first.grid[:TRACES_A_GRID].tolist())) == 1


def test_whole_traces_have_any_unit_window_and_polarity() -> None:
    generator = np.random.default_rng(8)
    traces = [sample_trace(Prior(points=(150, 600)), generator=generator) for _ in range(60)]
    for trace in traces:
        window_s = trace.time_s[-1] - trace.time_s[0]
        assert (np.diff(trace.time_s) > 0).all()
        assert trace.k_per_s * window_s == pytest.approx(trace.kt)
    assert {np.sign(trace.signal[0] - trace.signal[-1]) for trace in traces} >= {-1.0, 1.0}
