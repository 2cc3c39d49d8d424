"""Where the fit of a trace begins and ends, and where these times come from.

A start time in the workbook takes precedence. The start is detected in any case; the detected
start is reported beside that of the workbook, and is used where the workbook gives none.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stopflow.trace import FloatArray

# A start this long before the first point is usable, however short the record.
EARLIEST_S = 1e-3

StartSource = Literal["workbook", "decision", "detected", "first point"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimWindow:
    """The part of a trace that is fitted.

    Attributes
    ----------
    start_s, stop_s
        First and last time that belong to it, in the trace's own time.
    source
        Where the start comes from.
    reason
        Why it starts there, in a sentence.
    """

    start_s: float
    stop_s: float
    source: StartSource
    reason: str


def whole_window(time_s: FloatArray, *, reason: str) -> TrimWindow:
    """Take everything from the first point (N >= 1) on."""
    return TrimWindow(
        start_s=float(time_s[0]), stop_s=float(time_s[-1]), source="first point", reason=reason
    )


def crossed_ends(start_s: float | None, end_s: float | None) -> str:
    """Say that a fit would end before it begins; "" where it does not, or one of them is open."""
    if start_s is None or end_s is None or not end_s <= start_s:
        return ""
    return (
        f"the fit would end at {end_s:.6g} s, which is not after its start at {start_s:.6g} s; "
        "give an end that lies after the start"
    )


def choose_window(
    time_s: FloatArray,
    *,
    workbook_start_s: float | None,
    end_s: float | None = None,
    detected: TrimWindow,
) -> TrimWindow | str:
    """Choose between the workbook's start time and the detected one.

    Parameters
    ----------
    time_s
        (N,) seconds up to the end of the fit; where there are none, the detected window is taken.
    workbook_start_s
        None where the workbook has none for this shot.
    end_s
        The end of the fit, where one was set.
    detected
        The detected window, which is used in that case.

    Returns
    -------
    TrimWindow or str
        The window, or the reason why that of the workbook cannot be used.
    """
    if workbook_start_s is None:
        return detected
    if not np.isfinite(workbook_start_s):
        return f"the start time is {workbook_start_s}, not a time"
    crossed = crossed_ends(workbook_start_s, end_s)
    if crossed or not len(time_s):
        return crossed or detected
    first, last = float(time_s[0]), float(time_s[-1])
    if workbook_start_s > last:
        return (
            f"the start time {workbook_start_s:.6g} s lies beyond the data, which end "
            f"at {last:.6g} s; is its unit that of the file?"
        )
    note = "as the workbook says"
    if workbook_start_s < first - max(last - first, EARLIEST_S):
        return (
            f"the start time {workbook_start_s:.6g} s lies {first - workbook_start_s:.3g} s before "
            f"the data, which last from {first:.6g} to {last:.6g} s: nothing is left of a reaction "
            "that long; is its unit that of the file?"
        )
    if workbook_start_s < first:
        note += f"; the data begin later, at {first:.6g} s"
    return TrimWindow(start_s=workbook_start_s, stop_s=last, source="workbook", reason=note)
