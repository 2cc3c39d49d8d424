"""What the shots of an experiment agree on about the artefact: it belongs to the instrument."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stopflow.kinetics.start.detect import StartDetection
from stopflow.trimming import TrimWindow

FEWEST_SHOTS = 4
LATE = 2.0


def agree_on_starts(
    detections: Sequence[StartDetection | None],
) -> list[StartDetection | None]:
    """Settle the odd ones by what most shots of the experiment show.

    Where most shots have no artefact, a few that seem to have one deviate from the law rather than
    from the reaction, and start at their first point too. Where no start could be detected, that
    of the others is taken, and so where it is more than twice as late as theirs. What is left of
    the artefact at a start is the mean square of what the shots show: in one alone its waves may
    hide it.
    Below 4 shots nothing is changed.

    Parameters
    ----------
    detections
        One a shot; None where there is no trace.
    """
    found = [item for item in detections if item is not None and item.found]
    if len(found) < FEWEST_SHOTS:
        return list(detections)
    if sum(item.shows_artefact for item in found) < len(found) / 2:
        return [
            _moved(
                replace(item, rest_s=np.empty(0), rest_sigma=np.empty(0)),
                start_s=item.first_s,
                reason="no artefact in most shots of the experiment; alone this one would start "
                f"at {1e3 * item.window.start_s:.4g} ms",
            )
            if item is not None and item.shows_artefact
            else item
            for item in detections
        ]
    usual = float(np.median([item.window.start_s - item.first_s for item in found]))
    settled = [None if item is None else _settled(item, usual_s=usual) for item in detections]
    seen = [item for item in found if len(item.rest_s) and not _is_late(item, usual_s=usual)]
    return [None if item is None else _share_rest(item, seen) for item in settled]


def _share_rest(detection: StartDetection, seen: Sequence[StartDetection]) -> StartDetection:
    """Take what is left at the start of the artefact as the mean square over those seen."""
    if not (detection.shows_artefact and seen):
        return detection
    since = detection.window.start_s - detection.first_s
    shifts = [np.interp(since, item.rest_s - item.first_s, item.rest_sigma) for item in seen]
    return replace(
        detection,
        rest_s=np.array([detection.window.start_s]),
        rest_sigma=np.array([np.sqrt(np.mean(np.square(shifts)))]),
    )


def _settled(detection: StartDetection, *, usual_s: float) -> StartDetection:
    """Move a missing or much later start to the usual one, `usual_s` after the first point."""
    start_s = detection.first_s + usual_s
    if not detection.first_s < start_s < detection.window.stop_s:
        return detection
    if not detection.found:
        return _moved(detection, start_s=start_s, reason=f"as others ({detection.reason})")
    if not _is_late(detection, usual_s=usual_s):
        return detection
    alone_s = detection.window.start_s
    reason = f"as the other shots; alone this one would start at {1e3 * alone_s:.4g} ms"
    return _moved(detection, start_s=start_s, reason=reason)


def _is_late(detection: StartDetection, *, usual_s: float) -> bool:
    """Whether the start is much later than usual."""
    return detection.window.start_s - detection.first_s > LATE * usual_s


def _moved(detection: StartDetection, *, start_s: float, reason: str) -> StartDetection:
    window = TrimWindow(
        start_s=start_s, stop_s=detection.window.stop_s, source="detected", reason=reason
    )
    return replace(detection, window=window, reason=reason, found=True)
