"""Counts, memory, drift, and what is refused."""

import copy
import io

import pytest
import torch
from chains import (
    COMBINATIONS,
    LOW_RANK,
    batch,
    chain,
    distance,
    mse_loss,
    orthonormality_defect,
    seeded,
    weights,
)
from torch.utils._python_dispatch import TorchDispatchMode

from stopflow.errors import SettingsError
from stopflow.lowrank import (
    LAYERS,
    MEAN_SQUARE,
    OPTIMISERS,
    InputBasis,
    LayerSpec,
    StepSettings,
    build_network,
    build_stepper,
    count_parameters,
    published_count,
)


@pytest.mark.parametrize(
    ("shape", "rank", "dense", "vanilla", "dlrt"),
    [
        ((28000, 512), 50, 14_336_512, 2_857_224, 4_282_824),
        ((512, 512), 50, 262_656, 108_424, 159_624),
        ((512, 256), 50, 131_328, 82_312, 120_712),
        ((784, 256), 20, 200_960, 42_912, 63_712),
        ((256, 128), 20, 32_896, 16_416, 24_096),
    ],
)
def test_the_published_counts(shape, rank, dense, vanilla, dlrt):
    sizes = {"n_inputs": shape[0], "n_outputs": shape[1]}
    assert published_count("dense", **sizes) == dense
    assert published_count("vanilla", **sizes, rank=rank) == vanilla
    assert published_count("dlrt", **sizes, rank=rank) == dlrt
    if rank == 20:
        largest = {784: 128_512, 256: 49_536}[shape[0]]
        assert published_count("dlrt", **sizes, rank=40) == largest


@pytest.mark.parametrize(
    ("kind", "optimiser", "stored"),
    [
        ("vanilla", "momentum", 2_857_224),
        ("dlrt", "core-momentum", 2_857_224),
        ("dlrt", "sgd", 1_428_612 + 1_425_600),
        ("dense", "adam", 3 * 14_336_512),
    ],
)
def test_what_is_really_stored(kind, optimiser, stored):
    network = build_network(28000, [LayerSpec(type=kind, dim=512, rank=50)], generator=seeded(1))
    assert count_parameters(network) == (14_336_512 if kind == "dense" else 1_428_612)
    stepper = build_stepper(network, StepSettings(optimiser=optimiser, learning_rate=1e-9))
    stepper.step(torch.ones(2, 28000), torch.zeros(2, 512), loss=mse_loss)
    assert stepper.stored() == stored


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation returned."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, torch.Tensor):
                self.elements = max(self.elements, value.untyped_storage().nbytes() // 8)
        return result


@pytest.mark.parametrize(
    ("kind", "optimiser"), [pair for pair in COMBINATIONS if pair[0] in LOW_RANK]
)
def test_no_step_forms_a_matrix_of_the_size_of_w(kind, optimiser):
    network = chain(kind, inputs=300, dims=(200, 150), rank=5)
    settings = StepSettings(optimiser=optimiser, learning_rate=1e-4, clip=1.0, weight_decay=0.1)
    stepper = build_stepper(network, settings)
    x, y = batch(rows=8, inputs=300)
    with Largest() as seen:
        for _ in range(3):
            stepper.step(x, y, loss=mse_loss)
    assert 0 < seen.elements <= 300 * 10


@pytest.mark.parametrize("kind", LAYERS)
def test_a_diverging_step_moves_nothing(kind):
    network = chain(kind)
    stepper = build_stepper(network, StepSettings(theta=0.01))
    x, y = batch()
    stepper.step(x, y, loss=mse_loss)
    before, state = weights(network), stepper.state_dict()
    for inputs, targets in (
        (x * torch.nan, y),
        (x, y * torch.inf),
        (x, y * 1e200),
        (torch.full_like(x, torch.inf), y),
    ):
        result = stepper.step(inputs, targets, loss=mse_loss)
        assert not result.finite
    assert distance(weights(network), before) == 0.0
    after = stepper.state_dict()
    assert all(torch.equal(state[name], after[name]) for name in state)
    assert stepper.step(x, y, loss=mse_loss).finite


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_second_sweep_that_fails_is_undone(optimiser):
    network = chain("dlrt-two-pass")
    stepper = build_stepper(network, StepSettings(optimiser=optimiser))
    stepper.step(*batch(), loss=mse_loss)
    before, state, calls = weights(network), stepper.state_dict(), []

    def loss(outputs, targets):
        calls.append(1)
        return mse_loss(outputs, targets) * (torch.nan if len(calls) == 2 else 1.0)

    assert not stepper.step(*batch(), loss=loss).finite
    assert distance(weights(network), before) == 0.0
    after = stepper.state_dict()
    assert all(torch.equal(state[name], after[name]) for name in state)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fan_in", 0),
        ("fan_in", -3),
        ("fan_in", 2.5),
        ("initial_decay", 0.5),
        ("initial_decay", float("inf")),
        ("dtype", torch.float16),
    ],
)
def test_impossible_starts_are_refused(name, value):
    with pytest.raises(SettingsError, match=name):
        build_network(30, [LayerSpec(type="dense", dim=8)], generator=seeded(1), **{name: value})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"directions": torch.ones(30, 5)}, "orthonormal"),
        ({"directions": torch.eye(30, 3)}, "shape"),
        ({"directions": torch.eye(29, 5)}, "shape"),
        ({"energies": torch.ones(3)}, "an energy for each"),
        ({"energies": torch.zeros(5)}, "positive energies"),
        ({"mean_square": float("nan")}, "mean_square"),
        ({"whiten": float("nan")}, "whiten"),
    ],
)
def test_bases_to_start_from_that_cannot_be_used_are_refused(changes, words):
    energies = torch.arange(5.0, 0.0, -1.0)
    given = {"directions": torch.eye(30, 5), "energies": energies, "mean_square": 1.0}
    with pytest.raises(SettingsError, match=f"input_basis.*{words}"):
        build_network(
            30,
            [LayerSpec(type="dlrt", dim=8, rank=4)],
            generator=seeded(1),
            input_basis=InputBasis(**(given | changes)),
        )


