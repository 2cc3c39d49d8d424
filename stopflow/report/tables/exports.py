"""Tables for other programs: GraphPad Prism, Origin, KinTek Explorer. All are TAB text, UTF-8."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.io.atomic import write_text
from stopflow.io.csv_files import inert
from stopflow.io.text import file_part
from stopflow.report.data import KineticsReportData
from stopflow.report.paper.decimate import FloatArray
from stopflow.report.paper.rounding import MISSING, format_concentration, format_temperature
from stopflow.report.paper.units import Unit, build_units
from stopflow.report.tables.tables import signal_units

LONGEST_NAME = 100
"""Characters of a file's name; no file system takes more than 255 bytes."""
_APART: dict[str, Callable[[Any], str]] = {
    col.TEMPERATURE_K: format_temperature,
    col.IONIC_STRENGTH_M: lambda value: f"I = {format_concentration(value)}",
    col.MIXTURE: lambda value: str(value) or MISSING,
}
"""What tells series of one experiment apart, and how it is written."""
Line = Sequence[str]
Timed = tuple[pd.Series, FloatArray, FloatArray]
"""A row of the shots, its times in s and its signal."""


class FreshNames:
    """Paths in a folder, every one given out once, whatever the names that they are made of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._given: set[str] = set()

    def path(self, *parts: object) -> Path:
        """Return ``PARTS-JOINED.txt``, with a number behind it where that name is given out."""
        stem = file_part("-".join(str(part) for part in parts if part != ""), LONGEST_NAME)
        number, name = 1, stem
        while name.casefold() in self._given:
            number += 1
            name = f"{stem} ({number})"
        self._given.add(name.casefold())
        return self._folder / f"{name}.txt"


def export_prism(data: KineticsReportData, names: FreshNames) -> list[Path]:
    """Write k_obs against concentration as Prism XY tables, one for each substrate.

    Column X is the concentration in the unit of the lab, in mol/L where it has none. Each series of
    an experiment at one temperature, ionic strength and mixture has as many Y columns as its
    largest condition has shots, all under the same title, which is how Prism takes replicates.
    Refused shots are left out, and with them conditions without a concentration.
    """
    usable = np.isfinite(data.shots[col.K_PER_S]) & (data.shots[col.VERDICT] != "FAIL")
    shots, unit = data.shots[usable], build_units(data.conditions).concentration or (1.0, "M")
    merged = _with_concentration(shots, data.conditions)
    merged = merged[np.isfinite(merged[col.CONCENTRATION_M])]
    several = merged[col.SUBSTRATE].nunique() > 1
    written = []
    for substrate, own in merged.groupby(col.SUBSTRATE, sort=False):
        target = names.path("prism", substrate if several else "")
        _write_lines(_prism_table(own, str(substrate or "concentration"), unit), target)
        written.append(target)
    return written


def _prism_table(shots: pd.DataFrame, axis: str, unit: Unit) -> list[Line]:
    header, columns = [_cell(f"{axis} ({unit[1]})")], []
    levels = sorted(shots[col.CONCENTRATION_M].unique())
    for name, part in _series(shots):
        values = [part.loc[part[col.CONCENTRATION_M] == c, col.K_PER_S].tolist() for c in levels]
        for place in range(max(len(own) for own in values)):
            header.append(f"{_cell(name)} k (1/s)")
            columns.append([_number(own[place]) if place < len(own) else "" for own in values])
    rows = [
        [_number(unit[0] * level), *(column[i] for column in columns)]
        for i, level in enumerate(levels)
    ]
    return [header, *rows]


def _series(shots: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Give the shots of each experiment that differ in concentration alone, with their names."""
    for name, own in shots.groupby(col.EXPERIMENT, sort=False):
        varying = _varying(own)
        if not varying:
            yield str(name), own
            continue
        for values, part in own.groupby(varying, sort=False, dropna=False):
            told = [_APART[key](value) for key, value in zip(varying, values, strict=True)]
            yield ", ".join([str(name), *told]), part


def _varying(shots: pd.DataFrame) -> list[str]:
    return [key for key in _APART if key in shots and shots[key].nunique(dropna=False) > 1]


