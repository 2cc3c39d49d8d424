import pytest

from stopflow.errors import SettingsError
from stopflow.learn.settings import MUON_DECAY, SCHEDULES, TrainSettings
from stopflow.lowrank import LAYERS, LayerSpec


def test_the_published_network():
    specs = TrainSettings().network_specs(28_000)
    assert [(s.type, s.dim, s.rank) for s in specs] == [
        ("dlrt", 512, 50),
        ("dlrt", 512, 50),
        ("dlrt", 256, 50),
        ("dense", 1, None),
    ]


def test_layers_one_by_one_win_and_get_an_output():
    layers = (LayerSpec(type="dense", dim=16), LayerSpec(type="vanilla", dim=8, rank=4))
    specs = TrainSettings(layers=layers).network_specs(100)
    assert specs[:2] == layers
    assert (specs[2].dim, specs[2].activation) == (1, "linear")


def test_a_rank_that_does_not_fit_names_its_layer():
    layers = (LayerSpec(type="dense", dim=16), LayerSpec(type="dlrt", dim=64, rank=20))
    with pytest.raises(SettingsError, match=r"rank of layer 2 = 20.*1 to 16"):
        TrainSettings(layers=layers).network_specs(100)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"layer": "cubic"}, "layer = 'cubic'.*dense"),
        ({"features": "x"}, "features = 'x'.*raw, shape, blocks"),
        ({"labels": "x"}, "labels"),
        ({"schedule": "x"}, "cosine"),
        ({"loss": "x"}, "smooth-l1"),
        ({"optimiser": "x"}, "adam"),
        ({"epochs": 0}, "epochs = 0"),
        ({"rank": True}, "rank = True"),
        ({"rank": 600}, "rank = 600.*1 to 512"),
        ({"whitening": 1.5}, "whitening = 1.5.*0 to 1"),
        ({"theta": 1.0}, "theta = 1.0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"hidden": ()}, "one hidden layer"),
        ({"drift": -1.0}, "drift"),
    ],
)
def test_what_is_out_of_range_is_named(changes, says):
    with pytest.raises(SettingsError, match=says):
        TrainSettings(**changes)


def test_the_rate_depends_on_optimiser_and_layers_unless_it_is_given():
    assert TrainSettings(layer="dense").peak_rate == TrainSettings(layer="dlrt").peak_rate
    mixed = (LayerSpec(type="dlrt", dim=8, rank=2), LayerSpec(type="oialr", dim=8))
    assert TrainSettings(layers=mixed).peak_rate == TrainSettings(layer="oialr").peak_rate == 2e-3
    assert TrainSettings(learning_rate=0.5, epochs=2000).peak_rate == 0.5
    for layer in ("dense", "dlrt", "oialr"):
        short, default, long = (
            TrainSettings(layer=layer, epochs=epochs).peak_rate for epochs in (30, 300, 1200)
        )
        assert short == default == 2 * long
    assert TrainSettings(optimiser="sgd").peak_rate == 2e-3
    assert TrainSettings(layer="dlrt-two-pass").peak_rate == 1e-3


def test_long_runs_of_muon_decay_weights_unless_it_is_given():
    assert TrainSettings(layer="dlrt", epochs=300).decay == 0.0
    assert TrainSettings(layer="dlrt", epochs=1200).decay == pytest.approx(MUON_DECAY / 2)
    assert TrainSettings(layer="dlrt", epochs=1200).to_record()["weight_decay"] == MUON_DECAY / 2
    assert TrainSettings(layer="dlrt", epochs=1200, weight_decay=0.0).decay == 0.0
    assert TrainSettings(layer="dense", epochs=1200).decay == 0.0
    assert TrainSettings(layer="dlrt", optimiser="adam", epochs=1200).decay == 0.0


def test_dynamical_layers_get_muon_unless_an_optimiser_is_given():
    chosen = {name: TrainSettings(layer=name).chosen_optimiser for name in LAYERS}
    muon = {"dlrt", "dlrt-two-pass", "adaptive"}
    assert chosen == {name: "muon" if name in muon else "adam" for name in LAYERS}
    mixed = (LayerSpec(type="dense", dim=8), LayerSpec(type="adaptive", dim=8, rank=2))
    assert TrainSettings(layers=mixed).step_settings().optimiser == "muon"
    assert TrainSettings(optimiser="sgd").step_settings().optimiser == "sgd"
    record = TrainSettings(layer="dlrt").to_record()
    assert (record["optimiser"], record["learning_rate"]) == ("muon", 4e-3)
    assert TrainSettings(**record).step_settings() == TrainSettings(layer="dlrt").step_settings()


def test_schedules_stay_positive_and_end_low():
    for name, schedule in SCHEDULES.items():
        assert all(0 < schedule(i / 50) <= 1 for i in range(50))
        assert name == "constant" or schedule(0.999) < 0.01


def test_the_published_recipe_keeps_the_split_and_the_budget():
    recipe = TrainSettings(epochs=5, seed=7, hidden=(8,), rank=4, augmentations=3).published()
    assert (recipe.features, recipe.standardise, recipe.loss) == ("raw", False, "mse")
    assert (recipe.epochs, recipe.seed, recipe.augmentations) == (5, 7, 0)
    assert [s.dim for s in recipe.network_specs(28_000)] == [512, 512, 256, 1]


def test_the_last_layer_has_the_outputs_of_the_task():
    three = TrainSettings(layers=(LayerSpec(type="dense", dim=3, activation="linear"),))
    with pytest.raises(SettingsError, match=r"dim of the last layer = 3.*one k"):
        three.network_specs(100)
    with pytest.raises(SettingsError, match=r"dim of the last layer = 3.*one of 10 classes"):
        three.network_specs(100, n_outputs=10)
    assert len(three.network_specs(100, n_outputs=3)) == 1
    hidden = TrainSettings(layers=(LayerSpec(type="dense", dim=3, activation="relu"),))
    assert [spec.dim for spec in hidden.network_specs(100, n_outputs=10)] == [3, 10]


def test_layers_for_other_rows_are_refused():
    settings = TrainSettings(layers=(LayerSpec(type="dense", dim=3),), inputs=784)
    settings.require_inputs(784)
    with pytest.raises(SettingsError, match=r"inputs of layer 1 = 784.*100"):
        settings.require_inputs(100)
