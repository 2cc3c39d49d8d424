"""Spectra of weights and gradients; of a deep linear network they are what theory says.

Layers u_i along the singular vectors of the target, equal in all N layers (balanced), and whitened
inputs: gradient descent keeps the vectors, and each mode goes its own way,
du/dt = -c u^(N-1) (u^N - t), t being the target's singular value (Saxe et al. 2014,
arXiv:1312.6120, equation 12 for N = 2; Arora et al. 2019, arXiv:1905.13655, theorem 3).
"""

import numpy as np
import pytest
import torch
from chains import batch, chain, mse_loss, seeded
from scipy.integrate import solve_ivp

from stopflow.lowrank import (
    LAYERS,
    MEAN_SQUARE,
    LayerSpec,
    StepSettings,
    build_network,
    build_stepper,
    measure_spectra,
    stable_rank,
)
from stopflow.lowrank.layer.orthonormal import orthonormal

DEPTH, WIDTH, ROWS = 3, 5, 40
TARGETS = torch.tensor([4.0, 2.0, 1.0, 0.5, 0.25], dtype=torch.float64)
START = 0.2
RATE = 0.01
END = 20.0


def deep_linear():
    """Return a balanced, aligned deep linear network, whitened rows and their targets.

    The rows have the mean zero, so that the biases stay where they are.
    """
    generator = seeded(2)
    turns = [orthonormal(WIDTH, WIDTH, generator=generator) for _ in range(DEPTH + 1)]
    drawn = torch.randn(ROWS, WIDTH, generator=generator, dtype=torch.float64)
    rows = torch.linalg.qr(drawn - drawn.mean(dim=0)).Q * ROWS**0.5
    specs = [LayerSpec(type="dense", dim=WIDTH, activation="linear")] * DEPTH
    network = build_network(WIDTH, specs, generator=generator, dtype=torch.float64)
    for i, layer in enumerate(network.chain):
        layer.weight.data = START * turns[i + 1] @ turns[i].mT
    return network, rows, rows @ (turns[0] * TARGETS) @ turns[-1].mT


def slope(u):
    """Minus the derivative of the loss ||W - T||^2 / WIDTH by a layer's u."""
    return -2.0 / WIDTH * u ** (DEPTH - 1) * (u**DEPTH - TARGETS.numpy())


def train(rate):
    """Return the spectra of every layer after every tenth of a time unit, and after which step."""
    network, rows, targets = deep_linear()
    stepper = build_stepper(network, StepSettings(optimiser="sgd", learning_rate=rate))
    found = []
    for step in range(round(END / rate) + 1):
        if step % round(0.1 / rate) == 0:
            found.append((step, measure_spectra(network, rows, targets, loss=MEAN_SQUARE)))
        stepper.step(rows, targets, loss=MEAN_SQUARE)
    return found


@pytest.fixture(scope="module")
def course():
    return train(RATE)


def test_every_mode_of_every_layer_follows_its_own_descent(course):
    u = np.full(WIDTH, START)
    expected = {0: u}
    for step in range(1, round(END / RATE) + 1):
        u = u + RATE * slope(u)
        expected[step] = u
    for step, spectra in course:
        for layer in spectra:
            wanted = np.sort(expected[step])[::-1]
            np.testing.assert_allclose(layer.weight.numpy(), wanted, rtol=1e-9, atol=1e-12)
            wanted = np.sort(np.abs(slope(expected[step])))[::-1]
            np.testing.assert_allclose(layer.gradient.numpy(), wanted, rtol=1e-7, atol=1e-12)


def test_the_course_becomes_that_of_the_differential_equation_as_steps_shrink(course):
    flow = solve_ivp(
        lambda _t, u: slope(u),
        (0, END),
        np.full(WIDTH, START),
        rtol=1e-10,
        atol=1e-12,
        dense_output=True,
    )

    def distance(found, rate):
        return max(
            float(np.abs(spectra[0].weight.numpy() - np.sort(flow.sol(step * rate))[::-1]).max())
            for step, spectra in found
        )

    coarse, fine = distance(course, RATE), distance(train(RATE / 2), RATE / 2)
    assert fine < 0.01
    assert 1.8 < coarse / fine < 2.2  # Euler's method is of the first order


def test_modes_are_learnt_one_after_another_so_that_the_stable_rank_dips(course):
    ranks = np.array([[stable_rank(layer.weight) for layer in spectra] for _, spectra in course])
    np.testing.assert_allclose(ranks[0], WIDTH)
    assert ranks.min() < 1.5
    half = [
        next(step for step, spectra in course if spectra[0].weight[i] ** 3 > 0.5 * TARGETS[i])
        for i in range(3)
    ]
    assert half[0] < half[1] < half[2]
    roots = TARGETS.numpy()[:3] ** (2 / DEPTH)
    assert ranks[-1, 0] >= roots.sum() / roots[0] - 1e-3


@pytest.mark.parametrize("kind", sorted(LAYERS))
@pytest.mark.parametrize("rows", [7, 64])
def test_spectra_are_those_of_the_full_matrices_by_autograd(kind, rows):
    network = chain(kind)
    x, y = batch(rows=rows)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    spectra = measure_spectra(network, x, y, loss=mse_loss)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    weights = []
    z = x
    for layer, activation in zip(network.chain, network.activations, strict=True):
        left, core, right = layer.factors()
        weight = (left @ core @ right.mT).detach().requires_grad_()
        weights.append(weight)
        z = activation.forward(z @ weight.mT.to(z.dtype) + layer.bias.detach())
    gradients = torch.autograd.grad(mse_loss(z, y), weights)
    for layer, weight, gradient in zip(spectra, weights, gradients, strict=True):
        for found, matrix in ((layer.weight, weight), (layer.gradient, gradient)):
            wanted = torch.linalg.svdvals(matrix.detach().double())
            count = min(len(wanted), len(found))
            torch.testing.assert_close(found[:count], wanted[:count], rtol=1e-6, atol=1e-9)
            assert float(wanted[count:].sum()) < 1e-9


def test_stable_rank():
    assert stable_rank(torch.tensor([2.0, 2.0, 0.0])) == 2.0
    assert stable_rank(torch.tensor([2.0, 1.0])) == 1.25
    assert np.isnan(stable_rank(torch.zeros(3)))


def test_of_what_is_not_finite_there_is_no_spectrum():
    network = chain("dense")
    x, y = batch()
    assert measure_spectra(network, x * torch.inf, y, loss=mse_loss) == ()
