"""Decompositions that one code path of one library does not find: found, or refused by name."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from chains import COMBINATIONS, batch, chain, seeded, weights

import stopflow
from stopflow.lowrank import MEAN_SQUARE, StepSettings, build_stepper
from stopflow.lowrank.decompositions import symmetric_eigh, thin_svd

CORE = Path(__file__).with_name("core_of_condition_1e8.npy")
"""The core of a rank-adaptive layer in training, 52 x 52, at which MKL's dgesdd stops."""


@pytest.fixture
def stopped(monkeypatch):
    """Let both routines of torch end as they do where LAPACK does not converge."""

    def stop(*_, **__):
        raise torch.linalg.LinAlgError("the algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "svd", stop)
    monkeypatch.setattr(torch.linalg, "eigh", stop)


def check_svd(matrix):
    u, sigma, vt = thin_svd(matrix)
    room = 200 * torch.finfo(matrix.dtype).eps
    count = min(matrix.shape)
    assert u.shape == (matrix.shape[0], count)
    assert vt.shape == (count, matrix.shape[1])
    assert {part.dtype for part in (u, sigma, vt)} == {matrix.dtype}
    one = torch.eye(count, dtype=matrix.dtype)
    assert (u.mT @ u - one).abs().max() < room
    assert (vt @ vt.mT - one).abs().max() < room
    assert (u * sigma @ vt - matrix).abs().max() < room * sigma[0]
    assert (sigma[1:] <= sigma[:-1]).all()
    assert sigma[-1] >= 0


def test_a_core_at_which_a_library_stops_is_decomposed():
    check_svd(torch.from_numpy(np.load(CORE)).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7, 7), (9, 4), (4, 9), (1, 5)])
def test_what_one_library_does_not_find_another_does(stopped, shape, dtype):
    matrix = torch.randn(shape, generator=seeded(2)).to(dtype)
    check_svd(matrix)
    gram = matrix @ matrix.mT
    values, vectors = symmetric_eigh(gram)
    room = 100 * torch.finfo(dtype).eps * values[-1]
    assert (vectors * values @ vectors.mT - gram).abs().max() < room
    assert (values[1:] >= values[:-1]).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_is_not_tried_again(stopped, value):
    matrix = torch.diag(torch.tensor([1.0, value, 2.0]))
    for decompose in (thin_svd, symmetric_eigh):
        with pytest.raises(torch.linalg.LinAlgError, match="not finite"):
            decompose(matrix)


@pytest.mark.parametrize(("kind", "optimiser"), COMBINATIONS)
def test_training_goes_on_where_a_library_stops(kind, optimiser, monkeypatch, request):
    found = []
    for stops in (False, True):
        if stops:
            request.getfixturevalue("stopped")
        network = chain(kind)
        settings = StepSettings(
            optimiser=optimiser, learning_rate=1e-3, delay=2, absorb_every=2, cadence=2, theta=1e-3
        )
        stepper = build_stepper(network, settings)
        for seed in range(4):
            inputs, targets = batch(seed)
            assert stepper.step(inputs, targets, loss=MEAN_SQUARE).finite
        found.append(weights(network))
    for ours, other in zip(*found, strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-8, atol=1e-10)


def test_networks_are_decomposed_in_one_place():
    direct = re.compile(r"torch\.linalg\.(svd|eigh)\b")
    root = Path(stopflow.__file__).parent
    found = {
        path.name for path in root.rglob("*.py") if direct.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"decompositions.py"}
