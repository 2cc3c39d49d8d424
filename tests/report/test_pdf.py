"""The PDFs, read back with pypdf."""

import csv
import io
import json
import os
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import report_lab
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from pypdf import PdfReader

from stopflow.kinetics.verdicts.rules import RULES
from stopflow.report.beside import MANY_EXPERIMENTS, working_beside
from stopflow.report.kept import Parts
from stopflow.report.kinetics.experiment_sheets import ExperimentSheets
from stopflow.report.kinetics.report import write_kinetics_pdf
from stopflow.report.models.comparison import write_compare_pdf
from stopflow.report.models.comparison_figures import draw_bias, draw_runs
from stopflow.report.models.comparison_numbers import list_bias, list_runs
from stopflow.report.models.figures import draw_learning, draw_loss
from stopflow.report.models.numbers import count_runs, summarise_runs
from stopflow.report.models.report import write_model_pdf
from stopflow.report.paper.page import Page

pytestmark = pytest.mark.whole

SIZES = {"a4": (595.3, 841.9), "letter": (612.0, 792.0)}


def write_report(data, path, *, paper="a4", progress=None):
    """Draw every sheet in this process."""
    sheets = ExperimentSheets(data, paper=paper, parts=Parts(data))
    write_kinetics_pdf(data, path, sheets=sheets, progress=progress)


