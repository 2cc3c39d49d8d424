"""The row space: exact coordinates, what is refused and why."""

import pytest
import torch
from chains import batch, distance, mse_loss, orthonormality_defect, seeded, weights

from stopflow.errors import SettingsError
from stopflow.lowrank import (
    LayerSpec,
    RowSpace,
    StepSettings,
    adapt,
    build_network,
    build_stepper,
    decide_row_space,
    merge,
)


def specs(kind="dlrt"):
    return [LayerSpec(type=kind, dim=8, rank=3), LayerSpec(type="dense", dim=1)]


def test_coordinates_keep_every_inner_product_and_come_leading_first():
    x, _ = batch(rows=12, inputs=50)
    space = RowSpace.fit(x)
    c = space.coordinates()
    torch.testing.assert_close(c @ c.T, x @ x.T)
    torch.testing.assert_close(space.project(x), c)
    energies = c.square().mean(0)
    torch.testing.assert_close(energies, space.energies)
    assert bool((energies.diff() <= 0).all())
    assert orthonormality_defect(space.lift(torch.eye(space.dimension))) < 1e-12


def test_repeated_rows_add_no_coordinate():
    x, _ = batch(rows=6, inputs=30)
    assert RowSpace.fit(torch.cat([x, x])).dimension == 6


def test_directions_of_noise_are_resolved_in_float32():
    """Energies 1e-8 of the leading one's: a float32 Gram matrix would lose them."""
    generator = seeded(1)
    x = 300 * torch.randn(40, 1, generator=generator) @ torch.randn(1, 500, generator=generator)
    x += 1e-1 * torch.randn(40, 500, generator=generator)
    space = RowSpace.fit(x)
    assert space.dimension == 40
    assert orthonormality_defect(space.lift(torch.eye(40))) < 1e-4


def test_a_new_row_keeps_its_part_in_the_span():
    x, _ = batch(rows=12, inputs=50)
    space = RowSpace.fit(x)
    other, _ = batch(seed=9, rows=5, inputs=50)
    q = torch.linalg.qr(x.T)[0]
    expected = other @ q @ q.T
    torch.testing.assert_close(space.lift(space.project(other).T).T, expected)


@pytest.mark.parametrize("kind", ["dense", "vanilla", "dlrt", "adaptive", "oialr"])
def test_export_is_the_same_function(kind):
    x, _ = batch(rows=12, inputs=50)
    space = RowSpace.fit(x)
    network = build_network(
        space.dimension, specs(kind), generator=seeded(2), fan_in=50, dtype=torch.float64
    )
    exported = space.export(network)
    assert exported.n_inputs == 50
    other, _ = batch(seed=9, rows=5, inputs=50)
    torch.testing.assert_close(exported(other), network(space.project(other)))


@pytest.mark.parametrize("kind", ["dense", "vanilla", "dlrt"])
@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "adam-scalar"])
def test_additions_trained_in_the_row_space_are_the_same_run(kind, optimiser):
    x, y = batch(rows=12, inputs=50)
    space = RowSpace.fit(x)
    small = build_network(
        space.dimension, specs(kind), generator=seeded(2), fan_in=50, dtype=torch.float64
    )
    inside = adapt(small, 2, generator=seeded(3), scale=0.5)
    outside = space.export(inside)
    settings = StepSettings(optimiser=optimiser, learning_rate=1e-3, weight_decay=0.1)
    for network, rows in ((inside, space.coordinates()), (outside, x)):
        stepper = build_stepper(network, settings)
        for _ in range(8):
            assert stepper.step(rows, y, loss=mse_loss).finite
    other, _ = batch(seed=9, rows=5, inputs=50)
    exported = space.export(inside)
    torch.testing.assert_close(exported(other), inside(space.project(other)))
    assert distance(weights(merge(exported)), weights(merge(outside))) < 1e-12
    assert distance([exported(x)], [space.export(small)(x)]) > 1e-4


def test_the_leading_basis_gives_outputs_of_the_power_of_hes_rule():
    x, _ = batch(rows=200, inputs=60)
    x = x * torch.linspace(5, 0.1, 60)
    space = RowSpace.fit(x)
    for whiten in (0.0, 0.5, 1.0):
        network = build_network(
            60,
            specs(),
            generator=seeded(3),
            input_basis=space.basis(3, whiten=whiten, lifted=True),
            dtype=torch.float64,
        )
        power = network.layers[0](x).square().sum(1).mean()
        expected = 2 * 8 * x.square().mean()
        torch.testing.assert_close(power, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("kind", "optimiser", "rows", "use", "words"),
    [
        ("dlrt", "adam", 100, True, "exact"),
        ("dlrt", "adam-elementwise", 100, False, "element by element"),
        ("dlrt", "adam", 900, False, "save too little"),
        ("dlrt", "adam", 1000, False, "not fewer"),
        ("dense", "adam", 100, False, "element by element"),
        ("vanilla", "sgd", 100, True, "exact"),
    ],
)
def test_the_decision_says_why(kind, optimiser, rows, use, words):
    settings = StepSettings(optimiser=optimiser)
    decision = decide_row_space(specs(kind), settings, rows=rows, columns=1000)
    assert decision.use is use
    assert words in decision.reason
    off = decide_row_space(specs(kind), settings, rows=rows, columns=1000, mode="off")
    assert not off.use


def test_insisting_where_it_is_not_exact_is_refused():
    settings = StepSettings(optimiser="adam-elementwise")
    with pytest.raises(SettingsError, match="element by element"):
        decide_row_space(specs(), settings, rows=10, columns=1000, mode="on")
    with pytest.raises(SettingsError, match="at least one layer"):
        decide_row_space([], settings, rows=10, columns=1000)
    with pytest.raises(SettingsError, match="auto, on, off"):
        decide_row_space(specs(), settings, rows=10, columns=1000, mode="maybe")


@pytest.mark.parametrize(
    "rows",
    [
        torch.zeros(3, 4),
        torch.zeros(0, 4),
        torch.ones(4),
        torch.full((3, 4), torch.nan),
        torch.full((3, 4), torch.inf),
        torch.full((3, 4), 1e-170, dtype=torch.float64),
        torch.full((3, 4), 1e170, dtype=torch.float64),
        torch.arange(6).view(2, 3),
    ],
)
def test_rows_without_usable_squares_are_refused(rows):
    with pytest.raises(SettingsError, match="squares finite and not all zero"):
        RowSpace.fit(rows)


def test_other_lengths_are_refused():
    space = RowSpace.fit(torch.randn(4, 9, generator=seeded(1)))
    with pytest.raises(SettingsError, match="inputs"):
        space.project(torch.zeros(2, 8))
    with pytest.raises(SettingsError, match="network inputs"):
        space.export(build_network(9, specs(), generator=seeded(1)))
