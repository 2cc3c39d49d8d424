"""Whatever goes wrong with one folder, shot, model or page is that item's problem, and no more."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cli_lab import one_folder

from stopflow.kinetics.analysis import analyse_experiment, analyse_lab
from stopflow.learn.predict.shots import predict_shots
from stopflow.pipeline import barriers

pytestmark = pytest.mark.whole


@pytest.fixture
def lab(simulated, tmp_path):
    folder = one_folder(simulated, tmp_path)
    for path in [*folder.glob("*.XLSX"), *sorted(folder.glob("*.bka"))[3:]]:
        path.unlink()
    return folder


def rates(tmp_path):
    table = pd.read_csv(tmp_path / "reports" / "rates.csv", keep_default_na=False)
    return table.set_index("file")


def test_a_shot_that_the_analysis_fails_on_is_refused_alone(lab, tmp_path, run, monkeypatch):
    guilty = sorted(path.name for path in lab.glob("*.bka"))[1]

    def fail(experiment, settings=None):
        for shot in experiment.shots:
            if shot.file == guilty and shot.trace is not None:
                raise ZeroDivisionError("float division by zero")
        return analyse_experiment(experiment, settings)

    monkeypatch.setattr(barriers, "analyse_experiment", fail)
    code, _, err = run("ingest", lab)
    assert code == 1
    assert "Traceback" not in err
    table = rates(tmp_path)
    assert (table["k_per_s"] == "").tolist() == [name == guilty for name in table.index]
    assert table.loc[guilty, "verdict"] == "FAIL"
    assert "ZeroDivisionError: float division by zero" in table.loc[guilty, "reason"]
    assert f"{guilty}: the analysis failed: ZeroDivisionError" in err


def test_a_rate_that_is_no_finite_number_is_no_rate(lab, tmp_path, run, monkeypatch):
    def infinite(experiment, settings=None):
        analysis = analyse_experiment(experiment, settings)
        first, *others = analysis.shots
        values = {**first.shot.result.fit.parameters, "k_per_s": np.inf}
        fit = replace(first.shot.result.fit, parameters=values)
        result = replace(first.shot.result, fit=fit)
        first = replace(first, shot=replace(first.shot, result=result))
        return replace(analysis, shots=(first, *others))

    monkeypatch.setattr(barriers, "analyse_experiment", infinite)
    with pytest.raises(barriers.StopflowError, match="no finite number"):
        barriers._analyse(
            barriers.read_experiment(lab), barriers.AnalysisSettings(law="single-slope")
        )


def test_an_experiment_that_fails_as_a_whole_is_refused_as_a_whole(lab, tmp_path, run, monkeypatch):
    def fail(experiment, settings=None):
        if sum(shot.trace is not None for shot in experiment.shots) > 1:
            raise RuntimeError("together")
        return analyse_experiment(experiment, settings)

    monkeypatch.setattr(barriers, "analyse_experiment", fail)
    code, _, _ = run("ingest", lab)
    assert code == 1
    assert rates(tmp_path)["reason"].str.contains("RuntimeError: together").all()


def test_a_folder_that_cannot_be_read_is_listed_and_the_others_are_done(
    simulated, lab, tmp_path, run, monkeypatch
):
    read = barriers.read_experiment
    other = lab.parent / "other"
    other.mkdir()
    for path in lab.glob("*.bka"):
        (other / path.name).write_bytes(path.read_bytes())

    def fail(folder, **settings):
        if folder.name == "other":
            raise KeyError("rows")
        return read(folder, **settings)

    monkeypatch.setattr(barriers, "read_experiment", fail)
    code, _, err = run("ingest", lab.parent)
    assert code == 1
    assert "a folder that cannot be read: KeyError: 'rows'" in err
    table = rates(tmp_path)
    assert table["experiment"].value_counts().to_dict() == {"shots": 3, "other": 3}
    assert (table.loc[table["experiment"] == "shots", "k_per_s"] != "").all()


def test_a_comparison_of_experiments_that_fails_leaves_their_rates(lab, tmp_path, run, monkeypatch):
    def fail(analyses, settings=None):
        if analyses:
            raise FloatingPointError("overflow")
        return analyse_lab(analyses, settings)

    monkeypatch.setattr(barriers, "analyse_lab", fail)
    code, _, err = run("ingest", lab)
    assert code == 1
    assert "could not be compared with other experiments: FloatingPointError: overflow" in err
    assert (rates(tmp_path)["k_per_s"] != "").all()


@pytest.mark.parametrize("text", ["n.d.", "a" * 140_000])
def test_a_broken_truth_costs_no_rate(lab, tmp_path, run, text):
    names = sorted(path.name for path in lab.glob("*.bka"))
    rows = [f"shots,{names[0]},1.5", f"shots,{names[1]},{text}"]
    (lab.parent / "truth.csv").write_text("\n".join(["experiment,file,k_true_per_s", *rows]))
    code, _, err = run("ingest", lab.parent)
    assert code == 1
    assert "truth.csv" in err
    table = rates(tmp_path)
    assert (table["k_per_s"] != "").all()
    assert table.loc[names[0], "k_true_per_s"] == "1.5"


def test_a_report_that_cannot_be_drawn_says_so_and_the_tables_are_whole(
    lab, tmp_path, run, monkeypatch
):
    assert run("ingest", lab)[0] == 0
    before = (tmp_path / "reports" / "kinetics.pdf").read_bytes()
    pages = "stopflow.report.kinetics.report.overview_blocks"
    monkeypatch.setattr(pages, lambda *_: [].pop())
    code, _, err = run("ingest", lab, "--paper", "letter")
    assert code == 1
    assert "kinetics.pdf could not be drawn, the tables are whole: IndexError" in err
    page = (tmp_path / "reports" / "kinetics.pdf").read_bytes()
    assert page.startswith(b"%PDF")
    assert page != before
    assert (rates(tmp_path)["k_per_s"] != "").all()


def test_a_shot_that_the_network_fails_on_is_refused_alone(lab, tmp_path, run, monkeypatch):
    calls = []

    def fail(model, traces, **settings):
        calls.append(len(traces))
        if len(traces) > 1 or len(calls) == 3:
            raise ArithmeticError("no way")
        return predict_shots(model, traces, **settings)

    monkeypatch.setattr("stopflow.learn.predict.shots.predict_shots", fail)
    code, said, _ = run("predict", lab)
    assert code == 1
    assert calls == [3, 1, 1, 1]
    table = pd.read_csv(tmp_path / "reports" / "predictions.csv")
    assert table["k_predicted_per_s"].isna().tolist() == [False, True, False]
    assert "the prediction failed: ArithmeticError: no way" in table["doubt"][1]
    assert f"{table['file'][1]}: the prediction failed" in said


def test_predictions_that_are_no_numbers_are_no_rates(lab, tmp_path, run, monkeypatch):
    def infinite(model, traces, **settings):
        found = predict_shots(model, traces, **settings)
        return barriers.replace(found, k_per_s=np.array([np.inf, *found.k_per_s[1:]]))

    monkeypatch.setattr("stopflow.learn.predict.shots.predict_shots", infinite)
    code, _, _ = run("predict", lab)
    assert code == 1
    table = pd.read_csv(tmp_path / "reports" / "predictions.csv", dtype=str, keep_default_na=False)
    assert table["k_predicted_per_s"][0] == ""
    assert "no finite number" in table["doubt"][0]
    digits = table["k_predicted_per_s"][1].replace(".", "").lstrip("0")
    assert 0 < len(digits) <= 6
