"""The report of `stopflow reproduce`: published figures beside ours, and every curve."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from stopflow.io.csv_files import csv_text
from stopflow.learn.published.runs import VariantRun
from stopflow.report.models.figures import count_epochs, draw_layers
from stopflow.report.models.formats import say_count
from stopflow.report.models.method_comparison import build_method_blocks
from stopflow.report.models.numbers import rank_columns
from stopflow.report.paper.flow import (
    FlowBlock,
    Painter,
    Paragraph,
    build_heading,
    build_note,
    build_subheading,
    leave_empty,
    row_picture,
)
from stopflow.report.paper.front import build_title
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.legend import put_legend_above
from stopflow.report.paper.pdf import json_bytes, write_pdf
from stopflow.report.paper.rounding import MISSING, format_digits
from stopflow.report.paper.scales import use_log_y
from stopflow.report.paper.style import CATEGORY_COLOURS, LINE_STYLES, MUTED

NAMES: Final = {"as_published": "as published", "sound": "sound", "best": "best"}
FIRST_STEPS: Final = 60
NOTE: Final = (
    "Accuracies in % on the test images, or errors in 1/s on test experiments: at the best epoch "
    "by validation where rows were set aside, else at the last one; mean ± standard deviation over "
    "the seeds. As published: the source's own algorithm with its peculiarities. Sound: the same "
    "network by this project's methods. Best: what this project recommends. Parameters: values of "
    "the model, biases included; trained: those that were trained to the end; stored: with moments "
    "and buffers. Less: evaluation parameters saved beside a dense network. Step / dense: time of "
    "a step over that of a dense network of the same sizes with Adam, measured in turns in the "
    "same process. Curves are those of the first seed: solid on the test images, dashed on the "
    "training images; the grey line is the published figure."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRow:
    """A row of a published table.

    Attributes
    ----------
    name
        ``TABLE/ROW``.
    published
        The source's figures, accuracies in %.
    differs
        What is known to differ from the source; may be empty.
    """

    name: str
    title: str
    table: str
    source: str
    published: Mapping[str, Any]
    differs: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReproducedVariant:
    """Runs of one variant of a row, one a seed.

    Attributes
    ----------
    variant
        A key of `NAMES`.
    settings
        All of them.
    """

    row: PublishedRow
    variant: str
    settings: Mapping[str, Any]
    runs: tuple[VariantRun, ...]


def published_figure(published: Mapping[str, Any]) -> float:
    """Return the accuracy of a source in %, or its error in 1/s, on what was held out; or NaN."""
    for name in ("test_accuracy", "validation_accuracy", "test_mae_per_s"):
        if name in published:
            return float(published[name])
    return float("nan")


def write_reproduction_pdf(
    variants: Sequence[ReproducedVariant],
    table: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    paper: str,
    remark: str,
) -> None:
    """Write the table and the curves of each row, as `write_pdf`.

    Parameters
    ----------
    table
        A row for each of `variants`.
    remark
        What holds for all runs, as a note without its full stop, above the table; may be empty.
    """
    title = "Published tables, trained again"
    blocks: list[FlowBlock] = [
        *build_title(title),
        *([Paragraph(text=f"{remark[0].upper()}{remark[1:]}.", size=8.4)] if remark else ()),
        _grid(table),
        build_note(NOTE),
        *build_method_blocks(table),
    ]
    for name, group in groupby(variants, key=lambda variant: variant.row.table):
        blocks += _table_blocks(name, list(group))
    frame = pd.DataFrame(list(table))
    write_pdf(
        blocks,
        path,
        paper=paper,
        section="Reproduction",
        title=title,
        subject="Reproduction of published tables",
        provenance={},
        attachments={
            "reproduce.csv": csv_text(frame).encode(),
            "settings.json": json_bytes(
                {f"{v.row.name} {v.variant}": dict(v.settings) for v in variants}
            ),
        },
    )


def _grid(table: Sequence[Mapping[str, Any]]) -> TableGrid:
    rows: list[tuple[str, ...]] = []
    for name, group in groupby(table, key=lambda row: row["row"]):
        rows += [_cells(row, first=not place) for place, row in enumerate(group)]
        del name
    columns = (
        GridColumn(title="Row", whole=True),
        GridColumn(title="Variant"),
        GridColumn(title="Published", align="right"),
        GridColumn(title="Ours", align="right"),
        GridColumn(title="Training", align="right"),
        GridColumn(title="Seeds", align="right"),
        GridColumn(title="Epochs", align="right"),
        GridColumn(title="Time", unit="s", align="right"),
        GridColumn(title="Parameters", align="right"),
        GridColumn(title="trained", align="right"),
        GridColumn(title="stored", align="right"),
        GridColumn(title="Less", unit="%", align="right"),
        GridColumn(title="Step", unit="/ dense", align="right"),
    )
    return TableGrid(columns=columns, rows=tuple(rows), size=6.0, name="Published tables")


def _cells(row: Mapping[str, Any], *, first: bool) -> tuple[str, ...]:
    def percent(name: str) -> str:
        return f"{row[name]:.2f}" if np.isfinite(row[name]) else MISSING

    sd = row["test_sd"]
    return (
        str(row["row"]) if first else "",
        NAMES[row["variant"]],
        percent("published"),
        f"{row['diverged']} of {row['seeds']} diverged"
        if row["diverged"]
        else percent("test") + (f" ± {sd:.2f}" if np.isfinite(sd) else ""),
        percent("train"),
        str(row["seeds"]),
        say_count(row["epochs"]),
        format_digits(row["seconds"], 3),
        say_count(row["parameters"]),
        say_count(row["trained_parameters"]),
        say_count(row["stored"]),
        f"{row['compression']:.1f}",
        f"{row['step_ratio']:.2f}" if np.isfinite(row["step_ratio"]) else MISSING,
    )


def _table_blocks(name: str, variants: Sequence[ReproducedVariant]) -> list[FlowBlock]:
    blocks: list[FlowBlock] = [
        build_heading(name),
        Paragraph(
            text=f"Source: {variants[0].row.source}.", size=7.4, colour=MUTED, keep_with_next=True
        ),
    ]
    said = ""
    for row, group in groupby(variants, key=lambda variant: variant.row):
        own = list(group)
        blocks.append(
            build_subheading(": ".join(filter(None, (row.title, _figures(row.published)))))
        )
        trained = [variant for variant in own if any(run.epoch for run in variant.runs)]
        if trained:
            painters: list[Painter] = [
                *(partial(draw_runs, variants=trained, column=name) for name in _columns(trained)),
                _rank_painter(trained),
            ]
            blocks.append(row_picture(painters, tall_mm=50.0))
        else:
            blocks.append(Paragraph(text="Every run diverged in its first epoch.", size=7.4))
        if row.differs not in ("", said):
            said = row.differs
            blocks.append(build_note(said))
    return blocks


def _figures(published: Mapping[str, Any]) -> str:
    """Word what the source gives; empty where it gives nothing."""
    words = {
        "train_accuracy": "training {} %",
        "test_accuracy": "test {} %",
        "validation_accuracy": "validation {} %",
        "test_mae_per_s": "test {} s⁻¹",
        "compression": "{} % compression",
        "epochs": "{} epochs",
        "seconds": "{} s",
    }
    found = [text.format(published[key]) for key, text in words.items() if key in published]
    return ", ".join(found)


def _columns(variants: Sequence[ReproducedVariant]) -> tuple[str, ...]:
    if variants[0].runs[0].measure == "accuracy":
        return ("test_accuracy", "test_loss")
    return ("test_mae_per_s", "loss")


DRAWN: Final = {
    "test_accuracy": (100.0, "accuracy, %"),
    "test_loss": (1.0, "cross-entropy"),
    "test_mae_per_s": (1.0, "MAE / s⁻¹"),
    "loss": (1.0, "training loss"),
}
"""Columns of the history -> factor and label."""


def draw_runs(axes: Axes, variants: Sequence[ReproducedVariant], *, column: str) -> None:
    """Draw the first seed's curves of each variant: test in bold, training thin and dashed."""
    scale, label = DRAWN[column]
    for place, variant in enumerate(variants):
        history = pd.DataFrame(list(variant.runs[0].history))
        for name, width in ((column, 1.2), (column.replace("test", "train"), 0.6)):
            axes.plot(
                history["epoch"],
                scale * history[name],
                color=CATEGORY_COLOURS[place % len(CATEGORY_COLOURS)],
                linewidth=width,
                linestyle="-" if width > 1 else "--",
                label=NAMES[variant.variant] if width > 1 else None,
                marker="o" if len(history) == 1 else None,
                markersize=2.5,
            )
    published = published_figure(variants[0].row.published)
    if column in ("test_accuracy", "test_mae_per_s"):
        if np.isfinite(published):
            axes.axhline(published, color=MUTED, linewidth=0.7, linestyle=(0, (4, 2)))
        put_legend_above(axes, columns=3)
    drawn = np.concatenate([line.get_ydata() for line in axes.get_lines()]).astype(float)
    positive = drawn[np.isfinite(drawn) & (drawn > 0)]
    if column != "test_accuracy" and len(positive):
        use_log_y(axes, positive.min() / 1.3, positive.max() * 1.3)
    count_epochs(axes)
    axes.set_ylabel(label)


