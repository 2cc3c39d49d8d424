"""Instrument files to other formats, averaged and with a blank subtracted where wanted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stopflow.errors import SettingsError, require_key
from stopflow.io.combine import average_recordings, subtract_blank
from stopflow.io.readers.reading import read_push, read_recordings, split_push
from stopflow.io.readers.table import READERS
from stopflow.io.writers import WRITERS
from stopflow.pipeline.checks import require_time_unit
from stopflow.pipeline.find import require_file
from stopflow.trace import Recording

_UNSAFE = re.compile(r"[^\w.,+() -]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What was written, and the remarks of the readers."""

    written: tuple[Path, ...]
    notes: tuple[str, ...]


def format_rows() -> list[tuple[str, str, str, str]]:
    """Return a row a format: key, name, usual endings, where the unit of time comes from."""
    written = {"bio-kine": "bka", "columns": "csv, prism", "kintek": "kintek"}
    return [
        (
            key,
            reader.noun,
            " ".join(reader.endings),
            reader.time + (f"; written by --to {written[key]}" if key in written else ""),
        )
        for key, reader in READERS.items()
    ]


def convert(
    files: Sequence[Path],
    *,
    to: str,
    out: Path | None = None,
    average: bool = False,
    blank: Path | None = None,
    time_unit: str | None = None,
) -> Converted:
    """Write every push of some files in another format.

    Parameters
    ----------
    out
        A folder, or the file to write where there is one push; None: the current folder.
    average
        Write the mean of all pushes instead.
    blank
        File with one push, subtracted first.

    Raises
    ------
    SettingsError
        For an unknown format, or where a file would be overwritten.
    FormatError
        For a file that cannot be read.
    """
    require_key("--to", to, WRITERS)
    writer = WRITERS[to]
    require_time_unit(time_unit)
    found = [item for file in files for item in _read(require_file(file), time_unit=time_unit)]
    if blank is not None:
        below = read_push(require_file(blank), time_unit=time_unit)
        found = [subtract_blank(item, below) for item in found]
    notes = tuple(dict.fromkeys(str(note).lstrip("/") for item in found for note in item.notes))
    if average:
        mean = average_recordings(found)
        found = [replace(mean, name=f"{_stem(mean.name)}-average")]
    targets = [_target(item, out, ending=writer.ending, alone=len(found) == 1) for item in found]
    for place, target in enumerate(targets):
        if target.exists() or target in targets[:place]:
            raise SettingsError("--out", str(target), valid="a name that is not taken yet")
    for item, target in zip(found, targets, strict=True):
        writer.write(item, target)
    return Converted(written=tuple(targets), notes=notes)


def _read(file: Path, *, time_unit: str | None) -> tuple[Recording, ...]:
    if split_push(file)[1]:
        return (read_push(file, time_unit=time_unit),)
    return read_recordings(file, time_unit=time_unit)


def _target(recording: Recording, out: Path | None, *, ending: str, alone: bool) -> Path:
    """Return where a push goes: the wanted file, or its own name with the new ending."""
    if out is not None and alone and not out.is_dir() and out.suffix:
        return out
    name = _UNSAFE.sub("-", _stem(recording.name)).strip("-. ") or "shot"
    return (out or Path()) / f"{name}{ending}"


def _stem(name: str) -> str:
    file, bracket, label = name.partition("[")
    stem = Path(file).stem
    return f"{stem}-{label.rstrip(']')}" if bracket else stem
