"""Truncation of trained networks, and adapting them by low-rank additions."""

import pytest
import torch
from chains import (
    as_dense,
    batch,
    chain,
    distance,
    mse_loss,
    orthonormality_defect,
    seeded,
    weights,
)

from stopflow.errors import SettingsError
from stopflow.lowrank import (
    LAYERS,
    LayerSpec,
    StepSettings,
    adapt,
    build_network,
    build_stepper,
    compress,
    count_parameters,
    count_trained,
    merge,
    unmerge,
)
from stopflow.lowrank.integrators.oialr import stability
from stopflow.lowrank.integrators.truncate import rank_for_tail, truncated_core
from stopflow.lowrank.layer.orthonormal import orthonormal
from stopflow.lowrank.transfer.compress import rank_for_energy, rank_for_entropy


def test_the_theta_rule_counts_the_last_singular_value():
    sigma = torch.tensor([3.0, 2.0, 1.0, 0.5])
    norm = float(sigma.norm())
    assert rank_for_tail(sigma, 0.499 / norm) == 4
    assert rank_for_tail(sigma, 0.501 / norm) == 3
    assert rank_for_tail(sigma, (1.25**0.5 + 1e-6) / norm) == 2
    assert rank_for_tail(sigma, 0.9999) == 1


def test_truncation_keeps_w_at_full_rank_and_errs_by_the_tail_below_it():
    generator = seeded(3)
    u, v = orthonormal(20, 8, generator=generator), orthonormal(30, 8, generator=generator)
    core = torch.randn(8, 8, generator=generator, dtype=torch.float64)
    w = u @ core @ v.T
    for turn in (torch.eye(8).double(), torch.eye(8).double()[torch.randperm(8)]):
        p, s, q = truncated_core(turn @ core, theta=1e-9, lowest=1, highest=8)
        torch.testing.assert_close((u @ turn.T @ p) @ s @ (v @ q).T, w)
    sigma = torch.linalg.svdvals(core)
    for theta in (0.1, 0.3, 0.6):
        p, s, q = truncated_core(core, theta=theta, lowest=1, highest=8)
        error = (u @ p @ s @ (v @ q).T - w).norm()
        torch.testing.assert_close(error, sigma[len(s) :].norm())
        assert float(error) <= theta * float(sigma.norm())


def test_energy_and_entropy_thresholds():
    sigma = torch.tensor([2.0, 1.0, 1.0, 0.0])
    assert rank_for_energy(sigma, 0.6) == 1
    assert rank_for_energy(sigma, 0.7) == 2
    assert rank_for_energy(sigma, 0.9) == 3
    # p = 1/2, 1/4, 1/4: each of the three adds (ln 2) / 2 to the entropy
    assert [rank_for_entropy(sigma, part) for part in (0.3, 0.5, 0.9)] == [1, 2, 3]


@pytest.mark.parametrize("kind", ["dense", "vanilla", "dlrt"])
def test_compression_finds_the_rank_that_is_there(kind):
    network = chain("dlrt", dims=(30, 30), rank=4)
    if kind == "dense":
        network = as_dense(network)
    elif kind == "vanilla":
        network = chain(
            "vanilla", dims=(30, 30), rank=12, sigma=torch.tensor([2.0] * 4 + [0.0] * 8).double()
        )
    result = compress(network, 1 - 1e-12)
    x, _ = batch()
    torch.testing.assert_close(result.network(x), network(x), rtol=0, atol=1e-5)
    assert [line.rank_after for line in result.layers[:2]] == [4, 4]
    assert result.layers[2].note.startswith("kept")
    total = sum(line.parameters_after for line in result.layers)
    assert total == count_parameters(result.network)
    assert sum(line.parameters_before for line in result.layers) == count_parameters(network)
    build_stepper(result.network, StepSettings()).step(*batch(), loss=mse_loss)


