"""The report of a classifier: its scores, its curves, what it takes for what."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stopflow.io.csv_files import csv_text
from stopflow.report.data import ModelReportData
from stopflow.report.kinetics.closing import build_provenance_blocks
from stopflow.report.models.figures import (
    count_epochs,
    draw_ranks,
    draw_stability,
    stability_columns,
)
from stopflow.report.models.formats import say_count, say_seconds
from stopflow.report.models.numbers import changing_ranks, describe_model, metric
from stopflow.report.models.report import build_layer_blocks
from stopflow.report.models.spectra import build_spectra_blocks
from stopflow.report.models.tables import ModelTable, count_cell, word_cell
from stopflow.report.paper.figure_files import write_figures
from stopflow.report.paper.flow import (
    FlowBlock,
    Painter,
    build_heading,
    build_note,
    leave_empty,
    row_picture,
)
from stopflow.report.paper.front import build_cells, build_title
from stopflow.report.paper.grid import GridColumn
from stopflow.report.paper.pdf import json_bytes, write_pdf
from stopflow.report.paper.rounding import MISSING
from stopflow.report.paper.style import CATEGORY_COLOURS

PARTS = {
    "test": "Test images, never seen in training",
    "validation": "Validation images, which chose the epoch",
    "train": "Training images",
}


def write_classifier_pdf(model: ModelReportData, path: Path, *, paper: str = "a4") -> None:
    """Write the report of one classifier, as `write_pdf`."""
    blocks: list[FlowBlock] = [
        *_front_blocks(model),
        build_heading("How good are its classes?"),
        score_table(model.metrics).grid(),
        *_confusion_blocks(model.metrics),
        *_learning_blocks(model.history),
        *build_layer_blocks(model.metrics),
        *build_provenance_blocks(model.provenance, names=[model.name]),
    ]
    write_pdf(
        blocks,
        path,
        paper=paper,
        section=model.name,
        title=f"Model {model.name}",
        subject="Classes of images",
        provenance=model.provenance,
        attachments={
            "history.csv": csv_text(model.history).encode(),
            "results.json": json_bytes({"metrics": dict(model.metrics)}),
        },
    )


def write_classifier_figures(model: ModelReportData, folder: Path) -> list[Path]:
    """Write every figure of the report, as `paper.figure_files.write_figures`."""
    return write_figures(_learning_blocks(model.history), folder, prefix=model.name)


def _learning_blocks(history: pd.DataFrame) -> list[FlowBlock]:
    return [build_heading("How it learnt"), *_curve_blocks(history), *build_spectra_blocks(history)]


def _front_blocks(model: ModelReportData) -> list[FlowBlock]:
    metrics = model.metrics
    return [
        *build_title(f"Model {model.name}", describe_model(metrics)),
        build_cells(
            (
                (say_score(metric(metrics, "test", "accuracy")), "test accuracy"),
                (say_score(metric(metrics, "test", "macro_f1")), "macro F1, test"),
                (say_score(metric(metrics, "train", "accuracy")), "training accuracy"),
                (say_count(metric(metrics, "parameters")), "parameters"),
                (say_seconds(metric(metrics, "seconds")), "training time"),
            )
        ),
    ]


def say_score(share: float) -> str:
    """Write an accuracy in percent."""
    return f"{100 * share:.2f} %" if np.isfinite(share) else MISSING


def score_table(metrics: Mapping[str, Any]) -> ModelTable:
    """Set the scores on the images of each part as a table."""
    rows = [
        (
            word_cell(words),
            count_cell(metric(metrics, part, "n")),
            *(
                (say_score(share), 100 * share)
                for share in (metric(metrics, part, name) for name in ("accuracy", "macro_f1"))
            ),
        )
        for part, words in PARTS.items()
        if part in metrics
    ]
    columns = (GridColumn(title="On"), *map(_number, ("Images", "Accuracy", "Macro F1")))
    return ModelTable(name="scores", title="How good are its classes?", columns=columns, rows=rows)


def confusion_table(metrics: Mapping[str, Any]) -> ModelTable:
    """Set what is taken for what as a table."""
    counts = metrics["test"]["confusion"]
    return ModelTable(
        name="confusion",
        title="What is taken for what, test images",
        columns=(GridColumn(title="Actual"), *map(_number, range(len(counts)))),
        rows=[
            (word_cell(str(actual)), *((str(n) if n else "·", float(n)) for n in row))
            for actual, row in enumerate(counts)
        ],
        note="Rows: the actual class; columns: the predicted one.",
    )


def _number(title: object) -> GridColumn:
    return GridColumn(title=str(title), align="right")


def _confusion_blocks(metrics: Mapping[str, Any]) -> list[FlowBlock]:
    table = confusion_table(metrics)
    heading = build_heading("Confusion matrix, test images")
    return [heading, table.grid(size=6.6), build_note(table.note)]


def _curve_blocks(history: pd.DataFrame) -> list[FlowBlock]:
    if not len(history):
        return []
    blocks: list[FlowBlock] = [
        row_picture(
            [
                partial(draw_curves, history=history, column="accuracy", label="accuracy, %"),
                partial(draw_curves, history=history, column="loss", label="cross-entropy"),
            ],
            tall_mm=62.0,
            shows=("accuracy", "cross-entropy"),
        )
    ]
    further: dict[str, Painter] = {}
    if changing_ranks(history):
        further["ranks"] = partial(draw_ranks, history=history)
    if stability_columns(history):
        further["stability"] = partial(draw_stability, history=history)
    if further:
        painters = [*further.values(), leave_empty][:2]
        blocks.append(row_picture(painters, tall_mm=56.0, shows=tuple(further)))
    return blocks


def draw_curves(axes: Axes, history: pd.DataFrame, *, column: str, label: str) -> None:
    """Draw train, validation and test curves of one column of the history."""
    scale = 100.0 if column == "accuracy" else 1.0
    for place, (part, width) in enumerate((("test", 1.3), ("validation", 0.9), ("train", 0.9))):
        name = f"{part}_{column}"
        if name in history:
            axes.plot(
                history["epoch"],
                scale * history[name],
                color=CATEGORY_COLOURS[place],
                linewidth=width,
                label=part,
                marker="o" if len(history) == 1 else None,
            )
    count_epochs(axes)
    axes.set_ylabel(label)
    axes.legend(loc="best")
