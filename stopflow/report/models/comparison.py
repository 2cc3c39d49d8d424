"""The comparison report: several networks with the same split, seed and budget, side by side."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.io.csv_files import csv_text
from stopflow.report.data import ModelReportData
from stopflow.report.kinetics.closing import build_provenance_blocks
from stopflow.report.models.comparison_figures import draw_bias, draw_runs
from stopflow.report.models.comparison_numbers import build_comparison, list_bias, state_best
from stopflow.report.models.figures import draw_learning, draw_predictions
from stopflow.report.models.numbers import count_runs, split_points
from stopflow.report.models.report import attach_model
from stopflow.report.paper.flow import (
    Block,
    Bookmark,
    Painter,
    Paragraph,
    Picture,
    build_heading,
    leave_empty,
    row_picture,
)
from stopflow.report.paper.grid import Column, Grid
from stopflow.report.paper.page import Page
from stopflow.report.paper.pdf import Progress, describe_document, flow_sheets, write_pdf
from stopflow.report.paper.rounding import MISSING, format_bytes, format_digits, format_pm
from stopflow.report.paper.style import MUTED, Ruler, require_paper


def write_compare_pdf(
    models: Sequence[ModelReportData],
    path: Path,
    *,
    paper: str = "a4",
    progress: Progress | None = None,
) -> None:
    """Write the comparison of several models.

    Parameters
    ----------
    models
        In the order of the table.
    path
        Replaced only when the new report is whole.
    paper
        ``"a4"`` or ``"letter"``.
    progress
        Called with (pages drawn, pages in all).

    Raises
    ------
    SettingsError
        Unknown paper.
    """
    size, ruler = require_paper(paper), Ruler()
    table = build_comparison(models)
    names = ", ".join(model.name for model in models)
    provenance = models[0].provenance if models else {}
    blocks: list[Block] = [
        Paragraph(
            text="Comparison of networks",
            size=20.0,
            bold=True,
            after_mm=1.0,
            leading=1.15,
            bookmark=Bookmark(title="Comparison of networks"),
        ),
        Paragraph(text=names, size=8.4, colour=MUTED, after_mm=3.0),
        Paragraph(text=state_best(table)),
        comparison_grid(table),
        Paragraph(text=_table_note(table), size=6.6, colour=MUTED),
        *_run_blocks(models),
        *_learning_blocks(models),
        *_bias_blocks(models),
        *_scatters(models),
        *build_provenance_blocks(
            provenance, names=[name for m in models for name in m.predictions[col.EXPERIMENT]]
        ),
    ]
    sheets = flow_sheets(blocks, size, ruler, section="Comparison")
    attachments = {"comparison.csv": csv_text(table).encode()}
    for model in models:
        attachments |= attach_model(model, prefix=f"{Path(model.name).name}-")
    info = describe_document("Comparison of networks", subject=names, provenance=provenance)
    write_pdf(
        sheets,
        path,
        paper=size,
        ruler=ruler,
        info=info,
        attachments=attachments,
        progress=progress,
    )


def _table_note(table: pd.DataFrame) -> str:
    note = (
        "Errors on test experiments, which no network saw in training. Median and 95 %: relative "
        "errors."
    )
    if np.isfinite(table["test_bias"]).any():
        note += " Bias: mean relative error."
    if np.isfinite(table["ratio_to_bound"]).any():
        note += " Bound: the smallest error any unbiased fit could have (Cramér-Rao)."
    if np.isfinite(table["test_mae_sd_per_s"]).any():
        note += (
            " Several runs (seeds and folds): all numbers are means; ± is the standard deviation "
            "of the error between runs."
        )
    if np.isfinite(table["ratio_to_dense_se"]).any():
        note += (
            " MAE / dense’s: geometric mean over pairs of runs of equal seed and split, ± its "
            "standard error."
        )
    diverged = table[table["diverged"] > 0]
    if len(diverged):
        named = [f"{row['name']} ({row['diverged']:.0f})" for row in diverged.to_dict("records")]
        note += f" Runs that diverged: {', '.join(named)}."
    return note


def _run_blocks(models: Sequence[ModelReportData]) -> list[Block]:
    if len(models) < 2:
        return []
    return [
        build_heading("Test error of every run"),
        Picture(tall_mm=18.0 + 5.2 * len(models), paint=partial(_paint_runs, models)),
    ]


def _paint_runs(
    models: Sequence[ModelReportData], page: Page, x_mm: float, y_mm: float, width_mm: float
) -> None:
    tall = 4.0 + 5.2 * len(models)
    draw_runs(page.axes(x_mm + 36.0, y_mm, width_mm=width_mm - 36.0, height_mm=tall), models)


def _bias_blocks(models: Sequence[ModelReportData]) -> list[Block]:
    lines = list_bias(models)
    if not lines:
        return []

    return [
        build_heading("Bias against k"),
        _beside_key(partial(draw_bias, lines=lines)),
        Paragraph(
            text="Mean relative error of the test shots in bins of equal numbers of shots.",
            size=6.6,
            colour=MUTED,
        ),
    ]


def _beside_key(draw: Painter) -> Picture:
    """Axes that leave the right margin to their key."""

    def paint(page: Page, x_mm: float, y_mm: float, width_mm: float) -> None:
        draw(page.axes(x_mm + 14.0, y_mm + 2.0, width_mm=width_mm - 54.0, height_mm=54.0))

    return Picture(tall_mm=68.0, paint=paint, after_mm=0.0)


def _learning_blocks(models: Sequence[ModelReportData]) -> list[Block]:
    learnt = [model for model in models if "test_mae_per_s" in model.history and len(model.history)]
    if not learnt:
        return []
    drawn = _beside_key(partial(draw_learning, models=learnt))
    return [
        build_heading("Learning curves"),
        drawn,
        Paragraph(text=_learning_note(learnt), size=6.6, colour=MUTED),
    ]


def _learning_note(models: Sequence[ModelReportData]) -> str:
    if max(count_runs(model) for model in models) == 1:
        return "Bold: test; thin: training."
    return (
        "Bold: test, median over all runs; shaded: the middle half of the runs; thin: training, "
        "median."
    )


def comparison_grid(table: pd.DataFrame) -> Grid:
    """Set the comparison as a table."""
    rows = tuple(_row(row) for row in table.to_dict("records"))
    columns = (
        Column(title="Model"),
        Column(title="Layer"),
        Column(title="Rank", align="right"),
        Column(title="Runs", align="right"),
        Column(title="Test MAE", unit="s⁻¹", align="right"),
        Column(title="MAE", unit="/ fit’s", align="right"),
        Column(title="MAE", unit="/ dense’s", align="right"),
        Column(title="MAE", unit="/ bound", align="right"),
        Column(title="Median", unit="%", align="right"),
        Column(title="95 %", unit="%", align="right"),
        Column(title="Bias", unit="%", align="right"),
        Column(title="Parameters", align="right"),
        Column(title="Epochs", align="right"),
        Column(title="Time", unit="s", align="right"),
        Column(title="Memory", unit="peak", align="right"),
    )
    kept = [
        place
        for place, column in enumerate(columns)
        if column.title == "Test MAE" or any(row[place] not in (MISSING, "") for row in rows)
    ]
    return Grid(
        columns=tuple(columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in rows),
        size=6.6,
        after_mm=1.5,
    )


def _row(row: dict) -> tuple[str, ...]:
    def number(name: str, digits: int = 3, scale: float = 1.0) -> str:
        return format_digits(scale * float(row.get(name, np.nan)), digits)

    def whole(name: str) -> str:
        value = float(row.get(name, np.nan))
        return f"{value:,.0f}".replace(",", "\u2009") if np.isfinite(value) else MISSING

    return (
        str(row["name"]),
        str(row["layer"] if row["layer"] != row["name"] else MISSING) or MISSING,
        str(row["rank"] or MISSING),
        whole("runs"),
        format_pm(float(row["test_mae_per_s"]), float(row["test_mae_sd_per_s"])),
        number("ratio_to_fit"),
        format_pm(float(row["ratio_to_dense"]), float(row["ratio_to_dense_se"])),
        number("ratio_to_bound"),
        number("test_median_relative_error", 2, 100.0),
        number("test_p95_relative_error", 2, 100.0),
        number("test_bias", 2, 100.0),
        whole("parameters") if row["parameters"] else MISSING,
        whole("epochs") if row["epochs"] else MISSING,
        number("seconds"),
        format_bytes(float(row["peak_memory_bytes"]) or np.nan),
    )


def _scatters(models: Sequence[ModelReportData]) -> list[Block]:
    drawn = [(model.name, split_points(model.predictions)) for model in models]
    drawn = [(name, points) for name, points in drawn if points]
    blocks: list[Block] = []
    if drawn:
        blocks.append(build_heading("Predicted against actual"))
    across = 3 if len(drawn) > 2 else 2
    training, shots = "training", "test experiments"
    if any(count_runs(model) > 1 for model in models):
        training, shots = "training of the first run", "held-out shots of all runs"
    note = f"Grey: {training}; symbols: {shots}, a colour an experiment; line: equal; band: 10 %."
    for place in range(0, len(drawn), across):
        row = drawn[place : place + across]
        painters: list[Painter] = [
            partial(draw_predictions, points=points, title=name, key=False) for name, points in row
        ]
        if place:
            painters += [leave_empty] * (across - len(row))
        blocks.append(row_picture(painters, tall_mm=58.0 if across == 3 else 84.0))
    return [*blocks, Paragraph(text=note, size=6.6, colour=MUTED)] if drawn else []