def test_knowing_the_inputs_errs_less_in_the_outputs():
    network = as_dense(chain("dlrt", dims=(30,), rank=20))
    x, _ = batch(rows=200)
    x = x * torch.logspace(1, -1, x.shape[1])
    blind = compress(network, 0.5)
    rank = blind.layers[0].rank_after
    aware = compress(network, 0.5, inputs=x)
    part = 0.5
    while aware.layers[0].rank_after < rank:
        part += 0.02
        aware = compress(network, part, inputs=x)
    exact = network.layers[0](x).detach()
    errors = [float((r.network.layers[0](x) - exact).detach().norm()) for r in (aware, blind)]
    assert errors[0] < 0.7 * errors[1]
    best = torch.linalg.svdvals(exact - network.layers[0].bias.detach())[
        aware.layers[0].rank_after :
    ]
    assert errors[0] == pytest.approx(float(best.norm()), rel=1e-6)


def test_the_table_names_the_rank_a_layer_had_whatever_the_number_of_rows():
    network = as_dense(chain("dlrt"))
    x, _ = batch(rows=5)
    lines = compress(network, 0.9, inputs=x).layers
    assert [line.rank_before for line in lines] == [24, 18, 1]
    assert lines[0].rank_after <= 5
    assert (lines[2].rank_after, lines[2].kept) == (1, 1.0)


@pytest.mark.parametrize("criterion", ["energy", "entropy"])
def test_of_a_weight_that_is_zero_everything_is_kept(criterion):
    network = as_dense(chain("dlrt"))
    network.layers[0].weight.data.zero_()
    line = compress(network, 0.9, criterion=criterion).layers[0]
    assert (line.rank_after, line.kept) == (1, 1.0)


def test_compression_refuses_inputs_and_networks_it_cannot_use():
    network = chain("dlrt")
    x, _ = batch()
    for inputs in (x * torch.nan, x[:, :4], x.float(), x[:0], x[0]):
        with pytest.raises(SettingsError, match=r"inputs.*finite rows \(N, 40\)"):
            compress(network, 0.9, inputs=inputs)
    with pytest.raises(SettingsError, match="merge first"):
        compress(adapt(network, 2, generator=seeded(1)), 0.9)


@pytest.mark.parametrize("part", [0.0, 1.0, float("nan")])
def test_thresholds_outside_are_refused(part):
    with pytest.raises(SettingsError, match="energy"):
        compress(chain("dlrt"), part)
    with pytest.raises(SettingsError, match="theta"):
        rank_for_tail(torch.ones(3), part)


@pytest.mark.parametrize("kind", LAYERS)
def test_adapting_starts_at_the_base_trains_and_merges(kind):
    network = chain(kind)
    x, y = batch()
    before = weights(network)
    adapted = adapt(network, 2, generator=seeded(1), scale=0.5)
    assert torch.equal(adapted(x), network(x))
    for layer in adapted.chain:
        # Uniform within the bound that keeps the variance of the inputs.
        bound = layer.A.shape[1] ** -0.5
        assert 0.5 * bound < float(layer.A.detach().abs().max()) <= bound
    stepper = build_stepper(adapted, StepSettings(learning_rate=0.01))
    losses = [stepper.step(x, y, loss=mse_loss).loss for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]
    assert distance(weights(network), before) == 0.0
    merged = merge(adapted)
    torch.testing.assert_close(merged(x), adapted(x))
    assert torch.equal(unmerge(adapted)(x), network(x))
    if LAYERS[kind].dynamical:
        assert merged.ranks()[:2] == (8, 8)
        assert orthonormality_defect(merged.layers[0].V.data) < 1e-12
    assert build_stepper(merged, StepSettings()).step(x, y, loss=mse_loss).finite


