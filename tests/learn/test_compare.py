from dataclasses import replace

import numpy as np
import pytest

from stopflow.errors import SettingsError
from stopflow.features import FeatureSpec, build_features
from stopflow.learn.compare.compare import compare
from stopflow.learn.compare.runs import ComparedRun, UnfinishedComparison
from stopflow.learn.compare.table import comparison_rows
from stopflow.learn.data import lab_data
from stopflow.learn.evaluate import measure
from stopflow.learn.settings import TrainSettings
from stopflow.learn.training.train import train

SETTINGS = TrainSettings(
    hidden=(16, 8), rank=4, directions=20, epochs=3, batch_size=16, augmentations=0, test_count=2
)


@pytest.fixture(scope="module")
def labs(small_lab):
    data, raw = small_lab.data, FeatureSpec("raw", 400)
    values = {name: getattr(data, name) for name in data.__slots__ if name != "inputs"}
    rows = np.stack([build_features(*trace, spec=raw) for trace in small_lab.traces])
    return {"shape": data, "raw": lab_data(rows, **(values | {"features": raw}))}


def test_every_way_meets_the_same_shots(labs, small_lab):
    data = labs["shape"]
    ways = ("constant", "ridge", "published", "dense", "dlrt", "truth", "fit")
    runs = compare(
        labs,
        SETTINGS,
        ways=ways,
        seeds=2,
        trace=small_lab.trace,
        further={"truth": lambda lab, _split, _seed: np.array(lab.k_true_per_s)},
    )
    tested = {run.split.test.tobytes() for run in runs}
    assert len(tested) == 1
    rows = {row["layer"]: row for row in comparison_rows(runs, data)}
    assert tuple(rows) == ways
    assert rows["dlrt"]["runs"] == 2
    assert rows["fit"]["ratio_to_fit"] == pytest.approx(1.0)
    assert rows["truth"]["mae_per_s"] == 0.0
    assert rows["published"]["features"] == "raw"
    test = runs[0].split.test
    errors = [
        measure(a.k_per_s[test], data.k_actual_per_s[test]).mae_per_s
        for a in runs
        if a.way == "dlrt"
    ]
    assert rows["dlrt"]["mae_per_s"] == pytest.approx(np.mean(errors))
    assert rows["dlrt"]["mae_sd_per_s"] == pytest.approx(np.std(errors, ddof=1))
    against = [
        measure(a.k_per_s[test], data.k_actual_per_s[test]).mae_per_s
        for a in runs
        if a.way == "dense"
    ]
    ratios = np.divide(errors, against)
    assert rows["dlrt"]["ratio_to_dense"] == pytest.approx(np.sqrt(np.prod(ratios)))
    half_width = abs(np.log(ratios[0] / ratios[1])) / 2
    assert rows["dlrt"]["ratio_to_dense_se"] == pytest.approx(np.sqrt(np.prod(ratios)) * half_width)
    assert rows["truth"]["ratio_to_dense"] == 0.0
    assert np.isnan(rows["dense"]["ratio_to_dense"])


def test_ways_on_all_inputs_say_what_they_got(labs):
    found = compare(labs, SETTINGS, ways=("published", "dense-full", "dlrt"), wide_epochs=2)
    assert [run.epochs for run in found] == [2, 2, 3]
    assert found[1].inputs_used.startswith("all 192 inputs")
    rows = comparison_rows(found, labs["shape"])
    assert [row["epochs"] for row in rows] == [2, 2, 3]
    assert rows[2]["inputs"] == found[2].inputs_used


class Interruption(Exception):
    """The user's Ctrl-C."""


def test_an_interrupted_comparison_goes_on_with_the_same_numbers(labs, tmp_path, monkeypatch):
    ways, kept = ("ridge", "dlrt", "vanilla"), UnfinishedComparison(tmp_path / "runs")
    whole = compare(labs, SETTINGS, ways=ways, seeds=2)
    trained = []

    def counted(data, settings, **options):
        trained.append((settings.layer, settings.seed))
        if trained == [("dlrt", 0), ("vanilla", 0), ("dlrt", 1)]:
            raise Interruption
        return train(data, settings, **options)

    monkeypatch.setattr("stopflow.learn.compare.compare.train", counted)
    with pytest.raises(Interruption):
        compare(labs, SETTINGS, ways=ways, seeds=2, kept=kept)
    resumed = compare(labs, SETTINGS, ways=ways, seeds=2, kept=kept)
    assert trained[3:] == [("dlrt", 1), ("vanilla", 1)]
    for one, other in zip(whole, resumed, strict=True):
        assert (one.way, one.seed) == (other.way, other.seed)
        assert np.array_equal(one.k_per_s, other.k_per_s)
    compare(labs, replace(SETTINGS, rank=3), ways=("dlrt",), kept=kept)
    assert len(trained) == 6
    for file in (tmp_path / "runs").iterdir():
        file.write_bytes(file.read_bytes()[:50])
    compare(labs, SETTINGS, ways=("dlrt",), kept=kept)
    assert len(trained) == 7
    kept.remove()
    assert not (tmp_path / "runs").exists()


