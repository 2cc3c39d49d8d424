"""What was measured: Recording, Trace, Conditions, Shot, Experiment, and Problem for what was not.

Frozen values, numpy only, no IO. Inside the program times are seconds, concentrations mol/L,
temperatures kelvin; readers convert at the edge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.display import html_line, html_table
from stopflow.errors import FormatError

FloatArray = NDArray[np.float64]


def frozen_array(values: ArrayLike) -> FloatArray:
    """Copy `values` into a read-only float64 array; one that nobody can change stays itself."""
    if isinstance(values, np.ndarray) and values.dtype == np.float64:
        fixed = values.flags.owndata and not values.flags.writeable
        if fixed and type(values) is np.ndarray:
            return values
    array = np.array(values, dtype=np.float64, copy=True)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Trace:
    """What the detector recorded in one push.

    Attributes
    ----------
    time_s
        (N,) seconds, as recorded; may be uneven.
    signal
        (N,) in `signal_unit`.
    signal_unit
        As the file says it, e.g. ``"Volt"``.
    records
        Every header record of the file in order, (key, value), repeated keys kept.
    """

    time_s: FloatArray
    signal: FloatArray
    signal_unit: str = "V"
    records: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_s", frozen_array(self.time_s))
        object.__setattr__(self, "signal", frozen_array(self.signal))
        if self.time_s.ndim != 1 or self.time_s.shape != self.signal.shape:
            raise ValueError(
                f"time {self.time_s.shape} and signal {self.signal.shape} must be equal and 1-D"
            )

    def __len__(self) -> int:
        return len(self.time_s)

    def __repr__(self) -> str:
        spans = _span(self.time_s, "s") + _span(self.signal, self.signal_unit)
        return f"Trace({len(self)} points{spans})"

    def _repr_html_(self) -> str:
        return html_table(repr(self), self.records)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Recording:
    """What an instrument file holds of one push: times, and the signals recorded with them.

    Attributes
    ----------
    name
        The file, or ``file[column]`` where a file holds several pushes.
    label
        What a table of conditions may call the push; the file name or the column's header.
    source_format
        Key of the reader.
    time_s
        (N,) seconds.
    time_unit_s
        Length of the file's own unit of time in seconds.
    signals
        (n, N), a row a signal; NaN where a point was not recorded.
    signal_names, signal_units
        n texts as in the file; ``""`` where it says none.
    wavelengths_nm
        n numbers; NaN where the file says none.
    records
        Every header record in order, (key, value), repeated keys kept.
    notes
        What was assumed or left out in reading; their `experiment` is empty.
    """

    name: str
    label: str
    source_format: str
    time_s: FloatArray
    time_unit_s: float
    signals: FloatArray
    signal_names: tuple[str, ...]
    signal_units: tuple[str, ...]
    wavelengths_nm: tuple[float, ...]
    records: tuple[tuple[str, str], ...] = ()
    notes: tuple["Problem", ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_s", frozen_array(self.time_s))
        object.__setattr__(self, "signals", frozen_array(self.signals))
        count = len(self.signal_names)
        if self.signals.shape != (count, len(self.time_s)):
            raise ValueError(f"{count} signals of {len(self.time_s)} points: {self.signals.shape}")
        if not len(self.signal_units) == len(self.wavelengths_nm) == count:
            raise ValueError(f"{count} signals need as many units and wavelengths")

    def __repr__(self) -> str:
        span = _span(self.time_s, "s")
        return (
            f"Recording('{self.name}': {self.channels} signals of {len(self.time_s)} points{span})"
        )

    def _repr_html_(self) -> str:
        return html_table(repr(self), self.records)

    @property
    def channels(self) -> int:
        """Number of signals."""
        return len(self.signals)

    def describe_channel(self, channel: int) -> str:
        """Name a signal by its number and what the file calls it, e.g. ``"2 (340 nm)"``."""
        name = self.signal_names[channel - 1] or self.signal_units[channel - 1]
        return f"{channel} ({name})" if name else str(channel)

    def trace(self, channel: int = 1) -> Trace:
        """Return one signal, 1 for the first; points that were not recorded are left out.

        Raises
        ------
        FormatError
            When there is no such signal.
        """
        count = self.channels
        if not 1 <= channel <= count:
            raise FormatError(
                self.name,
                found=f"{count} signal column{'s' if count > 1 else ''}",
                expected=f"a column for channel {channel}",
                rule="no such channel",
            )
        time_s, signal = self.time_s, self.signals[channel - 1]
        missing = np.isnan(signal)
        if missing.any():  # else the times stay one array for all signals
            time_s, signal = time_s[~missing], signal[~missing]
        return Trace(
            time_s=time_s,
            signal=signal,
            signal_unit=self.signal_units[channel - 1],
            records=self.records,
        )

    def channel_at(self, wavelength_nm: float) -> int:
        """Return the channel whose wavelength is nearest.

        Raises
        ------
        FormatError
            When no signal has a wavelength, or the wanted one lies outside them by more than
            their spacing.
        """
        known = np.array(self.wavelengths_nm)
        if not np.isfinite(known).any():
            expected = f"a signal at {wavelength_nm:g} nm; choose with --channel"
            raise FormatError(self.name, found="signals without wavelengths", expected=expected)
        distance = np.where(np.isfinite(known), np.abs(known - wavelength_nm), np.inf)
        nearest = int(np.argmin(distance))
        if distance[nearest] > _reach(known[np.isfinite(known)]):
            low, high = np.nanmin(known), np.nanmax(known)
            found = f"wavelengths from {low:g} to {high:g} nm"
            raise FormatError(self.name, found=found, expected=f"{wavelength_nm:g} nm among them")
        return nearest + 1


def _reach(wavelengths_nm: FloatArray) -> float:
    """Distance at which a wavelength still stands for another: the widest gap, at least 5 nm."""
    gaps: Sequence[float] = np.diff(np.sort(wavelengths_nm)).tolist()
    return max((*gaps, 5.0)) if len(gaps) < 8 else max(float(np.median(gaps)), 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a shot was made of; None where the lab did not say.

    `extra` keeps every further workbook column under its own header, as text.
    """

    substrate: str | None = None
    concentration_M: float | None = None
    temperature_K: float | None = None
    ionic_strength_M: float | None = None
    replicate: int | None = None
    dead_time_s: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    def group_key(self) -> tuple[object, ...]:
        """Equal for replicates: everything that defines the mixture, not the repeat."""
        return tuple(
            getattr(self, item.name)
            for item in fields(self)
            if item.name not in ("replicate", "dead_time_s", "extra")
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Shot:
    """One push: a trace and its conditions.

    Attributes
    ----------
    trace
        None when the file could not be read; `refusal` then says why.
    channel
        1 for the first signal column.
    start_s
        Start time the workbook gives, or a decision; None without one.
    start_from
        Who gives it.
    end_s
        Last time that is fitted; None: all to the end.
    law
        Rate law decided for this shot alone; ``""``: that of the experiment.
    workbook_rate_per_s
        The lab's own rate; None without one.
    source
        File on disk, where `file` names one of several pushes in it.
    left_out
        Why a decision leaves the shot out; ``""``: it does not.
    """

    experiment: str
    file: str
    channel: int = 1
    trace: Trace | None
    conditions: Conditions
    start_s: float | None = None
    start_from: Literal["workbook", "decision"] = "workbook"
    end_s: float | None = None
    law: str = ""
    workbook_rate_per_s: float | None = None
    refusal: str = ""
    source: str = ""
    left_out: str = ""

    @property
    def until_end(self) -> Trace | None:
        """The trace up to `end_s`: what is fitted, and where the start is looked for."""
        if self.trace is None or self.end_s is None:
            return self.trace
        kept = self.trace.time_s <= self.end_s
        return replace(self.trace, time_s=self.trace.time_s[kept], signal=self.trace.signal[kept])

    def __repr__(self) -> str:
        what = f"not read: {self.refusal}" if self.trace is None else repr(self.trace)
        return f"Shot('{self.experiment}/{self.file}', channel {self.channel}: {what})"

    def _repr_html_(self) -> str:
        return html_line(repr(self))


Level = Literal["error", "warning", "note"]
Topic = Literal["", "conditions"]
"""What a problem is about, where the program treats it differently."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the input that was not as it should be; nothing is dropped silently.

    `level` is ``"error"`` (something could not be used; exit code 1), ``"warning"`` (used, but
    look at it) or ``"note"`` (an assumption that was made, a column that was taken for something).
    Its `topic` is ``"conditions"`` where two sources of a condition disagree. Problems of one
    `rule` and level differ in names and numbers alone; without a rule, in nothing.
    """

    file: str
    found: str
    _: KW_ONLY
    experiment: str = ""
    where: str = ""
    expected: str = ""
    level: Level = "error"
    topic: Topic = ""
    rule: str = ""

    @classmethod
    def of_error(cls, file: str, error: FormatError, *, where: str = "") -> "Problem":
        """Make a problem of what is wrong with a file, not yet bound to an experiment."""
        place = where or error.where
        return cls(file, error.found, where=place, expected=error.expected, rule=error.rule)

    def __str__(self) -> str:
        file = f"{self.experiment}/{self.file}" if self.experiment else self.file
        place = ", ".join(part for part in (file, self.where) if part)
        tail = f"; expected {self.expected}" if self.expected else ""
        return f"{place}: {self.found}{tail}"


warning_of = partial(Problem, level="warning")
note_of = partial(Problem, level="note")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Experiment:
    """A folder: its shots in file order, and everything that did not match.

    Attributes
    ----------
    left_out
        Shots that a decision leaves out; their traces are kept.
    """

    name: str
    shots: tuple[Shot, ...]
    problems: tuple[Problem, ...] = ()
    left_out: tuple[Shot, ...] = ()

    def until_end(self) -> "Experiment":
        """Return it with every trace cut at the end of its fit: what an analysis looks at."""
        shots = tuple(replace(shot, trace=shot.until_end) for shot in self.shots)
        return replace(self, shots=shots)

    def sharing_times(self) -> "Experiment":
        """Return it with traces that hold the times of the one before where these are equal."""
        shots: list[Shot] = []
        time_s: FloatArray | None = None
        for shot in self.shots:
            trace = shot.trace
            if trace is None:
                shots.append(shot)
                continue
            if time_s is not None and np.array_equal(trace.time_s, time_s):
                trace = replace(trace, time_s=time_s)
            shots.append(replace(shot, trace=trace))
            time_s = trace.time_s
        return replace(self, shots=tuple(shots))

    def __repr__(self) -> str:
        read = sum(shot.trace is not None for shot in self.shots)
        return f"Experiment('{self.name}': {read} of {len(self.shots)} shots read)"

    def _repr_html_(self) -> str:
        return html_table(repr(self), [(problem.level, str(problem)) for problem in self.problems])


def _span(values: FloatArray, unit: str) -> str:
    """Say from where to where finite numbers reach; nothing where there are none."""
    finite = values[np.isfinite(values)]
    return f", {finite.min():.4g} to {finite.max():.4g} {unit}" if len(finite) else ""
