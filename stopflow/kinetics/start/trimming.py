"""Where the fit of a trace begins and ends, and where these times come from.

A start time in the workbook takes precedence. The start is detected in any case; the detected
start is reported beside that of the workbook, and is used where the workbook gives none.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from stopflow.kinetics.solver.refusals import Refusal, refuse
from stopflow.kinetics.start.reasons import StartReason, because
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
    because
        Why it starts there.
    """

    start_s: float
    stop_s: float
    source: StartSource
    because: StartReason


def crossed_ends(start_s: float | None, end_s: float | None) -> Refusal | None:
    """Refuse a fit that would end before it begins; None where both do not say so."""
    if start_s is None or end_s is None or not end_s <= start_s:
        return None
    return refuse("crossed-ends", start_s=start_s, end_s=end_s)


def choose_window(
    time_s: FloatArray,
    *,
    workbook_start_s: float | None,
    end_s: float | None = None,
    detected: TrimWindow,
) -> TrimWindow | Refusal:
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
    TrimWindow or Refusal
        The window, or the reason why that of the workbook cannot be used.
    """
    if workbook_start_s is None:
        return detected
    if not np.isfinite(workbook_start_s):
        return refuse("no-time", start_s=workbook_start_s)
    crossed = crossed_ends(workbook_start_s, end_s)
    if crossed or not len(time_s):
        return crossed or detected
    first, last = float(time_s[0]), float(time_s[-1])
    if workbook_start_s > last:
        return refuse("late-start", start_s=workbook_start_s, last_s=last)
    if workbook_start_s < first - max(last - first, EARLIEST_S):
        gap_s = first - workbook_start_s
        return refuse(
            "far-start", start_s=workbook_start_s, gap_s=gap_s, first_s=first, last_s=last
        )
    before = workbook_start_s < first
    why = because("before-data", first_s=first) if before else because("workbook")
    return TrimWindow(start_s=workbook_start_s, stop_s=last, source="workbook", because=why)
