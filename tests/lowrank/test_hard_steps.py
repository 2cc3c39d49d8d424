"""Steps that rounding could spoil: cancelling, vanishing, rank-deficient, overflowing."""

import math

import pytest
import torch
from chains import orthonormality_defect
from torch.nn.functional import mse_loss

from stopflow.lowrank import (
    LAYERS,
    MEAN_SQUARE,
    OPTIMISERS,
    LayerSpec,
    StepSettings,
    build_network,
    build_stepper,
)
from stopflow.lowrank.optimisers.muon import orthogonalised
from tests.lowrank.chains import ORTHONORMAL, batch, chain, distance, seeded, weights

ERRORS = {torch.float32: 1e-3, torch.float64: 1e-10}
LIMITS = {torch.float32: 5e-6, torch.float64: 1e-12}


def worst_defect(network):
    low_rank = [layer for layer in network.layers if hasattr(layer, "U")]
    return max(orthonormality_defect(b.data) for layer in low_rank for b in (layer.U, layer.V))


def single(kind, dtype, *, rank=5):
    return build_network(
        30,
        [LayerSpec(type=kind, dim=20, rank=rank, activation="linear")],
        generator=seeded(3),
        dtype=dtype,
    )


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("kind", ORTHONORMAL)
@pytest.mark.parametrize("left", [1e-1, 1e-2, 1e-3, 1e-5, 1e-7, 1e-12])
def test_a_step_that_cancels_w_keeps_the_bases_orthonormal(kind, dtype, left):
    network, rows = single(kind, dtype), 64
    x = torch.linalg.qr(torch.randn(rows, 30, generator=seeded(5)).double())[0].to(dtype)
    (before,) = weights(network)
    rate = (1 - left) * rows * 20 / 2
    settings = StepSettings(optimiser="sgd", learning_rate=rate, theta=1e-9, max_rank=5)
    nothing = torch.zeros(rows, 20, dtype=dtype)
    assert build_stepper(network, settings).step(x, nothing, loss=MEAN_SQUARE).finite
    assert worst_defect(network) < LIMITS[dtype]
    (after,) = weights(network)
    assert float((after - left * before).norm() / before.norm()) < ERRORS[dtype]


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("kind", ORTHONORMAL)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("weakest", [0.0, 1e-12, 1e-30])
def test_any_singular_values_leave_finite_orthonormal_factors(kind, optimiser, dtype, weakest):
    network = single(kind, dtype)
    values = torch.zeros(5, dtype=dtype)
    if weakest:
        values = torch.logspace(0, math.log10(weakest), 5, dtype=dtype)
    network.layers[0].S.data = torch.diag(values)
    settings = StepSettings(optimiser=optimiser, learning_rate=1e-3, clip=1.0, cadence=2)
    stepper = build_stepper(network, settings)
    x = torch.randn(8, 30, generator=seeded(1)).to(dtype)
    y = torch.randn(8, 20, generator=seeded(2)).to(dtype)
    for _ in range(6):
        assert stepper.step(x, y, loss=MEAN_SQUARE).finite
        assert worst_defect(network) < LIMITS[dtype]
    assert all(bool(p.isfinite().all()) for p in network.parameters())


@pytest.mark.whole
@pytest.mark.parametrize("kind", ["dlrt", "dlrt-two-pass"])
def test_decaying_weights_keep_the_bases_orthonormal(kind):
    network = chain(kind, inputs=120, dims=(40, 30), rank=8).float()
    settings = StepSettings(optimiser="momentum", learning_rate=1e-2, weight_decay=1.0)
    stepper = build_stepper(network, settings)
    x = torch.randn(400, 120, generator=seeded(3))
    y = x[:, :3].sum(dim=1, keepdim=True).tanh()
    for step in range(600):
        some = torch.randint(400, (16,), generator=seeded(step))
        assert stepper.step(x[some], y[some], loss=MEAN_SQUARE).finite
        assert worst_defect(network) < LIMITS[torch.float32]


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("scale", [1e-37, 1e-20, 1e20, 1e37])
def test_the_polar_factor_knows_no_scale(dtype, scale):
    matrices = torch.randn(2, 6, 6, generator=seeded(1), dtype=dtype)
    found = orthogonalised(matrices * scale)
    torch.testing.assert_close(found, orthogonalised(matrices), rtol=1e-4, atol=1e-4)
    assert not orthogonalised(torch.zeros(2, 6, 6, dtype=dtype)).any()


@pytest.mark.parametrize("kind", ORTHONORMAL)
def test_gradients_that_vanish_leave_the_weights_finite(kind):
    network = chain(kind).float()
    stepper = build_stepper(network, StepSettings(optimiser="muon", momentum=0.1, cadence=7))
    x, y = (t.float() for t in batch())
    stepper.step(x, y, loss=mse_loss)
    for _ in range(60):
        assert stepper.step(x, torch.zeros_like(y), loss=lambda o, _: (0.0 * o).sum()).finite
    assert all(bool(p.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("optimiser", "clip"), [("sgd", 1.0), ("adam-scalar", None)])
def test_repeated_rows_with_residuals_that_cancel_do_no_harm(kind, optimiser, clip):
    for seed in range(12):
        network = single(kind, torch.float64)
        x = 10 * torch.randn(1, 30, generator=seeded(seed), dtype=torch.float64).repeat(12, 1)
        y = torch.randn(12, 20, generator=seeded(seed + 50), dtype=torch.float64)
        with torch.no_grad():
            y = y - y.mean(0) + network(x[:1])
        stepper = build_stepper(network, StepSettings(optimiser=optimiser, clip=clip))
        assert stepper.step(x, y, loss=MEAN_SQUARE).finite
        assert all(bool(p.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("kind", ["dense", "dlrt"])
@pytest.mark.parametrize("size", [1e8, 1e12, 1e14])
def test_gradients_whose_squares_overflow_are_clipped_all_the_same(kind, size):
    network = chain(kind).float()
    before = weights(network)
    stepper = build_stepper(network, StepSettings(optimiser="sgd", learning_rate=1e-3, clip=1.0))
    x, y = (t.float() for t in batch())
    result = stepper.step(1e6 * x, size * y, loss=mse_loss)
    moved = distance(weights(network), before)
    assert moved <= 1.01e-3 if result.finite else moved == 0.0


@pytest.mark.parametrize("kind", LAYERS)
def test_an_infinite_input_is_seen_behind_a_bounded_activation(kind):
    network = chain(kind, activation="tanh")
    before = weights(network)
    x, y = batch()
    x[0, 0] = torch.inf
    assert not build_stepper(network, StepSettings()).step(x, y, loss=mse_loss).finite
    assert distance(weights(network), before) == 0.0


def test_double_precision_takes_numbers_that_single_precision_cannot():
    network = chain("dlrt")
    x, y = batch()
    stepper = build_stepper(network, StepSettings(optimiser="adam"))
    assert stepper.step(x, 1e18 * y, loss=mse_loss).finite
