"""The report of `stopflow compress --curve`: what is lost against what is kept."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stopflow.io.csv_files import csv_text
from stopflow.report.models.formats import say_count
from stopflow.report.paper.flow import FlowBlock, Paragraph, build_heading, row_picture
from stopflow.report.paper.front import build_title
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.pdf import write_pdf
from stopflow.report.paper.rounding import MISSING, format_digits
from stopflow.report.paper.scales import use_log_x
from stopflow.report.paper.style import CATEGORY_COLOURS, INK, MUTED

LINES: Final = {False: ("-", "o"), True: ("--", "s")}
"""Whether data-aware -> line and marker."""

NOTE: Final = (
    "Each layer keeps the smallest rank that holds the share of the entropy (p = σ / Σ σ) or of "
    "the energy (σ²) of its singular values, or a fixed rank; a layer that would not become "
    "smaller stays as it is. Data-aware: the singular values are those of the layer's outputs on "
    "training rows. Judged on rows that the model never saw, without training after the "
    "truncation. Latency: of a batch of 64 rows over that of the whole model, taken in turns."
)
WORDS: Final = {
    "accuracy": "accuracy, %",
    "macro_f1": "macro F1, %",
    "mae_per_s": "MAE / s⁻¹",
    "median_relative_error": "median relative error, %",
    "latency_ratio": "latency / whole model",
    "share": "values kept, %",
}
IN_PERCENT: Final = ("accuracy", "macro_f1", "median_relative_error", "share")


def write_compression_pdf(
    name: str, table: pd.DataFrame, path: Path, *, scores: Sequence[str], paper: str = "a4"
) -> None:
    """Write curves and table of a model's truncations, as `write_pdf`."""
    title = f"Model {name}, truncated"
    blocks: list[FlowBlock] = [*build_title(title), Paragraph(text=NOTE, size=7.4, colour=MUTED)]
    for criterion, words in (
        ("entropy", "Share of the entropy"),
        ("energy", "Share of the energy"),
    ):
        blocks += [
            build_heading(f"{words} that is kept"),
            *_pairs(table, criterion, (*scores, "latency_ratio", "share")),
        ]
    blocks += [
        build_heading("At equal size"),
        row_picture(
            [
                partial(draw_against_size, table=table, column=scores[0]),
                partial(draw_against_size, table=table, column="latency_ratio"),
            ],
            tall_mm=66.0,
        ),
        build_heading("All truncations"),
        _grid(table, scores),
    ]
    write_pdf(
        blocks,
        path,
        paper=paper,
        section=title,
        title=title,
        subject="Truncation of a trained network",
        provenance={},
        attachments={"curve.csv": csv_text(table).encode()},
    )


def _pairs(table: pd.DataFrame, criterion: str, columns: Sequence[str]) -> list[FlowBlock]:
    painters = [
        partial(draw_against_kept, table=table, criterion=criterion, column=column)
        for column in columns
    ]
    return [
        row_picture([left, right], tall_mm=52.0)
        for left, right in zip(painters[::2], painters[1::2], strict=True)
    ]


def _scaled(values: pd.Series, column: str) -> np.ndarray:
    return values.to_numpy(float) * (100.0 if column in IN_PERCENT else 1.0)


def draw_against_kept(axes: Axes, *, table: pd.DataFrame, criterion: str, column: str) -> None:
    """Draw a column against the share that is kept, plain and data-aware."""
    for place, data_aware in enumerate((False, True)):
        own = table[(table["criterion"] == criterion) & (table["data_aware"] == data_aware)]
        line, marker = LINES[data_aware]
        axes.plot(
            own["kept"],
            _scaled(own[column], column),
            color=CATEGORY_COLOURS[place],
            linestyle=line,
            marker=marker,
            markersize=2.5,
            linewidth=1.0,
            label="data-aware" if data_aware else "plain",
        )
    _draw_whole(axes, table, column)
    axes.set_xlabel(f"tau, share of the {criterion}")
    axes.set_ylabel(WORDS.get(column, column))
    axes.legend(loc="best")


def draw_against_size(axes: Axes, *, table: pd.DataFrame, column: str) -> None:
    """Draw a column against the share of values that is left, one line for each rule."""
    for place, criterion in enumerate(("entropy", "energy", "rank")):
        for data_aware in (False, True):
            own = table[(table["criterion"] == criterion) & (table["data_aware"] == data_aware)]
            own = own.sort_values("share")
            line, marker = LINES[data_aware]
            axes.plot(
                100 * own["share"],
                _scaled(own[column], column),
                color=CATEGORY_COLOURS[place],
                linestyle=line,
                marker=marker,
                markersize=2.0,
                linewidth=0.9,
                label=f"{criterion}{', data-aware' if data_aware else ''}",
            )
    _draw_whole(axes, table, column)
    use_log_x(axes, 100 * table["share"].min() / 1.2, 120.0)
    axes.set_xlabel("values kept, %")
    axes.set_ylabel(WORDS.get(column, column))
    axes.legend(loc="best", fontsize=5.5)


def _draw_whole(axes: Axes, table: pd.DataFrame, column: str) -> None:
    """Draw the model as it was as a level."""
    whole = table[table["criterion"] == "none"]
    axes.axhline(_scaled(whole[column], column)[0], color=INK, linewidth=0.6, linestyle=(0, (6, 2)))


def _grid(table: pd.DataFrame, scores: Sequence[str]) -> TableGrid:
    columns = (
        GridColumn(title="Kept"),
        GridColumn(title="Singular values of"),
        GridColumn(title="Values", align="right"),
        GridColumn(title="Share", unit="%", align="right"),
        *(GridColumn(title=WORDS.get(name, name), align="right") for name in scores),
        GridColumn(title="Latency", unit="/ whole", align="right"),
    )
    rows = []
    for row in table.to_dict("records"):
        known = [float(row[name]) * (100 if name in IN_PERCENT else 1) for name in scores]
        rows.append(
            (
                "all" if row["criterion"] == "none" else f"{row['kept']:g} {row['criterion']}",
                "outputs" if row["data_aware"] else "weights",
                say_count(row["parameters"]),
                f"{100 * row['share']:.1f}",
                *(format_digits(value, 4) if np.isfinite(value) else MISSING for value in known),
                f"{row['latency_ratio']:.2f}",
            )
        )
    return TableGrid(columns=columns, rows=tuple(rows), size=6.4, name="All truncations")
