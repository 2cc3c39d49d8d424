"""Secondary plots as a table: the models that are reported, with their parameters."""

from collections.abc import Mapping

import pandas as pd

from stopflow import column_names as col
from stopflow.kinetics.secondary.curve_table import CURVES
from stopflow.report.data import divide, rows_of
from stopflow.report.kinetics.secondary_numbers import (
    SYMBOLS,
    is_parameter,
    shown_unit,
)
from stopflow.report.kinetics.secondary_titles import name_group, write_phase
from stopflow.report.paper.grid import GridColumn, TableGrid
from stopflow.report.paper.rounding import format_digits, format_interval, format_pm, set_sentence
from stopflow.report.paper.style import printable


def capitalise(kind: str) -> str:
    """Begin with a capital and leave the rest, such as pKa."""
    return kind[0].upper() + kind[1:]


def secondary_grid(
    secondary: pd.DataFrame, *, letters: Mapping[str, str] | None = None
) -> TableGrid:
    """Set the chosen models as a table; where none was chosen, all that were tried."""
    known = letters or {}
    rows: list[tuple[str, ...]] = []
    for (name, _), part in secondary.groupby([col.EXPERIMENT, col.GROUP], sort=False):
        plots = [own for _, own in divide(part, col.PLOT)]
        taken = [own[own[col.CHOSEN].astype(bool)] for own in plots]
        pairs = zip(taken, plots, strict=True)
        shown = pd.concat([own if len(own) else plot for own, plot in pairs])
        group = name_group(rows_of(part.head(1))[0])
        letter = known.get(printable(str(name))) or known.get(printable(group))
        said = f"{name}: {group}" if name and group else name or group or "all conditions"
        rows.append((f"({letter}) {said}" if letter else said,))
        for _, plot in divide(shown, col.PLOT):
            for kind, own in divide(plot, col.KIND):
                rows += _model_rows(kind, own)
    columns: tuple[GridColumn, ...] = (
        GridColumn(title="Model"),
        GridColumn(title="Points", align="right"),
        GridColumn(title="Parameter"),
        GridColumn(title="Value", align="right"),
        GridColumn(title="95 % interval", align="right"),
        GridColumn(title="Unit"),
        GridColumn(title="Remark", wrap=True),
    )
    if not any(len(row) > 1 and row[-1] for row in rows):
        columns = columns[:-1]
        rows = [row if len(row) == 1 else row[:-1] for row in rows]
    return TableGrid(columns=columns, rows=tuple(rows), size=6.8, name="Secondary plots")


def _model_rows(kind: str, own: pd.DataFrame) -> list[tuple[str, ...]]:
    remark = set_sentence(str(own[col.REMARK].iloc[0]))
    phase = write_phase(own.iloc[0])
    if phase == "k" or CURVES[kind].mechanism:
        model = capitalise(kind)
    elif CURVES[kind].of == "amplitude":
        model = capitalise(kind.replace("amplitude", phase))
    else:
        model = f"{capitalise(kind)}, {phase}"
    rows: list[tuple[str, ...]] = []
    for number, row in enumerate(rows_of(own[is_parameter(own)])):
        factor, unit = shown_unit(row)
        value, error = factor * float(row[col.VALUE]), factor * float(row[col.STDERR])
        rows.append(
            (
                model if number == 0 else "",
                f"{row[col.POINTS]:.0f}" if number == 0 else "",
                SYMBOLS.get(str(row[col.PARAMETER]), str(row[col.PARAMETER])),
                format_pm(value, error) if error > 0 else format_digits(value, 3),
                format_interval(
                    factor * float(row[col.LOW95]), factor * float(row[col.HIGH95]), error=error
                )
                if error > 0
                else "given",
                unit,
                remark if number == 0 else "",
            )
        )
    return rows
