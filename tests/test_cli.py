"""The commands as a user meets them: results, exit codes, and one clear line for bad input."""

import json
import os
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from cli_lab import one_folder

from stopflow.cli import idle_threads

pytestmark = pytest.mark.whole

RATE_COLUMNS = (
    "experiment, file, channel, verdict, reason, start_s, start_source, points, window_s, k_per_s, "
    "k_stderr_per_s, k_low95_per_s, k_high95_per_s, amplitude, slope_per_s, intercept, noise_sd, "
    "signal_to_noise, workbook_rate_per_s, concentration_M, temperature_K, substrate"
).split(", ")


def rates(tmp_path):
    return pd.read_csv(tmp_path / "reports" / "rates.csv", keep_default_na=False, na_values=[""])


def test_ingest_leaves_rates_tables_and_the_report(simulated, ingested):
    table = rates(ingested)
    assert list(table.columns[: len(RATE_COLUMNS)]) == RATE_COLUMNS
    assert len(table) == len(list(simulated.rglob("*.bka")))
    assert (ingested / "reports" / "kinetics.pdf").read_bytes().startswith(b"%PDF")
    assert (ingested / "reports" / "rates.xlsx").is_file()


def test_training_leaves_a_model_that_predicts(simulated, ingested, tmp_path, run):
    data = ("--dataset", ingested / "data" / "ingested")
    code, said, _ = run(
        *("train", *data),
        *("--layer", "dlrt", "--rank", "8", "--epochs", "3", "--features", "blocks"),
        *("--seed", "4", "--quiet"),
    )
    assert code == 0
    assert said == ""
    model = tmp_path / "models" / "dlrt"
    metrics = json.loads((model / "metrics.json").read_text())
    for part in ("test", "train", "fit_on_test"):
        assert {"mae_per_s", "median_relative_error", "p95_relative_error", "n"} <= set(
            metrics[part]
        )
    assert {"parameters", "seconds", "epochs", "seed", "split"} <= set(metrics)
    history = pd.read_csv(model / "history.csv")
    assert {"epoch", "train_mae_per_s", "test_mae_per_s", "loss", "seconds", "rank_1"} <= set(
        history.columns
    )
    predictions = pd.read_csv(model / "predictions.csv")
    assert list(predictions.columns) == [
        "experiment",
        "file",
        "split",
        "k_actual_per_s",
        "k_predicted_per_s",
    ]
    held_out = predictions[predictions["split"] == "test"]["experiment"].unique()
    trained_on = predictions[predictions["split"] == "train"]["experiment"].unique()
    assert set(held_out).isdisjoint(trained_on)

    folder = sorted(path for path in simulated.iterdir() if path.is_dir())[0]
    code, said, _ = run("predict", "dlrt", folder)
    assert code == 0
    predicted = pd.read_csv(tmp_path / "reports" / "predictions.csv")
    assert len(predicted) == len(list(folder.glob("*.bka")))
    assert predicted["k_predicted_per_s"].notna().all()


def test_the_same_input_gives_the_same_report_and_rates(simulated, tmp_path, run):
    names = ("rates.csv", "rates.xlsx", "kinetics.pdf")
    reports = [tmp_path / "reports" / name for name in names]
    folder = one_folder(simulated, tmp_path)
    run("ingest", folder)
    first = [path.read_bytes() for path in reports]
    run("ingest", folder)
    assert [path.read_bytes() for path in reports] == first
    _, said, _ = run("report", "--export", "prism", "--export", "kintek", "--export", "origin")
    *wrote, last = said.splitlines()
    assert last == f"{len(wrote)} files written again from data/ingested"
    assert [path.read_bytes() for path in reports] == first
    exported = {path.name for path in (tmp_path / "reports" / "exports").iterdir()}
    assert {"prism.txt", "kintek-shots.txt", "origin-shots.txt"} <= exported


def spoil_empty(folder):
    sorted(folder.glob("*.bka"))[0].write_bytes(b"")


def spoil_text(folder):
    sorted(folder.glob("*.bka"))[0].write_text("Dear diary,\nno data today.\n")


def spoil_unit(folder):
    path = sorted(folder.glob("*.bka"))[0]
    path.write_bytes(path.read_bytes().replace(b'"ms"', b'"nm"', 1))


def spoil_number(folder):
    path = sorted(folder.glob("*.bka"))[0]
    lines = path.read_bytes().split(b"\r\n")
    lines[50] = lines[50].split(b"\t")[0] + b"\toops"
    path.write_bytes(b"\r\n".join(lines))


def spoil_constant(folder):
    path = sorted(folder.glob("*.bka"))[0]
    head, data = path.read_bytes().split(b'"_DATA"\r\n')
    rows = [row.split(b"\t")[0] + b"\t1.5" for row in data.split(b"\r\n") if row]
    path.write_bytes(head + b'"_DATA"\r\n' + b"\r\n".join(rows) + b"\r\n")


