"""When the rounding of a turn is measured, and that what is believed in between does no harm."""

import math

import pytest
import torch

from stopflow.lowrank import (
    MEAN_SQUARE,
    LayerSpec,
    StepSettings,
    build_network,
    build_stepper,
)
from stopflow.lowrank.integrators.bases import orthonormality_defect
from stopflow.lowrank.integrators.orthogonality import Look
from tests.lowrank.chains import distance, seeded, weights

CALM = Look(1.001, 50, [3.0, 4.0])


def linear(dtype=torch.float32):
    specs = [LayerSpec(type="dlrt", dim=20, rank=5, activation="linear")]
    return build_network(30, specs, generator=seeded(3), dtype=dtype)


def defect(network):
    layer = network.layers[0]
    return max(orthonormality_defect(basis.data) for basis in (layer.U, layer.V))


@pytest.fixture
def believed(monkeypatch):
    """Count the turns whose wear is believed, and all of them that might have been."""
    counts = [0, 0]
    after = Look.after

    def counted(self, signs):
        found = after(self, signs)
        counts[0] += found is not None
        counts[1] += 1
        return found

    monkeypatch.setattr(Look, "after", counted)
    return counts


def test_three_turns_as_easy_as_the_measured_one_are_believed():
    look = CALM
    for turn in (1, 2, 3):
        look = look.after([3.1, 2.0])
        assert (look.wear, look.turns) == (CALM.wear, turn)
    assert look.after([3.1, 2.0]) is None


@pytest.mark.parametrize("signs", [[3.0, 6.0], [4.0, 4.0], [math.nan, 4.0], [3.0, math.inf]])
def test_a_turn_with_a_sign_that_has_grown_is_measured(signs):
    assert CALM.after(signs) is None


@pytest.mark.parametrize("wear", [1.1, 20.0, math.inf, math.nan])
def test_a_hard_turn_is_not_believed_of_the_next(wear):
    assert Look(wear, 50, [3.0, 4.0]).after([3.0, 4.0]) is None


def test_a_look_survives_as_numbers():
    look = CALM.after([3.0, 4.0])
    assert Look.of(look.numbers()) == look


def test_easy_training_measures_one_turn_in_four(believed):
    network = linear()
    stepper = build_stepper(network, StepSettings(optimiser="sgd", learning_rate=1e-6))
    x, y = torch.randn(64, 30, generator=seeded(1)), torch.zeros(64, 20)
    for _ in range(41):
        stepper.step(x, y, loss=MEAN_SQUARE)
    assert believed == [30, 40]


@pytest.mark.parametrize("easy", range(1, 6))
@pytest.mark.parametrize("left", [1e-1, 1e-3, 1e-5])
def test_a_step_that_cancels_w_after_easy_ones_keeps_the_bases_orthonormal(easy, left, believed):
    network, rows = linear(), 64
    x = torch.linalg.qr(torch.randn(rows, 30, generator=seeded(5)))[0]
    nothing = torch.zeros(rows, 20)
    stepper = build_stepper(network, StepSettings(optimiser="sgd", learning_rate=1e-3))
    for _ in range(easy):
        stepper.step(x, nothing, loss=MEAN_SQUARE)
    (before,) = weights(network)
    stepper.set_learning_rate((1 - left) * rows * 20 / 2)
    stepper.step(x, nothing, loss=MEAN_SQUARE)
    assert defect(network) < 1e-5
    (after,) = weights(network)
    assert distance([after], [left * before]) < 1e-3 * float(before.norm())
    assert believed[0] == min(easy - 1, 3)


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
        assert defect(network) < 1e-5


@pytest.mark.parametrize("steps", range(2, 7))
def test_what_is_believed_goes_on_after_an_interruption(steps):
    settings = StepSettings(optimiser="muon", learning_rate=1e-4)
    whole, first, second = (linear() for _ in range(3))
    steppers = [build_stepper(network, settings) for network in (whole, first)]
    x, y = torch.randn(64, 30, generator=seeded(1)), torch.randn(64, 20, generator=seeded(2))
    for _ in range(steps):
        for stepper in steppers:
            stepper.step(x, y, loss=MEAN_SQUARE)
    second.load_state_dict(first.state_dict())
    resumed = build_stepper(second, settings)
    resumed.load_state_dict(steppers[1].state_dict())
    states = [stepper.state_dict() for stepper in (steppers[0], resumed)]
    assert torch.equal(*(state["dlrt.counters"] for state in states))
    assert len(states[0]["dlrt.counters"]) > 2
    for _ in range(40):
        for stepper in (steppers[0], resumed):
            stepper.step(x, y, loss=MEAN_SQUARE)
    assert distance(weights(whole), weights(second)) == 0.0
