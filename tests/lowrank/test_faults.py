"""Whatever is put into an array that a stepper takes: a named end of the step, nothing poisoned."""

import math

import pytest
import torch
from chains import COMBINATIONS, ORTHONORMAL, batch, chain

from stopflow.errors import SettingsError
from stopflow.lowrank import MEAN_SQUARE, StepSettings, StepStatus, build_stepper
from stopflow.lowrank.optimisers import moments
from stopflow.lowrank.status import StepFailure

FAULTS = [math.nan, math.inf, -math.inf, 1e38, 0.0]
SETTINGS = {"learning_rate": 1e-3, "delay": 2, "absorb_every": 2, "cadence": 2, "theta": 1e-3}
NAMED = (StepStatus.OUTPUTS, StepStatus.GRADIENT, StepStatus.UPDATE)


def built(kind, optimiser):
    network = chain(kind, inputs=12, dims=(8,), rank=3).float()
    return network, build_stepper(network, StepSettings(optimiser=optimiser, **SETTINGS))


def rows():
    x, y = (t.float() for t in batch(rows=6, inputs=12))
    return {"inputs": x, "targets": y, "gram": x @ x.T}


def injected(tensor, fault):
    """Return a copy with the fault in one place; with zeros everywhere."""
    changed = tensor.clone()
    if fault == 0.0:
        return changed.zero_()
    changed.view(-1)[-1] = fault
    return changed


def take(network, stepper, given):
    """Take a step and check its end; tell whether something was moved."""
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    count = int(stepper.state_dict()["step"])
    result = stepper.step(given["inputs"], given["targets"], loss=MEAN_SQUARE, gram=given["gram"])
    assert result.step == count + 1
    assert result.explain().startswith(f"step {count + 1}: ")
    if result.finite:
        assert all(bool(p.isfinite().all()) for p in network.parameters())
    else:
        for name, p in network.named_parameters():
            torch.testing.assert_close(p.detach(), before[name], rtol=0, atol=0, equal_nan=True)
        if result.status in NAMED:
            assert f"layer {result.layer}" in result.explain()
    return result


@pytest.fixture
def trained(request):
    """Return a network, its stepper and the states of both after four steps."""
    network, stepper = built(*request.param)
    for _ in range(4):
        assert take(network, stepper, rows()).finite
    return network, stepper, network.state_dict(), stepper.state_dict()


every = pytest.mark.parametrize("trained", COMBINATIONS, indirect=True, ids="-".join)


@every
def test_faults_in_the_batch(trained):
    network, stepper, parameters, state = trained
    for name in ("inputs", "targets", "gram"):
        for fault in FAULTS:
            given = rows()
            given[name] = injected(given[name], fault)
            result = take(network, stepper, given)
            assert result.finite == (fault == 0.0)
            if name != "targets" and not result.finite:
                assert result.status is StepStatus.INPUTS
            network.load_state_dict(parameters)
            stepper.load_state_dict(state)
    assert take(network, stepper, rows()).finite


@every
def test_faults_in_the_parameters(trained):
    network, stepper, parameters, state = trained
    for name, value in parameters.items():
        for fault in FAULTS if value.numel() else ():
            network.load_state_dict(parameters | {name: injected(value, fault)})
            stepper.load_state_dict(state)
            result = take(network, stepper, rows())
            assert result.finite == (fault == 0.0)
            if not result.finite:
                assert result.layer == 1 + int(name.split(".")[1])
    network.load_state_dict(parameters)
    stepper.load_state_dict(state)
    assert take(network, stepper, rows()).finite


@every
def test_faults_in_the_state_of_the_optimiser(trained):
    network, stepper, parameters, state = trained
    for name, value in state.items():
        for fault in FAULTS:
            if not value.is_floating_point() or (fault == 0.0 and name == "learning_rate"):
                continue
            network.load_state_dict(parameters)
            changed = state | {name: injected(value, fault)}
            if fault != 0.0 and value.numel():
                with pytest.raises(SettingsError, match=r"state\['.*earlier checkpoint"):
                    stepper.load_state_dict(changed)
            else:
                stepper.load_state_dict(changed)
                assert take(network, stepper, rows()).finite


DYNAMICAL = [pair for pair in COMBINATIONS if pair[0] in ORTHONORMAL]


@pytest.mark.parametrize("fault", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("kind", "optimiser"), DYNAMICAL, ids=map("-".join, DYNAMICAL))
def test_faults_in_the_new_core(kind, optimiser, fault, monkeypatch):
    network, stepper = built(kind, optimiser)
    called = []

    def faulty(sound):
        def step(*arguments):
            called.append(sound)
            return injected(sound(*arguments), fault)

        return step

    for rule in [x for x in vars(moments).values() if "core_step" in getattr(x, "__dict__", ())]:
        monkeypatch.setattr(rule, "core_step", faulty(rule.core_step))
    result = take(network, stepper, rows())
    assert called
    assert result.status is StepStatus.UPDATE


def test_a_failure_keeps_what_is_known_of_it():
    failure = StepFailure(StepStatus.UPDATE, 1, loss=2.0).at([0, 3])
    result = failure.result(step=7, loss=math.nan)
    assert (result.loss, result.layer, result.finite) == (2.0, 4, False)
    assert result.explain().startswith("step 7: the update of layer 4 is not finite; go back")
