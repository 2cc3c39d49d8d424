"""Where the mixing artefact ends, found from the traces of an experiment together.

The start belongs to the instrument and not to the rate law. A mixing artefact is short, is shared
by the shots of an instrument, and does not depend on the concentration; a phase of the reaction is
none of these. For each trace the explanations compete:

- nothing but one phase and a slope, from the first point on;
- an artefact, then one phase and a slope: the first cut after which the points follow
  (`stopflow.kinetics.start.backward_extrapolation`), and from there on to where 1/50 of the noise
  is left of the artefact;
- a reaction of more than one phase without an artefact: the rate law asked for, two phases of
  which neither is as short as an artefact, or, where the cut would be longer than artefacts are,
  any slow relaxation (`stopflow.kinetics.start.relaxation`);
- an artefact no longer than artefacts are, then any slow relaxation.

What the shots of an experiment have in common then decides
(`stopflow.kinetics.start.shared_start`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stopflow.kinetics.signal_checks import (
    CLIPPED_GAP,
    NEXT_VALUES,
    clipped_stretch,
    misfit,
    without_stray,
)
from stopflow.kinetics.solver.kept_times import bytes_of_times
from stopflow.kinetics.solver.refusals import Refusal
from stopflow.kinetics.solver.window import validate_trace
from stopflow.kinetics.start.detected_start import StartDetection, undetected
from stopflow.kinetics.start.propose import TraceGroup, propose_starts
from stopflow.kinetics.start.reasons import StartReason, because_of
from stopflow.kinetics.start.shared_start import share_starts
from stopflow.trace import FloatArray, Shot

__all__ = ["StartDetection", "detect_start", "detect_starts"]

FEWEST_POINTS = 48
# A part before the reaction is long enough to judge, and follows a line unless this is its chance.
FEWEST_STRAIGHT = 64
BENT = 1e-4
# A mixing artefact lasts no longer than this, or so many dead times where that is known.
LONGEST_ARTEFACT_S = 25e-3
LONGEST_IN_DEAD_TIMES = 25.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """What is judged of one trace, and what is said of the points before it: keys with values."""

    at: int
    time_s: FloatArray
    signal: FloatArray
    before: tuple[tuple[str, dict[str, float]], ...] = ()
    first_s: float

    def explained(self, why: StartReason) -> StartReason:
        """Say what comes before this part, then why it starts where it does."""
        for key, values in reversed(self.before):
            why = why.within(key, **values)
        return why


def detect_starts(
    shots: Sequence[Shot], *, law: str = "", dead_time_s: float | None = None
) -> list[StartDetection | None]:
    """Find the starts of an experiment's shots, all together.

    Parameters
    ----------
    shots
        Of one instrument and one experiment.
    law
        Key of the rate law that will be fitted; empty or ``"auto"`` where it is not known.
    dead_time_s
        Of the instrument; None: as the shots say. A mixing artefact is not looked for beyond 25
        dead times.

    Returns
    -------
    list
        One for each shot; None where there is no trace.
    """
    usable = [at for at, shot in enumerate(shots) if shot.trace is not None]
    traces = [(shot.trace.time_s, shot.trace.signal) for shot in shots if shot.trace is not None]
    stated = [
        shots[at].conditions.dead_time_s if dead_time_s is None else dead_time_s for at in usable
    ]
    # Starts that the workbook gives are used: the error of k then knows of no residual artefact.
    given = all(shots[at].start_s is not None for at in usable)
    alone = _detect_each(
        traces, law=law, longest_s=[longest_artefact(item) for item in stated], with_shift=not given
    )
    found: list[StartDetection | None] = [None] * len(shots)
    for at, detection, (time_s, _) in zip(usable, share_starts(alone), traces, strict=True):
        found[at] = _at_a_point(detection, time_s)
    return found


def _at_a_point(detection: StartDetection, time_s: FloatArray) -> StartDetection:
    """Move the start to the first point (N,) not before it."""
    # Only the sharing needs them.
    detection = replace(detection, initial=None)
    start_s = detection.window.start_s
    at = int(np.searchsorted(time_s, start_s - 1e-9 * abs(start_s)))
    if at >= len(time_s) or time_s[at] == start_s:
        return detection
    return detection.moved(
        float(time_s[at]), explanation=detection.explanation, why=detection.window.because
    )


def detect_start(
    time_s: FloatArray, signal: FloatArray, *, law: str = "", dead_time_s: float | None = None
) -> StartDetection:
    """Find where the reaction alone is left in one signal.

    Parameters
    ----------
    time_s
        (N,) seconds, increasing; may begin before the flow stops.
    signal
        (N,) any unit.
    law, dead_time_s
        As in `detect_starts`.

    Returns
    -------
    StartDetection
        Of a trace that cannot be judged (few points, constant, not finite, times that run
        backwards), the whole trace and the reason.
    """
    return _detect_each([(time_s, signal)], law=law, longest_s=[longest_artefact(dead_time_s)])[0]


def longest_artefact(dead_time_s: float | None) -> float:
    """How long a mixing artefact may last, in seconds after the first point."""
    if dead_time_s is None or not dead_time_s > 0:
        return LONGEST_ARTEFACT_S
    return LONGEST_IN_DEAD_TIMES * dead_time_s


def _detect_each(
    traces: Sequence[tuple[FloatArray, FloatArray]],
    *,
    law: str,
    longest_s: Sequence[float],
    with_shift: bool = True,
) -> list[StartDetection]:
    """Judge every trace by itself, those on one time grid in one batch."""
    found: dict[int, StartDetection] = {}
    whole: list[_Part] = []
    for at, ((time_s, signal), longest) in enumerate(zip(traces, longest_s, strict=True)):
        window = validate_trace(time_s, signal, needed=FEWEST_POINTS)
        if isinstance(window, Refusal):
            found[at] = undetected(time_s, because_of(window))
        else:
            signal = without_stray(signal, after=int(np.searchsorted(time_s, time_s[0] + longest)))
            whole.append(_Part(at=at, time_s=time_s, signal=signal, first_s=float(time_s[0])))

    def judge(parts: Sequence[_Part], *, robust: bool = False) -> dict[int, StartDetection]:
        return _judge(parts, law=law, longest_s=longest_s, robust=robust, with_shift=with_shift)

    clipped = {part.at: _at_limit(part.signal) for part in whole}
    limited = [part for part in whole if 0 < clipped[part.at][1] <= len(part.signal) // 2]
    # Before a later stretch at the limit there may be a start already.
    early = [part for part in limited if clipped[part.at][0] > CLIPPED_GAP]
    for at, detection in judge(early).items():
        if detection.window.start_s < traces[at][0][clipped[at][0] - CLIPPED_GAP]:
            found[at] = detection
    free = [part for part in whole if part not in limited] + [
        _after_limit(part, clipped[part.at][1]) for part in limited if part.at not in found
    ]
    open_parts = free
    # Robust fits are for a bubble or a spike in the way; a late reaction would be taken for one.
    for step, robust in (
        (_whole, False),
        (_after_line, False),
        (_after_line, True),
        (_whole, True),
    ):
        parts = [new for part in open_parts if (new := step(part)) is not None]
        for at, detection in judge(parts, robust=robust).items():
            if detection.found or at not in found:
                found[at] = detection
        open_parts = [part for part in open_parts if not found[part.at].found]
    return [found[at] for at in range(len(traces))]


def _judge(
    parts: Sequence[_Part], *, law: str, longest_s: Sequence[float], robust: bool, with_shift: bool
) -> dict[int, StartDetection]:
    """Explain the parts, those on one time grid together."""
    groups: dict[bytes, list[_Part]] = {}
    found = {}
    for part in parts:
        refusal = (
            validate_trace(part.time_s, part.signal, needed=FEWEST_POINTS) if part.before else None
        )
        if isinstance(refusal, Refusal):
            found[part.at] = undetected(part.time_s, part.explained(because_of(refusal)))
            continue
        groups.setdefault(bytes_of_times(part.time_s), []).append(part)
    for alike in groups.values():
        group = TraceGroup(
            time_s=alike[0].time_s,
            signals=np.array([part.signal for part in alike]),
            law=law,
            longest_s=np.array([longest_s[part.at] for part in alike]),
            robust=robust,
            with_shift=with_shift,
        )
        for part, detection in zip(alike, propose_starts(group), strict=True):
            window = detection.window
            window = replace(window, because=part.explained(window.because))
            found[part.at] = replace(detection, window=window, first_s=part.first_s)
    return found


def _at_limit(signal: FloatArray) -> tuple[int, int]:
    """Find the first stretch at the detector's limit; 0, 0 without one, which is cheap to see."""
    most = max(np.count_nonzero(signal == signal.max()), np.count_nonzero(signal == signal.min()))
    return clipped_stretch(signal) if most > NEXT_VALUES else (0, 0)


