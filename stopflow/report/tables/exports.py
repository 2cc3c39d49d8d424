"""Tables for other programs: GraphPad Prism, Origin, KinTek Explorer. All are TAB text, UTF-8."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stopflow.errors import SettingsError
from stopflow.io.atomic import write_text
from stopflow.report.data import KineticsReportData
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.tables.tables import signal_unit

Line = Sequence[str]


def export_prism(data: KineticsReportData, path: Path) -> None:
    """Write k_obs against concentration as a Prism XY table.

    Column X is the concentration in mol/L; each experiment has as many Y columns as its largest
    condition has shots, all under the same title, which is how Prism takes replicates. Refused
    shots are left out, and with them conditions without a concentration.
    """
    shots = data.shots[np.isfinite(data.shots["k_per_s"])]
    merged = _with_concentration(shots, data.conditions)
    merged = merged[np.isfinite(merged["concentration_M"])]
    header, columns = ["concentration (M)"], []
    levels = sorted(merged["concentration_M"].unique())
    for name, part in merged.groupby("experiment", sort=False):
        values = [part.loc[part["concentration_M"] == c, "k_per_s"].tolist() for c in levels]
        for place in range(max(len(own) for own in values)):
            header.append(f"{_cell(str(name))} k (1/s)")
            columns.append([_number(own[place]) if place < len(own) else "" for own in values])
    rows = [[_number(level), *(column[i] for column in columns)] for i, level in enumerate(levels)]
    _write_lines([header, *rows], path)


def _with_concentration(shots: pd.DataFrame, conditions: pd.DataFrame) -> pd.DataFrame:
    """Take the concentration after mixing, which stands in the table of conditions."""
    keys = ["experiment", "condition"]
    after = conditions[[*keys, "concentration_M"]]
    return shots.drop(columns="concentration_M").merge(after, on=keys, how="left")


def export_origin(data: KineticsReportData, path: Path, *, experiment: str) -> None:
    """Write the traces of an experiment for Origin: a time and a signal column a shot.

    Three header rows: long name, units, comments (file and k).
    """
    traces = list(_traces(data, experiment))
    unit = signal_unit(data.shots)
    names = [text for row, _, _ in traces for text in ("time", _cell(str(row["file"])))]
    units = [text for _ in traces for text in ("s", unit)]
    notes = [text for row, _, _ in traces for text in ("", _note(row))]
    longest = max((len(time) for _, time, _ in traces), default=0)
    body = []
    for point in range(longest):
        line: list[str] = []
        for _, time, signal in traces:
            inside = point < len(time)
            line += [_number(time[point]), _number(signal[point])] if inside else ["", ""]
        body.append(line)
    _write_lines([names, units, notes, *body], path)


def export_kintek(data: KineticsReportData, path: Path, *, experiment: str) -> list[Path]:
    """Write the part of an experiment's traces that is fitted, as KinTek text.

    KinTek wants one column of times for all signals, so shots with other times go to further
    files ``NAME-2.txt``, ``NAME-3.txt``.

    Returns
    -------
    paths
        The files written.
    """
    groups: dict[bytes, list[tuple[pd.Series, FloatArray, FloatArray]]] = {}
    for row, time, signal in _traces(data, experiment):
        start = float(row["start_s"])
        kept = ~(time < start) & ~(time > float(row.get("end_s", np.nan)))
        since = time[kept] - (start if np.isfinite(start) else time[0])
        groups.setdefault(since.tobytes(), []).append((row, since, signal[kept]))
    written = []
    for number, group in enumerate(groups.values(), start=1):
        target = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        header = ["Time", *(_cell(str(row["file"])) for row, _, _ in group)]
        table = np.column_stack([group[0][1], *(signal for _, _, signal in group)])
        _write_lines([header, *([_number(v) for v in line] for line in table)], target)
        written.append(target)
    return written


EXPORTS: dict[str, Callable[..., object]] = {
    "prism": export_prism,
    "origin": export_origin,
    "kintek": export_kintek,
}


def find_export(name: str) -> Callable[..., object]:
    """Look an export up by its name.

    Raises
    ------
    SettingsError
        Unknown name; lists the valid ones.
    """
    if name not in EXPORTS:
        raise SettingsError("export", name, valid=EXPORTS)
    return EXPORTS[name]


def _traces(
    data: KineticsReportData, experiment: str
) -> Iterable[tuple[pd.Series, FloatArray, FloatArray]]:
    for place, name in enumerate(data.shots["experiment"]):
        pair = data.trace(place) if name == experiment else None
        if pair is not None:
            yield data.shots.iloc[place], np.asarray(pair[0], float), np.asarray(pair[1], float)


def _note(row: pd.Series) -> str:
    k = float(row["k_per_s"])
    return f"k = {k:.6g} 1/s" if np.isfinite(k) else "no rate"


def _number(value: float) -> str:
    return f"{value:.9g}" if np.isfinite(value) else ""


def _cell(text: str) -> str:
    """Keep a text in its cell, and from running as a formula where it is opened."""
    flat = " ".join(text.split())
    return f"'{flat}" if flat.startswith(("=", "+", "-", "@")) else flat


def _write_lines(lines: Sequence[Line], path: Path) -> None:
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))
