import numpy as np
import pytest

from stopflow.errors import SettingsError, StopflowError
from stopflow.features import FeatureSpec
from stopflow.learn.data import lab_data
from stopflow.learn.split import leave_out_folds, split_by_experiment

SPEC = FeatureSpec("shape", 4)


def lab(experiments, **changes):
    count = len(experiments)
    arrays = {
        "inputs": np.ones((count, 8)),
        "window_s": np.ones(count),
        "k_label_per_s": np.arange(1.0, count + 1),
        "file": [f"{i}.bka" for i in range(count)],
    } | changes
    return lab_data(arrays.pop("inputs"), features=SPEC, experiment=experiments, **arrays)


@pytest.mark.parametrize(
    ("name", "index", "value", "says"),
    [
        ("window_s", 1, 0.0, "b/1.bka: a window_s"),
        ("k_label_per_s", 2, np.nan, "c/2.bka: a k_label_per_s"),
        ("k_label_per_s", 0, -1.0, "a/0.bka: a k_label_per_s"),
    ],
)
def test_a_number_that_is_none_is_named_with_its_shot(name, index, value, says):
    column = np.ones(3)
    column[index] = value
    with pytest.raises(StopflowError, match=says):
        lab(["a", "b", "c"], **{name: column})


def test_nan_features_wrong_lengths_and_no_shots_are_refused():
    inputs = np.ones((3, 8))
    inputs[1, 3] = np.nan
    with pytest.raises(StopflowError, match=r"b/1\.bka: a feature"):
        lab(["a", "b", "c"], inputs=inputs)
    with pytest.raises(StopflowError, match="rows have 7 values; shape with 4 pairs has 8"):
        lab(["a", "b"], inputs=np.ones((2, 7)))
    with pytest.raises(StopflowError, match="window_s has shape"):
        lab(["a", "b"], window_s=np.ones(3))
    with pytest.raises(StopflowError, match="no shot to learn from"):
        lab([], inputs=np.empty((0, 8)))


def test_truth_is_what_predictions_are_judged_by_where_it_is_known():
    data = lab(["a", "b"], k_true_per_s=[np.nan, 7.0])
    assert data.k_actual_per_s.tolist() == [1.0, 7.0]
    assert not data.inputs.flags.writeable


def test_no_experiment_is_on_both_sides(rng):
    data = lab([name for name in "abcdefgh" for _ in range(3)])
    split = split_by_experiment(data, generator=rng, test_count=2, validation_count=1)
    parts = [set(data.experiment[rows]) for rows in (split.train, split.validation, split.test)]
    assert [len(part) for part in parts] == [5, 1, 2]
    assert len(set.union(*parts)) == 8
    rows = np.concatenate([split.train, split.validation, split.test])
    assert sorted(rows) == list(range(24))
    assert split.part_of_rows()[int(split.test[0])] == "test"


def test_a_name_that_is_not_there_is_answered_with_those_that_are(rng):
    data = lab(["a", "b", "c"])
    with pytest.raises(SettingsError, match=r"test experiment = 'x'.*valid: a, b, c"):
        split_by_experiment(data, generator=rng, test_experiments=["x"])
    with pytest.raises(SettingsError, match=r"validation experiment = 'a'.*valid: b, c"):
        split_by_experiment(
            data, generator=rng, test_experiments=["a"], validation_experiments=["a"]
        )
    with pytest.raises(SettingsError, match="some must be left to train"):
        split_by_experiment(data, generator=rng, test_experiments=["a", "b", "c"])
    with pytest.raises(SettingsError, match="2 or more folders"):
        split_by_experiment(lab(["a", "a"]), generator=rng)


def test_folds_test_every_experiment_once(rng):
    data = lab([name for name in "abcdefg" for _ in range(2)])
    folds = leave_out_folds(data, folds=3, generator=rng)
    tested = [name for fold in folds for name in fold.test_experiments]
    assert sorted(tested) == list("abcdefg")
    with pytest.raises(SettingsError, match="2 to 7"):
        leave_out_folds(data, folds=8, generator=rng)
