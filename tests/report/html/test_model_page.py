"""The pages of models in a browser: tables that sort, plots with hover, names as text."""

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import report_lab

from stopflow.report.data import ModelReportData
from stopflow.report.html.classifier import build_classifier_page
from stopflow.report.html.models import build_comparison_page, build_model_page
from stopflow.report.models.comparison_numbers import build_comparison
from stopflow.report.paper.style import HARD_BLANK

pytestmark = pytest.mark.whole

NASTY = "</script><img src=x onerror=hacked=1>"
SCREENS = (320, 1280, 3840)


@pytest.fixture
def open_text(open_page, tmp_path):
    def opened(text: str):
        path = tmp_path / "report.html"
        path.write_text(text, encoding="utf-8")
        return open_page(path)

    return opened


@pytest.fixture
def model():
    return report_lab.build_model(epochs=12)


def test_the_shots_of_a_model_sort_by_their_error_and_are_exported(open_text, model):
    page = open_text(build_model_page(model))
    table = page.get_by_role("region", name="Shots", exact=True)
    head = table.get_by_role("button", name="Error")
    head.click()
    head.click()
    error = 100 * (model.predictions["k_predicted_per_s"] / model.predictions["k_actual_per_s"] - 1)
    worst = model.predictions.loc[error.idxmax(), "file"]
    assert table.locator("tbody th").first.inner_text() == worst
    with page.expect_download() as saved:
        table.locator("xpath=following-sibling::div[1]").get_by_text("Export").click()
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text("utf-8"))))
    assert len(rows) == len(model.predictions)
    assert float(rows[0]["Error (%)"]) == pytest.approx(error.max(), rel=1e-12)


def test_a_point_of_the_scatter_says_which_shot_it_is(open_text, model):
    row = model.predictions[model.predictions["split"] == "test"].iloc[0]
    only = replace(model, predictions=model.predictions[model.predictions["file"] == row["file"]])
    page = open_text(build_model_page(only))
    canvas = page.locator("figure", has_text="Predicted against actual").locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # A single shot: the axes are made for it, and the line of equal rates leads past it.
    for x in range(62, int(box["width"]), 8):
        for y in range(10, int(box["height"]) - 36, 8):
            canvas.hover(position={"x": x, "y": y})
            if page.locator("figure .tip").first.is_visible():
                break
        else:
            continue
        break
    said = page.locator("figure .tip").first.inner_text()
    assert row["file"] in said
    assert row["experiment"] in said
    assert "actual k / s⁻¹" in said


def test_the_comparison_sorts_by_number(open_text):
    names = ("dense", "dlrt", "ridge")
    errors = (9.5, 10.25, 0.125)
    models = []
    for seed, (name, error) in enumerate(zip(names, errors, strict=True)):
        made = report_lab.build_model(seed=seed, epochs=4, name=name)
        made.metrics["test"]["mae_per_s"] = error
        models.append(made)
    page = open_text(build_comparison_page(models))
    table = page.get_by_role("region", name="Ways compared")
    assert table.locator("tbody th").all_inner_texts() == list(names)
    table.get_by_role("button", name="Test MAE").click()
    assert table.locator("tbody th").all_inner_texts() == ["ridge", "dense", "dlrt"]
    assert page.locator("figure").count() >= 4
    assert page.locator(".answers dd").first.inner_text().startswith("ridge has the smallest")
    assert len(build_comparison(models)) == 3


def test_names_of_models_and_files_stay_text(open_text):
    made = report_lab.build_model(epochs=3, name=NASTY)
    nasty = replace(made, predictions=made.predictions.assign(experiment=NASTY, file=NASTY))
    for text in (build_model_page(nasty), build_comparison_page([nasty, nasty])):
        page = open_text(text)
        assert page.locator("img").count() == 0
        assert page.evaluate("typeof hacked") == "undefined"
        assert NASTY in page.locator("body").inner_text()


def test_a_model_without_numbers_makes_a_page(open_text, model):
    history = ["epoch", "train_mae_per_s", "test_mae_per_s", "loss", "seconds"]
    bare = replace(
        model,
        metrics={},
        history=model.history[history].head(0),
        predictions=model.predictions.head(0),
    )
    page = open_text(build_model_page(bare))
    assert "no error on test experiments is known" in page.locator(".answers").inner_text()
    assert page.locator("figure").count() == 0
    open_text(build_comparison_page([bare]))


def test_missing_numbers_are_gaps(open_text, model):
    history = model.history.copy()
    history.loc[3, ["test_mae_per_s", "loss"]] = np.nan
    page = open_text(build_model_page(replace(model, history=history)))
    assert page.locator("figure").count() == 5


@pytest.mark.parametrize("width", SCREENS)
def test_nothing_is_wider_than_the_screen(open_text, model, width):
    page = open_text(build_model_page(model))
    page.set_viewport_size({"width": width, "height": 900})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width


def test_printing_shows_every_row(open_text, model):
    page = open_text(build_model_page(model))
    table = page.get_by_role("region", name="Shots", exact=True)
    assert table.locator("tbody tr").count() == 100
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert table.locator("tbody tr").count() == len(model.predictions)


def test_a_classifier_has_its_page(open_text):
    scores = {"accuracy": 0.75, "macro_f1": 0.7, "n": 4, "confusion": [[2, 0], [1, 1]]}
    history = pd.DataFrame(
        {
            "epoch": [1, 2],
            "test_accuracy": [0.5, 0.75],
            "train_accuracy": [0.6, 0.9],
            "test_loss": [0.9, 0.5],
        }
    )
    metrics = {"test": scores, "parameters": 1234, "seconds": 3.0, "epochs": 2, "seed": 0}
    shown = ModelReportData(name=NASTY, metrics=metrics, history=history)
    page = open_text(build_classifier_page(shown))
    assert page.locator("h1").inner_text() == f"Model {NASTY}"
    answers = page.locator(".answers").inner_text().replace(HARD_BLANK, " ")
    assert "75.00 % of the test images are right" in answers
    assert page.locator("figure").count() == 2
