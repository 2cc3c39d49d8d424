"""Dynamical Adam learns a rate from a trace as well as vanilla and dense networks do.

Each kind runs at the step size that suited it best among 5e-3 to 3e-2.
"""

import math
from statistics import mean, stdev

import pytest
import torch
from chains import seeded
from torch import Tensor
from torch.nn.functional import mse_loss

from stopflow.lowrank import LayerSpec, RowSpace, StepSettings, build_network, build_stepper

POINTS = 400


def traces(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Draw log k and noisy sloped exponentials, each centred and scaled by itself."""
    generator = seeded(seed)
    log_k = math.log(0.7) + math.log(140) * torch.rand(count, 1, generator=generator)
    time = torch.linspace(0, 1, POINTS)
    signal = 1 - torch.exp(-log_k.exp() * time)
    signal += 0.2 * torch.randn(count, 1, generator=generator) * time
    noise = 10 ** (-2.5 + 1.3 * torch.rand(count, 1, generator=generator))
    signal += noise * torch.randn(count, POINTS, generator=generator)
    return (signal - signal.mean(1, keepdim=True)) / signal.std(1, keepdim=True), log_k


def error(kind: str, seed: int, *, rate: float, epochs: int, rows: int) -> float:
    """Train 400-96-64-1 on some traces, in the row space where it is exact; error on others."""
    (x, y), (x_test, y_test) = traces(seed, rows), traces(seed + 1000, 300)
    centre, spread = x.mean(0), x.std(0)
    x, x_test = (x - centre) / spread, (x_test - centre) / spread
    middle, scale = y.mean(), y.std()
    y, y_test = (y - middle) / scale, (y_test - middle) / scale
    space = RowSpace.fit(x)
    inside = kind in ("dlrt", "adaptive")
    basis = space.basis(20, lifted=not inside)
    if inside:
        x, x_test = space.coordinates(), space.project(x_test)
    specs = [LayerSpec(type=kind, dim=dim, rank=20) for dim in (96, 64)]
    specs.append(LayerSpec(type="dense", dim=1, activation="linear"))
    generator = seeded(seed)
    network = build_network(
        x.shape[1], specs, generator=generator, input_basis=basis, fan_in=POINTS
    )
    stepper = build_stepper(network, StepSettings(learning_rate=rate, theta=0.02, cadence=10))
    steps = epochs * (rows // 25)
    for step in range(steps):
        stepper.set_learning_rate(rate * (0.502 + 0.5 * math.cos(math.pi * step / steps)))
        some = torch.randperm(rows, generator=generator)[:25]
        stepper.step(x[some], y[some], loss=mse_loss)
    with torch.no_grad():
        return float((network(x_test) - y_test).abs().mean())


@pytest.mark.slow
def test_dynamical_adam_learns_as_well_as_vanilla_and_dense(full_proof):
    size = {"epochs": 60, "rows": 500} if full_proof else {"epochs": 20, "rows": 250}
    seeds = range(5 if full_proof else 2)
    rates = {"dense": 1e-2, "vanilla": 5e-3, "dlrt": 1e-2, "adaptive": 1e-2}
    found = {
        kind: [error(kind, seed, rate=rate, **size) for seed in seeds]
        for kind, rate in rates.items()
    }
    assert mean(found["dlrt"]) < mean(found["dense"])
    assert mean(found["adaptive"]) < mean(found["dense"])
    if full_proof:
        worse = [a - b for a, b in zip(found["dlrt"], found["vanilla"], strict=True)]
        assert mean(worse) < 2 * stdev(worse) / math.sqrt(len(worse))
