"""The loss of orthogonality: measured exactly, bounded from above, below 5e-6 in float32."""

import math

import pytest
import torch
from chains import (
    COMBINATIONS,
    ORTHONORMAL,
    batch,
    chain,
    distance,
    mse_loss,
    orthonormality_defect,
    seeded,
    weights,
)

from stopflow.lowrank import (
    MEAN_SQUARE,
    OPTIMISERS,
    LayerSpec,
    StepSettings,
    build_network,
    build_stepper,
)
from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.integrators.complement import orthonormal_complement
from stopflow.lowrank.integrators.orthogonality import URGENT, OrthogonalityLoss
from stopflow.lowrank.layer.orthonormal import (
    gram_matrix,
    orthonormal,
    orthonormalised,
    positive_qr,
)
from stopflow.memory import peak_bytes, reset_peak

PROMISED = 5e-6
DYNAMICAL = [pair for pair in COMBINATIONS if pair[0] in ORTHONORMAL]


def linear(dtype=torch.float32):
    specs = [LayerSpec(type="dlrt", dim=20, rank=5, activation="linear")]
    return build_network(30, specs, generator=seeded(3), dtype=dtype)


def defect(network):
    bases = [basis for y in network.layers if hasattr(y, "U") for basis in (y.U, y.V)]
    return max(orthonormality_defect(basis.data) for basis in bases)


def data(seed, *, inputs=120):
    x = torch.randn(400, inputs, generator=seeded(seed))
    return x, x[:, :3].sum(dim=1, keepdim=True).tanh()


def settings(optimiser, **changes):
    rate = OPTIMISERS[optimiser].trial_rate
    return StepSettings(optimiser=optimiser, learning_rate=rate, theta=0.01, cadence=3, **changes)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "optimiser"), DYNAMICAL)
@pytest.mark.parametrize(("decay", "faster"), [(0.0, 1.0), (1.0, 1.0), (1.0, 5.0)])
def test_bases_stay_orthonormal_for_as_long_as_training_lasts(
    kind, optimiser, decay, faster, full_proof
):
    for seed in range(10 if full_proof else 1):
        network = chain(kind, inputs=120, dims=(40, 30), rank=8, seed=seed).float()
        stepper = build_stepper(network, settings(optimiser, weight_decay=decay))
        stepper.set_learning_rate(faster * stepper.learning_rate)
        x, y = data(seed)
        for step in range(10_000 if full_proof else 120):
            some = torch.randint(400, (16,), generator=seeded(step))
            assert stepper.step(x[some], y[some], loss=MEAN_SQUARE).finite
            assert defect(network) < PROMISED


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", ["sgd", "adam", "momentum"])
@pytest.mark.parametrize("rank", [50, 200])
def test_bases_of_high_rank_stay_orthonormal(optimiser, rank, full_proof):
    network = chain("dlrt", inputs=400, dims=(300, 250), rank=rank).float()
    stepper = build_stepper(network, settings(optimiser))
    x, y = data(3, inputs=400)
    for step in range(2_000 if full_proof else 40):
        some = torch.randint(400, (16,), generator=seeded(step))
        assert stepper.step(x[some], y[some], loss=MEAN_SQUARE).finite
        if step % 5 == 0:
            assert defect(network) < PROMISED


@pytest.mark.parametrize("optimiser", ["momentum", "muon", "adam"])
def test_the_bound_is_not_below_what_is_lost(optimiser):
    network = chain("dlrt", inputs=120, dims=(40, 30), rank=8).float()
    stepper = build_stepper(network, settings(optimiser, weight_decay=5.0))
    stepper.set_learning_rate(0.05)
    x, y = data(3)
    state = stepper._groups["dlrt"][1].state
    rounding = 5.0  # of what a repair leaves, which the bound does not count
    for step in range(150):
        some = torch.randint(400, (16,), generator=seeded(step))
        assert stepper.step(x[some], y[some], loss=MEAN_SQUARE).finite
        bound = math.sqrt(state.loss.squared) + rounding
        assert defect(network) < bound * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("easy", range(1, 6))
