"""A detected start and the evidence for it."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import hypot, inf, nan

import numpy as np

from stopflow.kinetics.start.course import NOTHING_KNOWN, Course
from stopflow.kinetics.start.reasons import StartReason
from stopflow.kinetics.start.trimming import TrimWindow
from stopflow.trace import FloatArray, frozen_array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InitialDeviation:
    """Deviations of the first blocks of a trace from the fit of what comes after its artefact.

    Attributes
    ----------
    edge
        Number of the first edge after which the points follow.
    edge_s, middle_s
        (M + 1,) edges and (M,) middles of the blocks.
    deviation, error
        (M,) means less the fit, and their errors, over the noise of a point.
    """

    edge: int
    edge_s: FloatArray
    middle_s: FloatArray
    deviation: FloatArray
    error: FloatArray

    @property
    def follows_from_s(self) -> float:
        """Time of the first edge after which the points follow."""
        return float(self.edge_s[self.edge])


class Explanation(StrEnum):
    """What the beginning of a trace is taken for."""

    NOTHING_SEEN = "no artefact seen"
    ARTEFACT = "artefact"
    REACTION = "reaction"
    UNDETECTED = "no start detected"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartDetection:
    """The detected start and the evidence for it.

    Attributes
    ----------
    window
        From the detected start on.
    explanation
        What the points before it, or the first points, are taken for.
    first_s
        First time of the trace, or the first after the detector was at its limit.
    follows_from_s
        From here on the points follow; what is left of an artefact may still move k.
    latest_s
        Later no artefact can be over; infinite where the flow stops late.
    course
        What changes after the onset, up to which the signal stands still: nothing of the reaction
        is lost by a cut before it.
    cut_s, k_per_s, k_stderr_per_s
        (C,) k of one phase and a slope fitted from each cut, in order of the cuts; NaN where
        refused. The errors are for the noise of the trace, its correlation included.
    shift_s, shift_sigma
        (M,) starts, and how far the residual artefact after them may shift k, in standard errors;
        empty where none was seen.
    initial
        Deviations of the first blocks of a trace with an artefact.
    short_phase
        ln of the rate in 1/s, and its standard error, of an exponential as short as an artefact
        that with one other phase describes the trace from the first point on; None without one.
    hidden
        As `course`, from an earlier time on: two phases that describe what comes after the rise of
        an artefact as well as one phase describes what comes after its end. Empty without such.
    of_instrument
        Whether shots of other rates show the same artefact, which is no phase of the reaction then.
    """

    window: TrimWindow
    explanation: Explanation
    first_s: float
    follows_from_s: float = nan
    latest_s: float = inf
    course: Course = NOTHING_KNOWN
    cut_s: FloatArray = field(default_factory=lambda: np.empty(0))
    k_per_s: FloatArray = field(default_factory=lambda: np.empty(0))
    k_stderr_per_s: FloatArray = field(default_factory=lambda: np.empty(0))
    shift_s: FloatArray = field(default_factory=lambda: np.empty(0))
    shift_sigma: FloatArray = field(default_factory=lambda: np.empty(0))
    initial: InitialDeviation | None = None
    short_phase: tuple[float, float] | None = None
    hidden: Course = NOTHING_KNOWN
    of_instrument: bool = False

    def __post_init__(self) -> None:
        for name in ("cut_s", "k_per_s", "k_stderr_per_s", "shift_s", "shift_sigma"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))

    @property
    def reason(self) -> str:
        """Why the start lies there, in words."""
        return str(self.window.because)

    @property
    def found(self) -> bool:
        """False when no cut passed and the window is the whole trace."""
        return self.explanation is not Explanation.UNDETECTED

    @property
    def shows_artefact(self) -> bool:
        """Whether points at the beginning were cut."""
        return self.found and self.window.start_s > self.first_s

    @property
    def inflation(self) -> float:
        """Factor on the error of k for the residual artefact at the start."""
        if not len(self.shift_s):
            return 1.0
        return hypot(1.0, float(np.interp(self.window.start_s, self.shift_s, self.shift_sigma)))

    @property
    def removed_change(self) -> float:
        """Share of the reaction's change that is lost before the start, 0 to 1, as far as is known.

        What lies under an artefact cannot be had. Where the artefact is known to be that of the
        instrument, a phase that is still seen after the start is known by its fit nevertheless, so
        that its loss counts from where the points follow only. Of two descriptions of the beginning
        that by which more is lost counts.
        """
        known_from_s = self.follows_from_s if self.of_instrument else None
        return max(
            course.share_lost(
                self.window.start_s, stop_s=self.window.stop_s, known_from_s=known_from_s
            )
            for course in (self.course, self.hidden)
        )

    @property
    def removed_time(self) -> float:
        """Share of the record that lies before the start; times below 0 do not count."""
        begin = min(max(self.first_s, 0.0), self.window.start_s)
        length = self.window.stop_s - begin
        return (self.window.start_s - begin) / length if length > 0 else 0.0

    def moved(
        self, start_s: float, *, explanation: Explanation, why: StartReason
    ) -> "StartDetection":
        """Start elsewhere, for the reason given."""
        window = TrimWindow(
            start_s=min(start_s, self.latest_s),
            stop_s=self.window.stop_s,
            source="detected",
            because=why,
        )
        return replace(self, window=window, explanation=explanation)


def undetected(time_s: FloatArray, why: StartReason) -> StartDetection:
    """Keep the whole trace (N,), which may be empty, and say why."""
    first_s, stop_s = (float(time_s[0]), float(time_s[-1])) if len(time_s) else (nan, nan)
    return StartDetection(
        window=TrimWindow(start_s=first_s, stop_s=stop_s, source="first point", because=why),
        explanation=Explanation.UNDETECTED,
        first_s=first_s,
    )
