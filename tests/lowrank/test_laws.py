"""Laws of the layers and integrators, in float64, each against an independent route."""

import copy
import math
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from chains import (
    COMBINATIONS,
    EQUIVARIANT,
    INPUTS,
    LOW_RANK,
    ORTHONORMAL,
    as_dense,
    batch,
    chain,
    distance,
    mse_loss,
    orthonormality_defect,
    seeded,
    weights,
)

from stopflow.lowrank import (
    ACTIVATIONS,
    OPTIMISERS,
    LayerSpec,
    RowSpace,
    StepSettings,
    build_network,
    build_stepper,
)
from stopflow.lowrank.bench.reference import reference_augmented_step, reference_kls_step
from stopflow.lowrank.forward_cache import ForwardCache
from stopflow.lowrank.integrators.retraction import retract
from stopflow.lowrank.integrators.state import FactorState
from stopflow.lowrank.integrators.update import update_bases
from stopflow.lowrank.layer.orthonormal import orthonormal
from stopflow.lowrank.optimisers.muon import orthogonalised

BESIDE_RANK = [9, 16]
"""Rows of a batch for which rank 6 does not pay for forming gradients, and for which it does."""


def stepper_of(network, **settings):
    defaults = {"optimiser": "sgd", "learning_rate": 0.05, "theta": 1e-9}
    return build_stepper(network, StepSettings(**(defaults | settings)))


def dense_gradients(network, x, y):
    dense = as_dense(network)
    return torch.autograd.grad(mse_loss(dense(x), y), [z.weight for z in dense.layers])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_forward_cache_gives_the_gradients_of_k_l_and_s_forwards(activation):
    network = chain("dlrt", activation=activation)
    x, y = batch()
    caches = record(network, x, y)
    for i in (0, 1):
        layer = network.layers[i]
        for name, own in (
            ("k", caches[i].delta.T @ caches[i].xv),
            ("l", caches[i].x.T @ caches[i].deltau),
            ("s", caches[i].deltau.T @ caches[i].xv),
        ):
            expected = gradient_of_forward(network, i, name, x, y)
            torch.testing.assert_close(own, expected, rtol=0, atol=1e-12)
        squared = (caches[i].delta.T @ caches[i].x).square().sum()
        torch.testing.assert_close(caches[i].gradient_norm_squared(), squared)
        assert layer.rank == 6


def record(network, x, y):
    """Run the manual sweep through the public steps of each layer."""
    caches, kept = [], []
    with torch.no_grad():
        for layer, activation in zip(network.layers, network.activations, strict=True):
            z, cache = layer.run(x)
            x, needed = activation.cached(z)
            caches.append(cache)
            kept.append(needed)
        grad = 2 * (x - y) / y.numel()
        for i in (2, 1, 0):
            caches[i].delta = network.activations[i].backward(grad, kept[i])
            network.layers[i].complete(caches[i])
            grad = network.layers[i].input_gradient(caches[i])
    return caches


def gradient_of_forward(network, i, name, x, y):
    """Differentiate the network with layer i written as K V^T, U L^T or U S V^T by autograd."""
    layer = network.layers[i]
    u, s, v = layer.U.detach(), layer.S.detach(), layer.V.detach()
    leaf = {"k": u @ s, "l": v @ s.T, "s": s.clone()}[name].requires_grad_()
    for j, (own, activation) in enumerate(zip(network.layers, network.activations, strict=True)):
        if j == i:
            weight = {"k": lambda: leaf @ v.T, "l": lambda: u @ leaf.T, "s": lambda: u @ leaf @ v.T}
            z = x @ weight[name]().T + own.bias
        else:
            z = own(x)
        x = activation.forward(z)
    return torch.autograd.grad(mse_loss(x, y), leaf)[0]


@pytest.mark.parametrize("kind", ["dense", "vanilla"])
def test_plain_layers_descend_along_autograds_gradient(kind):
    network = chain(kind)
    x, y = batch()
    expected = [
        p - 0.05 * g
        for p, g in zip(
            network.parameters(),
            torch.autograd.grad(mse_loss(network(x), y), list(network.parameters())),
            strict=True,
        )
    ]
    stepper_of(network).step(x, y, loss=mse_loss)
    assert distance(list(network.parameters()), expected) < 1e-13