def test_a_finished_comparison_forgets_its_own_runs_alone(labs, tmp_path):
    folder = tmp_path / "runs"
    other, own = UnfinishedComparison(folder), UnfinishedComparison(folder)
    compare(labs, replace(SETTINGS, rank=3), ways=("dlrt",), kept=other)
    waiting = {path: path.read_bytes() for path in folder.iterdir()}
    compare(labs, SETTINGS, ways=("ridge", "dlrt"), kept=own)
    assert len(list(folder.iterdir())) == 3
    own.remove()
    assert {path: path.read_bytes() for path in folder.iterdir()} == waiting
    other.remove()
    assert not folder.exists()


def test_shared_preparation_gives_what_training_alone_gives(labs, small_lab):
    with_augmentations = replace(SETTINGS, augmentations=2)
    found = compare(
        labs, with_augmentations, ways=("dense", "dlrt"), seeds=2, trace=small_lab.trace
    )
    for run in found:
        alone = train(
            labs["shape"],
            replace(with_augmentations, layer=run.way, seed=run.seed),
            split=run.split,
            trace=small_lab.trace,
        )
        assert [row["loss"] for row in alone.history] == [row["loss"] for row in run.history]
        assert run.history[0]["seconds"] > 0


def test_progress_runs_from_nothing_to_everything(labs):
    seen = []
    compare(
        labs,
        SETTINGS,
        ways=("ridge", "dlrt", "published"),
        progress=lambda what, done, total: seen.append((what, done, total)),
    )
    assert {what for what, _, _ in seen} == {"comparing"}
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[0][1] == 0
    assert seen[-1][1] == seen[-1][2]


def run(way, split, errors, *, seed=0, speed=1.0):
    history = [
        {"epoch": n, "test_mae_per_s": error, "seconds": 2.0 + 3.0 * speed * n, "judging_s": n}
        for n, error in enumerate(errors, start=1)
    ]
    return ComparedRun(
        way=way,
        features="shape",
        seed=seed,
        fold=0,
        split=split,
        k_per_s=np.ones(96),
        history=tuple(history),
    )


def test_time_to_the_best_error_of_dense(labs, small_lab):
    split = compare(labs, SETTINGS, ways=("fit",))[0].split
    runs = [
        run("dense", split, [9.0, 4.0, 5.0]),
        run("dense", split, [9.0, 8.0, 2.0], seed=1),
        run("dlrt", split, [7.0, 3.9, 3.0], speed=0.5),
        run("dlrt", split, [7.0, 3.0, 2.5], seed=1, speed=0.5),
        run("dense-full", split, [4.0, 3.0, 3.5]),
    ]
    dense, dlrt, full = comparison_rows(runs, small_lab.data)
    assert dense["epochs_to_dense"] == 2.5
    assert dense["seconds_to_dense"] == pytest.approx(2.0 + 3.0 * 2.5 - 2.5)
    assert dense["reached_dense"] == 1.0
    assert (dlrt["epochs_to_dense"], dlrt["reached_dense"]) == (2.0, 0.5)
    assert dlrt["seconds_to_dense"] == pytest.approx(2.0 + 1.5 * 2.0 - 2.0)
    assert dlrt["epochs_to_dense_full"] == 3.0
    assert full["epochs_to_dense_full"] == 2.0
    assert full["reached_dense"] == 1.0


def test_folds_test_every_experiment(labs):
    runs = compare(labs, SETTINGS, ways=("ridge",), folds=4)
    tested = [name for run in runs for name in run.split.test_experiments]
    assert sorted(tested) == sorted(labs["shape"].experiments)


@pytest.mark.parametrize(
    ("asked", "expected"), [({}, 0), ({"validation_count": 2}, 2), ({"patience": 1}, 1)]
)
def test_folds_set_experiments_aside_for_validation(labs, asked, expected):
    runs = compare(labs, replace(SETTINGS, epochs=1, **asked), ways=("dlrt",), folds=4)
    for run in runs:
        validation, test = run.split.validation_experiments, run.split.test_experiments
        assert len(validation) == expected
        assert not set(validation) & set(test)
        assert ("validation_mae_per_s" in run.history[0]) == bool(expected)


def test_at_least_half_of_what_a_fold_does_not_test_is_trained_on(labs):
    settings = replace(SETTINGS, validation_count=100)
    for run in compare(labs, settings, ways=("ridge",), folds=4):
        assert len(run.split.validation_experiments) == 3


def test_a_way_that_is_not_there_is_answered_with_those_that_are(labs):
    with pytest.raises(SettingsError, match=r"layers = 'cubic'.*ridge.*published.*dlrt"):
        compare(labs, SETTINGS, ways=("cubic",))
    with pytest.raises(SettingsError, match=r"features = 'raw'"):
        compare({"shape": labs["shape"]}, SETTINGS, ways=("published",))


def test_options_that_would_be_ignored_are_refused(labs):
    named = replace(SETTINGS, test_experiments=("nowhere",))
    with pytest.raises(SettingsError, match=r"test_experiments = 'nowhere'.*none with 2 folds"):
        compare(labs, named, ways=("ridge",), folds=2)
    named = replace(SETTINGS, validation_experiments=("exp1", "exp2"))
    with pytest.raises(SettingsError, match=r"validation_experiments = 'exp1, exp2'.*2 folds"):
        compare(labs, named, ways=("ridge",), folds=2)
    with pytest.raises(SettingsError, match="at least one way"):
        compare(labs, SETTINGS, ways=())