def _with_concentration(shots: pd.DataFrame, conditions: pd.DataFrame) -> pd.DataFrame:
    """Take the concentration after mixing, which stands in the table of conditions."""
    keys = ["experiment", "condition"]
    after = conditions[[*keys, col.CONCENTRATION_M]]
    return shots.drop(columns=col.CONCENTRATION_M).merge(after, on=keys, how="left")


def export_origin(data: KineticsReportData, names: FreshNames) -> list[Path]:
    """Write the traces of each experiment for Origin: a time and a signal column a shot.

    Three header rows: long name, units, comments (file and k).
    """
    written = []
    for experiment, unit in signal_units(data.shots).items():
        traces = list(_traces(data, experiment))
        names_row = [text for row, _, _ in traces for text in ("time", _cell(str(row[col.FILE])))]
        units = [text for _ in traces for text in ("s", unit)]
        notes = [text for row, _, _ in traces for text in ("", _note(row))]
        target = names.path("origin", experiment)
        _write_lines([names_row, units, notes, *_side_by_side(traces)], target)
        written.append(target)
    return written


def _side_by_side(traces: Sequence[Timed]) -> Iterable[Line]:
    longest = max((len(time) for _, time, _ in traces), default=0)
    for point in range(longest):
        line: list[str] = []
        for _, time, signal in traces:
            inside = point < len(time)
            line += [_number(time[point]), _number(signal[point])] if inside else ["", ""]
        yield line


def export_kintek(data: KineticsReportData, names: FreshNames) -> list[Path]:
    """Write the part of each experiment's traces that is fitted, as KinTek text.

    Times are those of the instrument, since the trigger, in every column. KinTek wants one column
    of times for all signals, so shots with other times go to further files. The header of a
    signal is its file, its concentration after mixing, and what else the experiment varies.
    """
    shots = _with_concentration(data.shots, data.conditions)
    written = []
    for experiment, own in data.shots.groupby(col.EXPERIMENT, sort=False):
        varying = _varying(own)
        groups: dict[bytes, list[Timed]] = {}
        for row, time, signal in _traces(data, str(experiment)):
            start = float(row[col.START_S])
            kept = ~(time < start) & ~(time > float(row.get(col.END_S, np.nan)))
            groups.setdefault(time[kept].tobytes(), []).append((row, time[kept], signal[kept]))
        for number, group in enumerate(groups.values(), start=1):
            target = names.path("kintek", experiment, number if number > 1 else "")
            header = ["Time (s)", *(_titled(row, shots, varying) for row, _, _ in group)]
            table = np.column_stack([group[0][1], *(signal for _, _, signal in group)])
            _write_lines([header, *([_number(v) for v in line] for line in table)], target)
            written.append(target)
    return written


def _titled(row: pd.Series, shots: pd.DataFrame, varying: Sequence[str]) -> str:
    """Name a signal after its file, the concentration after mixing if known, and what varies."""
    concentration = float(shots[col.CONCENTRATION_M].iloc[int(row["place"])])
    level = [format_concentration(concentration)] if np.isfinite(concentration) else []
    told = [_APART[key](row[key]) for key in varying]
    return _cell(", ".join([str(row[col.FILE]), *level, *told]))


Export = Callable[[KineticsReportData, FreshNames], list[Path]]
EXPORTS: dict[str, Export] = {
    "prism": export_prism,
    "origin": export_origin,
    "kintek": export_kintek,
}


def _traces(data: KineticsReportData, experiment: str) -> Iterable[Timed]:
    """Give the shots of an experiment that have a trace; `place` is their row in the table."""
    for place, name in enumerate(data.shots[col.EXPERIMENT]):
        pair = data.trace(place) if name == experiment else None
        if pair is not None:
            row = pd.concat([data.shots.iloc[place], pd.Series({"place": place})])
            yield row, np.asarray(pair[0], float), np.asarray(pair[1], float)


def _note(row: pd.Series) -> str:
    k = float(row[col.K_PER_S])
    return f"k = {k:.6g} 1/s" if np.isfinite(k) else "no rate"


def _number(value: float) -> str:
    return f"{value:.9g}" if np.isfinite(value) else ""


def _cell(text: str) -> str:
    """Keep a text in its cell, and from running as a formula where it is opened."""
    return str(inert(" ".join(text.split())))


def _write_lines(lines: Iterable[Line], path: Path) -> None:
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))
