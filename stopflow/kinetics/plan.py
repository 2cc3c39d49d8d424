"""How long to record and how many shots to take, from a first trace and the Cramer-Rao bound.

The bound for k scales as ``noise / |amplitude| g(k T) / sqrt(N)``. With the number of points
fixed, g has its minimum near k T = 13 when a slope is fitted as well; with the sampling interval
fixed, more window is more points, and the gain fades.
"""

from dataclasses import dataclass
from math import ceil, inf, sqrt

import numpy as np
from scipy.optimize import minimize_scalar

from stopflow.errors import SettingsError
from stopflow.kinetics.fit import fit_trace
from stopflow.kinetics.solver.result import Fit, predict
from stopflow.kinetics.start.detect import detect_start
from stopflow.kinetics.start.reasons import because
from stopflow.kinetics.start.trimming import TrimWindow
from stopflow.kinetics.uncertainty.interval import cramer_rao, noise_correlation
from stopflow.trace import FloatArray

SHORTEST_KT, LONGEST_KT = 1.0, 60.0
MOST_POINTS = 2001
FEWEST_POINTS = 50
# A longer window must earn at least this part of the error to be worth it.
WORTH_WHILE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRecording:
    """One way to record.

    Attributes
    ----------
    name
        What is kept and what is changed.
    window_s
        From the end of the artefact to the last point.
    points, interval_s
        Points in that window and their distance.
    relative_error
        Standard error of k over k, of one shot.
    shots
        How many it takes to reach the precision.
    """

    name: str
    window_s: float
    points: int
    interval_s: float
    relative_error: float
    shots: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What to do to know k to a given precision.

    Attributes
    ----------
    precision
        Wanted relative standard error of the mean k.
    fit
        Of the first trace.
    start
        Where its artefact ended.
    recordings
        As recorded, and better ones; empty when there is no fit.
    reason
        Why there is no plan; empty otherwise.
    note
        What the bound cannot know.
    """

    precision: float
    fit: Fit
    start: TrimWindow
    recordings: tuple[PlannedRecording, ...]
    reason: str
    note: str


def plan_recording(
    time_s: FloatArray, signal: FloatArray, *, precision: float, start_s: float | None = None
) -> Plan:
    """Plan the next recording from a first trace.

    Parameters
    ----------
    time_s, signal
        (N,) the first trace.
    precision
        Wanted relative standard error of k, e.g. 0.02.
    start_s
        Where the reaction starts; None: detected.

    Raises
    ------
    SettingsError
        A precision that is not between 0 and 1.
    """
    if not 0 < precision < 1:
        raise SettingsError("precision", precision, valid="above 0 and below 1, e.g. 0.02 for 2 %")
    start = detect_start(time_s, signal).window
    if start_s is not None:
        start = TrimWindow(
            start_s=start_s, stop_s=start.stop_s, source="workbook", because=because("given")
        )
    fit = fit_trace(time_s, signal, start_s=start.start_s)
    note = (
        "the bound knows the noise within a trace only; shots differ from each other by more, so "
        "take at least three"
    )
    if not fit.ok:
        return Plan(
            precision=precision, fit=fit, start=start, recordings=(), reason=fit.reason, note=note
        )
    kept = time_s >= start.start_s
    noise = noise_correlation(
        signal[kept] - predict(fit, time_s[kept]), parameters=len(fit.rate_law.parameters)
    )
    task = _Task(
        fit=fit,
        noise_sd=fit.noise_sd * (noise.inflation if noise.significant else 1.0),
        precision=precision,
    )
    interval_s = fit.window_s / (fit.points - 1)
    now = task.recording("as recorded", window_s=fit.window_s, points=fit.points)
    return Plan(
        precision=precision,
        fit=fit,
        start=start,
        recordings=(
            now,
            task.same_points(fit.points),
            task.same_interval(interval_s),
            *task.one_shot(interval_s),
        ),
        reason="",
        note=note,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    """What is known of the reaction, and what is wanted."""

    fit: Fit
    noise_sd: float
    precision: float

    def relative_error(self, window_s: float, points: int) -> float:
        """Bound of one shot; the information of even points grows in proportion to their number."""
        used = min(points, MOST_POINTS)
        bound = cramer_rao(
            np.linspace(0, window_s, used),
            law=self.fit.rate_law,
            parameters=self.fit.parameters,
            noise_sd=self.noise_sd * sqrt(used / points),
        )
        return bound["k_per_s"] / self.fit.k_per_s

    def recording(self, name: str, *, window_s: float, points: int) -> PlannedRecording:
        """Say what a way to record would give."""
        error = self.relative_error(window_s, points)
        return PlannedRecording(
            name=name,
            window_s=window_s,
            points=points,
            interval_s=window_s / (points - 1),
            relative_error=error,
            shots=max(ceil((error / self.precision) ** 2 - 1e-9), 1) if error < inf else 0,
        )

    def same_points(self, points: int) -> PlannedRecording:
        """Stretch the sampling to the window where the bound is smallest."""
        found = minimize_scalar(
            lambda log_kt: self.relative_error(np.exp(log_kt) / self.fit.k_per_s, points),
            bounds=(np.log(SHORTEST_KT), np.log(LONGEST_KT)),
            method="bounded",
            options={"xatol": 1e-3},
        )
        window_s = float(np.exp(found.x)) / self.fit.k_per_s
        return self.recording("as many points, best window", window_s=window_s, points=points)

    def same_interval(self, interval_s: float) -> PlannedRecording:
        """Record until longer would earn less than 5 % of the error."""
        windows = self._windows(interval_s)
        errors = np.array([self._at(window_s, interval_s) for window_s in windows])
        enough = int(np.argmax(errors <= errors.min() * (1 + WORTH_WHILE)))
        window_s = float(windows[enough])
        return self.recording(
            "same interval, long enough", window_s=window_s, points=_points(window_s, interval_s)
        )

    def one_shot(self, interval_s: float) -> list[PlannedRecording]:
        """Find the shortest window in which a single shot will do; empty when none will."""
        windows = self._windows(interval_s)
        errors = np.array([self._at(window_s, interval_s) for window_s in windows])
        reached = np.flatnonzero(errors <= self.precision)
        if len(reached) == 0:
            return []
        window_s = float(windows[reached[0]])
        return [
            self.recording(
                "same interval, one shot", window_s=window_s, points=_points(window_s, interval_s)
            )
        ]

    def _windows(self, interval_s: float) -> FloatArray:
        shortest = max(SHORTEST_KT / self.fit.k_per_s, FEWEST_POINTS * interval_s)
        longest = max(LONGEST_KT / self.fit.k_per_s, 2 * shortest)
        return np.geomspace(shortest, longest, 120)

    def _at(self, window_s: float, interval_s: float) -> float:
        return self.relative_error(window_s, _points(window_s, interval_s))


def _points(window_s: float, interval_s: float) -> int:
    return round(window_s / interval_s) + 1