@pytest.mark.parametrize("theta", [0.02, 0.05, 0.1, 0.2, 0.3])
def test_one_pass_adaptive_is_the_three_tape_algorithm(theta):
    network, oracle = chain("adaptive"), chain("adaptive")
    stepper = stepper_of(network, theta=theta, max_rank=9)
    for step in range(20):
        x, y = batch(step)
        stepper.step(x, y, loss=mse_loss)
        reference_augmented_step(oracle, x, y, loss=mse_loss, rate=0.05, theta=theta, highest=9)
        assert stepper.ranks() == oracle.ranks()
    assert distance(weights(network), weights(oracle)) < 1e-10
    assert distance([y.bias for y in network.layers], [y.bias for y in oracle.layers]) < 1e-10
    if theta == 0.3:
        assert max(stepper.ranks()[:2]) < 6


def test_two_pass_is_the_published_three_tape_algorithm():
    network, oracle = chain("dlrt-two-pass"), chain("dlrt-two-pass")
    stepper = stepper_of(network)
    for step in range(20):
        x, y = batch(step)
        stepper.step(x, y, loss=mse_loss)
        reference_kls_step(oracle, x, y, loss=mse_loss, rate=0.05)
    assert distance(weights(network), weights(oracle)) < 1e-11


@pytest.mark.parametrize("rows", BESIDE_RANK)
def test_one_gradient_is_the_warm_sketch_of_the_dense_step(rows):
    network = chain("dlrt")
    x, y = batch(rows=rows)
    expected = []
    for w, g, layer in zip(
        weights(network), dense_gradients(network, x, y), network.layers, strict=True
    ):
        if not hasattr(layer, "S"):
            expected.append(w - 0.05 * g)
            continue
        u, s, v = layer.U.detach(), layer.S.detach(), layer.V.detach()
        u1 = torch.linalg.qr(u @ s - 0.05 * g @ v)[0]
        v1 = torch.linalg.qr(v @ s.T - 0.05 * g.T @ u)[0]
        expected.append(u1 @ u1.T @ (w - 0.05 * g) @ v1 @ v1.T)
    stepper_of(network).step(x, y, loss=mse_loss)
    assert distance(weights(network), expected) < 1e-12


@pytest.mark.parametrize("kind", ["dlrt", "adaptive"])
@pytest.mark.parametrize("optimiser", ["sgd", "momentum"])
def test_at_full_rank_every_step_is_the_dense_step(kind, optimiser):
    network = chain(kind, dims=(10, 10), rank=10)
    dense = as_dense(network)
    own = stepper_of(network, optimiser=optimiser, min_rank=10, learning_rate=0.02)
    other = stepper_of(dense, optimiser=optimiser, learning_rate=0.02)
    for step in range(10):
        x, y = batch(step)
        own.step(x, y, loss=mse_loss)
        other.step(x, y, loss=mse_loss)
    assert distance(weights(network), weights(dense)) < 1e-12


@pytest.mark.parametrize("kind", ["dlrt", "dlrt-two-pass"])
@pytest.mark.parametrize("optimiser", ["momentum", "core-momentum"])
def test_momentum_of_zero_is_plain_descent(kind, optimiser):
    network, plain = chain(kind), chain(kind)
    own, other = stepper_of(network, optimiser=optimiser, momentum=0.0), stepper_of(plain)
    for step in range(5):
        x, y = batch(step)
        own.step(x, y, loss=mse_loss)
        other.step(x, y, loss=mse_loss)
    assert distance(weights(network), weights(plain)) < 1e-12


@pytest.mark.parametrize("kind", ORTHONORMAL)
@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "core-momentum", "adam-scalar"])
def test_another_choice_of_bases_gives_the_same_weights(kind, optimiser):
    network = chain(kind)
    turned = copy.deepcopy(network)
    for layer in (turned.layers[0], turned.layers[1]):
        o, q = (orthonormal(6, 6, generator=seeded(s)) for s in (1, 2))
        layer.set_factors(layer.U.data @ o, o.T @ layer.S.data @ q, layer.V.data @ q)
    rate = OPTIMISERS[optimiser].trial_rate
    own, other = (
        stepper_of(n, optimiser=optimiser, learning_rate=rate, theta=0.05)
        for n in (network, turned)
    )
    for step in range(10):
        x, y = batch(step)
        own.step(x, y, loss=mse_loss)
        other.step(x, y, loss=mse_loss)
    assert distance(weights(network), weights(turned)) < 1e-10