@pytest.mark.parametrize("left", [1e-1, 1e-3, 1e-5])
def test_a_step_that_cancels_w_after_easy_ones_keeps_the_bases_orthonormal(easy, left):
    network, rows = linear(), 64
    x = torch.linalg.qr(torch.randn(rows, 30, generator=seeded(5)))[0]
    nothing = torch.zeros(rows, 20)
    stepper = build_stepper(network, StepSettings(optimiser="sgd", learning_rate=1e-3))
    for _ in range(easy):
        stepper.step(x, nothing, loss=MEAN_SQUARE)
    (before,) = weights(network)
    stepper.set_learning_rate((1 - left) * rows * 20 / 2)
    stepper.step(x, nothing, loss=MEAN_SQUARE)
    assert defect(network) < PROMISED
    (after,) = weights(network)
    assert distance([after], [left * before]) < 1e-3 * float(before.norm())


@pytest.mark.parametrize("easy", range(1, 6))
@pytest.mark.parametrize("optimiser", ["sgd", "core-momentum", "adam", "muon"])
def test_a_core_that_becomes_ill_conditioned_between_steps_does_no_harm(easy, optimiser):
    network = linear()
    stepper = build_stepper(network, StepSettings(optimiser=optimiser, learning_rate=1e-6))
    x, y = torch.randn(64, 30, generator=seeded(1)), torch.randn(64, 20, generator=seeded(2))
    for _ in range(easy):
        stepper.step(x, y, loss=MEAN_SQUARE)
    direction = torch.randn(5, 1, generator=seeded(4))
    mixed = torch.randn(5, 5, generator=seeded(6))
    network.layers[0].S.data = direction @ direction.T + 1e-5 * mixed
    for _ in range(4):
        stepper.step(x, y, loss=MEAN_SQUARE)
        assert defect(network) < PROMISED


def test_the_bound_adds_squares_and_grows_with_what_cancels():
    loss = OrthogonalityLoss()
    assert not loss.due
    steps = 0
    while not loss.due:
        loss.grow(1.0, rank=50, rows=10**6)
        steps += 1
    assert steps == 12
    assert not loss.urgent
    loss.grow(2.0, rank=50, rows=10**6)
    assert loss.urgent
    lost = OrthogonalityLoss()
    lost.grow(math.inf, rank=1, rows=1)
    assert lost.due
    assert lost.urgent
    assert URGENT * torch.finfo(torch.float32).eps < PROMISED


@pytest.mark.parametrize(("rows", "rank"), [(40, 8), (63, 8), (512, 50), (5000, 50)])
def test_the_gram_matrix_of_single_precision_is_exact_to_its_rounding(rows, rank):
    basis = orthonormal(rows, rank, generator=seeded(1), dtype=torch.float32)
    exact = basis.double().mT @ basis.double()
    assert float((gram_matrix(basis) - exact).norm()) < 8 * torch.finfo(torch.float32).eps
    assert orthonormality_defect(basis) < 3 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_qr_factors_are_unique_and_leave_the_matrix(dtype):
    given = torch.randn(40, 6, generator=seeded(1), dtype=dtype)
    before = given.clone()
    q, upper = positive_qr(given)
    torch.testing.assert_close(upper, torch.linalg.cholesky(given.double().mT @ given.double()).mT)
    torch.testing.assert_close(q @ upper, given.double())
    assert torch.equal(given, before)


@pytest.mark.skipif(not reset_peak(), reason="the system does not tell a peak")
def test_a_basis_is_drawn_in_four_times_its_memory():
    """What is drawn, its copy in float64, which becomes Q, and what is returned."""
    reset_peak()
    before = peak_bytes()
    basis = orthonormal(100_000, 50, generator=seeded(1), dtype=torch.float32)
    assert peak_bytes() - before < 5 * 4 * basis.numel()


