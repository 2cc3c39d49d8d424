"""The page of a classifier: its scores, what it takes for what, how it learnt."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow.io.atomic import write_text
from stopflow.report.html.document import build_document
from stopflow.report.html.model_plots import by_epoch, ranks
from stopflow.report.html.model_tables import layer_tables, settings_table
from stopflow.report.html.parts import SERIES, column, line, says, table
from stopflow.report.models.classifier import PARTS, say_score
from stopflow.report.models.formats import say_count, say_seconds
from stopflow.report.models.numbers import metric, name_layers

CURVES = ("test", "validation", "train")
PERCENT = 100.0


def write_classifier_page(
    name: str, metrics: Mapping[str, Any], history: Sequence[Mapping[str, float]], path: Path
) -> None:
    """Write the report of a classifier as a page; it replaces `path` when it is whole."""
    write_text(path, build_classifier_page(name, metrics, pd.DataFrame(list(history))))


def build_classifier_page(name: str, metrics: Mapping[str, Any], history: pd.DataFrame) -> str:
    """Build the text of the page."""
    described = [name_layers(metrics.get("layers", ())), str(metrics.get("data", ""))]
    size = (
        f"{say_count(metric(metrics, 'parameters'))} parameters, "
        f"trained in {say_seconds(metric(metrics, 'seconds'))}"
    )
    accuracy = say_score(metric(metrics, "test", "accuracy"))
    return build_document(
        f"Model {name}",
        about=" · ".join(filter(None, described)),
        answers=[
            ("How good are its classes?", f"{accuracy} of the test images are right"),
            ("What did it take?", size),
        ],
        tables=[_scores(metrics), _confusion(metrics["test"]["confusion"])],
        plots=[
            *_curves(history, "accuracy", "Accuracy against epoch", "accuracy, %", PERCENT),
            *_curves(history, "loss", "Loss against epoch", "cross-entropy", 1.0),
            *ranks(history),
        ],
        closing=[*layer_tables(metrics), settings_table(metrics.get("provenance", {}))],
    )


def _scores(metrics: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        [
            says(words),
            *(
                (say(metric(metrics, part, name)), factor * metric(metrics, part, name))
                for name, say, factor in (
                    ("n", say_count, 1.0),
                    ("accuracy", say_score, PERCENT),
                    ("macro_f1", say_score, PERCENT),
                )
            ),
        ]
        for part, words in PARTS.items()
        if part in metrics
    ]
    heads = [column("On"), *(column(n, number=True) for n in ("Images", "Accuracy", "Macro F1"))]
    return table("scores", "How good are its classes?", heads, rows)


def _confusion(counts: Sequence[Sequence[int]]) -> dict[str, Any]:
    heads = [column("Actual"), *(column(str(n), number=True) for n in range(len(counts)))]
    rows = [
        [says(str(actual)), *((str(count) if count else "·", float(count)) for count in row)]
        for actual, row in enumerate(counts)
    ]
    note = "Rows: the actual class; columns: the predicted one."
    return table("confusion", "What is taken for what, test images", heads, rows, note=note)


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