def _after_limit(part: _Part, stop: int) -> _Part:
    """Take what comes after the detector was at its limit."""
    limit_ms = 1e3 * float(part.time_s[stop - 1])
    time_s = part.time_s[stop:]
    return _Part(
        at=part.at,
        time_s=time_s,
        signal=part.signal[stop:],
        before=(*part.before, ("at-limit", {"limit_ms": limit_ms})),
        first_s=float(time_s[0]),
    )


def _whole(part: _Part) -> _Part:
    return part


def _after_line(part: _Part) -> _Part | None:
    """Take what comes after the longest straight beginning, in eighths; None without one."""
    signal = part.signal
    for eighth in range(7, 0, -1):
        count = len(signal) * eighth // 8
        if count < FEWEST_STRAIGHT:
            return None
        if len(signal) - count >= FEWEST_POINTS and _is_straight(signal[:count]):
            line_ms = 1e3 * float(part.time_s[count])
            return _Part(
                at=part.at,
                time_s=part.time_s[count:],
                signal=signal[count:],
                before=(*part.before, ("straight", {"line_ms": line_ms})),
                first_s=part.first_s,
            )
    return None


def _is_straight(signal: FloatArray) -> bool:
    """Whether points (n,) lie on a straight line within their noise."""
    place = np.linspace(-1, 1, len(signal))
    rest = signal - signal.mean()
    rest = rest - place * float(place @ rest) / float(place @ place)
    return misfit(rest, parameters=2)[1] > BENT