@pytest.mark.parametrize("rows", BESIDE_RANK)
@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_the_bases_turn_alike_whether_or_not_directions_are_formed(optimiser, rows):
    network = chain("dlrt")
    state = FactorState(list(network.layers)[:2], StepSettings(optimiser=optimiser))
    for _ in range(3):  # so that second moments are remembered ones
        state.count += 1
        caches = record(network, *batch(state.count, rows=rows))[:2]
        kept = [dict(moments) for moments in state.moments]
        with torch.no_grad():
            group = state.group([0, 1], caches)
            formed = moved_by(state.update(group, 0.05, formed=True), network)
            of_formed = [dict(moments) for moments in state.moments]
            for moments, old in zip(state.moments, kept, strict=True):
                moments.update(old)
            scaled = moved_by(state.update(group, 0.05), network)
        for i in (0, 1):
            assert distance([formed.u[i], formed.v[i]], [scaled.u[i], scaled.v[i]]) < 1e-12
            for name, value in state.moments[i].items():
                torch.testing.assert_close(value, of_formed[i][name], rtol=1e-12, atol=0.0)
        for name in ("left", "right", "core", "xv", "deltau"):
            torch.testing.assert_close(getattr(formed, name), getattr(scaled, name))
        assert float((formed.left - torch.eye(6)).abs().max()) > 1e-3


def moved_by(update, network):
    update.buffers = [(torch.empty_like(y.U), torch.empty_like(y.V)) for y in network.layers[:2]]
    return update_bases(update)


@pytest.mark.parametrize(("kind", "optimiser"), EQUIVARIANT)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_training_in_the_row_space_is_the_same_run(kind, optimiser, clip):
    x, y = batch(rows=20, inputs=100)
    space = RowSpace.fit(x)
    specs = [LayerSpec(type=kind, dim=d, rank=5, activation="tanh") for d in (14, 12)]
    specs.append(LayerSpec(type="dense", dim=1, activation="linear"))
    rate = 2e-4 if "adam" in optimiser else 0.01
    runs = []
    for inside in (True, False):
        network = build_network(
            space.dimension if inside else 100,
            specs,
            generator=seeded(7),
            input_basis=space.basis(5, lifted=not inside),
            fan_in=100,
            dtype=torch.float64,
        )
        if inside:
            begun = space.export(network)
        elif kind in ("dense", "oialr"):
            network.load_state_dict(begun.state_dict())
        stepper = stepper_of(
            network,
            optimiser=optimiser,
            learning_rate=rate,
            clip=clip,
            weight_decay=0.1,
            theta=0.02,
            delay=3,
        )
        rows = space.coordinates() if inside else x
        for step in range(8):
            some = torch.randperm(20, generator=seeded(step))[:8]
            assert stepper.step(rows[some], y[some], loss=mse_loss).finite
        runs.append(space.export(network) if inside else network)
    assert distance(weights(runs[0]), weights(runs[1])) < 1e-9
    assert distance([runs[0](x)], [runs[1](x)]) < 1e-9


@pytest.mark.parametrize("kind", ORTHONORMAL)
@pytest.mark.parametrize("smallest", [1e-1, 1e-4, 1e-8, 1e-12])
def test_a_step_is_no_longer_than_twice_the_gradients(kind, smallest):
    sigma = torch.logspace(0, float(torch.log10(torch.tensor(smallest))), 6).double()
    network = chain(kind, sigma=sigma)
    x, y = batch()
    before, gradients = weights(network), dense_gradients(network, x, y)
    stepper_of(network, max_rank=6).step(x, y, loss=mse_loss)
    for w0, w1, g in zip(before, weights(network), gradients, strict=True):
        assert float((w1 - w0).norm()) <= 2 * 0.05 * float(g.norm()) * (1 + 1e-9)