@pytest.fixture(scope="module")
def written(lab, tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "kinetics.pdf"
    calls = []
    write_report(lab, path, progress=lambda done, total: calls.append((done, total)))
    return path, calls


def _text(path):
    return "\n".join(page.extract_text() for page in PdfReader(path).pages)


def _entries(entries):
    for entry in entries:
        if isinstance(entry, list):
            yield from _entries(entry)
        else:
            yield entry


def _outline(entries, depth=0):
    for entry in entries:
        if isinstance(entry, list):
            yield from _outline(entry, depth + 1)
        else:
            yield depth, entry.title


def test_same_input_same_bytes(lab, written, tmp_path):
    again = tmp_path / "again.pdf"
    write_report(lab, again)
    assert again.read_bytes() == written[0].read_bytes()


def test_two_processes_write_the_same_bytes_as_one(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    names = [f"run {number:02d}" for number in range(MANY_EXPERIMENTS)]
    long = report_lab.build_lab(names=names, concentrations=(1e-5,), replicates=1, points=51)
    one, two = tmp_path / "one.pdf", tmp_path / "two.pdf"
    calls = []
    write_report(long, one, progress=lambda *done: calls.append(done))
    sheets = ExperimentSheets(long, paper="a4", parts=Parts(long))
    with working_beside() as beside:
        beside.open(partial(replace, long))
        sheets.begin(beside)
        write_kinetics_pdf(long, two, sheets=sheets)
    assert one.read_bytes() == two.read_bytes()
    reader = PdfReader(one)
    parts = len(names) + 2
    assert calls == [(i, parts) for i in range(1, parts + 1)]
    marked = {
        entry.title: reader.get_destination_page_number(entry) for entry in _entries(reader.outline)
    }
    for name in names:
        assert name in reader.pages[marked[name]].extract_text()


def test_the_questions_are_answered_in_order_and_text_can_be_copied(lab, written):
    text = _text(written[0])
    places = [text.index(q) for q in ("What are my rates?", "Can I trust", "What should I rep")]
    assert places == sorted(places)
    for word in (*lab.shots["experiment"].unique(), "µ-oxo dimère", "s⁻¹", "10 µM", "±"):
        assert word in text


def test_a_mean_that_leaves_shots_out_stands_beside_that_of_all(lab, written, tmp_path):
    conditions = lab.conditions.copy()
    conditions.loc[0, "outlier_files"] = "odd.bka"
    conditions.loc[0, "k_all_per_s"] = 12345.0
    conditions.loc[0, "k_all_stderr_per_s"] = 10.0
    path = tmp_path / "left.pdf"
    write_report(replace(lab, conditions=conditions), path)
    text, before = _text(path), _text(written[0])
    for said in ("k of all shots", "12345", "are left out of k; k of all shots"):
        assert said in text.replace("\n", " ")
        assert said not in before


def test_bookmarks_metadata_and_page_numbers(lab, written):
    path, calls = written
    reader = PdfReader(path)
    total = len(reader.pages)
    marks = list(_outline(reader.outline))
    assert next(title for depth, title in marks if depth == 0) == "Rate constants"
    assert {title for depth, title in marks if depth} >= set(lab.shots["experiment"])
    parts = lab.shots["experiment"].nunique() + 2
    assert calls == [(i, parts) for i in range(1, parts + 1)]
    for number, page in enumerate(reader.pages, start=1):
        assert f"{number} of {total}" in page.extract_text()
    assert reader.metadata.title == "Stopped-flow rate constants"
    assert reader.metadata.creation_date.isoformat() == "2024-06-11T09:30:00+02:00"
    assert reader.trailer["/ID"]


def test_results_are_attached_as_csv_and_json(lab, written):
    attached = PdfReader(written[0]).attachments
    rows = list(csv.DictReader(io.StringIO(attached["rates.csv"][0].decode())))
    assert [row["file"] for row in rows] == list(lab.shots["file"])
    results = json.loads(attached["results.json"][0])
    assert results["counts"]["fitted"] == int(np.isfinite(lab.shots["k_per_s"]).sum())
    assert results["provenance"]["command"] == "stopflow ingest data/"
    assert len(results["conditions"]) == len(lab.conditions)


def test_numbers_in_reasons_have_a_true_minus_on_paper_and_a_plain_one_in_tables(lab, tmp_path):
    drift = RULES["replicate-drift"].finding(size=-0.077, replicates=3, chance=1e-9)
    refused = RULES["refused"].finding(because="unreadable", text="slope -0.5 (b-7.bka)")
    doubted = lab.conditions.assign(verdict="WARN", **report_lab.found((drift,)))
    warned = lab.shots.assign(verdict="WARN", **report_lab.found((refused,)))
    path = tmp_path / "k.pdf"
    write_report(replace(lab, conditions=doubted, shots=warned), path)
    text = " ".join(_text(path).split())
    assert "k drifts by −7.7 % from the first to the last of 3 replicates" in text
    assert "slope −0.5 (b-7.bka)" in text
    assert "-7.7" not in text
    assert "-0.5" not in text
    attached = PdfReader(path).attachments
    assert "k drifts by -7.7% from" in attached["conditions.csv"][0].decode()
    assert "slope -0.5" in attached["rates.csv"][0].decode()


def test_a_long_table_of_conditions_goes_on_under_its_name(tmp_path):
    levels = [1e-6 * (1 + step) for step in range(60)]
    long = report_lab.build_lab(
        names=("all in one", "more"), concentrations=levels, replicates=1, points=51
    )
    path = tmp_path / "k.pdf"
    write_report(long, path)
    first, second = (page.extract_text() for page in PdfReader(path).pages[:2])
    for question in ("What are my rates?", "Can I trust them?", "What should I repeat?"):
        assert question in first
    assert "continued" not in first
    assert "Rates by condition, continued" in second
    assert "all in one, continued" in second
    assert "95 % interval" in second


@pytest.mark.parametrize(
    ("case", "said", "unsaid"),
    [
        ("one_trace", "Below: k of one exponential", "Below right"),
        ("no_cuts", "Below: k of each shot", "Below left"),
        ("no_concentrations", "Below left: k of one exponential", "Below: k"),
    ],
)
def test_the_caption_names_the_pictures_that_are_there(case, said, unsaid, tmp_path):
    path = tmp_path / "k.pdf"
    write_report(report_lab.build_odd_labs(points=201, series=2)[case], path)
    text = " ".join(_text(path).split())
    assert said in text
    assert unsaid not in text
    assert "of 1 conditions" not in text


def test_digests_are_never_cut_short(tmp_path):
    data = report_lab.build_odd_labs(points=101, series=2)["long_names"]
    path = tmp_path / "k.pdf"
    write_report(data, path)
    assert len(re.findall(r"\b[0-9a-f]{64}\b", _text(path))) == 2


def test_fonts_are_embedded_truetype(written):
    reader = PdfReader(written[0])
    kinds = {
        font.get_object()["/Subtype"]
        for page in reader.pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert kinds
    assert "/Type3" not in kinds


ODD = (
    ("one_trace", "a4"),
    ("no_concentrations", "letter"),
    ("all_refused", "letter"),
    ("long_names", "a4"),
    ("odd_names", "letter"),
    ("no_cuts", "a4"),
    pytest.param("many", "letter", marks=pytest.mark.slow),
)


@pytest.mark.parametrize(("case", "paper"), ODD)
def test_odd_labs_make_whole_reports(case, paper, tmp_path, full_proof):
    data = report_lab.build_odd_labs(points=201, series=30 if full_proof else 12)[case]
    path = tmp_path / "k.pdf"
    write_report(data, path, paper=paper)
    reader = PdfReader(path)
    assert all(
        (float(page.mediabox.width), float(page.mediabox.height))
        == pytest.approx(SIZES[paper], abs=0.1)
        for page in reader.pages
    )
    assert all(len(page.extract_text()) > 120 for page in reader.pages)


def test_names_without_glyphs_stay_apart_on_paper_and_whole_in_bookmarks(tmp_path):
    names = ("日本語 µ", "日本人 µ")
    path = tmp_path / "k.pdf"
    write_report(
        report_lab.build_lab(names=names, concentrations=(1e-5,), replicates=1, points=201), path
    )
    text = _text(path)
    assert "⟨65E5·672C·8A9E⟩ µ" in text
    assert "⟨65E5·672C·4EBA⟩ µ" in text
    assert "Unicode numbers" in text
    titles = {title for _, title in _outline(PdfReader(path).outline)}
    assert titles >= set(names)


def test_a_report_without_time_carries_none(tmp_path):
    path = tmp_path / "k.pdf"
    write_report(report_lab.build_odd_labs(points=201)["no_cuts"], path)
    assert "/CreationDate" not in PdfReader(path).metadata


def test_a_failing_report_leaves_the_old_one(lab, tmp_path):
    path = tmp_path / "k.pdf"
    path.write_bytes(b"old")

    def fail(row):
        raise RuntimeError("disk gone")

    with pytest.raises(RuntimeError):
        write_report(replace(lab, trace=fail), path)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["k.pdf"]


def test_the_model_report_shows_errors_ranks_and_worst_shots(model, tmp_path):
    path, again = tmp_path / "m.pdf", tmp_path / "n.pdf"
    write_model_pdf(model, path)
    write_model_pdf(model, again)
    assert path.read_bytes() == again.read_bytes()
    text = _text(path)
    for word in (
        "mean absolute error",
        "predicted k",
        "rank",
        "experiment 01",
        "Peak memory",
        "dense would need",
    ):
        assert word in text
    attached = PdfReader(path).attachments
    assert json.loads(attached["results.json"][0])["metrics"]["epochs"] == 40
    assert len(attached["predictions.csv"][0].splitlines()) == len(model.predictions) + 1


def test_a_model_without_history_traces_or_layers_makes_a_report(model, tmp_path):
    bare = replace(
        model,
        metrics={},
        history=model.history[
            ["epoch", "train_mae_per_s", "test_mae_per_s", "loss", "seconds"]
        ].head(1),
        trace=None,
        predictions=model.predictions.head(1),
    )
    write_model_pdf(bare, tmp_path / "m.pdf", paper="letter")
    empty = replace(bare, history=bare.history.iloc[:0], predictions=bare.predictions.iloc[:0])
    write_model_pdf(empty, tmp_path / "e.pdf")
    assert len(PdfReader(tmp_path / "e.pdf").pages) >= 1


@pytest.mark.parametrize("count", [1, 4])
def test_models_are_compared_in_one_table(count, tmp_path):
    names = ["dense", "vanilla", "=evil", "dlrt"][:count]
    models = [report_lab.build_model(seed=i, epochs=8, name=n) for i, n in enumerate(names)]
    path = tmp_path / "c.pdf"
    write_compare_pdf(models, path)
    text = _text(path)
    assert all(name in text for name in names)
    rows = PdfReader(path).attachments["comparison.csv"][0].decode().splitlines()
    assert len(rows) == count + 1


def compared_ways():
    """Three ways: one with three runs and a bias, one of a single run, and the fit."""
    bins = [
        {"k_low_per_s": low, "k_high_per_s": 3 * low, "mean_relative_error": error, "n": 9}
        for low, error in ((1.0, 0.125), (4.0, -0.0625))
    ]
    row = {
        "runs": 3,
        "mae_per_s": 2.0,
        "mae_sd_per_s": 0.25,
        "median_relative_error": 0.041,
        "p95_relative_error": 0.173,
        "bias": -0.0123,
        "ratio_to_fit": 3.21,
        "ratio_to_dense": 0.87,
        "ratio_to_dense_se": 0.04,
        "ratio_to_bound": 4.56,
        "seconds": 77.0,
        "peak_MB": 345.0,
        "diverged": 1,
    }
    several, single, fit = (
        report_lab.build_model(seed=i, epochs=8, name=name)
        for i, name in enumerate(("dlrt", "ridge", "fit"))
    )
    several = replace(
        several,
        metrics={
            **several.metrics,
            "over_runs": row,
            "run_mae_per_s": [1.75, 2.0, 2.25],
            "test_bias": bins,
        },
    )
    return [several, single, fit]


@pytest.mark.parametrize("paper", SIZES)
def test_a_comparison_says_its_spread_its_bias_and_the_bound(paper, tmp_path):
    path = tmp_path / "c.pdf"
    write_compare_pdf(compared_ways(), path, paper=paper)
    text = _text(path)
    for word in (
        "2.00 ± 0.25",
        "3.21",
        "0.87 ± 0.04",
        "4.56",
        "4.1",
        "17",
        "−1.2",
        "345 MB",
        "standard deviation",
    ):
        assert word in text
    for heading in ("Test error of every run", "Bias against k"):
        assert heading in text
    for unit in ("/ fit’s", "/ dense’s", "/ bound"):
        assert unit in text
    assert "diverged: dlrt (1)" in " ".join(text.split())
    (row, *_) = csv.DictReader(
        io.StringIO(PdfReader(path).attachments["comparison.csv"][0].decode())
    )
    assert float(row["ratio_to_bound"]) == pytest.approx(4.56)
    assert float(row["test_mae_sd_per_s"]) == pytest.approx(0.25)


def with_runs(model, shifts):
    """The model with a run for each shift of its test error, and held-out shots of each."""
    held = model.predictions[model.predictions["split"] == "test"]
    later = [held.assign(run=run) for run in range(2, len(shifts) + 1)]
    return replace(
        model,
        predictions=pd.concat([model.predictions.assign(run=1), *later], ignore_index=True),
        history=pd.concat(
            [
                model.history.assign(run=run, test_mae_per_s=model.history["epoch"] + shift)
                for run, shift in enumerate(shifts, start=1)
            ],
            ignore_index=True,
        ),
    )


def test_curves_and_shots_of_a_comparison_are_those_of_all_runs(tmp_path):
    one = report_lab.build_model(epochs=6, name="dlrt")
    several = with_runs(one, (1.0, 2.0, 9.0))
    assert count_runs(one) == 1
    assert count_runs(several) == 3
    curve = summarise_runs(several.history, "test_mae_per_s")
    np.testing.assert_allclose(curve.middle, np.arange(1, 7) + 2.0)
    np.testing.assert_allclose(curve.low, np.arange(1, 7) + 1.5)
    np.testing.assert_allclose(curve.high, np.arange(1, 7) + 5.5)
    stopped = several.history[(several.history["run"] == 1) | (several.history["epoch"] < 4)]
    assert summarise_runs(stopped, "test_mae_per_s").epochs.max() == 3
    drawn = Figure().add_subplot()
    draw_learning(drawn, [several, one])
    np.testing.assert_allclose(drawn.lines[0].get_ydata(), curve.middle)
    path = tmp_path / "c.pdf"
    write_compare_pdf([several, one], path)
    text = " ".join(_text(path).split())
    assert "median over all runs" in text
    assert "held-out shots of all runs" in text
    write_compare_pdf([one], path)
    alone = _text(path)
    for word in ("all runs", "Apart from the fit", "Cramér-Rao"):
        assert word not in alone


@pytest.mark.parametrize("draw", [draw_learning, lambda axes, models: draw_loss(axes, models[0])])
def test_a_single_epoch_is_a_point_inside_the_frame(draw):
    model = report_lab.build_model(epochs=1)
    only = replace(model, history=model.history.drop(columns=["rank_1", "rank_2", "rank_3"]))
    axes = Figure().add_subplot()
    if draw is draw_learning:
        draw(axes, [only])
    else:
        draw(axes, [only.history])
    for line in axes.lines:
        assert line.get_marker() == "o"
        assert axes.get_ylim()[0] < line.get_ydata()[0] < 0.95 * axes.get_ylim()[1]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1.0]


def test_runs_and_bias_are_drawn_where_the_numbers_are():
    several, single, fit = compared_ways()
    np.testing.assert_allclose(list_runs(several), [1.75, 2.0, 2.25])
    np.testing.assert_allclose(list_runs(single), [single.metrics["test"]["mae_per_s"]])
    (line,) = list_bias([several, single, fit])
    np.testing.assert_allclose(line.k_per_s, [3**0.5, 4 * 3**0.5])
    figure = Figure()
    draw_bias(figure.add_subplot(), [line])
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [12.5, -6.25])
    axes = Figure().add_subplot()
    draw_runs(axes, [several, single, fit])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dlrt", "ridge", "fit"]
    drawn = {tuple(x.get_xdata()) for x in axes.lines}
    assert (1.75, 2.0, 2.25) in drawn


@pytest.mark.parametrize("paper", SIZES)
def test_nothing_of_a_comparison_of_many_leaves_the_paper(paper, monkeypatch, tmp_path):
    names = ("dense", "pretrained + LoRA", "日本語µé long name for a way of learning", *"abcdef")
    models = [report_lab.build_model(seed=i, epochs=4, name=n) for i, n in enumerate(names)]
    boxes = []
    finish = Page.finish

    def measured(page):
        paper_box = page.figure.bbox
        for axes in page.figure.axes:
            box = axes.get_tightbbox(FigureCanvasAgg(page.figure).get_renderer())
            inside = paper_box.x0 <= box.x0 and box.x1 <= paper_box.x1
            boxes.append((inside, axes.get_xlabel()))
        return finish(page)

    monkeypatch.setattr(Page, "finish", measured)
    write_compare_pdf(models, tmp_path / "c.pdf", paper=paper)
    assert len(boxes) > len(names)
    assert [label for inside, label in boxes if not inside] == []
