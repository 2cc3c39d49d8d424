"""One shot fitted and judged by itself: its numbers, their lines for a reader, and its picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.display import html_table
from stopflow.errors import TraceError
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    analyse_experiment,
    condition_rows,
    cut_rows,
    shot_rows,
)
from stopflow.kinetics.laws import COLUMNS, COMPARED, error_columns, find_law, parameter_column
from stopflow.kinetics.solver.result import Fit
from stopflow.report.data import KineticsReportData
from stopflow.report.paper.rounding import (
    MISSING,
    format_half_life,
    format_interval,
    format_pm,
    format_value,
)
from stopflow.schema import STORAGE_COLUMNS, TABLES
from stopflow.trace import Experiment, Shot, Trace

# Said of a parameter that was given instead of fitted, in the place of its error.
HELD = "held"
LINES = (
    ("amplitude at mixing", "amplitude_at_mixing", "", "signal"),
    ("noise SD", "noise_sd", "", "signal"),
    ("noise correlation", "noise_correlation", "", ""),
    ("signal to noise", "signal_to_noise", "", ""),
    ("Cramer-Rao bound of k", "k_bound_per_s", "", "1/s"),
    ("efficiency", "efficiency", "", ""),
    *(
        (f"{law.compared_rate} of {law.title}", f"k_{law.column}_per_s", "", "1/s")
        for _, law in COMPARED
    ),
    ("start", "start_s", "", "s"),
    ("detected start", "detected_start_s", "", "s"),
    ("window", "window_s", "", "s"),
    ("points", "points", "", ""),
)


def _parameter_lines(law: str) -> list[tuple[str, str, str, str]]:
    """Return (title, column, column of the error, unit) of every parameter of a rate law."""
    lines = []
    for name in find_law(law).parameters:
        column = parameter_column(name)
        shown = COLUMNS.get(name)
        title, unit = (shown.title, shown.unit) if shown else (name, "")
        lines.append((title, column, error_columns(column)[0], unit))
    return lines


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FittedTrace:
    """A trace fitted and judged as ingest does it.

    Attributes
    ----------
    row
        The row it would have in rates.csv.
    conditions, cuts
        Rows of the tables of those names.
    fit
        The fit of the rate law; None where there is nothing to fit.
    """

    row: Mapping[str, Any]
    conditions: Sequence[Mapping[str, Any]]
    cuts: Sequence[Mapping[str, Any]]
    fit: Fit | None
    trace: Trace
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"FittedTrace({self.headline()})"

    def _repr_html_(self) -> str:
        rows = [
            (name, f"{value}{f' ± {error}' if error else ''} {unit}")
            for name, value, error, unit in self.lines()
        ]
        return html_table(self.headline(), [*rows, *(("note", note) for note in self.notes)])

    @property
    def ok(self) -> bool:
        """Whether there is a rate."""
        return bool(np.isfinite(self.row[col.K_PER_S]))

    @property
    def k_per_s(self) -> float:
        """Rate constant, 1/s; NaN where there is none."""
        return float(self.row[col.K_PER_S])

    @property
    def k_stderr_per_s(self) -> float:
        """Its standard error, with the effect of correlated noise and of the start, 1/s."""
        return float(self.row[col.K_STDERR_PER_S])

    @property
    def k_interval_per_s(self) -> tuple[float, float]:
        """The 95 % interval of the rate constant, 1/s."""
        return float(self.row[col.K_LOW95_PER_S]), float(self.row[col.K_HIGH95_PER_S])

    @property
    def verdict(self) -> str:
        """PASS, CHECK or FAIL."""
        return str(self.row[col.VERDICT])

    @property
    def reason(self) -> str:
        """Why the verdict is not PASS."""
        return str(self.row["reason"])

    def headline(self) -> str:
        """Say the result in a line."""
        row = self.row
        if not self.ok:
            title = find_law(row[col.LAW]).title
            return f"{row['file']}: {title}: {row['verdict']}: {row['reason']}"
        interval = format_interval(
            row[col.K_LOW95_PER_S], row[col.K_HIGH95_PER_S], error=row[col.K_STDERR_PER_S]
        )
        why = f": {row['reason']}" if row["reason"] else ""
        known = f"(95 %: {interval})"
        if self._is_held("k_per_s"):
            known = f"({HELD})"
        share = row[col.K_STDERR_PER_S] / (row[col.K_PER_S] or np.nan)
        half = format_half_life(row[col.HALF_LIFE_S], share * row[col.HALF_LIFE_S])
        half_life = "" if half == MISSING else f", half-life {half}"
        return (
            f"{row['file']}: {find_law(row['law']).title}: "
            f"k = {format_pm(row['k_per_s'], row['k_stderr_per_s'])} 1/s {known}{half_life}, "
            f"{row['verdict']}{why}"
        )

    def lines(self) -> list[tuple[str, str, str, str]]:
        """Give (name, value, error, unit) of every number there is."""
        unit = self.trace.signal_unit
        return [
            (
                name,
                self._value(key, self._error(error)),
                self._error_text(key, error),
                unit_text.replace("signal", unit),
            )
            for name, key, error, unit_text in (*_parameter_lines(self.row[col.LAW]), *LINES)
            if not pd.isna(self.row[key])
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json: the columns of rates.csv, and the notes."""
        shown = {name: self.row[name] for name in self.row if name not in STORAGE_COLUMNS}
        return {**shown, "notes": list(self.notes)}

    def _value(self, key: str, error: float) -> str:
        value = self.row[key]
        return str(value) if isinstance(value, int) else format_value(float(value), error)

    def _error_text(self, key: str, column: str) -> str:
        if not column:
            return ""
        error = self._error(column)
        return HELD if self._is_held(key) else format_value(error, error)

    def _is_held(self, key: str) -> bool:
        """Whether a parameter was given instead of fitted."""
        if self.fit is None:
            return False
        held = [name for name, value in self.fit.fixed.items() if isinstance(value, float | int)]
        return key in map(parameter_column, held)

    def _error(self, column: str) -> float:
        return float(self.row[column]) if column else float("nan")


def fit_shot(shot: Shot, settings: AnalysisSettings, *, notes: tuple[str, ...] = ()) -> FittedTrace:
    """Fit and judge one shot by itself.

    Raises
    ------
    TraceError
        When the shot has no trace.
    """
    if shot.trace is None:
        raise TraceError(f"{shot.file} has no trace to fit: {shot.refusal}")
    analysed = analyse_experiment(Experiment(name=shot.experiment, shots=(shot,)), settings)
    return FittedTrace(
        row=shot_rows(analysed)[0],
        conditions=condition_rows(analysed),
        cuts=cut_rows(analysed),
        fit=analysed.shots[0].shot.fitted,
        trace=shot.trace,
        notes=(*notes, *analysed.notes),
    )


def drawn_data(fitted: FittedTrace) -> KineticsReportData:
    """Return the tables of a lab whose only shot is the fitted one, to draw it from."""
    return KineticsReportData(
        shots=pd.DataFrame([dict(fitted.row)]),
        conditions=pd.DataFrame([dict(row) for row in fitted.conditions]),
        secondary=pd.DataFrame(columns=list(TABLES["secondary"])),
        cuts=pd.DataFrame([dict(row) for row in fitted.cuts], columns=list(TABLES["cuts"])),
        problems=pd.DataFrame(columns=list(TABLES["problems"])),
        inputs=pd.DataFrame(columns=list(TABLES["inputs"])),
        trace=lambda _row: (fitted.trace.time_s, fitted.trace.signal),
    )