@pytest.mark.parametrize("kind", ["dlrt", "adaptive"])
def test_full_batch_descent(kind):
    network = chain(kind)
    x, y = batch()
    stepper = stepper_of(network, learning_rate=0.01)
    losses = [stepper.step(x, y, loss=mse_loss).loss for _ in range(60)]
    assert all(later < earlier for earlier, later in pairwise(losses))


def test_augmented_descent_has_the_predicted_size():
    network = chain("adaptive", dims=(24,), activation="linear")
    x, y = batch()
    rate = 1e-3
    (g, head) = dense_gradients(network, x, y)
    layer = network.layers[0]
    u = torch.linalg.qr(torch.cat([layer.U.data, g @ layer.V.data], 1))[0]
    v = torch.linalg.qr(torch.cat([layer.V.data, g.T @ layer.U.data], 1))[0]
    squared = (u.T @ g @ v).square().sum() + head.square().sum()
    biases = [z.bias for z in network.layers]
    squared += sum(b.square().sum() for b in torch.autograd.grad(mse_loss(network(x), y), biases))
    before = mse_loss(network(x), y).item()
    stepper_of(network, learning_rate=rate, max_rank=24).step(x, y, loss=mse_loss)
    fall = before - mse_loss(network(x), y).item()
    assert fall == pytest.approx(rate * float(squared), rel=0.05)


@pytest.mark.parametrize("kind", ORTHONORMAL)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_bases_stay_orthonormal(kind, optimiser):
    network = chain(kind)
    rate = OPTIMISERS[optimiser].trial_rate
    stepper = stepper_of(network, optimiser=optimiser, learning_rate=rate, theta=0.02, cadence=3)
    for step in range(60):
        x, y = batch(step)
        assert stepper.step(x, y, loss=mse_loss).finite
    for layer in (network.layers[0], network.layers[1]):
        assert orthonormality_defect(layer.U.data) < 1e-12
        assert orthonormality_defect(layer.V.data) < 1e-12


@pytest.mark.parametrize(("kind", "optimiser"), COMBINATIONS)
def test_every_layer_learns_with_every_optimiser(kind, optimiser):
    network = chain(kind)
    x, y = batch()
    rate = OPTIMISERS[optimiser].trial_rate
    stepper = stepper_of(network, optimiser=optimiser, learning_rate=rate, clip=1.0, delay=5)
    losses = [stepper.step(x, y, loss=mse_loss).loss for _ in range(40)]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize(("kind", "optimiser"), COMBINATIONS)
def test_an_interrupted_run_resumes_to_the_same_result(kind, optimiser):
    settings = {
        "optimiser": optimiser,
        "learning_rate": 3e-4,
        "theta": 0.1,
        "cadence": 2,
        "delay": 3,
    }
    whole, first = chain(kind), chain(kind)
    steppers = [stepper_of(n, **settings) for n in (whole, first)]
    for step in range(6):
        for stepper in steppers:
            stepper.step(*batch(step), loss=mse_loss)
    saved_network = {k: v.clone() for k, v in first.state_dict().items()}
    saved_stepper = steppers[1].state_dict()
    second = chain(kind, seed=99)
    second.load_state_dict(saved_network)
    resumed = stepper_of(second, **settings)
    resumed.load_state_dict(saved_stepper)
    for step in range(6, 14):
        steppers[0].step(*batch(step), loss=mse_loss)
        resumed.step(*batch(step), loss=mse_loss)
    assert distance(weights(whole), weights(second)) == 0.0
    assert steppers[0].ranks() == resumed.ranks()


@pytest.mark.parametrize("kind", LOW_RANK)
def test_same_seed_same_start(kind):
    specs = [LayerSpec(type=kind, dim=9, rank=3)]
    first, second = (build_network(INPUTS, specs, generator=seeded(4)) for _ in range(2))
    assert distance(list(first.parameters()), list(second.parameters())) == 0.0