def spoil_short(folder):
    path = sorted(folder.glob("*.bka"))[0]
    head, data = path.read_bytes().split(b'"_DATA"\r\n')
    path.write_bytes(head + b'"_DATA"\r\n' + b"\r\n".join(data.split(b"\r\n")[:6]) + b"\r\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_empty, ["empty"]),
        (spoil_text, ["BIO-KINE"]),
        (spoil_unit, ["nm"]),
        (spoil_number, ["oops", "line"]),
        (spoil_constant, []),
        (spoil_short, []),
    ],
)
def test_a_broken_file_keeps_its_row_and_the_rest_is_done(simulated, tmp_path, run, spoil, words):
    folder = one_folder(simulated, tmp_path)
    spoil(folder)
    code, _, said = run("ingest", folder.parent)
    assert code == 1
    assert "Traceback" not in said
    for word in words:
        assert word in said
    table = rates(tmp_path)
    assert len(table) == 6
    refused = table[table["k_per_s"].isna()]
    assert len(refused) == 1
    assert refused["verdict"].item() == "FAIL"
    assert refused["reason"].item()
    assert table["k_per_s"].notna().sum() == 5


def test_without_workbooks_the_rates_are_there_and_the_loss_is_said(simulated, tmp_path, run):
    folder = one_folder(simulated, tmp_path)
    for book in folder.glob("*.XLSX"):
        book.unlink()
    code, _, said = run("ingest", folder)
    assert code == 0
    assert "workbook" in said
    table = rates(tmp_path)
    assert (table["start_source"] == "detected").all()
    assert table["k_per_s"].notna().all()


def test_a_start_beyond_the_data_is_refused_with_its_number(simulated, tmp_path, run):
    folder = one_folder(simulated, tmp_path)
    book = openpyxl.load_workbook(folder / "start_values.XLSX")
    first = sorted(folder.glob("*.bka"))[0].name
    row = next(cells for cells in book.active.iter_rows() if cells[0].value == first)
    row[1].value = 1e9
    book.save(folder / "start_values.XLSX")
    code, _, _ = run("ingest", folder)
    assert code == 1
    table = rates(tmp_path)
    assert "start" in table[table["k_per_s"].isna()]["reason"].item()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ingest", "nowhere"], "does not exist"),
        (["ingest", "."], "no trace files"),
        (["train"], "stopflow ingest"),
        (["report"], "stopflow ingest"),
        (["predict", "no_such_model", "."], "no_such_model"),
        (["fit", "nothing.bka"], "nothing.bka"),
        (["ingest", ".", "--law", "quadruple"], "single-slope"),
        (["train", "--layer", "cubic"], "dlrt"),
        (["train", "--rank", "0"], "rank"),
        (["train", "--config", "nothing.toml"], "nothing.toml"),
    ],
)
def test_wrong_use_is_one_clear_line_and_exit_code_2(run, words, said):
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    assert said in err
    assert "Traceback" not in err


def test_test_experiments_that_are_not_there_are_named_with_the_valid_ones(
    simulated, ingested, run
):
    names = sorted(path.name for path in simulated.iterdir() if path.is_dir())
    code, _, err = run(
        *("train", "--dataset", ingested / "data" / "ingested"),
        *("--test-experiments", "nowhere", "--features", "blocks"),
    )
    assert code == 2
    assert "nowhere" in err
    assert all(name in err for name in names)


def test_fit_and_plan_one_file(simulated, tmp_path, run):
    file = sorted(one_folder(simulated, tmp_path).glob("*.bka"))[0]
    code, said, _ = run("fit", file, "--json")
    assert code == 0
    assert json.loads(said)["k_per_s"] > 0
    code, said, _ = run("fit", file, "--plot", "shot.png")
    assert code == 0
    assert Path("shot.png").read_bytes().startswith(b"\x89PNG")
    code, said, _ = run("plan", file, "--precision", "2%")
    assert code == 0
    assert "shot" in said


def test_an_interrupted_ingest_leaves_the_earlier_results(simulated, tmp_path, run, monkeypatch):
    folder = one_folder(simulated, tmp_path)
    run("ingest", folder)
    before = (tmp_path / "data" / "ingested" / "shots.parquet").read_bytes()

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("stopflow.pipeline.lab.gather.analyse_across", interrupt)
    code, _, err = run("ingest", folder)
    assert code == 130
    assert "interrupted" in err
    assert (tmp_path / "data" / "ingested" / "shots.parquet").read_bytes() == before
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["ingested"]


def test_a_folder_without_a_readable_trace_has_no_median_difference(tmp_path, run):
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "b.bka").write_text("junk\n")
    code, said, _ = run("predict", folder)
    assert code == 1
    assert "0 of 1 shot predicted by shape; 1 with warnings" in " ".join(said.split())
    assert "nan" not in said


@pytest.mark.parametrize(
    ("asked", "policy"), [(None, "ACTIVE"), ("", "ACTIVE"), ("PASSIVE", "PASSIVE")]
)
def test_idle_threads_wait_as_the_user_says_or_spin_in_the_bench(run, monkeypatch, asked, policy):
    monkeypatch.setattr(idle_threads, "ASKED", asked)
    monkeypatch.setenv(idle_threads.POLICY, "as it was")
    seen = []
    monkeypatch.setattr(
        "stopflow.lowrank.bench.bench.bench_step",
        lambda **_: seen.append(os.environ[idle_threads.POLICY]) or [],
    )
    run("bench", "step")
    assert seen == [policy]
    run("laws", "--quiet")
    assert os.environ[idle_threads.POLICY] == (asked or "PASSIVE")
