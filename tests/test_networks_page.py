"""docs/networks.md names every key, and its examples are read."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from stopflow.errors import SettingsError
from stopflow.learn.classify.train import CLASS_DEFAULTS, RATES_ONLY
from stopflow.learn.settings import TrainSettings
from stopflow.lowrank import ACTIVATIONS, LAYERS, OPTIMISERS, LayerSpec
from stopflow.pipeline.networks.classify import classifier_settings
from stopflow.pipeline.networks.layer_files import PUBLISHED_TYPES, parse_layers
from stopflow.pipeline.networks.train import train_settings

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def row_of(key):
    (line,) = (
        line
        for line in PAGE.splitlines()
        if line.startswith("|") and f"`{key}`" in line.split("|")[1]
    )
    return line


def test_every_key_has_a_row():
    for item in (*fields(TrainSettings), *fields(LayerSpec)):
        if item.name not in ("activation", "rank"):
            assert row_of(item.name)
    for name in (*LAYERS, *PUBLISHED_TYPES, *ACTIVATIONS, *OPTIMISERS):
        assert f"`{name}`" in PAGE
    for name in RATES_ONLY:
        assert "(R)" in row_of(name)


def test_defaults_are_those_of_the_program():
    for item in fields(TrainSettings):
        if isinstance(item.default, int | float) and not isinstance(item.default, bool):
            shown = row_of(item.name) if item.name != "rank" else row_of("hidden")
            assert f"{item.default:g}" in shown
            if item.name in CLASS_DEFAULTS and item.name not in RATES_ONLY:
                assert f"{CLASS_DEFAULTS[item.name]}" in shown


def test_the_examples_are_networks(tmp_path):
    ours, published = (tmp_path / f"{number}.toml" for number in range(2))
    for path, text in zip((ours, published), EXAMPLES, strict=True):
        path.write_text(text, encoding="utf-8")
    assert [spec.dim for spec in train_settings(ours).network_specs(192)] == [256, 128, 1]
    specs = classifier_settings(published).network_specs(784, n_outputs=10)
    assert [(spec.type, spec.dim, spec.rank) for spec in specs] == [
        ("dlrt", 512, 20),
        ("dense", 10, None),
    ]
    assert classifier_settings(published).batch_size == 232


@pytest.mark.parametrize("name", "abcdef")
def test_the_files_of_the_report_are_read_as_they_stand(name):
    settings = classifier_settings(ROOT / "data" / "published" / f"student-{name}.toml")
    assert (settings.batch_size, settings.learning_rate, settings.epochs) == (232, 0.001, 10)
    specs = settings.network_specs(784, n_outputs=10)
    assert [spec.dim for spec in specs] == [512, 256, 10]
    settings.require_inputs(784)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        (
            [{"type": "Dense", "dim": [784, 512]}, {"type": "Dense", "dim": [500, 10]}],
            r"\[\[layer\]\] 2 inputs = 500.*512, the outputs of layer 1",
        ),
        ([{"type": "Dense", "dim": [784]}], r"dim = \[784\].*\[inputs, outputs\]"),
        ([{"type": "Dense", "dim": [0, 3]}], r"dim = \[0, 3\]"),
        ([{"type": "Dens", "dim": 3}], "layer type = 'Dens'"),
        ([{"type": "LowRank", "dim": [9, 3]}], "rank"),
        ([{"type": "Dense", "dim": 3, "size": 4}], r"key = 'size'.*type, dim, activation, rank"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(tables, says):
    with pytest.raises(SettingsError, match=says):
        parse_layers(tables, where="net.toml")


def test_ten_outputs_for_rates_and_one_for_classes_are_refused(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text('[[layer]]\ntype = "dense"\ndim = 10\nactivation = "linear"\n', "utf-8")
    with pytest.raises(SettingsError, match=r"dim of the last layer = 10.*one k"):
        train_settings(path)
    path.write_text("[train]\nepochs = 1\n[settings]\nepochs = 2\n", "utf-8")
    with pytest.raises(SettingsError, match="not both"):
        train_settings(path)