def test_adapter_gradients_are_autograds():
    adapted = adapt(chain("dlrt"), 2, generator=seeded(1), scale=0.5)
    x, y = batch()
    for layer in adapted.layers:
        layer.B.data = torch.randn(layer.B.shape, generator=seeded(4)).double()
    trained = [p for layer in adapted.layers for p in (layer.A, layer.B)]
    grads = torch.autograd.grad(mse_loss(adapted(x), y), trained)
    expected = [(p - 0.1 * g).detach() for p, g in zip(trained, grads, strict=True)]
    settings = StepSettings(optimiser="sgd", learning_rate=0.1)
    build_stepper(adapted, settings).step(x, y, loss=mse_loss)
    assert distance(trained, expected) < 1e-13


def test_adapting_has_limits():
    network = chain("dlrt")
    for rank in (0, 25, 2.5):
        with pytest.raises(SettingsError, match="rank"):
            adapt(network, rank, generator=seeded(1))
    adapted = adapt(network, 2, generator=seeded(1))
    with pytest.raises(SettingsError, match="merge"):
        adapt(adapted, 2, generator=seeded(1))
    with pytest.raises(SettingsError, match="made by adapt"):
        merge(network)
    for scale in (float("nan"), float("inf")):
        with pytest.raises(SettingsError, match="scale"):
            adapt(network, 2, generator=seeded(1), scale=scale)


def test_merged_layers_are_specified_with_the_ranks_they_have():
    for kind, family in LAYERS.items():
        rank = 8 if family.ranked else None
        merged = merge(adapt(chain(kind), 2, generator=seeded(1)))
        assert [spec.rank for spec in merged.specs] == [rank, rank, None]


def test_stability_is_one_for_the_same_bases():
    w = torch.randn(6, 9, generator=seeded(1)).double()
    assert stability(w, w) == pytest.approx(1.0)
    assert abs(stability(w, torch.randn(6, 9, generator=seeded(2)).double())) < 0.6


def test_oialr_drops_what_the_core_does_not_need():
    network = chain("oialr", dims=(20, 16))
    settings = StepSettings(learning_rate=1e-3, delay=5, absorb_every=5, cutoff=0.3)
    stepper = build_stepper(network, settings)
    ranks = []
    for step in range(30):
        assert stepper.step(*batch(step), loss=mse_loss).finite
        ranks.append(stepper.ranks()[:2])
    assert ranks[3] == (20, 16)
    assert ranks[9][0] == 20
    assert ranks[9][1] < 16
    assert ranks[-1][0] < 20
    for layer in (network.layers[0], network.layers[1]):
        assert orthonormality_defect(layer.V.data) < 1e-12


def test_a_start_at_low_rank_freezes_the_bases_at_once_and_trains_the_core_only():
    network = chain("oialr", dims=(20, 16))
    x, y = batch()
    before, outputs = count_trained(network), network(x)
    stepper = build_stepper(network, StepSettings(delay=0, learning_rate=1e-3))
    torch.testing.assert_close(network(x), outputs)
    u = network.layers[0].U.data.clone()
    losses = [stepper.step(x, y, loss=mse_loss).loss for _ in range(20)]
    assert losses[-1] < losses[0]
    assert torch.equal(network.layers[0].U.data, u)
    assert count_trained(network) == 20**2 + 20 + 16**2 + 16 + 17
    assert before == 40 * 20 + 20 + 20 * 16 + 16 + 17
    assert count_parameters(network) > count_trained(network)


@pytest.mark.parametrize(("share", "first"), [(None, 1), (0.5, 1), (1.0, 2)])
def test_the_share_of_layers_that_absorb_is_the_papers_alpha(share, first):
    network = chain("oialr", dims=(20, 16))
    settings = StepSettings(
        learning_rate=3e-3, delay=2, absorb_every=4, cutoff=0.3, absorb_share=share
    )
    stepper = build_stepper(network, settings)
    for step in range(6):
        stepper.step(*batch(step), loss=mse_loss)
    smaller = [rank < full for rank, full in zip(network.ranks()[:2], (20, 16), strict=True)]
    assert smaller == [first == 2, True]


