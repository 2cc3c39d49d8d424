"""Coordinates are only another way to write the first layer."""

import numpy as np
import pytest
import torch

from stopflow.errors import SettingsError
from stopflow.features import build_features, window_of
from stopflow.learn.settings import TrainSettings
from stopflow.learn.training.augment import Drift, draw_augmentations, slope_row
from stopflow.learn.training.coordinates import choose_coordinates
from stopflow.lowrank import LAYERS, build_network

SMALL = {"hidden": (16, 8), "rank": 4, "directions": 24}


def coordinates_of(lab, **changes):
    data = lab.data
    rows = np.arange(60)
    encoded = np.log(data.k_label_per_s * data.window_s)[rows]
    return choose_coordinates(data, rows, encoded, TrainSettings(**(SMALL | changes)))


@pytest.mark.parametrize("layer", sorted(LAYERS))
@pytest.mark.parametrize("row_space", ["auto", "off"])
def test_an_exported_network_is_the_same_function(small_lab, layer, row_space):
    coordinates = coordinates_of(small_lab, layer=layer, row_space=row_space)
    settings = TrainSettings(layer=layer, **SMALL)
    network = build_network(
        coordinates.dimension,
        settings.network_specs(coordinates.dimension),
        generator=torch.Generator().manual_seed(1),
    )
    exported = coordinates.export(network)
    rows = small_lab.data.inputs
    full = torch.from_numpy(coordinates.standardiser.apply(rows))
    with torch.no_grad():
        expected = network(coordinates.project(rows))
        torch.testing.assert_close(exported(full), expected, rtol=1e-3, atol=1e-4)
    assert exported.n_inputs == rows.shape[1]


def test_what_is_learned_from_rows_is_learned_from_training_rows_alone(small_lab):
    data = small_lab.data
    inputs = np.array(data.inputs)
    inputs[60:] = 1e3
    values = {name: getattr(data, name) for name in data.__slots__}
    changed = type(data)(**(values | {"inputs": inputs}))
    encoded = np.log(data.k_label_per_s * data.window_s)[:60]
    for row_space in ("auto", "off"):
        settings = TrainSettings(row_space=row_space, **SMALL)
        first, second = (
            choose_coordinates(lab, np.arange(60), encoded, settings) for lab in (data, changed)
        )
        np.testing.assert_array_equal(first.standardiser.mean, second.standardiser.mean)
        np.testing.assert_array_equal(first.standardiser.scale, second.standardiser.scale)
        if first.matrix is not None:
            assert torch.equal(first.matrix, second.matrix)


def test_leading_directions_have_unit_spread_and_the_rest_is_muted(small_lab):
    coordinates = coordinates_of(small_lab, whitening=1.0)
    spread = coordinates.project(small_lab.data.inputs[:60]).std(dim=0, correction=0)
    leading = spread > 0.5
    assert 2 <= int(leading.sum()) <= 16
    assert torch.all(leading[:-1] >= leading[1:])
    torch.testing.assert_close(spread[leading], torch.ones(int(leading.sum())), rtol=1e-3, atol=0)
    assert float(spread[~leading].max()) < 2e-3


def test_less_whitening_leaves_weak_directions_smaller(small_lab):
    rows = small_lab.data.inputs[:60]
    whole, half, none = (
        coordinates_of(small_lab, whitening=w).project(rows).std(dim=0, correction=0)
        for w in (1.0, 0.5, 0.0)
    )
    leading = whole > 0.5
    torch.testing.assert_close(half[leading].square(), (whole * none)[leading], rtol=1e-3, atol=0)
    torch.testing.assert_close(none[0], whole[0], rtol=1e-3, atol=0)
    assert torch.all(none[:-1][leading[1:]] >= none[1:][leading[1:]])


def test_row_space_on_is_refused_where_it_is_not_the_same_training(small_lab):
    with pytest.raises(SettingsError, match="row_space"):
        coordinates_of(small_lab, layer="dense", row_space="on", optimiser="adam")


def test_an_added_slope_is_the_row_of_the_trace_with_that_slope(small_lab):
    data = small_lab.data
    coordinates = coordinates_of(small_lab)
    drift = Drift.of(coordinates, data)
    time_s, signal = small_lab.traces[3]
    tau = (time_s - time_s[0]) / window_of(time_s)
    bins = data.inputs[3, 1::2].astype(float)
    slope = slope_row(data)
    # other = alpha bins + beta slope, so that a = beta / alpha
    sloped = build_features(time_s, signal + 0.2 * np.ptp(signal) * tau, spec=data.features)
    other = sloped[1::2].astype(float)
    size = np.linalg.lstsq(np.stack([bins, slope], axis=1), other, rcond=None)[0]
    added = drift.apply(
        coordinates.project(data.inputs[3:4]),
        torch.tensor([bins @ slope / len(slope)]).float(),
        torch.tensor([size[1] / size[0]]).float(),
    )
    expected = coordinates.project(sloped[None])
    torch.testing.assert_close(added, expected, rtol=2e-3, atol=2e-3)


def test_views_keep_the_rate(rng, small_lab):
    """A cut of an exponential is the row of that exponential, over a window of its own."""
    data, index = small_lab.data, 5
    k_per_s = float(data.k_label_per_s[index])
    time_s = np.linspace(0.0, float(data.window_s[index]), 20_001)
    clean = np.exp(-k_per_s * time_s)
    augmentations = list(
        draw_augmentations(data, index, count=6, trace=lambda _row: (time_s, clean), generator=rng)
    )
    for augmentation in augmentations:
        tau = np.linspace(0, 1, 20_001)
        made = build_features(
            tau * augmentation.window_s,
            np.exp(-k_per_s * tau * augmentation.window_s),
            spec=data.features,
        )
        np.testing.assert_allclose(augmentation.row, made, atol=0.005)
    assert min(augmentation.window_s for augmentation in augmentations) < window_of(time_s)


def test_a_trace_that_is_missing_gives_the_row_itself(rng, small_lab):
    (augmentation,) = draw_augmentations(
        small_lab.data, 2, count=1, trace=lambda _row: None, generator=rng
    )
    np.testing.assert_array_equal(augmentation.row, small_lab.data.inputs[2])
