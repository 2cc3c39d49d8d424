"""Traces put together before a fit: the mean of repeats, and a blank subtracted."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stopflow.errors import FormatError
from stopflow.trace import FloatArray, Recording


def average_recordings(recordings: Sequence[Recording]) -> Recording:
    """Return the mean of repeats; a point that one of them lacks is the mean of the others.

    Raises
    ------
    FormatError
        When there is none, or they differ in their times or signals.
    """
    if not recordings:
        raise FormatError("average", found="no recordings", expected="at least one")
    first = recordings[0]
    for other in recordings[1:]:
        _require_alike(first, other)
        if not np.array_equal(first.time_s, other.time_s):
            raise FormatError(
                other.name,
                found=f"other times than those of {first.name}",
                expected="the same times in all that are averaged",
            )
    stack = np.stack([item.signals for item in recordings])
    counts = np.isfinite(stack).sum(axis=0)
    total = np.where(np.isfinite(stack), stack, 0.0).sum(axis=0)
    mean = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    names = ", ".join(item.name for item in recordings)
    return replace(first, signals=mean, records=(*first.records, ("stopflow", f"mean of {names}")))


def subtract_blank(recording: Recording, blank: Recording) -> Recording:
    """Subtract a blank; between its points it is interpolated, outside them refused.

    Raises
    ------
    FormatError
        When the signals differ, or the blank is shorter than the recording.
    """
    _require_alike(recording, blank)
    if np.array_equal(recording.time_s, blank.time_s):
        below: FloatArray = blank.signals
    else:
        low, high = float(blank.time_s.min()), float(blank.time_s.max())
        if recording.time_s.min() < low or recording.time_s.max() > high:
            raise FormatError(
                blank.name,
                found=f"a blank from {low:.6g} to {high:.6g} s",
                expected=f"one that covers all of {recording.name}",
            )
        order = np.argsort(blank.time_s, kind="stable")
        below = np.array(
            [
                np.interp(recording.time_s, blank.time_s[order], signal[order])
                for signal in blank.signals
            ]
        )
    records = (*recording.records, ("stopflow", f"{blank.name} subtracted"))
    return replace(recording, signals=recording.signals - below, records=records)


def _require_alike(first: Recording, other: Recording) -> None:
    """Refuse signals that are not the same ones."""
    same = first.channels == other.channels and np.array_equal(
        first.wavelengths_nm, other.wavelengths_nm, equal_nan=True
    )
    if not same:
        raise FormatError(
            other.name,
            found=f"{other.channels} signals, not those of {first.name}",
            expected=f"{first.channels} signals at the same wavelengths",
        )
