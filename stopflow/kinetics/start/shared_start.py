"""The shared start: what the shots of an experiment agree on about the artefact."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite, log, nan, sqrt

import numpy as np

from stopflow.kinetics.many.time_blocks import SINGLE_CUTS
from stopflow.kinetics.start.artefact_end import artefact_end, pool
from stopflow.kinetics.start.backward_extrapolation import SURPRISING
from stopflow.kinetics.start.course import AT_ONCE, NOTHING_KNOWN
from stopflow.kinetics.start.detected_start import Explanation, StartDetection
from stopflow.kinetics.start.reasons import because

FEWEST_SHOTS = 4
LATE = 2.0
# Relative error of a rate, and range of ln k, from which its changes count.
KNOWN = 0.2
CHANGES = 0.5
# Share of the reaction's change that a start may leave out without a loss.
CHEAP = 0.05
# Share of the shots that show an artefact which the others may hide, and how far k of these must be
# off on average, in standard errors.
LEAST_SHARE = 0.2
MOVED = 4.0
# An artefact's rate changes by less than this power of the reaction's.
INDEPENDENT = 0.25


def share_starts(detections: Sequence[StartDetection]) -> list[StartDetection]:
    """Settle the odd ones by what most shots of the experiment show.

    The artefact belongs to the instrument. Where most shots have none, a few that seem to have one
    deviate from the rate law rather than from the reaction, and start at their first point too,
    unless next to nothing of the reaction lies before their start: the others may only be too slow
    to show it. Where most shots have one, it is also in those for which no start could be found,
    which start much later, or whose first points show nothing or look like a phase of the reaction.
    Where the artefact lasts a few points only, most shots may have it though few show it: then k
    from the first point on is off to the same side in most. What is left of the artefact at a start
    is the mean square of what the shots show: in one alone its waves may
    hide it. Below 4 shots nothing is changed.

    Parameters
    ----------
    detections
        One for each shot, of the shot alone.
    """
    detections = _with_their_phase(detections)
    found = [item for item in detections if item.found]
    if len(found) < FEWEST_SHOTS:
        return list(detections)
    artefacts = [item for item in found if item.shows_artefact]
    if len(artefacts) <= len(found) / 2 and not _hidden_in_most(found, artefacts):
        return [_without_artefact(item) if _costs(item) else item for item in detections]
    usual = _shared_end(artefacts)
    seen = [item for item in found if len(item.shift_s) and _since(item) <= LATE * usual]
    settled = [_share_shift(_settled(item, usual_s=usual), seen) for item in detections]
    rates = [
        log(item.course.phases[-1][0])
        for item in artefacts
        if item.course.phases and item.course.phases[-1][0] > 0
    ]
    if max(rates, default=0) - min(rates, default=0) <= CHANGES:
        return settled
    rate = _rate_of_artefact(artefacts)
    return [_of_instrument(item, rate=rate) for item in settled]


def _with_their_phase(detections: Sequence[StartDetection]) -> list[StartDetection]:
    """Keep a first phase whose rate changes from shot to shot: no artefact does that."""
    seen = [
        item
        for item in detections
        if item.explanation is Explanation.ARTEFACT
        and item.short_phase is not None
        and item.short_phase[1] < KNOWN
    ]
    if len(seen) < FEWEST_SHOTS:
        return list(detections)
    rates, errors = np.array([item.short_phase for item in seen]).T
    mean = np.average(rates, weights=errors**-2.0)
    free = len(seen) - 1
    misfit = float((((rates - mean) / errors) ** 2).sum())
    if np.ptp(rates) < CHANGES or misfit < free + SURPRISING * np.sqrt(2 * free):
        return list(detections)
    low, high = np.exp([rates.min(), rates.max()])
    why = because("changing-phase", low_per_s=float(low), high_per_s=float(high))
    return [
        replace(
            item.moved(item.first_s, explanation=Explanation.REACTION, why=why),
            shift_s=np.empty(0),
            shift_sigma=np.empty(0),
        )
        if item in seen
        else item
        for item in detections
    ]


def _shared_end(artefacts: Sequence[StartDetection]) -> float:
    """Time after the first point at which the artefact of the instrument is over."""
    usual = float(np.quantile([_since(item) for item in artefacts], 0.5, method="lower"))
    seen = [
        item.initial
        for item in artefacts
        if item.initial is not None and _since(item) <= LATE * usual
    ]
    grids = [(item.edge_s[0], item.edge_s[1]) for item in seen]
    common = max(set(grids), key=grids.count, default=None)
    alike = [item for item, grid in zip(seen, grids, strict=True) if grid == common]
    if len(alike) < FEWEST_SHOTS:
        return usual
    pooled = pool(alike)
    return artefact_end(pooled)[0] - float(pooled.edge_s[0])


def _rate_of_artefact(artefacts: Sequence[StartDetection]) -> float:
    """Return ln of the rate, in 1/s, of a short phase that is the same whatever the mixture.

    It is taken for the artefact where a power of the reaction's rate that describes how it changes
    is next to 0, with its error; NaN otherwise.
    """
    seen = [
        (log(item.course.phases[-1][0]), item.short_phase[0])
        for item in artefacts
        if item.short_phase is not None
        and item.short_phase[1] < KNOWN
        and len(item.course.phases) > 1
        and item.course.phases[-1][0] > 0
    ]
    if len(seen) < max(FEWEST_SHOTS, len(artefacts) / 2):
        return nan
    reaction, short = np.array(seen).T
    spread = reaction - reaction.mean()
    squares = float(spread @ spread)
    if np.ptp(reaction) <= CHANGES:
        return nan
    power = float(spread @ short) / squares
    left = short - short.mean() - power * spread
    error = sqrt(float(left @ left) / (len(seen) - 2) / squares)
    return float(short.mean()) if abs(power) + 2 * error < INDEPENDENT else nan


def _of_instrument(detection: StartDetection, *, rate: float) -> StartDetection:
    """Shots of other rates show the artefact: it, and a few points of it, hide no phase.

    `rate`: ln of that of an exponential artefact; NaN where none is known.
    """
    at_once = any(own >= AT_ONCE for own, _ in detection.hidden.phases)
    hidden = NOTHING_KNOWN if at_once else detection.hidden
    return replace(
        detection,
        of_instrument=True,
        course=detection.course.without(rate, within=CHANGES),
        hidden=hidden.without(rate, within=CHANGES),
    )


def _hidden_in_most(found: Sequence[StartDetection], artefacts: Sequence[StartDetection]) -> bool:
    """Whether an artefact of a few points, which few shots show, moves k in the others as well.

    By how much k from the first point on differs from k after the artefact, in errors of that
    difference, on average over the shots.
    """
    if len(artefacts) < LEAST_SHARE * len(found):
        return False
    usual_s = float(np.median([_since(item) for item in artefacts]))
    moved = []
    for item in found:
        late = int(np.searchsorted(item.cut_s, item.first_s + usual_s - 1e-9 * usual_s))
        if not item.shows_artefact and 0 < late <= SINGLE_CUTS and late < len(item.cut_s):
            between = item.k_stderr_per_s[late] ** 2 - item.k_stderr_per_s[0] ** 2
            moved.append((item.k_per_s[0] - item.k_per_s[late]) / sqrt(max(between, 0.0) or inf))
    known = [value for value in moved if isfinite(value)]
    return len(known) > 0 and abs(sum(known)) > MOVED * sqrt(len(known))


def _costs(detection: StartDetection) -> bool:
    """Whether a start leaves out a part of the reaction that counts."""
    return detection.shows_artefact and detection.removed_change > CHEAP


def _since(detection: StartDetection) -> float:
    return detection.window.start_s - detection.first_s


def _without_artefact(detection: StartDetection) -> StartDetection:
    moved = detection.moved(
        detection.first_s,
        explanation=Explanation.NOTHING_SEEN,
        why=because("rare-artefact", alone_ms=1e3 * detection.window.start_s),
    )
    return replace(moved, shift_s=np.empty(0), shift_sigma=np.empty(0))


def _share_shift(detection: StartDetection, seen: Sequence[StartDetection]) -> StartDetection:
    """Take the residual artefact at the start as the mean square over those that show it."""
    if not (detection.shows_artefact and seen):
        return detection
    since = _since(detection)
    shifts = [np.interp(since, item.shift_s - item.first_s, item.shift_sigma) for item in seen]
    return replace(
        detection,
        shift_s=np.array([detection.window.start_s]),
        shift_sigma=np.array([np.sqrt(np.mean(np.square(shifts)))]),
    )


def _settled(detection: StartDetection, *, usual_s: float) -> StartDetection:
    """Move a missing, a doubtful or a much later start to the usual time after the first point."""
    start_s = detection.first_s + usual_s
    if not detection.first_s < start_s < detection.window.stop_s:
        return detection
    alone_ms = 1e3 * detection.window.start_s
    if not (detection.found or len(detection.cut_s)):
        # The trace itself cannot be used: a later start would only hide why.
        return detection
    if not detection.found:
        why = detection.window.because.within("as-others")
    elif (
        detection.explanation in (Explanation.REACTION, Explanation.NOTHING_SEEN)
        or _since(detection) > LATE * usual_s
    ):
        why = because("other-shots", alone_ms=alone_ms)
    elif detection.explanation is Explanation.ARTEFACT:
        start_s = max(start_s, detection.follows_from_s)
        why = detection.window.because.within("shared", alone_ms=alone_ms)
    else:
        return detection
    return detection.moved(start_s, explanation=Explanation.ARTEFACT, why=why)