def test_the_stability_of_every_layer_is_recorded_and_resumed():
    network = chain("oialr", dims=(20, 16))
    settings = StepSettings(learning_rate=3e-3, delay=2, absorb_every=4, cutoff=1e-6)
    stepper = build_stepper(network, settings)
    for step in range(5):
        stepper.step(*batch(step), loss=mse_loss)
    before = [layer.U @ layer.S @ layer.V.T for layer in network.chain[:2]]
    frozen = [layer.U @ layer.V.T for layer in network.chain[:2]]
    stepper.step(*batch(5), loss=mse_loss)
    found = stepper.stabilities()
    assert [(layer, record.step) for layer, record in found] == [(0, 6), (1, 6)]
    for (layer, record), bases in zip(found, frozen, strict=True):
        u, _, vt = torch.linalg.svd(weights(network)[layer], full_matrices=False)
        expected = float((bases * (u @ vt)).sum()) / min(u.shape[0], vt.shape[1])
        assert record.value == pytest.approx(expected, abs=1e-9)
        assert record.value < 1.0
    assert before[0].shape == (20, 40)
    other = chain("oialr", dims=(20, 16))
    other.load_state_dict(network.state_dict())
    resumed = build_stepper(other, settings)
    resumed.load_state_dict(stepper.state_dict())
    assert resumed.stabilities() == found


def test_a_fixed_rank_is_given_to_every_layer_that_becomes_smaller():
    network = as_dense(chain("dlrt", dims=(30, 30), rank=8))
    found = compress(network, rank=5)
    assert [line.rank_after for line in found.layers] == [5, 5, 1]
    for own, layer in zip(weights(network)[:2], found.network.layers, strict=False):
        error = (own - layer.U @ layer.S @ layer.V.T).detach().norm()
        torch.testing.assert_close(error, torch.linalg.svdvals(own)[5:].norm())
    x, _ = batch(rows=200)
    assert [line.rank_after for line in compress(network, rank=5, inputs=x).layers[:2]] == [5, 5]
    assert compress(network, rank=999).layers[0].note.startswith("kept")
    with pytest.raises(SettingsError, match=r"rank = 5.*either a rank or a part"):
        compress(network, 0.9, rank=5)
    with pytest.raises(SettingsError, match="energy is missing"):
        compress(network)


def test_a_layer_is_cut_only_where_that_saves_values():
    """1 (2 + 3 + 1) + 2 values of rank 1 are as many as the 3 x 2 + 2 of the whole layer."""
    specs = [LayerSpec(type="dense", dim=2, activation="linear")]
    network = build_network(3, specs, generator=seeded(1), dtype=torch.float64)
    (line,) = compress(network, rank=1).layers
    assert (line.parameters_before, line.parameters_after) == (8, 8)
    assert line.note == "kept: rank 1 would hold 8 values, not fewer than 8"
    wider = build_network(4, specs, generator=seeded(1), dtype=torch.float64)
    (line,) = compress(wider, rank=1).layers
    assert (line.parameters_before, line.parameters_after, line.note) == (10, 9, "")
    share = torch.linalg.svdvals(wider.layers[0].weight.detach()).square()
    assert line.kept == pytest.approx(float(share[0] / share.sum()))


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_can_be_truncated_and_its_inputs_split_off(kind):
    network = chain(kind)
    x, _ = batch()
    outputs = network(x)
    torch.testing.assert_close(compress(network, 1 - 1e-12).network(x), outputs, atol=1e-4, rtol=0)
    first = network.chain[0]
    matrix = first.split_inputs()
    torch.testing.assert_close(first(x @ matrix), chain(kind).chain[0](x))
    assert first.fan_in == matrix.shape[1]


def test_weights_that_are_not_finite_are_named_before_they_are_decomposed():
    network = chain("dense")
    network.layers[1].weight.data[0, 0] = torch.nan
    with pytest.raises(SettingsError, match=r"network.layers.1.weight.*not finite"):
        compress(network, 0.9)
