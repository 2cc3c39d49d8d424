"""Columns and matrices of numbers to recordings."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite, nan

import numpy as np

from stopflow.errors import FormatError
from stopflow.trace import FloatArray, Problem, Recording, note_of, warning_of

SECONDS = 1.0

_LEAST_POINTS = 8
_LEAST_TO_LEAP = 50
_MOST_FOREIGN = 3
_LEAP = 10.0
"""So many times the widest step between points lies a row behind them that is none."""


def scaled_time(values: FloatArray, unit_s: float) -> FloatArray:
    """Convert times to seconds; those of a smaller unit by one division, correctly rounded."""
    return values * unit_s if unit_s >= 1 else values / round(1 / unit_s)


def build_recording(
    *,
    name: str,
    source_format: str,
    time: FloatArray,
    unit_s: float,
    signals: FloatArray,
    names: Sequence[str],
    units: Sequence[str] | None = None,
    wavelengths: Sequence[float] | None = None,
    label: str = "",
    records: Sequence[tuple[str, str]] = (),
    notes: Sequence[Problem] = (),
) -> Recording:
    """Build a recording from times (N,) in a unit and signals (n, N).

    Raises
    ------
    FormatError
        When there is no signal or no point.
    """
    if not len(signals) or not len(time):
        found = "no signal" if len(time) else "no points"
        raise FormatError(name, found=found, expected="times and at least one signal")
    if not np.isfinite(time).all():
        raise FormatError(name, found="a time that is no number", expected="finite times")
    own, foreign = own_points(time, name=name)
    time, signals, notes = time[:own], signals[:, :own], (*notes, *foreign)
    missing = int(np.isnan(signals).sum())
    if missing:
        found = f"{missing} of {signals.size} values are no numbers; left out"
        notes = (
            *notes,
            warning_of(name, found, expected="a number at every point", rule="missing-values"),
        )
    return Recording(
        name=name,
        label=label or name,
        source_format=source_format,
        time_s=scaled_time(time, unit_s),
        time_unit_s=unit_s,
        signals=signals,
        signal_names=tuple(names),
        signal_units=tuple(units or [""] * len(signals)),
        wavelengths_nm=tuple(wavelengths or [nan] * len(signals)),
        records=tuple(records),
        notes=tuple(notes),
    )


def own_points(time: FloatArray, *, name: str) -> tuple[int, tuple[Problem, ...]]:
    """Return how many points are those of one recording, and what stands below them.

    Below may stand another recording, whose times begin anew, or a footer of numbers: up to three
    rows from one on whose time does not rise where all others do, goes back, or leaps ten times as
    far as any before. Times that go back anywhere else are left to the analysis.
    """
    count = len(time)
    if count <= _LEAST_POINTS:
        return count, ()
    last = max(count - _MOST_FOREIGN, _LEAST_POINTS)
    with np.errstate(over="ignore"):
        steps = np.diff(time)
    odd = steps < 0
    if (steps[: last - 1] > 0).all():
        odd[last - 1 :] |= steps[last - 1 :] == 0
    if count >= _LEAST_TO_LEAP:
        odd[last - 1 :] |= steps[last - 1 :] / _LEAP > steps[: last - 1].max()
    at = int(odd.argmax()) + 1
    if not odd.any() or at < _LEAST_POINTS:
        return count, ()
    where = f"point {at + 1} of {count}"
    if at + 1 < count and time[at] <= time[0] and time[at + 1] < time[at - 1]:
        found = f"times that begin again, at {time[at]:.6g}; not read from here on"
        expected = "one recording below a header; give each columns or a file of its own"
        return at, (warning_of(name, found, where=where, expected=expected, rule="begins-again"),)
    if at < last:
        return count, ()
    how = "does not go on" if steps[at - 1] <= 0 else "leaps beyond all spacing"
    rows = "a last row" if at == count - 1 else f"{count - at} last rows"
    found = f"{rows} of which the time, {time[at]:.6g}, {how}; left out"
    expected = "times that go on as above; put a # before a footer of numbers"
    return at, (warning_of(name, found, where=where, expected=expected, rule="footer"),)


def build_matrix(
    *,
    name: str,
    source_format: str,
    time: FloatArray,
    wavelengths: FloatArray,
    values: FloatArray,
    unit: str = "",
    unit_s: float = SECONDS,
    label: str = "",
    records: Sequence[tuple[str, str]] = (),
    notes: Sequence[Problem] = (),
) -> Recording:
    """Build a recording from a matrix (wavelengths, times); signals that are all 0 are left out.

    Raises
    ------
    FormatError
        When nothing was recorded, or the shapes do not agree.
    """
    if values.shape != (len(wavelengths), len(time)):
        found = f"{values.shape[0]} x {values.shape[1]} values"
        expected = f"{len(wavelengths)} wavelengths x {len(time)} times"
        raise FormatError(name, found=found, expected=expected, rule="size of a matrix")
    recorded = np.any((values != 0) & ~np.isnan(values), axis=1)
    remarks = list(notes)
    if not recorded.any():
        raise FormatError(name, found="nothing but zeros", expected="signals")
    if not recorded.all():
        gone = wavelengths[~recorded]
        found = f"{len(gone)} of {len(recorded)} signals are 0 throughout ({ends(gone)} nm)"
        remarks.append(note_of(name, found + "; left out", rule="zero-signals"))
    kept = wavelengths[recorded]
    return build_recording(
        name=name,
        source_format=source_format,
        time=time,
        unit_s=unit_s,
        signals=values[recorded],
        names=[f"{value:g} nm" if isfinite(value) else "" for value in kept],
        units=[unit] * len(kept),
        wavelengths=kept.tolist(),
        label=label,
        records=records,
        notes=remarks,
    )


def named_apart(recordings: Sequence[Recording], file: str) -> tuple[Recording, ...]:
    """Name the recordings of one file ``file[label]``, equal labels with their number behind.

    A single recording has the file's name, and is called by it.
    """
    if len(recordings) < 2:
        return tuple(replace(recording, name=file, label=file) for recording in recordings)
    seen: dict[str, int] = {}
    named = []
    for recording in recordings:
        seen[recording.label] = count = seen.get(recording.label, 0) + 1
        label = recording.label if count == 1 else f"{recording.label} ({count})"
        named.append(replace(recording, name=f"{file}[{label}]", label=label))
    return tuple(named)


def ends(values: FloatArray) -> str:
    """Write the first and the last of some numbers."""
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
