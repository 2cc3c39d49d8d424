"""A table of numbers with headers, from a text or a sheet, to recordings: one a push."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from stopflow.errors import FormatError
from stopflow.io.readers.labels import (
    SIGNAL_NAMES,
    Label,
    fold_label,
    known_wavelength,
    parse_label,
    require_one_time_unit,
    require_time_unit,
    wavelength_nm,
)
from stopflow.io.readers.recording import build_recording
from stopflow.io.workbook.headers import is_not_itself
from stopflow.trace import FloatArray, Problem, Recording, note_of

INDEX_NAMES = frozenset("index point points pointno no nr number n i frame scan row".split())
SURROUNDINGS = frozenset(
    "temperature temp temperatur température temperatura tempc tempk celltemperature "
    "blocktemperature pressure druck humidity".split()
)
"""Names of columns that record the surroundings of a sample and not the reaction."""
_DIGITS = re.compile(r"\d+(?:[.,]\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """A table of numbers with its headers, from a text or from a sheet.

    Attributes
    ----------
    labels
        One a column; all empty without a header.
    rows
        (N, columns); NaN where there is no number.
    time_unit
        Stated beside the table; ``""`` where it is not.
    times_above
        Units that the rows above the numbers give for the first column.
    alone_are_pushes
        Whether columns that do not say what they are, are a push each.
    """

    labels: tuple[Label, ...]
    rows: FloatArray
    time_unit: str = ""
    times_above: tuple[str, ...] = ()
    alone_are_pushes: bool = False
    bare_wavelengths: bool = False


def read_columns(
    columns: Columns,
    *,
    key: str,
    name: str,
    time_unit: str | None,
    records: Sequence[tuple[str, str]] = (),
    notes: Sequence[Problem] = (),
) -> list[Recording]:
    """Turn columns into recordings, one a push, each labelled by its first header.

    Raises
    ------
    FormatError
        When the first column is no time, or nobody says its unit.
    """
    labels = columns.labels
    times = [at for at, label in enumerate(labels) if label.is_time] or [0]
    remarks = list(notes)
    if labels[times[0]].is_spectral:
        raise FormatError(
            name,
            where="header",
            found=f"the x axis {labels[times[0]].text!r}",
            expected="a time (s, ms, µs, ns, min); this is a spectrum, no kinetic trace",
        )
    is_last = times == [len(labels) - 1] and len(labels) > 1
    if times[0] > 0 and not is_last:
        before = ", ".join(_shown(labels, at) for at in range(times[0]))
        remarks.append(note_of(name, f"{before}: left out", rule="left-out-columns"))
    found: list[Recording] = []
    for place, following in zip(times, [*times[1:], len(labels)], strict=True):
        beside = range(place) if is_last else range(place + 1, following)
        signals, left_out = _signal_columns(labels, beside)
        if left_out:
            text = f"{', '.join(left_out)}: no signal; left out"
            remarks.append(note_of(name, text, rule="no-signal"))
        if not signals:
            continue
        label = labels[place]
        stated = [label.unit, parse_label(label.name).unit, columns.time_unit]
        stated += columns.times_above if place == 0 else ()
        require_one_time_unit([unit for unit in stated if unit], name=name)
        unit = label.unit or columns.time_unit
        unit_s = require_time_unit(unit, time_unit=time_unit, name=name)
        pushes = [[at] for at in signals] if _are_pushes(columns, signals) else [signals]
        for members in pushes:
            found.append(
                _recording(
                    columns,
                    place,
                    members,
                    key=key,
                    name=name,
                    unit_s=unit_s,
                    records=records,
                    notes=remarks,
                )
            )
            remarks = []
    if not found:
        raise FormatError(name, found="no signal column", expected="a column beside the time")
    return found


def _recording(
    columns: Columns,
    place: int,
    members: Sequence[int],
    *,
    key: str,
    name: str,
    unit_s: float,
    records: Sequence[tuple[str, str]],
    notes: Sequence[Problem],
) -> Recording:
    time = columns.rows[:, place]
    labels = [columns.labels[at] for at in members]
    values = columns.rows[:, list(members)]
    kept = np.isfinite(time) & np.isfinite(values).any(axis=1)
    last = int(np.flatnonzero(kept)[-1]) + 1 if kept.any() else 0
    kept = kept | (np.isfinite(time) & (np.arange(len(time)) < last))
    waves = [_wavelength(label, bare=columns.bare_wavelengths) for label in labels]
    return build_recording(
        name=name,
        source_format=key,
        time=time[kept],
        unit_s=unit_s,
        signals=values[kept].T,
        names=[label.name or label.text for label in labels],
        units=[label.signal_unit for label in labels],
        wavelengths=waves,
        label=labels[0].text,
        records=records,
        notes=notes,
    )


def _wavelength(label: Label, *, bare: bool) -> float:
    value = wavelength_nm(label.text, bare=bare)
    return value if known_wavelength(value) else nan


def _shown(labels: Sequence[Label], at: int) -> str:
    return labels[at].text or f"column {at + 1}"


def _signal_columns(labels: Sequence[Label], places: Sequence[int]) -> tuple[list[int], list[str]]:
    """Return the columns that are signals, and the headers of those that are not."""
    signals, others = [], []
    for at in places:
        label = labels[at]
        name = fold_label(label.name)
        is_other = is_not_itself(label.text) or name in INDEX_NAMES or name in SURROUNDINGS
        if is_other and len(places) > 1:
            others.append(_shown(labels, at))
        else:
            signals.append(at)
    return signals, others


def _are_pushes(columns: Columns, signals: Sequence[int]) -> bool:
    """Tell whether columns are a push each and not signals of one.

    A row of units below the names says nothing of it.
    """
    texts = [columns.labels[at].text for at in signals]
    if len(texts) < 2 or any(map(SIGNAL_NAMES.search, texts)):
        return False
    if any(known_wavelength(wavelength_nm(text)) for text in texts):
        return False
    stems = {fold_label(_DIGITS.sub("", text)) for text in texts}
    if all(map(_DIGITS.search, texts)) and len(stems) == 1 and stems != {""}:
        return True
    return columns.alone_are_pushes and not any(parse_label(text).is_signal for text in texts)
