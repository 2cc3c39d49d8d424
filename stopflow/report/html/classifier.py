"""The page of a classifier: its scores, what it takes for what, how it learnt."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow.io.atomic import write_text
from stopflow.report.data import ModelReportData
from stopflow.report.html.document import build_document
from stopflow.report.html.model_plots import by_epoch, ranks
from stopflow.report.html.parts import SERIES, line
from stopflow.report.models.classifier import confusion_table, say_score, score_table
from stopflow.report.models.formats import say_count, say_seconds
from stopflow.report.models.numbers import describe_model, metric
from stopflow.report.models.tables import layer_table, settings_table

CURVES = ("test", "validation", "train")
PERCENT = 100.0


def write_classifier_page(model: ModelReportData, path: Path) -> None:
    """Write the report of a classifier as a page; it replaces `path` when it is whole."""
    write_text(path, build_classifier_page(model))


def build_classifier_page(model: ModelReportData) -> str:
    """Build the text of the page."""
    metrics, history = model.metrics, model.history
    size = (
        f"{say_count(metric(metrics, 'parameters'))} parameters, "
        f"trained in {say_seconds(metric(metrics, 'seconds'))}"
    )
    accuracy = say_score(metric(metrics, "test", "accuracy"))
    return build_document(
        f"Model {model.name}",
        about=describe_model(metrics),
        answers=[
            ("How good are its classes?", f"{accuracy} of the test images are right"),
            ("What did it take?", size),
        ],
        tables=[score_table(metrics), confusion_table(metrics)],
        plots=[
            *_curves(history, "accuracy", "Accuracy against epoch", "accuracy, %", PERCENT),
            *_curves(history, "loss", "Loss against epoch", "cross-entropy", 1.0),
            *ranks(history),
        ],
        closing=[layer_table(metrics), settings_table(model.provenance)],
    )


def _curves(
    history: pd.DataFrame, measured: str, title: str, label: str, factor: float
) -> list[dict[str, Any]]:
    known = [part for part in CURVES if f"{part}_{measured}" in history]
    layers = [
        line(
            history["epoch"],
            factor * history[f"{part}_{measured}"],
            name=part,
            colour=SERIES[CURVES.index(part)],
            width=2 if part == "test" else 1,
        )
        for part in known
    ]
    if not layers or not len(history):
        return []
    if len(history) == 1:
        layers = [{**layer, "type": "points"} for layer in layers]
    values = np.concatenate([factor * history[f"{part}_{measured}"] for part in known])
    return [by_epoch(title, layers, values, label, from_zero=measured != "accuracy")]
