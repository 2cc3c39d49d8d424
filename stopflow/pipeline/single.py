"""One file: fit it, draw it, plan the next recording from it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow.errors import SettingsError
from stopflow.io.bka.format import read_bka_file
from stopflow.kinetics.analysis import (
    AnalysisSettings,
    analyse_experiment,
    condition_rows,
    cut_rows,
    shot_rows,
)
from stopflow.kinetics.plan import Plan, plan_recording
from stopflow.pipeline.checks import require_start, require_time_unit
from stopflow.report.data import KineticsReportData
from stopflow.report.paper.rounding import format_interval, format_pm, format_time, format_value
from stopflow.schema import TABLES
from stopflow.trace import Conditions, Experiment, Shot, Trace

LINES = (
    ("rate constant k", "k_per_s", "k_stderr_per_s", "1/s"),
    ("amplitude at the start", "amplitude", "", "signal"),
    ("amplitude at mixing", "amplitude_at_mixing", "", "signal"),
    ("slope", "slope_per_s", "", "signal/s"),
    ("intercept", "intercept", "", "signal"),
    ("second rate k2", "k2_per_s", "", "1/s"),
    ("second amplitude", "amplitude2", "", "signal"),
    ("stretching exponent", "beta", "", ""),
    ("noise SD", "noise_sd", "", "signal"),
    ("noise correlation", "noise_correlation", "", ""),
    ("signal to noise", "signal_to_noise", "", ""),
    ("Cramer-Rao bound of k", "k_bound_per_s", "", "1/s"),
    ("efficiency", "efficiency", "", ""),
    ("k without slope", "k_single_per_s", "", "1/s"),
    ("k with slope", "k_slope_per_s", "", "1/s"),
    ("k with a second phase", "k_double_per_s", "", "1/s"),
    ("start", "start_s", "", "s"),
    ("detected start", "detected_start_s", "", "s"),
    ("window", "window_s", "", "s"),
    ("points", "points", "", ""),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedFile:
    """A fitted file: the row it would have in rates.csv, and its trace."""

    row: Mapping[str, Any]
    conditions: Sequence[Mapping[str, Any]]
    cuts: Sequence[Mapping[str, Any]]
    trace: Trace
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there is a rate."""
        return bool(np.isfinite(self.row["k_per_s"]))

    def headline(self) -> str:
        """Say the result in a line."""
        row = self.row
        if not self.ok:
            return f"{row['file']}: {row['verdict']}: {row['reason']}"
        interval = format_interval(
            row["k_low95_per_s"], row["k_high95_per_s"], error=row["k_stderr_per_s"]
        )
        why = f": {row['reason']}" if row["reason"] else ""
        return (
            f"{row['file']}: k = {format_pm(row['k_per_s'], row['k_stderr_per_s'])} 1/s "
            f"(95 %: {interval}), half-life {format_time(row['half_life_s'])}, "
            f"{row['verdict']}{why}"
        )

    def lines(self) -> list[tuple[str, str, str, str]]:
        """Give (name, value, error, unit) of every number there is."""
        unit = self.trace.signal_unit
        return [
            (
                name,
                self._value(key, self._error(error)),
                format_value(self._error(error), self._error(error)) if error else "",
                unit_text.replace("signal", unit),
            )
            for name, key, error, unit_text in LINES
            if not pd.isna(self.row[key])
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json: the columns of rates.csv, and the notes."""
        return {**self.row, "notes": list(self.notes)}

    def _value(self, key: str, error: float) -> str:
        value = self.row[key]
        return str(value) if isinstance(value, int) else format_value(float(value), error)

    def _error(self, column: str) -> float:
        return float(self.row[column]) if column else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedFile:
    """A plan made from a file, ready to print."""

    file: str
    plan: Plan

    def headline(self) -> str:
        """Say what was asked and what is known so far."""
        wanted = f"k to {100 * self.plan.precision:.3g} %"
        if self.plan.reason:
            return f"{self.file}: no plan for {wanted}: {self.plan.reason}"
        k = format_pm(self.plan.fit.k_per_s, self.plan.fit.k_stderr_per_s)
        return f"{self.file}: k = {k} 1/s; to know {wanted}:"

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        return ("", "record", "points", "every", "one shot", "shots"), [
            (
                way.name,
                format_time(way.window_s),
                str(way.points),
                format_time(way.interval_s),
                f"{100 * way.relative_error:.2g} %",
                str(way.shots),
            )
            for way in self.plan.recordings
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "file": self.file,
            "precision": self.plan.precision,
            "k_per_s": self.plan.fit.k_per_s,
            "recordings": [asdict(way) for way in self.plan.recordings],
            "reason": self.plan.reason,
            "note": self.plan.note,
        }


def fit_file(
    file: Path,
    *,
    law: str | None = None,
    start: float | None = None,
    channel: int = 1,
    time_unit: str | None = None,
    pinned: Sequence[str] = (),
    robust: bool = False,
) -> FittedFile:
    """Fit and judge one file as ingest would, without workbooks.

    Parameters
    ----------
    start
        Start time in the file's own unit; None: detected.
    pinned
        ``"name=value"`` texts.
    """
    require_start(start)
    require_time_unit(time_unit)
    recorded = read_bka_file(file, time_unit=time_unit)
    trace = recorded.trace(channel)
    shot = Shot(
        experiment=file.resolve().parent.name,
        file=file.name,
        channel=channel,
        trace=trace,
        conditions=Conditions(),
        start_s=None if start is None else start * recorded.time_unit_s,
    )
    settings = AnalysisSettings(
        law=AnalysisSettings().law if law is None else law,
        fixed=parse_pins(pinned),
        robust=robust,
    )
    analysed = analyse_experiment(Experiment(name=shot.experiment, shots=(shot,)), settings)
    return FittedFile(
        row=shot_rows(analysed)[0],
        conditions=condition_rows(analysed),
        cuts=cut_rows(analysed),
        trace=trace,
        notes=tuple(str(note) for note in recorded.notes),
    )


def plan_file(
    file: Path,
    *,
    precision: str,
    start: float | None = None,
    channel: int = 1,
    time_unit: str | None = None,
) -> PlannedFile:
    """Plan the next recording from a first file; `precision` is a text, ``"2%"`` or ``"0.02"``."""
    require_start(start)
    require_time_unit(time_unit)
    recorded = read_bka_file(file, time_unit=time_unit)
    trace = recorded.trace(channel)
    planned = plan_recording(
        trace.time_s,
        trace.signal,
        precision=parse_share(precision),
        start_s=None if start is None else start * recorded.time_unit_s,
    )
    return PlannedFile(file=file.name, plan=planned)


def parse_share(text: str) -> float:
    """Turn ``"2%"`` or ``"0.02"`` into 0.02."""
    stripped = text.strip()
    try:
        if stripped.endswith("%"):
            return float(stripped[:-1]) / 100
        return float(stripped)
    except ValueError as error:
        raise SettingsError("--precision", text, valid="a share such as 2% or 0.02") from error


def parse_pins(texts: Sequence[str]) -> dict[str, float]:
    """Turn ``"slope_per_s=0"`` texts into numbers by name."""
    pins = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            pins[name.strip()] = float(value)
        except ValueError as error:
            raise SettingsError("--pin", text, valid="NAME=NUMBER, e.g. slope_per_s=0") from error
    return pins


def fresh_picture(file: Path) -> Path:
    """Name the picture of a file, in the working folder: a new file, or an earlier picture."""
    from stopflow.report.kinetics.view import is_own_picture

    names = chain([file.stem], (f"{file.stem}-fit{number or ''}" for number in count()))
    pictures = (Path(f"{name}.png") for name in names)
    return next(path for path in pictures if not path.exists() or is_own_picture(path))


def draw_trace(fitted: FittedFile, path: Path) -> None:
    """Draw trace, fit, residuals and cut into a PNG, PDF or SVG."""
    from stopflow.report.kinetics.view import plot_shot, save_picture

    data = KineticsReportData(
        shots=pd.DataFrame([dict(fitted.row)]),
        conditions=pd.DataFrame([dict(row) for row in fitted.conditions]),
        secondary=pd.DataFrame(columns=list(TABLES["secondary"])),
        cuts=pd.DataFrame([dict(row) for row in fitted.cuts], columns=list(TABLES["cuts"])),
        problems=pd.DataFrame(columns=list(TABLES["problems"])),
        trace=lambda _row: (fitted.trace.time_s, fitted.trace.signal),
    )
    save_picture(plot_shot(data), path)
