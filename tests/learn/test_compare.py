import numpy as np
import pytest

from stopflow.errors import SettingsError
from stopflow.features import FeatureSpec, build_rows
from stopflow.learn.compare import compare, comparison_rows
from stopflow.learn.data import lab_data
from stopflow.learn.evaluate import measure
from stopflow.learn.settings import TrainSettings

SETTINGS = TrainSettings(
    hidden=(16, 8), rank=4, directions=20, epochs=3, batch_size=16, views=0, test_count=2
)


@pytest.fixture(scope="module")
def labs(small_lab):
    data, raw = small_lab.data, FeatureSpec("raw", 400)
    values = {name: getattr(data, name) for name in data.__slots__ if name != "inputs"}
    rows = build_rows(small_lab.traces, spec=raw)
    return {"shape": data, "raw": lab_data(rows, **(values | {"features": raw}))}


def test_every_way_meets_the_same_shots(labs, small_lab):
    data = labs["shape"]
    ways = ("constant", "ridge", "published", "dense", "dlrt", "truth", "fit")
    attempts = compare(
        labs,
        SETTINGS,
        ways=ways,
        seeds=2,
        trace=small_lab.trace,
        further={"truth": lambda lab, _split, _seed: np.array(lab.k_true_per_s)},
    )
    tested = {attempt.split.test.tobytes() for attempt in attempts}
    assert len(tested) == 1
    rows = {row["layer"]: row for row in comparison_rows(attempts, data)}
    assert tuple(rows) == ways
    assert rows["dlrt"]["runs"] == 2
    assert rows["fit"]["ratio_to_fit"] == pytest.approx(1.0)
    assert rows["truth"]["mae_per_s"] == 0.0
    assert rows["published"]["features"] == "raw"
    test = attempts[0].split.test
    runs = [
        measure(a.k_per_s[test], data.k_actual_per_s[test]).mae_per_s
        for a in attempts
        if a.way == "dlrt"
    ]
    assert rows["dlrt"]["mae_per_s"] == pytest.approx(np.mean(runs))
    assert rows["dlrt"]["mae_sd_per_s"] == pytest.approx(np.std(runs, ddof=1))


def test_folds_test_every_experiment(labs):
    attempts = compare(labs, SETTINGS, ways=("ridge",), folds=4)
    tested = [name for attempt in attempts for name in attempt.split.test_experiments]
    assert sorted(tested) == sorted(labs["shape"].experiments)


def test_a_way_that_is_not_there_is_answered_with_those_that_are(labs):
    with pytest.raises(SettingsError, match=r"layers = 'cubic'.*ridge.*published.*dlrt"):
        compare(labs, SETTINGS, ways=("cubic",))
    with pytest.raises(SettingsError, match=r"features = 'raw'"):
        compare({"shape": labs["shape"]}, SETTINGS, ways=("published",))