@pytest.mark.parametrize("kind", LOW_RANK)
def test_initial_singular_values_fall_by_the_factor_asked_for_at_the_same_norm(kind):
    specs = [LayerSpec(type=kind, dim=9, rank=4)]
    level, falling = (
        weights(build_network(INPUTS, specs, generator=seeded(4), initial_decay=decay))[0]
        for decay in (1.0, 10.0)
    )
    values = torch.linalg.svdvals(falling.double())[:4]
    torch.testing.assert_close(
        values[:-1] / values[1:], torch.full((3,), 10.0).double(), rtol=1e-3, atol=0
    )
    assert float(falling.norm()) == pytest.approx(float(level.norm()), rel=1e-5)


def test_a_forward_cache_uses_the_gram_it_is_given():
    cache = ForwardCache(x=torch.ones(2, 3), gram=torch.eye(2))
    assert torch.equal(cache.input_gram(), torch.eye(2))


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_a_step_changes_a_large_and_a_small_weight_by_the_same_share(optimiser):
    changes = []
    for scale in (0.1, 1.0, 30.0):
        specs = [LayerSpec(type="dlrt", dim=40, rank=8, activation="linear")]
        network = build_network(60, specs, generator=seeded(1), dtype=torch.float64)
        layer = network.layers[0]
        layer.S.data *= scale
        x, away = (torch.randn(32, n, generator=seeded(2), dtype=torch.float64) for n in (60, 40))
        before = (layer.U @ layer.S @ layer.V.T).detach()
        stepper = build_stepper(network, StepSettings(optimiser=optimiser, learning_rate=1e-2))
        stepper.step(x, 1e9 * away, loss=torch.nn.functional.mse_loss)
        after = (layer.U @ layer.S @ layer.V.T).detach()
        changes.append(float((after - before).norm() / before.norm()))
    assert changes[0] > 1e-3
    assert changes == pytest.approx([changes[0]] * 3, rel=1e-5)


@pytest.mark.whole
@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_noise_does_not_make_singular_values_grow_exponentially(optimiser):
    network = chain("dlrt")
    stepper = build_stepper(network, StepSettings(optimiser=optimiser, learning_rate=0.05))
    start = float(network.layers[0].S.detach().norm())
    sizes = []
    for step in range(400):
        x, y = batch(step)  # new noise at every step: nothing to learn
        assert stepper.step(x, y, loss=mse_loss).finite
        sizes.append(float(network.layers[0].S.detach().norm()) / start)
    assert sizes[-1] / sizes[199] < 2.0  # a random walk: sqrt(2)
    assert sizes[-1] < 30.0


def test_columns_are_rescaled_by_what_is_remembered_of_their_sizes():
    """c = size / (sqrt(max(v, m (1 - b^t))) + eps_t), m the mean square of a column's gradient."""
    network = chain("dlrt", dims=(24, 18))
    settings = StepSettings(optimiser="adam", second_decay=0.9, epsilon=1e-3)
    state = FactorState(list(network.layers)[:2], settings)
    averages = [0.0] * 4
    for count in range(1, 5):
        state.count = count
        x, y = batch(count)
        x = x * (100.0 if count == 3 else 1.0)  # one odd batch, larger than all that is remembered
        known = math.sqrt(1 - 0.9**count)
        by_weight = dense_gradients(network, x, y)[:2]
        gradients = [g @ z.V for g, z in zip(by_weight, network.layers, strict=False)]
        gradients += [g.T @ z.U for g, z in zip(by_weight, network.layers, strict=False)]
        expected = []
        for place, gradient in enumerate(gradients):
            mean = gradient.detach().square().mean(dim=0)
            averages[place] = 0.9 * averages[place] + 0.1 * mean
            root = torch.maximum(averages[place], mean * known**2).sqrt()
            size = torch.linalg.svdvals(network.layers[place % 2].S).square().mean().sqrt()
            expected.append(gradient * size / (root + 1e-3 * known))
        with torch.no_grad():
            group = state.group([0, 1], record(network, x, y)[:2])
            update = state.update(group, 0.05, formed=True)
        found = [k for k, _ in update.directions] + [v for _, v in update.directions]
        for own, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(own, wanted.detach(), rtol=1e-9, atol=0.0)
        assert update.step == pytest.approx(0.05 * 0.3 * known)