@pytest.mark.parametrize("rank", [0, -1, 9, 2.5, float("nan"), "4", True, None])
def test_impossible_ranks_are_refused(rank):
    with pytest.raises(SettingsError, match="rank"):
        build_network(30, [LayerSpec(type="dlrt", dim=8, rank=rank)], generator=seeded(1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theta", 0.0),
        ("theta", 1.0),
        ("theta", float("nan")),
        ("optimiser", "lbfgs"),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("learning_rate", 1e13),
        ("momentum", 1.0),
        ("momentum", -1e-3),
        ("second_decay", 1.0),
        ("second_decay", 0.0),
        ("epsilon", 0.0),
        ("clip", -1.0),
        ("min_rank", 0),
        ("max_rank", 1),
        ("cadence", 0),
        ("weight_decay", -0.1),
        ("cutoff", 1.0),
    ],
)
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(SettingsError, match=name):
        StepSettings(**{name: value})


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(SettingsError, match="dense, vanilla, dlrt"):
        LayerSpec(type="conv", dim=3)
    with pytest.raises(SettingsError, match="relu"):
        LayerSpec(type="dense", dim=3, activation="step")
    with pytest.raises(SettingsError, match="layer type"):
        build_network(5, [LayerSpec(type="lora", dim=3, rank=1)], generator=seeded(1))
    with pytest.raises(SettingsError, match="at least one"):
        build_network(5, [], generator=seeded(1))


@pytest.mark.parametrize("x", [torch.zeros(4, 39).double(), torch.zeros(4, 40), torch.zeros(40)])
def test_inputs_of_another_shape_or_type_are_refused(x):
    stepper = build_stepper(chain("dlrt"), StepSettings())
    with pytest.raises(SettingsError, match="inputs"):
        stepper.step(x, torch.zeros(4, 1).double(), loss=mse_loss)


def test_weights_of_another_shape_are_refused():
    saved = chain("adaptive", dims=(23, 18)).state_dict()
    with pytest.raises(RuntimeError, match="size mismatch"):
        chain("adaptive").load_state_dict(saved)


@pytest.mark.parametrize("kind", ["adaptive", "oialr"])
@pytest.mark.parametrize(
    ("name", "shape"), [("S", (4, 4)), ("S", (5, 6)), ("S", ()), ("V", (39, 5)), ("U", (24, 4))]
)
def test_factors_that_do_not_fit_each_other_are_refused_before_any_is_resized(kind, name, shape):
    x, y = batch()
    network, other = chain(kind, rank=6), chain(kind, rank=5)
    if kind == "oialr":
        stepper = build_stepper(other, StepSettings(delay=1))
        stepper.step(x, y, loss=mse_loss)
    state = other.state_dict()
    state[f"layers.0.{name}"] = torch.zeros(shape).double()
    with pytest.raises(RuntimeError, match="size mismatch"):
        network.load_state_dict(state)
    assert network(x).isfinite().all()