@pytest.mark.parametrize("away", [1e-6, 1e-3, 1e-1, 1.0])
def test_a_repair_leaves_the_product_and_rounding(away):
    basis = orthonormal(200, 20, generator=seeded(1), dtype=torch.float32)
    core = torch.eye(20) + away * torch.randn(20, 20, generator=seeded(2)) / 20
    given = basis @ core
    q, upper = orthonormalised(given)
    assert orthonormality_defect(q) < 1e-6
    torch.testing.assert_close(q.double() @ upper, given.double(), rtol=1e-5, atol=1e-6)


def test_nearly_dependent_columns_are_orthonormalised_to_rounding():
    """The Gram matrix has lost them in single precision: Householder reflections have not."""
    given = torch.randn(200, 3, generator=seeded(1))
    given[:, 1] = given[:, 0] + 1e-2 * given[:, 1]
    given /= given.norm(dim=0)
    q, upper = orthonormalised(given)
    assert orthonormality_defect(q) < 1e-6
    torch.testing.assert_close(q.double() @ upper, given.double(), rtol=1e-5, atol=1e-5)


def test_orthonormalising_a_layer_leaves_its_weights():
    layer = chain("dlrt").float().layers[0]
    layer.U.data *= 1.001
    layer.V.data[:, 0] += 0.01 * layer.V.data[:, 1]
    before = (layer.U @ layer.S @ layer.V.T).detach()
    layer.orthonormalise()
    assert orthonormality_defect(layer.U.data) < 1e-6
    assert orthonormality_defect(layer.V.data) < 1e-6
    torch.testing.assert_close((layer.U @ layer.S @ layer.V.T).detach(), before)


@pytest.mark.parametrize("trace", [-6.5e-17, 0.0, 5e-16])
def test_an_energy_that_is_rounding_has_no_directions(trace):
    energy = torch.diag(torch.tensor([trace, 1e-17, -3e-16], dtype=torch.float64))
    direction = (torch.zeros(9, 3, dtype=torch.float64), None)
    terms = torch.tensor(1.0, dtype=torch.float64)
    found = orthonormal_complement(torch.zeros_like(energy), energy, terms, direction)
    assert found.size == 0
    basis = orthonormal(9, 3, generator=seeded(1))
    same, growth = found.combine(basis, torch.eye(3).double(), out=torch.empty_like(basis))
    torch.testing.assert_close(same, basis)
    assert growth == 1.0


def test_a_gradient_norm_is_not_below_what_its_sum_can_resolve():
    x = torch.ones(4, 3)
    delta = torch.tensor([[1.0], [-1.0], [1e3], [-1e3 - 1e-4]])
    squared = float(ForwardCache(x=x, delta=delta).gradient_norm_squared())
    terms = 3.0 * 4 * 1e6
    assert 0.1 * 1.2e-7 * terms / 4 < squared < 10 * 1.2e-7 * terms


@pytest.mark.parametrize("optimiser", ["adam", "muon", "adam-scalar"])
@pytest.mark.parametrize("kind", ["dlrt", "adaptive"])
def test_gradients_that_cancel_are_not_magnified(kind, optimiser):
    """The true gradient is 1e-5 of its terms: below what squares in float32 resolve.

    Two passes are left out, whose second gradient does not cancel.
    """
    network = chain(kind, dims=(24,), inputs=40).float()
    x = torch.randn(1, 40, generator=seeded(1)).repeat(12, 1)
    away = torch.randn(12, 1, generator=seeded(2))
    with torch.no_grad():
        y = network(x) + (away - away.mean()) + 1e-5
    (before, *_) = weights(network)
    stepper = build_stepper(network, StepSettings(optimiser=optimiser, learning_rate=1e-3))
    assert stepper.step(x, y, loss=mse_loss).finite
    (after, *_) = weights(network)
    assert float((after - before).norm() / before.norm()) < 0.05
    assert defect(network) < PROMISED


def test_float64_promises_as_many_digits():
    network = chain("dlrt")
    stepper = build_stepper(network, settings("momentum", weight_decay=1.0))
    for step in range(60):
        assert stepper.step(*batch(step), loss=mse_loss).finite
        assert defect(network) < 42 * torch.finfo(torch.float64).eps
