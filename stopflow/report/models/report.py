"""The model report: how well a network predicts k, how it learnt, where it fails."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from stopflow import column_names as col
from stopflow.io.csv_files import csv_text
from stopflow.report.data import ModelReportData
from stopflow.report.kinetics.closing import build_provenance_blocks
from stopflow.report.models.failures import build_failure_blocks
from stopflow.report.models.figures import (
    draw_fit_level,
    draw_learning,
    draw_loss,
    draw_predictions,
    draw_ranks,
    draw_relative_errors,
)
from stopflow.report.models.formats import say_count, say_rate, say_seconds
from stopflow.report.models.numbers import (
    KEPT_STATE,
    advise_fit,
    changing_ranks,
    describe_model,
    metric,
    split_points,
)
from stopflow.report.models.spectra import build_spectra_blocks
from stopflow.report.models.tables import experiment_table, layer_table, score_table
from stopflow.report.paper.figure_files import write_figures
from stopflow.report.paper.flow import (
    FlowBlock,
    Painter,
    Paragraph,
    Picture,
    build_heading,
    build_note,
    build_subheading,
    row_picture,
)
from stopflow.report.paper.front import build_cells, build_title
from stopflow.report.paper.pdf import json_bytes, json_rows, write_pdf
from stopflow.report.paper.rounding import format_bytes, format_percent


def write_model_pdf(model: ModelReportData, path: Path, *, paper: str = "a4") -> None:
    """Write the report of one trained model, as `write_pdf`."""
    blocks = [
        *_front_blocks(model),
        *_result_blocks(model),
        *build_provenance_blocks(model.provenance, names=model.predictions[col.EXPERIMENT]),
    ]
    write_pdf(
        blocks,
        path,
        paper=paper,
        section=model.name,
        title=f"Model {model.name}",
        subject="Rate constants predicted by a network",
        provenance=model.provenance,
        attachments=attach_model(model),
    )


def write_model_figures(model: ModelReportData, folder: Path) -> list[Path]:
    """Write every figure of the report, as `paper.figure_files.write_figures`."""
    return write_figures(_result_blocks(model), folder, prefix=model.name)


def _result_blocks(model: ModelReportData) -> list[FlowBlock]:
    return [*_quality_blocks(model), *_learning_blocks(model), *build_failure_blocks(model)]


def attach_model(model: ModelReportData, *, prefix: str = "") -> dict[str, bytes]:
    """Files to embed: history, predictions and metrics."""
    return {
        f"{prefix}history.csv": csv_text(model.history).encode(),
        f"{prefix}predictions.csv": csv_text(model.predictions).encode(),
        f"{prefix}results.json": json_bytes(
            {
                "metrics": model.metrics,
                "predictions": json_rows(model.predictions),
                "provenance": model.provenance,
            }
        ),
    }


def _front_blocks(model: ModelReportData) -> list[FlowBlock]:
    title = build_title(f"Model {model.name}", describe_model(model.metrics))
    return [*title, _cells(model.metrics)]


def _cells(metrics: Mapping[str, object]) -> Picture:
    median = format_percent(metric(metrics, "test", "median_relative_error"))
    return build_cells(
        (
            (say_rate(metric(metrics, "test", "mae_per_s")), "test error (MAE) / s⁻¹"),
            (median, "median relative error, test"),
            (say_rate(metric(metrics, "train", "mae_per_s")), "training error / s⁻¹"),
            (say_count(metric(metrics, "parameters")), "parameters"),
            (say_seconds(metric(metrics, "seconds")), "training time"),
        )
    )


def _quality_blocks(model: ModelReportData) -> list[FlowBlock]:
    points = split_points(model.predictions)
    blocks: list[FlowBlock] = [
        build_heading("How good are its rates?"),
        score_table(model.metrics).grid(),
    ]
    advice = advise_fit(model.metrics)
    if advice:
        blocks.append(Paragraph(text=advice, size=9.0, bold=True))
    if points:
        blocks += [
            row_picture(
                [
                    partial(draw_predictions, points=points),
                    partial(draw_relative_errors, points=points),
                ],
                tall_mm=78.0,
                shows=("predicted against actual", "relative errors"),
            ),
            build_note(
                "Left: predicted against actual rate constants; line: equality; band: ± 10 %. "
                "Right: relative error against k. Grey: training; symbols: test experiments."
            ),
        ]
    experiments = experiment_table(model.predictions)
    return [*blocks, experiments.grid()] if experiments.rows else blocks


def _learning_blocks(model: ModelReportData) -> list[FlowBlock]:
    level = metric(model.metrics, "fit_on_test", "mae_per_s")

    def learning(axes: Axes) -> None:
        draw_learning(axes, [model])
        draw_fit_level(axes, level)

    ranks = changing_ranks(model.history)
    right: Painter = (
        partial(draw_ranks, history=model.history)
        if ranks
        else partial(draw_loss, history=model.history)
    )
    blocks: list[FlowBlock] = [build_heading("How it learnt")]
    if len(model.history):
        shows = ("learning curve", "ranks" if ranks else "loss")
        blocks.append(row_picture([learning, right], tall_mm=58.0, shows=shows))
        blocks.append(build_note(KEPT_STATE))
    return [*blocks, *build_spectra_blocks(model.history), *build_layer_blocks(model.metrics)]


def build_layer_blocks(metrics: Mapping[str, object]) -> list[FlowBlock]:
    """List the layers of a network and the memory that training it took."""
    blocks: list[FlowBlock] = []
    layers = layer_table(metrics)
    if layers.rows:
        blocks += [build_subheading(layers.title), layers.grid()]
    memory = metric(metrics, "peak_memory_bytes")
    if np.isfinite(memory):
        blocks.append(
            Paragraph(text=f"Peak memory while training: {format_bytes(memory)}.", size=7.8)
        )
    return blocks
