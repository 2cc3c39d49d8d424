"""A saved model rebuilds itself, and what is no model is called so."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from stopflow.errors import ModelError, SettingsError
from stopflow.features import FeatureSpec
from stopflow.io.csv_files import csv_text
from stopflow.learn.interval import IntervalScale
from stopflow.learn.model import Model, TargetScale, predict
from stopflow.learn.saved import load_model, require_model_place, save_model
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import LAYERS, LayerSpec, build_network
from stopflow.pipeline.model_reports import model_data

SPEC = FeatureSpec("shape", 10)


def make_model(layer="dlrt", outputs=1):
    rank = 4 if LAYERS[layer].ranked else None
    specs = [
        LayerSpec(type=layer, dim=12, rank=rank),
        LayerSpec(type="dense", dim=outputs, activation="linear"),
    ]
    return Model(
        network=build_network(20, specs, generator=torch.Generator().manual_seed(2)),
        features=SPEC,
        standardiser=Standardiser(mean=np.linspace(0, 1, 20), scale=np.full(20, 2.0)),
        target=TargetScale(mean=1.5, scale=0.7),
        interval=IntervalScale(constant=0.2, points=-0.1, correlation=0.3),
        record={"seed": 2},
    )


@pytest.mark.parametrize("layer", sorted(LAYERS))
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_saved_model_predicts_the_same(tmp_path, rng, layer, outputs):
    model = make_model(layer, outputs)
    save_model(tmp_path / "m", model, metrics={"x": np.float64("nan"), "y": (1, np.int64(2))})
    loaded = load_model(tmp_path / "m")
    rows, windows = rng.standard_normal((300, 20)), np.full(300, 2.0)
    first, second = (predict(m, rows, window_s=windows) for m in (model, loaded))
    np.testing.assert_array_equal(first.k_per_s, second.k_per_s)
    np.testing.assert_array_equal(first.k_low95_per_s, second.k_low95_per_s)
    assert loaded.record == {"seed": 2}
    assert loaded.interval == model.interval
    assert json.loads((tmp_path / "m/metrics.json").read_text()) == {"x": None, "y": [1, 2]}


def test_an_interval_holds_its_rate_and_one_output_has_none(rng):
    rows, windows = rng.standard_normal((5, 20)), np.ones(5)
    wide = predict(make_model(outputs=2), rows, window_s=windows)
    assert (wide.k_low95_per_s < wide.k_per_s).all()
    assert (wide.k_per_s < wide.k_high95_per_s).all()
    np.testing.assert_allclose(
        np.log(wide.k_high95_per_s / wide.k_per_s), 1.96 * wide.target_sd, rtol=1e-3
    )
    assert np.isnan(predict(make_model(), rows, window_s=windows).k_low95_per_s).all()


def test_the_rate_is_the_decoded_output(rng):
    model, rows = make_model(), rng.standard_normal((4, 20))
    with torch.no_grad():
        outputs = model.network(torch.from_numpy(model.standardiser.apply(rows)))[:, 0]
    expected = np.exp(1.5 + 0.7 * outputs.double().numpy()) / 3.0
    np.testing.assert_allclose(predict(model, rows, window_s=np.full(4, 3.0)).k_per_s, expected)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match=r"\(2, 7\) do not fit.*20.*shape features of 10 pairs"):
        predict(make_model(), np.ones((2, 7)), window_s=np.ones(2))


def damage_version(folder):
    described = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(described | {"version": 99}))


def damage_shape(folder):
    described = json.loads((folder / "model.json").read_text())
    described["layers"][0]["dim"] = 13
    (folder / "model.json").write_text(json.dumps(described))


def damage_record(folder):
    described = json.loads((folder / "model.json").read_text())
    described.pop("record")
    (folder / "model.json").write_text(json.dumps(described))


def damage_features(folder):
    described = json.loads((folder / "model.json").read_text())
    described["features"]["pairs"] = 11
    (folder / "model.json").write_text(json.dumps(described))


def damage_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (damage_version, "version 99; this program reads 2"),
        (damage_shape, "do not fit model.json"),
        (damage_record, "'record'"),
        (damage_features, "22 inputs"),
        (damage_weights, "cut off or not safetensors"),
        (lambda folder: (folder / "model.json").write_text('{"format":'), "not JSON"),
        (lambda folder: (folder / "model.json").write_text("{}"), "does not describe a model"),
        (lambda folder: (folder / "model.safetensors").unlink(), "safetensors is missing"),
        (lambda folder: (folder / "model.json").unlink(), r"model\.json is missing"),
    ],
)
def test_a_damaged_model_says_what_is_wrong(tmp_path, damage, says):
    save_model(tmp_path / "m", make_model())
    damage(tmp_path / "m")
    with pytest.raises(ModelError, match=says):
        load_model(tmp_path / "m")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    model = make_model()
    model.network.layers[0].bias.data[0] = float("nan")
    save_model(tmp_path / "m", model)
    with pytest.raises(ModelError, match="not finite numbers"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("standardiser.mean", float("nan")),
        ("standardiser.mean", float("inf")),
        ("standardiser.scale", float("nan")),
        ("standardiser.scale", 0.0),
        ("network.layers.1.weight", float("inf")),
    ],
)
def test_tensors_that_make_no_numbers_are_refused(tmp_path, name, value):
    save_model(tmp_path / "m", make_model())
    tensors = load_file(tmp_path / "m/model.safetensors")
    tensors[name].view(-1)[3] = value
    save_file(tensors, tmp_path / "m/model.safetensors")
    with pytest.raises(ModelError, match="not finite numbers"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("value", [None, "1", float("nan")])
@pytest.mark.parametrize("part", ["target", "interval"])
def test_scales_that_are_no_numbers_are_refused(tmp_path, part, value):
    save_model(tmp_path / "m", make_model())
    described = json.loads((tmp_path / "m/model.json").read_text())
    described[part][next(iter(described[part]))] = value
    (tmp_path / "m/model.json").write_text(json.dumps(described))
    with pytest.raises(
        ModelError, match=rf"{part} holds values that are not finite|the number NaN"
    ):
        load_model(tmp_path / "m")


def test_a_column_that_never_changed_has_an_infinite_scale(tmp_path, rng):
    model = make_model()
    rows = rng.standard_normal((5, 20))
    rows[:, 4] = 7.0
    fitted = replace(model, standardiser=Standardiser.fit(rows))
    save_model(tmp_path / "m", fitted)
    assert np.isinf(load_model(tmp_path / "m").standardiser.scale[4])


@pytest.mark.parametrize("name", ["notes.txt", "model.json", "history.csv", "README.md"])
def test_a_folder_of_somebody_elses_is_refused(tmp_path, name):
    (tmp_path / name).write_text('{"format": "another program\'s"}')
    for place in (require_model_place, lambda folder: save_model(folder, make_model())):
        with pytest.raises(SettingsError, match=rf"--name = .*holds {name}.*an earlier model"):
            place(tmp_path)
    assert (tmp_path / name).is_file()


def test_a_model_with_a_card_is_replaced_by_one_with_a_card_alone(tmp_path):
    for _ in range(2):
        save_model(tmp_path / "m", make_model(), extra={"README.md": "# made by pretrain"})
    with pytest.raises(SettingsError, match=r"README\.md"):
        save_model(tmp_path / "m", make_model())
    assert (tmp_path / "m" / "README.md").is_file()


def test_a_model_is_replaced_only_whole(tmp_path):
    save_model(tmp_path / "m", make_model(), metrics={"a": 1})
    with pytest.raises(TypeError):
        save_model(tmp_path / "m", make_model(), metrics={"a": object()})
    assert json.loads((tmp_path / "m/metrics.json").read_text()) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_no_name_of_a_shot_is_a_live_formula_beside_a_model(tmp_path):
    names = ["=cmd|' /C calc'!A0", "+1+x", "-5", "'=kept", "a.bka"]
    rows = [
        {
            "experiment": "@SUM(A1)",
            "file": name,
            "split": "test",
            "k_actual_per_s": 1.5,
            "k_predicted_per_s": 1.0,
        }
        for name in names
    ]
    save_model(tmp_path / "m", make_model(), metrics={"parameters": 1}, predictions=rows)
    written = (tmp_path / "m/predictions.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in written] == ["'@SUM(A1)"] * len(names)
    assert not [line for line in written if line.split(",")[1].startswith(("=", "+"))]
    read = model_data(tmp_path / "m", dataset=None).predictions
    assert read["file"].tolist() == [*names[:3], "=kept", "a.bka"]
    assert read["experiment"].tolist() == ["@SUM(A1)"] * len(names)


def test_tables_leave_missing_numbers_empty():
    assert (
        csv_text(pd.DataFrame([{"a": 1, "b": float("nan")}, {"a": "x,y", "b": None}]))
        == 'a,b\n1,\n"x,y",\n'
    )
