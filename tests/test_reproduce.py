"""`stopflow reproduce`: rows are data, every one runs, finished runs are kept."""

import csv
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

sys.path.insert(0, str(Path(__file__).parent / "learn"))
from small_images import make_images, write_images

from stopflow.errors import SettingsError
from stopflow.learn.published.reference import AsPublished
from stopflow.learn.published.tuning import FIRST_RATE
from stopflow.pipeline.published.reproduce import reproduce
from stopflow.pipeline.published.rows import VARIANTS, choose_rows, load_rows, shortened

pytestmark = pytest.mark.whole

FIRST_OF_EACH_TABLE = tuple(
    {row.name.partition("/")[0]: row.name for row in load_rows()[::-1]}.values()
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    made = make_images(np.random.default_rng(5), train=120, test=60, pixels=28, classes=10)
    return write_images(tmp_path_factory.mktemp("images") / "pictures", made)


def test_every_table_of_the_sources_is_there():
    names = {row.name.partition("/")[0] for row in load_rows()}
    assert {f"thesis-5.{table}" for table in range(1, 7)} <= names
    assert {"thesis-6", "oialr", "arsvd", "student", "dlrt-500", "dlrt-784", "comparison"} <= names
    for row in load_rows():
        assert row.source
        assert set(row.variants) <= set(VARIANTS)


def test_published_figures_stand_in_the_rows():
    found = {row.name: row.published for row in load_rows()}
    assert found["thesis-5.3/mc-fast"]["test_accuracy"] == 97.7
    assert found["thesis-5.4/plain"]["train_accuracy"] == 80.33
    assert found["student/f"]["validation_accuracy"] == 93.5
    assert found["dlrt-500/tau-15"]["ranks"] == [17, 25, 26, 24]


def test_ranks_of_one_phase_give_at_least_the_published_compression():
    for row in load_rows():
        if row.name.startswith("dlrt-") and "tau" in row.name:
            settings, published = row.variants["sound"], row.variants["as_published"]
            sizes = (784, *published.hidden, 10)
            dense = sum(a * b for a, b in pairwise(sizes))
            low = sum(settings.rank * (a + b) for a, b in pairwise(sizes[:-1]))
            saved = 100 * (1 - (low + 10 * sizes[-2]) / dense)
            assert saved >= row.published["compression"]
            assert saved < row.published["compression"] + 1.5


def test_names_choose_tables_and_rows_and_a_wrong_one_is_answered():
    rows = load_rows()
    assert len(choose_rows(rows, ["thesis-5.1"])) == 3
    assert [row.name for row in choose_rows(rows, ["student/e"])] == ["student/e"]
    with pytest.raises(SettingsError, match=r"NAME = 'thesis-9'.*dlrt-500.*--list"):
        choose_rows(rows, ["thesis-9"])


def test_frozen_epochs_shrink_with_a_short_look():
    (row,) = choose_rows(load_rows(), ["dlrt-500/tau-09"])
    short = shortened(row.variants["as_published"], epochs=7)
    assert isinstance(short, AsPublished)
    assert (short.epochs, short.frozen_after) == (7, 5)


@pytest.fixture(scope="module")
def done(images, tmp_path_factory):
    reports = tmp_path_factory.mktemp("reports")
    return reproduce(
        FIRST_OF_EACH_TABLE, data=images, dataset=reports, reports=reports, quick=True
    ), reports


def test_every_variant_runs_and_says_what_it_holds(done):
    found, reports = done
    assert {row["row"] for row in found.rows} == set(FIRST_OF_EACH_TABLE)
    for row in found.rows:
        assert row["diverged"] == 0
        assert 0 <= row["test"]
        assert row["test"] <= 100 or row["measure"] == "mae_per_s"
        assert row["trained_parameters"] > 0
        truncated = np.isfinite(row["accuracy_before"])
        assert truncated or row["parameters"] >= row["trained_parameters"]
        assert row["stored"] >= row["trained_parameters"]
    with (reports / "reproduce.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(found.rows)
    assert (reports / "reproduce.pdf").read_bytes().startswith(b"%PDF")


def test_curves_fall(done):
    _, reports = done
    for path in (reports / "reproduced").glob("*.json"):
        run = json.loads(path.read_text(encoding="utf-8"))
        if "run" not in run:
            continue
        first, *_, last = run["run"]["history"]
        if "train_loss" not in last:
            continue
        assert np.isfinite(last["train_loss"])
        usual = run["settings"]["how"] == "ours" and "compress" not in run["settings"]
        if usual and run["settings"].get("optimiser") != "sgd":
            assert last["train_loss"] < first["train_loss"]


def test_finished_runs_are_not_repeated(done, images, monkeypatch):
    found, reports = done

    def refuse(*_args, **_options):
        raise AssertionError("a finished run was repeated")

    for name in ("run_ours", "run_reference", "run_truncated", "tune", "peak_of"):
        monkeypatch.setattr(f"stopflow.pipeline.published.runs.{name}", refuse)
    again = reproduce(
        FIRST_OF_EACH_TABLE, data=images, dataset=reports, reports=reports, quick=True
    )
    assert json.dumps(again.rows) == json.dumps(found.rows)


def test_an_interrupted_reproduction_goes_on_where_it_was(images, tmp_path, monkeypatch):
    from stopflow.pipeline.published import runs as module

    calls = []
    whole = module.run_ours

    def interrupted(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(*args, **options)

    chosen = {"data": images, "dataset": tmp_path, "reports": tmp_path, "quick": True}
    monkeypatch.setattr(module, "run_ours", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reproduce(["thesis-5.3/plain"], **chosen)
    reproduce(["thesis-5.3/plain"], **chosen)
    assert len(calls) == 3


def test_methods_of_one_budget_share_a_search_and_stand_beside_the_dense_one(images, tmp_path):
    found = reproduce(
        ["comparison/dense", "comparison/data-aware", "comparison/dlrt"],
        data=images,
        dataset=tmp_path,
        reports=tmp_path,
        quick=True,
        first_seed=3,
    )
    rows = {row["row"].rpartition("/")[2]: row for row in found.rows}
    assert {row["first_seed"] for row in found.rows} == {3}
    assert {row["learning_rate"] for row in found.rows} == {FIRST_RATE}
    assert rows["dense"]["time_to_yardstick"] == 1.0
    assert all(row["time_to_yardstick"] > 0 for row in found.rows)
    assert all(0 <= row["macro_f1"] <= 1 for row in found.rows)
    assert rows["data-aware"]["parameters"] == rows["dlrt"]["parameters"]
    assert rows["data-aware"]["trained_parameters"] == rows["dense"]["parameters"]
    kept = [json.loads(p.read_text("utf-8")) for p in (tmp_path / "reproduced").glob("*.json")]
    assert sum("search" in one for one in kept) == 2
    assert sum("run" in one for one in kept) == 3
    assert json.loads((tmp_path / "reproduce.json").read_text("utf-8"))[0]["row"]


def test_a_row_whose_runs_all_diverge_says_so(run, images, tmp_path, monkeypatch):
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "steep.toml").write_text(
        'title = "Steep"\nsource = "a test"\n'
        '[sound]\noptimiser = "momentum"\nlearning_rate = 1e9\nbatch_size = 8\n'
        '[[row]]\nname = "one"\ntitle = "too steep"\npublished = {}\nsound = { layer = "dlrt" }\n',
        "utf-8",
    )
    monkeypatch.setattr("stopflow.pipeline.published.rows.published_folder", lambda: folder)
    where = ("--data", images, "--dataset", "none", "--reports", tmp_path / "reports")
    code, said, error = run("reproduce", "steep", "--quick", *where)
    assert code == 0
    assert error.startswith("a quick look at a few hundred images")
    assert "1 of 1 diverged" in said
    pages = PdfReader(tmp_path / "reports" / "reproduce.pdf").pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "A quick look at a few hundred images" in text
    assert "1 of 1 diverged" in text
    assert "Every run diverged in its first epoch." in text


def test_every_method_of_the_comparison_has_the_same_budget():
    rows = [row for row in load_rows() if row.name.startswith("comparison/")]
    searched = [row.variants["sound"].searched for row in rows]
    assert {settings.epochs for settings in searched} == {10}
    assert {settings.batch_size for settings in searched} == {128}
    short = [shortened(row.variants["sound"], epochs=4).searched.epochs for row in rows]
    assert set(short) == {4}


def test_rows_of_rates_are_named_where_there_is_no_lab(run, images):
    code, _, error = run("reproduce", "thesis-5.6/flux", "--data", images, "--dataset", "none")
    assert code == 1
    assert "thesis-5.6/flux was left out: it needs an ingested lab" in error


def test_wrong_words_are_answered_in_a_line(run, images):
    for words, says in (
        (("reproduce", "tabel"), "thesis-5.1"),
        (("reproduce", "--data", "nowhere"), "a folder with train-images"),
        (("reproduce", "student/a", "--variant", "good"), "as_published, sound, best"),
    ):
        code, _, error = run(*words)
        assert code == 2
        assert says in error
        assert len(error.strip().splitlines()) == 1


def test_the_list_names_rows_and_figures(run):
    code, said, _ = run("reproduce", "--list")
    assert code == 0
    assert "thesis-5.4/mc-fast" in said
    assert "96.02" in said
    code, said, _ = run("reproduce", "thesis-5.4", "--list", "--json")
    rows = json.loads(said)
    assert code == 0
    assert {row["row"].partition("/")[0] for row in rows} == {"thesis-5.4"}
    assert "96.02 %" in [row["published"] for row in rows]
    _, said, _ = run("reproduce", "thesis-5.6", "--list", "--json")
    assert {row["published"].partition(" ")[2] for row in json.loads(said)} == {"1/s"}
    code, _, error = run("reproduce", "thesis-9", "--list")
    assert code == 2
    assert "thesis-9" in error
