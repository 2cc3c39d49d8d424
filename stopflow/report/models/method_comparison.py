"""Methods with one budget side by side: what each reaches, what it holds, what it costs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from stopflow.report.models.formats import say_count
from stopflow.report.paper.flow import FlowBlock, build_heading, build_note, row_picture
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.rounding import MISSING, format_digits
from stopflow.report.paper.scales import use_log_x, use_log_y
from stopflow.report.paper.style import CATEGORY_COLOURS, MARKERS

NOTE: Final = (
    "Accuracy and macro F1 on the test images at the best epoch by validation, mean ± standard "
    "deviation over the seeds. Values: those of the model, those that were trained to the end (of "
    "the whole dense network before a truncation), and those kept between steps, moments and "
    "buffers included. Time: processor time over that of the yardstick with the same seed, "
    "truncation and training after it included. Peak: of network, gradients, moments and buffers "
    "in a process of its own, the images apart. Rate and decay: found by validation."
)
COLUMNS: Final = (
    GridColumn(title="Method", whole=True),
    GridColumn(title="Accuracy", unit="%", align="right"),
    GridColumn(title="F1", unit="%", align="right"),
    GridColumn(title="Values", align="right"),
    GridColumn(title="trained", align="right"),
    GridColumn(title="stored", align="right"),
    GridColumn(title="Time", unit="/ dense", align="right"),
    GridColumn(title="Peak", unit="MB", align="right"),
    GridColumn(title="Rate", align="right"),
    GridColumn(title="Decay", align="right"),
)


def build_method_blocks(table: Sequence[Mapping[str, Any]]) -> list[FlowBlock]:
    """Return table and pictures of the rows that have a yardstick; nothing without such rows."""
    rows = [row for row in table if np.isfinite(row["time_to_yardstick"])]
    if not rows:
        return []
    return [
        build_heading("Methods side by side"),
        TableGrid(columns=COLUMNS, rows=tuple(map(_cells, rows)), size=6.4, name="Methods"),
        build_note(NOTE),
        row_picture(
            [
                partial(draw_against, rows=rows, column="parameters", label="values of the model"),
                partial(draw_against, rows=rows, column="time_to_yardstick", label="time / dense"),
            ],
            tall_mm=74.0,
        ),
    ]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def known(name: str, text: str) -> str:
        return text if np.isfinite(row[name]) else MISSING

    sd = row["test_sd"]
    return (
        str(row["title"]),
        f"{row['test']:.2f}" + (f" ± {sd:.2f}" if np.isfinite(sd) else ""),
        known("macro_f1", f"{100 * row['macro_f1']:.2f}"),
        say_count(row["parameters"]),
        say_count(row["trained_parameters"]),
        say_count(row["stored"]),
        known("time_to_yardstick", f"{row['time_to_yardstick']:.2f}"),
        known("peak_MB", f"{row['peak_MB']:.1f}"),
        known("learning_rate", format_digits(row["learning_rate"], 3)),
        known("weight_decay", format_digits(row["weight_decay"], 3)),
    )


def draw_against(axes: Axes, rows: Sequence[Mapping[str, Any]], *, column: str, label: str) -> None:
    """Draw the test error of each method, with the SD over the seeds, against a column."""
    drawn = [row for row in rows if row[column] > 0 and row["test"] < 100]
    errors = [100.0 - row["test"] for row in drawn]
    for place, row in enumerate(drawn):
        axes.errorbar(
            row[column],
            errors[place],
            yerr=min(np.nan_to_num(row["test_sd"]), 0.9 * errors[place]),
            color=CATEGORY_COLOURS[place % len(CATEGORY_COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=4.0,
            linewidth=0.8,
            linestyle="none",
            label=str(row["row"]).rpartition("/")[2],
        )
    if drawn:
        values = [row[column] for row in drawn]
        use_log_x(axes, min(values) / 1.5, max(values) * 1.5)
        use_log_y(axes, min(errors) / 1.3, max(errors) * 6.0)
        axes.legend(loc="upper right", ncols=3, fontsize=5.5)
    axes.set_xlabel(label)
    axes.set_ylabel("test error, %")
