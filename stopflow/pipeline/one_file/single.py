"""One file: fit it, draw it, plan the next recording from it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Any

from stopflow import column_names as col
from stopflow.errors import SettingsError
from stopflow.io.channels import choose_channels, parse_channel, usual_channels
from stopflow.io.readers.reading import read_push
from stopflow.io.text import file_part, shown_name
from stopflow.kinetics.analysis import AnalysisSettings
from stopflow.kinetics.plan import Plan, plan_recording
from stopflow.pipeline.checks import (
    require_moment,
    require_time_unit,
    require_wavelength,
)
from stopflow.pipeline.one_file.decide import decided_window, decision_of
from stopflow.pipeline.one_file.fitted import FittedTrace, drawn_data, fit_shot
from stopflow.report.paper.rounding import format_percent, format_pm, format_time
from stopflow.trace import Conditions, Recording, Shot


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlannedFile:
    """A plan made from a file, ready to print."""

    file: str
    plan: Plan
    notes: tuple[str, ...] = ()

    def headline(self) -> str:
        """Say what was asked and what is known so far."""
        wanted = f"k to {100 * self.plan.precision:.3g} %"
        if self.plan.reason:
            return f"{self.file}: no plan for {wanted}: {self.plan.reason}"
        k = format_pm(self.plan.fit.k_per_s, self.plan.fit.k_stderr_per_s)
        return f"{self.file}: k = {k} 1/s; to know {wanted}:"

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        return ("", "record", "points", "every", "one shot", "shots"), [
            (
                way.name,
                format_time(way.window_s),
                str(way.points),
                format_time(way.interval_s),
                format_percent(way.relative_error),
                str(way.shots),
            )
            for way in self.plan.recordings
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "file": self.file,
            "precision": self.plan.precision,
            "k_per_s": self.plan.fit.k_per_s,
            "recordings": [asdict(way) for way in self.plan.recordings],
            "reason": self.plan.reason,
            "note": self.plan.note,
            "decided": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which points of which signal of a file are wanted.

    Attributes
    ----------
    start, end
        Of the fit, in the file's own unit; None: detected, and the last point.
    channel, wavelength
        Which signal; see `io.channels`.
    time_unit
        Of a file that gives none.
    """

    start: float | None = None
    end: float | None = None
    channel: str | int | None = None
    wavelength: float | None = None
    time_unit: str | None = None


def fit_file(
    file: Path,
    wanted: Wanted = Wanted(),
    *,
    law: str | None = None,
    fixed: Sequence[str] = (),
    robust: bool = False,
) -> FittedTrace:
    """Fit and judge one file as ingest would, without workbooks; `fixed` are ``"name=value"``."""
    shot, notes = read_shot(file, wanted, law=law)
    settings = AnalysisSettings(
        law=AnalysisSettings().law if law is None else law, fixed=parse_fixed(fixed), robust=robust
    )
    return fit_shot(shot, settings, notes=notes)


def read_shot(
    file: Path, wanted: Wanted = Wanted(), *, law: str | None = None
) -> tuple[Shot, tuple[str, ...]]:
    """Read one signal of a file with what decisions say of it, and what there is to remark.

    A rate `law` that is given goes before the decided one.
    """
    recorded, number, notes = read_signal(file, wanted)
    decision = decision_of(file, recorded, number)
    window = decided_window(recorded, decision, start=wanted.start, end=wanted.end)
    shot = Shot(
        experiment=shown_name(file.resolve().parent.name),
        file=shown_name(file.name),
        channel=number,
        trace=recorded.trace(number),
        conditions=Conditions(),
        start_s=window.start_s,
        start_from="workbook" if wanted.start is not None or decision.start is None else "decision",
        end_s=window.end_s,
        law=decision.law if law is None else "",
    )
    return shot, (*notes, *window.said)


def read_signal(file: Path, wanted: Wanted) -> tuple[Recording, int, tuple[str, ...]]:
    """Read one signal of a file; return the recording, the channel and what there is to say."""
    require_moment("--start", wanted.start)
    require_moment("--end", wanted.end)
    require_time_unit(wanted.time_unit)
    require_wavelength(wanted.wavelength)
    channel = parse_channel(wanted.channel)
    recorded = read_push(file, time_unit=wanted.time_unit)
    chosen, mention = choose_channels(
        recorded,
        channel=channel,
        wavelength_nm=wanted.wavelength,
        usual=usual_channels([recorded]).get(recorded.name, 1),
    )
    if len(chosen) > 1:
        valid = f"one channel of {recorded.channels}; all of them: stopflow spectrum, or ingest"
        raise SettingsError("--channel", wanted.channel, valid=valid)
    return recorded, chosen[0], tuple(str(note) for note in (*recorded.notes, *mention))


def plan_file(file: Path, wanted: Wanted = Wanted(), *, precision: str) -> PlannedFile:
    """Plan the next recording from a first file; `precision` is a text, ``"2%"`` or ``"0.02"``."""
    recorded, number, _ = read_signal(file, wanted)
    trace, decision = recorded.trace(number), decision_of(file, recorded, number)
    window = decided_window(recorded, decision, start=wanted.start, end=wanted.end)
    if window.end_s is not None:
        kept = trace.time_s <= window.end_s
        trace = replace(trace, time_s=trace.time_s[kept], signal=trace.signal[kept])
    share = parse_share(precision)
    planned = plan_recording(trace.time_s, trace.signal, precision=share, start_s=window.start_s)
    return PlannedFile(file=file.name, plan=planned, notes=window.said)


def parse_share(text: str) -> float:
    """Turn ``"2%"`` or ``"0.02"`` into 0.02."""
    stripped = text.strip()
    try:
        if stripped.endswith("%"):
            return float(stripped[:-1]) / 100
        return float(stripped)
    except ValueError as error:
        raise SettingsError("--precision", text, valid="a share such as 2% or 0.02") from error


def parse_fixed(texts: Sequence[str]) -> dict[str, float]:
    """Turn ``"slope_per_s=0"`` texts into numbers by name."""
    fixed = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            fixed[name.strip()] = float(value)
        except ValueError as error:
            raise SettingsError("--fix", text, valid="NAME=NUMBER, e.g. slope_per_s=0") from error
    return fixed


def fresh_picture(fitted: FittedTrace) -> Path:
    """Name the picture of a trace after its folder and file, in the working folder.

    It is a new file, or an earlier picture of the same trace.
    """
    from stopflow.report.paper.pictures import picture_source

    row, source = fitted.row, _source(fitted)
    book, _, label = str(row[col.FILE]).partition("[")
    parts = [row[col.EXPERIMENT], PurePath(book).stem, label.removesuffix("]")]
    parts += [f"channel-{row['channel']}"] if row[col.CHANNEL] > 1 else []
    base = "-".join(file_part(part, 60) for part in map(str, parts) if part)
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    pictures = (Path(f"{name}.png") for name in names)
    return next(path for path in pictures if not path.exists() or picture_source(path) == source)


def _source(fitted: FittedTrace) -> str:
    """Say what a picture shows."""
    row = fitted.row
    return f"{row['experiment']}/{row['file']}, channel {row['channel']}"


def draw_trace(fitted: FittedTrace, path: Path) -> None:
    """Draw trace, fit, residuals and cut into a PNG, PDF or SVG."""
    from stopflow.report.kinetics.view import plot_shot
    from stopflow.report.paper.pictures import save_picture

    save_picture(plot_shot(drawn_data(fitted)), path, source=_source(fitted))
