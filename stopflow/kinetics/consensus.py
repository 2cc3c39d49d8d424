"""What the shots of an experiment agree on about the artefact: it belongs to the instrument."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stopflow.kinetics.artefact import StartDetection
from stopflow.trimming import TrimWindow

FEWEST_SHOTS = 4


def agree_on_starts(
    detections: Sequence[StartDetection | None],
) -> list[StartDetection | None]:
    """Settle the odd ones by what most shots of the experiment show.

    Where most shots have no artefact, a few that seem to have one deviate from the law rather than
    from the reaction, and start at their first point too. Where no start could be detected, that
    of the others is taken. Below 4 shots nothing is changed.

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
                item,
                start_s=item.first_s,
                reason="no artefact in most shots of the experiment; alone this one would start "
                f"at {1e3 * item.window.start_s:.4g} ms",
            )
            if item is not None and item.shows_artefact
            else item
            for item in detections
        ]
    usual = float(np.median([item.window.start_s for item in found]))
    return [
        _moved(item, start_s=usual, reason=f"as in the other shots ({item.reason})")
        if item is not None and not item.found and item.first_s < usual < item.window.stop_s
        else item
        for item in detections
    ]


def _moved(detection: StartDetection, *, start_s: float, reason: str) -> StartDetection:
    window = TrimWindow(
        start_s=start_s, stop_s=detection.window.stop_s, source="detected", reason=reason
    )
    return replace(detection, window=window, reason=reason, found=True)
