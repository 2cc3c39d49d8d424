"""Why there is no fit: a key and values, and the status and the sentence of every key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class FitStatus(StrEnum):
    """How a fit ended. Everything but OK is a refusal with a reason."""

    OK = "ok"
    UNREADABLE = "unreadable"
    START_UNUSABLE = "start time unusable"
    EMPTY = "empty"
    TOO_FEW_POINTS = "too few points"
    NOT_FINITE = "not finite"
    TIMES_NOT_INCREASING = "times not increasing"
    START_OUTSIDE = "start outside the data"
    ZERO_WEIGHTS = "zero weights"
    CONSTANT = "constant signal"
    NO_AMPLITUDE = "no amplitude"
    TOO_SLOW = "too slow for the window"
    TOO_FAST = "too fast for the sampling"
    UNDETERMINED = "parameters undetermined"
    INSEPARABLE = "phases not separable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why there is no fit; a value, not an exception.

    Attributes
    ----------
    because
        A key of `REFUSALS`.
    values
        The numbers and names that its sentence holds.
    nearest
        Parameters by name, in the units of the trace, of the nearest curve that was found where the
        data do not determine them; empty without one.
    """

    because: str
    values: Mapping[str, float | str] = field(default_factory=dict)
    nearest: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> FitStatus:
        """How the fit ended."""
        return REFUSALS[self.because][0]

    @property
    def reason(self) -> str:
        """The sentence."""
        return say_refusal(self.because, self.values)


class Refusable:
    """What has numbers or a refusal: the field `refusal`, and what follows from it."""

    __slots__ = ()
    refusal: Refusal | None

    @property
    def ok(self) -> bool:
        """Whether there are numbers."""
        return self.refusal is None

    @property
    def status(self) -> FitStatus:
        """How the fit ended."""
        return FitStatus.OK if self.refusal is None else self.refusal.status

    @property
    def reason(self) -> str:
        """Why there are no numbers, in a sentence; empty when there are."""
        return "" if self.refusal is None else self.refusal.reason


def refuse(because: str, **values: float | str) -> Refusal:
    """Refuse a fit for a reason of the table, with the values for its sentence."""
    return Refusal(because=because, values=values)


def say_refusal(because: str, values: Mapping[str, object]) -> str:
    """Say why there is no fit."""
    return REFUSALS[because][1].format_map(values)


_INSEPARABLE: Final = "the data do not determine all parameters of this rate law: try a simpler one"
_PHASES: Final = "the trace does not hold {phases} rate constants that can be told apart: "
_SIMPLER: Final = "; use a law with fewer phases, or record longer and with less noise"

REFUSALS: Final[Mapping[str, tuple[FitStatus, str]]] = {
    "unreadable": (FitStatus.UNREADABLE, "{text}"),
    "crossed-ends": (
        FitStatus.START_UNUSABLE,
        "the fit would end at {end_s:.6g} s, which is not after its start at {start_s:.6g} s; "
        "give an end that lies after the start",
    ),
    "no-time": (FitStatus.START_UNUSABLE, "the start time is {start_s}, not a time"),
    "late-start": (
        FitStatus.START_UNUSABLE,
        "the start time {start_s:.6g} s lies beyond the data, which end at {last_s:.6g} s; is its "
        "unit that of the file?",
    ),
    "far-start": (
        FitStatus.START_UNUSABLE,
        "the start time {start_s:.6g} s lies {gap_s:.3g} s before the data, which last from "
        "{first_s:.6g} to {last_s:.6g} s: nothing is left of a reaction that long; is its unit "
        "that of the file?",
    ),
    "different-laws": (
        FitStatus.INSEPARABLE,
        "they are fitted with different rate laws, {laws}",
    ),
    "no-overlap": (FitStatus.EMPTY, "the records of the shots do not overlap in time"),
    "few-shared-times": (
        FitStatus.TOO_FEW_POINTS,
        "the shots share only {points} times from {start_s:.6g} s on",
    ),
    "no-traces": (FitStatus.EMPTY, "there are no traces"),
    "empty": (FitStatus.EMPTY, "the trace is empty"),
    "too-few": (
        FitStatus.TOO_FEW_POINTS,
        "too few points from {start_s:.9g} s on ({points}), at least {needed} are needed",
    ),
    "too-few-weights": (
        FitStatus.TOO_FEW_POINTS,
        "too few points of nonzero weight ({points}), at least {needed} are needed",
    ),
    "no-length": (
        FitStatus.NOT_FINITE,
        "the window is {length_s:.3g} s long, no usable time",
    ),
    "early-start": (
        FitStatus.START_OUTSIDE,
        "the start time {start_s:.6g} s lies {gap_s:.3g} s before the first point, farther than "
        "the whole record of {length_s:.3g} s; is its unit that of the file?",
    ),
    "wrong-time": (FitStatus.NOT_FINITE, "time of point {point} is {value}, no usable number"),
    "wrong-start": (FitStatus.NOT_FINITE, "start time is {start_s}, no number"),
    "backwards": (
        FitStatus.TIMES_NOT_INCREASING,
        "times repeat or run backwards: {before_s:.9g} s is followed by {after_s:.9g} s",
    ),
    "wrong-signal": (FitStatus.NOT_FINITE, "signal of fitted point {point} is {value}, no number"),
    "large-signal": (FitStatus.NOT_FINITE, "signal reaches {largest:.3g}, beyond all meaning"),
    "constant": (FitStatus.CONSTANT, "the signal is constant ({level:.6g})"),
    "wrong-weight": (FitStatus.NOT_FINITE, "a weight is negative or no usable number"),
    "zero-weights": (FitStatus.ZERO_WEIGHTS, "all weights are zero"),
    "line": (FitStatus.NO_AMPLITUDE, "the signal is a straight line, without a decay"),
    "noise": (
        FitStatus.NO_AMPLITUDE,
        "the amplitude cannot be told from zero: noise alone does as much with a chance of "
        "{chance:.2g}",
    ),
    "slow": (
        FitStatus.TOO_SLOW,
        "no decay within the window of {length_s:.4g} s: k would be below {slowest_per_s:.3g}/s, "
        "or the curve bends the other way",
    ),
    "fast": (
        FitStatus.TOO_FAST,
        "the signal falls within the first points: k would be above {fastest_per_s:.4g}/s, the "
        "fastest this sampling can show",
    ),
    "undetermined": (FitStatus.UNDETERMINED, _INSEPARABLE),
    "no-minimum": (
        FitStatus.UNDETERMINED,
        f"no minimum was found in {{steps}} steps: {_INSEPARABLE}",
    ),
    "shape": (
        FitStatus.UNDETERMINED,
        "{name} would leave the range {low:g} to {high:g}: the trace does not have the shape of "
        "{law}{advice}",
    ),
    "no-value": (
        FitStatus.UNDETERMINED,
        "the formula has no value at any of the starts tried: give one",
    ),
    "open-rate": (
        FitStatus.INSEPARABLE,
        f"{_PHASES}the data set no {{side}} limit to {{rate}}{_SIMPLER}",
    ),
    "overlap": (
        FitStatus.INSEPARABLE,
        f"{_PHASES}the 95 % intervals of {{fast}} and {{slow}} overlap{_SIMPLER}",
    ),
    "fewer-phases": (
        FitStatus.INSEPARABLE,
        f"{_PHASES}{{law}} describes it as well with fewer parameters; use --law {{key}}",
    ),
}
"""Key -> how the fit ended, and the sentence with its values in braces."""