@pytest.mark.parametrize("kind", ["dlrt", "adaptive", "oialr"])
def test_a_state_stays_as_it_was_when_training_goes_on(kind):
    network = chain(kind)
    stepper = build_stepper(network, StepSettings(delay=3))
    for step in range(5):
        stepper.step(*batch(step), loss=mse_loss)
    x, _ = batch()
    state, before = network.state_dict(), network(x)
    for step in range(5):
        stepper.step(*batch(step), loss=mse_loss)
    assert not torch.equal(network(x), before)
    network.load_state_dict(state)
    assert torch.equal(network(x), before)


@pytest.mark.parametrize("kind", LAYERS)
def test_networks_can_be_saved_whole_and_copied(kind):
    network = chain(kind, activation="gelu")
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    x, _ = batch()
    for same in (torch.load(file, weights_only=False), copy.deepcopy(network)):
        assert torch.equal(same(x), network(x))
        assert same.specs == network.specs


def test_autograd_goes_on_when_a_step_has_changed_the_rank():
    network = chain("adaptive")
    x, y = batch()
    stepper = build_stepper(network, StepSettings(optimiser="sgd", theta=1e-9))
    loss = MEAN_SQUARE(network(x), y)
    loss.backward()
    stepper.step(x, y, loss=MEAN_SQUARE)
    assert network.ranks()[0] > 6
    loss = MEAN_SQUARE(network(x), y)
    loss.backward()
    (expected,) = torch.autograd.grad(MEAN_SQUARE(network(x), y), network.layers[0].U)
    torch.testing.assert_close(network.layers[0].U.grad, expected)


def test_frozen_bases_ask_for_no_gradient_and_are_not_frozen_twice():
    network = chain("oialr")
    x, y = batch()
    for _ in range(2):
        stepper = build_stepper(network, StepSettings(delay=2, cutoff=1e-6))
        for _ in range(4):
            stepper.step(x, y, loss=mse_loss)
    layer = network.layers[0]
    assert network.ranks() == (24, 18, None)
    assert orthonormality_defect(layer.V.data) < 1e-12
    mse_loss(network(x), y).backward()
    assert layer.U.grad is layer.V.grad is None
    assert layer.S.grad is not None


def test_the_learning_rate_can_be_set():
    network = chain("dlrt")
    stepper = build_stepper(network, StepSettings(optimiser="sgd"))
    stepper.set_learning_rate(1e-12)
    before = weights(network)
    stepper.step(*batch(), loss=mse_loss)
    assert 0 < distance(weights(network), before) < 1e-10
    with pytest.raises(SettingsError, match="learning_rate"):
        stepper.set_learning_rate(-1.0)


@pytest.mark.parametrize("kind", LAYERS)
def test_weight_decay_shrinks_w_and_clipping_bounds_the_step(kind):
    x, y = batch()
    runs = []
    for settings in ({}, {"weight_decay": 2.0}, {"clip": 1e-3}):
        network = chain(kind)
        before = weights(network)
        stepper = build_stepper(
            network, StepSettings(optimiser="sgd", learning_rate=0.01, theta=1e-9, **settings)
        )
        stepper.step(x, y, loss=mse_loss)
        runs.append((before, weights(network)))
    (before, plain), (_, decayed), (_, clipped) = runs
    for w0, w1, w2 in zip(before, plain, decayed, strict=True):
        if kind != "vanilla":
            torch.testing.assert_close(w2, w1 - 0.02 * w0, atol=2e-3, rtol=0)
        assert float(w2.norm()) < float(w1.norm())
    assert distance(clipped, before) <= 1e-5 * (1 + 1e-6)


@pytest.mark.parametrize("kind", ["dense", "vanilla", "oialr"])
@pytest.mark.parametrize("optimiser", ["muon", "core-momentum", "adam-elementwise"])
def test_an_optimiser_that_would_be_another_is_refused_by_name(kind, optimiser):
    settings = StepSettings(optimiser=optimiser)
    with pytest.raises(SettingsError, match=rf"{optimiser} with layers.*{kind}.*sgd, momentum"):
        build_stepper(chain(kind), settings)


def test_a_dense_head_of_dynamical_layers_takes_any_optimiser():
    for optimiser in OPTIMISERS:
        assert build_stepper(chain("dlrt"), StepSettings(optimiser=optimiser))
