"""The course of the signal about a start, by a fit, and what of it lies before the start."""

from dataclasses import dataclass, replace
from math import exp, isfinite, log, nan

from stopflow.kinetics.many.cut_fits import LARGEST_EXPONENT

Phases = tuple[tuple[float, float], ...]
# A phase of which this share is left at the start is known by the fit.
SEEN_AFTER = 0.1
# A rate, in 1/s, at which what is lost is lost at once.
AT_ONCE = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What changes from a time on.

    Attributes
    ----------
    from_s
        The time at which the sizes hold.
    phases
        (rate in 1/s, size) of what decays, as far as it is known; the slowest is the last.
    slope_per_s
        Of the straight line beneath.
    """

    from_s: float = nan
    phases: Phases = ()
    slope_per_s: float = 0.0

    def back_to(self, from_s: float) -> "Course":
        """Continue the phases to an earlier time."""
        since = self.from_s - from_s
        phases = tuple(
            (rate, size * exp(min(rate * since, LARGEST_EXPONENT))) for rate, size in self.phases
        )
        return replace(self, from_s=from_s, phases=phases)

    def without(self, rate: float, *, within: float) -> "Course":
        """Leave out what an artefact of a known ln of the rate explains, but never the slowest.

        That is a phase whose ln of the rate is as near as that, and what is lost at once. Nothing
        is left out where `rate` is NaN.
        """
        if not isfinite(rate):
            return self
        kept = [
            item
            for item in self.phases[:-1]
            if not (item[0] >= AT_ONCE or (item[0] and abs(log(item[0]) - rate) < within))
        ]
        return replace(self, phases=(*kept, *self.phases[-1:]))

    def change(self, stop_s: float) -> float:
        """Sum what changes up to a time: the smaller of the two sums of `_sums`."""
        return min(self._sums(stop_s, whole=True))

    def share_lost(
        self, start_s: float, *, stop_s: float, known_from_s: float | None = None
    ) -> float:
        """Share of the change up to `stop_s` that is lost before a start, 0 to 1.

        A slow phase and a steep line may nearly cancel, and then change far more than the signal
        does. So the larger counts of two shares: of the phases, and of the phases with the line
        added to the slowest of them.

        Parameters
        ----------
        start_s
            The start.
        stop_s
            End of the record.
        known_from_s
            A phase that is still seen after the start is lost from here on only, where the fit
            knows it nevertheless; None where it does not.
        """
        if not (start_s > self.from_s and self.phases):
            return 0.0
        lost = self._sums(start_s, known_from_s=known_from_s)
        whole = self._sums(stop_s, whole=True)
        return max(
            min(part / of, 1.0) if of > 0 else 0.0 for part, of in zip(lost, whole, strict=True)
        )

    def _sums(
        self, stop_s: float, *, known_from_s: float | None = None, whole: bool = False
    ) -> tuple[float, float]:
        """Sum what the phases change up to a time, and what they and the line do.

        A phase without a rate changes after the start, and within the whole record.
        """
        since = stop_s - self.from_s
        lost = [
            (self._known_after(rate, since, known_from_s), since) if rate else (0.0, 0.0)
            for rate, _ in self.phases
        ]
        parts = [
            abs(size) * (_left(rate, first) - _left(rate, last) if rate else float(whole))
            for (rate, size), (first, last) in zip(self.phases, lost, strict=True)
        ]
        rate, size = self.phases[-1] if self.phases else (0.0, 0.0)
        if not (self.slope_per_s * size > 0 and rate > 0):
            return sum(parts), sum(parts)
        return sum(parts), sum(parts[:-1]) + self._slow_change(*lost[-1])

    def _known_after(self, rate: float, since: float, known_from_s: float | None) -> float:
        """Time after which a phase counts as lost."""
        if known_from_s is None or _left(rate, since) <= SEEN_AFTER:
            return 0.0
        return max(min(known_from_s - self.from_s, since), 0.0)

    def _slow_change(self, first: float, last: float) -> float:
        """Sum what the slowest phase and the line change together; the sum may turn once."""
        rate, size = self.phases[-1]

        def value(time: float) -> float:
            return size * _left(rate, time) + self.slope_per_s * time

        turns = min(max(log(rate * size / self.slope_per_s) / rate, first), last)
        return abs(value(turns) - value(first)) + abs(value(last) - value(turns))


def _left(rate: float, since: float) -> float:
    """Share of a phase that is left after a time."""
    return exp(-min(rate * since, 700.0))


NOTHING_KNOWN = Course()