def _rank_painter(variants: Sequence[ReproducedVariant]) -> Painter:
    steps = [v.runs[0].ranks_of_steps for v in variants if v.runs[0].ranks_of_steps]
    if steps:
        return partial(draw_step_ranks, ranks=steps[0])
    for variant in variants:
        history = pd.DataFrame(list(variant.runs[0].history))
        if rank_columns(history) and history[rank_columns(history)].nunique().max() > 1:
            return partial(_draw_epoch_ranks, history=history)
    return leave_empty


def draw_step_ranks(axes: Axes, ranks: Sequence[Sequence[int]]) -> None:
    """Draw the rank of each layer after each of the first steps."""
    table = np.array(ranks[:FIRST_STEPS])
    for layer in range(table.shape[1]):
        axes.step(
            np.arange(1, len(table) + 1),
            table[:, layer],
            where="post",
            color=CATEGORY_COLOURS[layer % len(CATEGORY_COLOURS)],
            linestyle=LINE_STYLES[layer % len(LINE_STYLES)],
            label=f"layer {layer + 1}",
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_ylabel("rank, as published")
    put_legend_above(axes, columns=3)


def _draw_epoch_ranks(axes: Axes, history: pd.DataFrame) -> None:
    draw_layers(axes, history, rank_columns(history), label="rank", drawstyle="steps-post")
    axes.set_ylim(bottom=0)
    put_legend_above(axes, columns=3)
