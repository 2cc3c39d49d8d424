"""Recordings to files: one table, a function a format."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stopflow.errors import require_key
from stopflow.io.atomic import write_text
from stopflow.io.bka.format import write_bka
from stopflow.trace import Recording

UNITS = {1.0: "s", 1e-3: "ms", 1e-6: "us", 1e-9: "ns", 60.0: "min"}
"""Units of time as Bio-Kine writes them, by their length in s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A format that recordings are written in: its name, ending, the digits it keeps, and how."""

    noun: str
    ending: str
    digits: str
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


def write_csv(recording: Recording, path: Path) -> None:
    """Write columns parted by commas: ``Time (s)`` and a column a signal, every digit kept."""
    write_text(path, _columns(recording, ["Time (s)", *_headers(recording)], ","))


def write_kintek(recording: Recording, path: Path) -> None:
    """Write KinTek Explorer text, times in s, every digit kept."""
    names = [name.replace("\t", " ") for name in _headers(recording)]
    write_text(path, _columns(recording, ["Time", *names], "\t"))


def write_prism(recording: Recording, path: Path) -> None:
    """Write a GraphPad Prism XY table as TAB text: X is the time in s, a column Y a signal."""
    names = [name.replace("\t", " ") for name in _headers(recording)]
    write_text(path, _columns(recording, ["Time (s)", *names], "\t"))


WRITERS: dict[str, Writer] = {
    "bka": Writer(noun="Bio-Kine ASCII", ending=".bka", digits="6 digits", write=write_bio_kine),
    "csv": Writer(noun="columns of text", ending=".csv", digits="every digit", write=write_csv),
    "kintek": Writer(
        noun="KinTek Explorer text", ending=".txt", digits="every digit", write=write_kintek
    ),
    "prism": Writer(
        noun="GraphPad Prism XY table", ending=".txt", digits="every digit", write=write_prism
    ),
}
"""Key -> writer, as `stopflow convert --to` takes it."""


def find_writer(key: str) -> Writer:
    """Look a writer up by its key.

    Raises
    ------
    SettingsError
        Unknown key; lists the valid ones.
    """
    require_key("--to", key, WRITERS)
    return WRITERS[key]


def _headers(recording: Recording) -> list[str]:
    """Name each signal by what the file calls it, with its unit."""
    headers = []
    for number, (name, unit) in enumerate(
        zip(recording.signal_names, recording.signal_units, strict=True), 1
    ):
        text = " ".join((name or f"signal {number}").split()).replace('"', "'").replace(",", ";")
        headers.append(f"{text} ({unit})" if unit and unit != name else text)
    return headers


def _columns(recording: Recording, header: Sequence[str], sign: str) -> str:
    table = np.vstack([recording.time_s, recording.signals]).T.tolist()
    text = io.StringIO()
    text.write(sign.join(header) + "\n")
    for row in table:
        text.write(sign.join("" if value != value else repr(value) for value in row) + "\n")
    return text.getvalue()
