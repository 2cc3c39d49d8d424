"""Layers in a TOML file: right ones are built, wrong ones are named with their number."""

import pytest

from stopflow.errors import SettingsError
from stopflow.lowrank import LayerSpec
from stopflow.pipeline.networks.train import train_settings

GOOD = '[[layer]]\ntype = "dlrt"\ndim = 64\nactivation = "relu"\nrank = 10\n'


def written(tmp_path, text):
    path = tmp_path / "net.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_layer_tables_become_layers_and_options_win(tmp_path):
    path = written(tmp_path, "[train]\nepochs = 7\nseed = 3\n" + GOOD)
    settings = train_settings(path, epochs=9, seed=None)
    assert settings.layers == (LayerSpec(type="dlrt", dim=64, activation="relu", rank=10),)
    assert (settings.epochs, settings.seed) == (9, 3)


def test_a_layer_that_is_asked_for_wins_over_the_tables(tmp_path):
    settings = train_settings(written(tmp_path, GOOD), layer="dense")
    assert (settings.layer, settings.layers) == ("dense", ())


def test_a_seed_that_no_generator_takes_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="seed = 1000000"):
        train_settings(written(tmp_path, f"[train]\nseed = {10**20}\n"))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('type = "dlrt"\ndim = 64\nrnk = 10\n', r"\[\[layer\]\] 2 key = 'rnk'.*rank"),
        ("dim = 64\n", r"\[\[layer\]\] 2 type is missing.*dense, vanilla, dlrt"),
        ('type = "dense"\n', r"\[\[layer\]\] 2 dim is missing.*whole number"),
        ('type = "dense"\ndim = "wide"\n', r"\[\[layer\]\] 2 dim = 'wide'"),
        ('type = "cubic"\ndim = 3\n', "layer type = 'cubic'.*dense"),
        ('type = "dlrt"\ndim = 64\n', "rank is missing.*whole number"),
        ('type = "dense"\ndim = 3\nactivation = "linear"\n', "dim of the last layer = 3"),
    ],
)
def test_a_wrong_layer_is_named(tmp_path, table, says):
    with pytest.raises(SettingsError, match=says):
        train_settings(written(tmp_path, GOOD + "[[layer]]\n" + table))


def test_one_table_in_single_brackets_is_answered_with_double_ones(tmp_path):
    with pytest.raises(SettingsError, match=r"\[\[layer\]\], its keys below it"):
        train_settings(written(tmp_path, '[layer]\ntype = "dense"\ndim = 3\n'))


def test_a_rank_that_does_not_fit_the_input_is_named_with_its_layer(tmp_path):
    path = written(tmp_path, '[[layer]]\ntype = "dlrt"\ndim = 64\nrank = 100\n')
    with pytest.raises(SettingsError, match=r"rank of layer 1 = 100.*1 to 64"):
        train_settings(path).network_specs(28_000)
