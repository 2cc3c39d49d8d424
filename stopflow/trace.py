"""What was measured: Trace, Conditions, Shot, Experiment, and Problem for what was not.

Frozen values, numpy only, no IO. Inside the program times are seconds, concentrations mol/L,
temperatures kelvin; readers convert at the edge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.display import html_line, html_table

FloatArray = NDArray[np.float64]


def frozen_array(values: ArrayLike) -> FloatArray:
    """Copy `values` into a read-only float64 array."""
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
        Start time the workbook gives; None without one.
    workbook_rate_per_s
        The lab's own rate; None without one.
    """

    experiment: str
    file: str
    channel: int = 1
    trace: Trace | None
    conditions: Conditions
    start_s: float | None = None
    workbook_rate_per_s: float | None = None
    refusal: str = ""

    def __repr__(self) -> str:
        what = f"not read: {self.refusal}" if self.trace is None else repr(self.trace)
        return f"Shot('{self.experiment}/{self.file}', channel {self.channel}: {what})"

    def _repr_html_(self) -> str:
        return html_line(repr(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in the input that was not as it should be; nothing is dropped silently.

    `level` is ``"error"`` (something could not be used; exit code 1), ``"warning"`` (used, but
    look at it) or ``"note"`` (an assumption that was made, a column that was taken for something).
    """

    experiment: str
    file: str
    where: str = ""
    found: str
    expected: str = ""
    level: Literal["error", "warning", "note"] = "error"

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"{self.experiment}/{self.file}", self.where) if part)
        tail = f"; expected {self.expected}" if self.expected else ""
        return f"{place}: {self.found}{tail}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Experiment:
    """A folder: its shots in file order, and everything that did not match."""

    name: str
    shots: tuple[Shot, ...]
    problems: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        read = sum(shot.trace is not None for shot in self.shots)
        return f"Experiment('{self.name}': {read} of {len(self.shots)} shots read)"

    def _repr_html_(self) -> str:
        return html_table(repr(self), [(problem.level, str(problem)) for problem in self.problems])


def _span(values: FloatArray, unit: str) -> str:
    """Say from where to where finite numbers reach; nothing where there are none."""
    finite = values[np.isfinite(values)]
    return f", {finite.min():.4g} to {finite.max():.4g} {unit}" if len(finite) else ""
