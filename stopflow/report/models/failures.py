"""Where a network fails: the spread of its errors, its worst predictions, their traces."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from stopflow.report.data import ModelReportData
from stopflow.report.models.figures import draw_histogram, draw_worst
from stopflow.report.models.numbers import list_worst, split_points
from stopflow.report.paper.flow import (
    FlowBlock,
    Painter,
    Picture,
    build_heading,
    build_note,
    build_subheading,
    row_picture,
)
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.page import Page
from stopflow.report.paper.rounding import format_digits, format_percent
from stopflow.report.paper.style import printable

_WORST = 6


def build_failure_blocks(model: ModelReportData) -> list[FlowBlock]:
    """Compose the spread of errors and the worst predictions with their pictures."""
    points = split_points(model.predictions)
    if not points:
        return []
    worst = list_worst(model.predictions, count=_WORST)
    blocks: list[FlowBlock] = [
        build_heading("Where it fails"),
        row_picture(
            [partial(draw_histogram, points=points)], tall_mm=54.0, shows=("spread of errors",)
        ),
        build_subheading("The worst predictions"),
        _worst_grid(worst),
    ]
    pictured = [] if model.trace is None else _traces(model, worst)
    if pictured:
        blocks += [
            Picture(
                tall_mm=41.0 * ((len(pictured) + 2) // 3),
                paint=partial(_paint_worst, pictured),
                shows="worst predictions",
            ),
            build_note(
                "Grey: recorded. Line: best curve with the actual k. Dashed: best curve with "
                "the predicted k."
            ),
        ]
    return blocks


def _worst_grid(worst: pd.DataFrame) -> TableGrid:
    rows = tuple(
        (
            str(row.experiment),
            str(row.file),
            format_digits(row.k_actual_per_s, 4),
            format_digits(row.k_predicted_per_s, 4),
            format_percent(row.k_predicted_per_s / row.k_actual_per_s - 1, signed=True),
        )
        for row in worst.itertuples(index=False)
    )
    columns = (
        GridColumn(title="Experiment"),
        GridColumn(title="File"),
        GridColumn(title="Actual k", unit="s⁻¹", align="right"),
        GridColumn(title="Predicted k", unit="s⁻¹", align="right"),
        GridColumn(title="Error", align="right"),
    )
    return TableGrid(columns=columns, rows=rows, size=6.9)


def _traces(model: ModelReportData, worst: pd.DataFrame) -> list[tuple[str, Painter]]:
    painters: list[tuple[str, Painter]] = []
    for row in worst.itertuples(index=False):
        pair = model.trace(str(row.experiment), str(row.file)) if model.trace else None
        if pair is not None and len(pair[0]) > 3:
            draw = partial(
                draw_worst,
                pair=pair,
                actual=float(row.k_actual_per_s),
                predicted=float(row.k_predicted_per_s),
                unit=model.signal_units.get(str(row.experiment), "Volt"),
            )
            painters.append((str(row.file), draw))
    return painters


def _paint_worst(
    painters: Sequence[tuple[str, Painter]], page: Page, x_mm: float, y_mm: float, width_mm: float
) -> None:
    wide = (width_mm - 3 * 13.0 - 2 * 2.0) / 3
    for place, (name, draw) in enumerate(painters):
        x = x_mm + (place % 3) * (wide + 15.0) + 13.0
        y = y_mm + (place // 3) * 41.0
        shown = page.ruler.shorten(printable(name), 6.8, width_mm=wide, bold=True)
        page.text(x, y + 2.6, shown, size=6.8, bold=True)
        draw(page.axes(x, y + 7.0, width_mm=wide, height_mm=24.0))