def test_what_a_retraction_multiplies_rounding_by_is_bounded_as_it_says():
    """The bound is (1 + b ||C R^-1||)^2 and, for each column, what its terms lose."""
    draw = partial(torch.randn, generator=seeded(11), dtype=torch.float64)
    u, a, core, step = orthonormal(40, 5, generator=seeded(2)), draw(40, 5), draw(5, 5), 0.3
    terms = torch.linspace(1e-6, 2.0, 5, dtype=torch.float64)
    found = retract(core[None], (u.T @ a)[None], (a.T @ a)[None], step=step, terms=terms[None])
    moved = u @ core - step * a
    q, r = torch.linalg.qr(moved)
    inverse = torch.linalg.inv(r)
    turned = float(torch.linalg.matrix_norm(u.T @ a @ inverse))
    carried = moved.square().sum(dim=0) + step**2 * terms
    lost = float(carried @ inverse.square().sum(dim=1))
    assert found.growth == pytest.approx((1 + step * turned) ** 2 + lost, rel=1e-9)
    bases = u @ found.coefficient[0] - step * a @ found.inverse[0]
    torch.testing.assert_close(bases @ bases.T, q @ q.T, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.overlap[0], u.T @ bases, rtol=0, atol=1e-12)
    still = retract(core[None], 0 * core[None], 0 * core[None], step=step, terms=0 * terms[None])
    assert still.growth == pytest.approx(
        1
        + float(core.square().sum(0) @ torch.linalg.inv(torch.linalg.qr(core)[1]).square().sum(1)),
        rel=1e-9,
    )


def test_a_retraction_is_sound_while_two_thirds_of_the_digits_are_left():
    core = torch.eye(3)[None]
    nothing = retract(core, 0 * core, 0 * core, step=0.1, terms=torch.zeros(1, 3))
    assert nothing.sound
    most = torch.finfo(torch.float32).eps ** (-1 / 3)
    assert replace(nothing, growth=0.999 * most).sound
    assert not replace(nothing, growth=1.001 * most).sound
    lost = retract(0 * core, 0 * core, 0 * core, step=0.1, terms=torch.zeros(1, 3))
    assert math.isinf(lost.growth)
    assert not lost.sound


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_orthogonalised_momentum_is_near_the_polar_factor_and_turns_with_the_bases(dtype):
    left, right = (
        torch.linalg.qr(torch.randn(3, 20, 20, generator=seeded(s), dtype=torch.float64))[0]
        for s in (1, 2)
    )
    sigma = torch.logspace(0, -1.5, 20, dtype=torch.float64) * torch.tensor([[1e-9], [1.0], [1e6]])
    given = (left @ torch.diag_embed(sigma) @ right.mT).to(dtype)
    found = orthogonalised(given)
    inside = left.mT @ found.double() @ right
    values = torch.diagonal(inside, dim1=1, dim2=2)
    assert 0.6 < float(values.min())
    assert float(values.max()) < 1.2
    torch.testing.assert_close(inside, torch.diag_embed(values), atol=1e-4, rtol=0.0)
    turned = orthogonalised(left.to(dtype).mT @ given @ right.to(dtype))
    torch.testing.assert_close(turned.double(), inside, atol=1e-4, rtol=0.0)
    assert not orthogonalised(torch.zeros(2, 4, 4, dtype=dtype)).any()


@pytest.mark.parametrize(
    ("optimiser", "known"),
    [
        ("rmsprop", lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.999, eps=1e-3)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, lr=0.01, eps=1e-3)),
    ],
)
@pytest.mark.parametrize("kind", ["dense", "vanilla"])
def test_rmsprop_and_adagrad_are_those_of_torch(kind, optimiser, known):
    network, other = chain(kind), chain(kind)
    stepper = stepper_of(network, optimiser=optimiser, learning_rate=0.01, epsilon=1e-3)
    reference = known(list(other.parameters()))
    for step in range(5):
        x, y = batch(step)
        stepper.step(x, y, loss=mse_loss)
        reference.zero_grad()
        mse_loss(other(x), y).backward()
        reference.step()
    assert distance(list(network.parameters()), list(other.parameters())) < 1e-11
