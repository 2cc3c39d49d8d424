"""Recordings to files: one table, a function a format."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from stopflow.io.atomic import write_text
from stopflow.io.bka.format import write_bka
from stopflow.trace import Recording

UNITS = {1.0: "s", 1e-3: "ms", 1e-6: "us", 1e-9: "ns", 60.0: "min"}
"""Units of time as Bio-Kine writes them, by their length in s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A format that recordings are written in: the ending of its files, and how."""

    ending: str
    write: Callable[[Recording, Path], None]


def write_bio_kine(recording: Recording, path: Path) -> None:
    """Write a Bio-Kine file, in the recording's own unit of time; gaps cannot be written."""
    unit = UNITS.get(recording.time_unit_s, "s")
    scale = recording.time_unit_s if unit != "s" else 1.0
    kept = np.isfinite(recording.signals).all(axis=0)
    write_bka(
        path,
        time=recording.time_s[kept] / scale,
        signals=recording.signals[:, kept],
        time_unit=unit,
        signal_units=[unit or "Volt" for unit in recording.signal_units],
        comments=[*(f"{key} {text}".strip() for key, text in recording.records)][:40],
    )


def write_columns(recording: Recording, path: Path, *, time: str, sign: str) -> None:
    """Write the time in s under the header `time` and a column a signal, every digit kept."""
    names = (name.replace("\t", " ") for name in _headers(recording))
    table = np.vstack([recording.time_s, recording.signals]).T.tolist()
    rows = (["" if value != value else repr(value) for value in row] for row in table)
    write_text(path, "".join(f"{sign.join(row)}\n" for row in ([time, *names], *rows)))


WRITERS: dict[str, Writer] = {
    "bka": Writer(ending=".bka", write=write_bio_kine),
    "csv": Writer(ending=".csv", write=partial(write_columns, time="Time (s)", sign=",")),
    "kintek": Writer(ending=".txt", write=partial(write_columns, time="Time", sign="\t")),
    "prism": Writer(ending=".txt", write=partial(write_columns, time="Time (s)", sign="\t")),
}
"""Key -> writer, as `stopflow convert --to` takes it."""


def _headers(recording: Recording) -> list[str]:
    """Name each signal by what the file calls it, with its unit."""
    headers = []
    for number, (name, unit) in enumerate(
        zip(recording.signal_names, recording.signal_units, strict=True), 1
    ):
        text = " ".join((name or f"signal {number}").split()).replace('"', "'").replace(",", ";")
        headers.append(f"{text} ({unit})" if unit and unit != name else text)
    return headers
