"""One file with several signals: one set of rates, and the spectrum of each amplitude."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow.errors import SettingsError
from stopflow.io.atomic import write_text
from stopflow.io.channels import liveliest
from stopflow.io.readers.reading import read_push
from stopflow.io.sorting import DECISIONS
from stopflow.kinetics.many.spectrum import SpectrumFit, fit_spectrum
from stopflow.kinetics.start.detect import detect_start
from stopflow.pipeline.checks import require_moment, require_time_unit
from stopflow.pipeline.one_file.decide import WHOLE_FILE, decided_window, decision_of
from stopflow.report.paper.rounding import format_pm, format_time
from stopflow.trace import FloatArray, Recording

SHOWN_ROWS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedSpectrum:
    """A fitted recording, ready to print, to draw and to save.

    Attributes
    ----------
    recording
        Its signals that were fitted.
    channels
        Their numbers in the file.
    """

    recording: Recording
    channels: tuple[int, ...]
    fit: SpectrumFit
    start_from: str
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there are rates."""
        return self.fit.ok

    def headline(self) -> str:
        """Say the result in a line."""
        parts, recording = self.fit.decomposition, self.recording
        what = f"{recording.name}: {recording.channels} signals, {parts.components} components"
        if not self.ok:
            return f"{what} above the noise; no common rate: {self.fit.reason}"
        rates = ", ".join(
            f"{name.removesuffix('_per_s')} = {format_pm(value, self.fit.stderr[name])}"
            f"{' 1/s' if name.endswith('_per_s') else ''}"
            for name, value in self.fit.parameters.items()
        )
        start = f"start {format_time(self.fit.start_s)} ({self.start_from})"
        return f"{what} above the noise; shared by all: {rates}; {start}"

    def rows(self) -> list[dict[str, Any]]:
        """One row a signal: its wavelength or name, each amplitude with its error, residual SD."""
        names = list(self.fit.coefficients)
        return [
            {
                "channel": self.channels[place],
                "wavelength_nm": self.recording.wavelengths_nm[place],
                "name": self.recording.signal_names[place],
                **{name: float(self.fit.coefficients[name][place]) for name in names},
                **{
                    f"{name}_stderr": float(self.fit.coefficient_stderr[name][place])
                    for name in names
                },
                "residual_sd": float(self.fit.residual_sd[place]),
                "noise_sd": float(self.fit.decomposition.noise_sd[place]),
            }
            for place in range(self.recording.channels)
        ]

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal, thinned where there are many signals."""
        rows = self.rows()
        step = -(-len(rows) // SHOWN_ROWS)
        names = list(self.fit.coefficients)
        columns = ("channel", "signal", *names, "residual / noise")
        return columns, [
            (
                str(row["channel"]),
                _signal(row),
                *(format_pm(row[name], row[f"{name}_stderr"]) for name in names),
                f"{row['residual_sd'] / row['noise_sd']:.2f}",
            )
            for row in rows[::step]
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        parts = self.fit.decomposition
        return {
            "file": self.recording.name,
            "components": parts.components,
            "singular_values": parts.singular_values[:20].tolist(),
            "noise_edge": parts.edge,
            "law": self.fit.law.key,
            "start_s": self.fit.start_s,
            "parameters": dict(self.fit.parameters),
            "stderr": dict(self.fit.stderr),
            "reason": self.fit.reason,
            "signals": self.rows(),
            "notes": list(self.notes),
        }


def fit_signals(
    file: Path,
    *,
    law: str | None = None,
    start: float | None = None,
    end: float | None = None,
    time_unit: str | None = None,
) -> FittedSpectrum:
    """Fit all signals of a file with one set of rates.

    Parameters
    ----------
    start, end
        Of the fit, in the file's own unit; None: detected on the liveliest signal, the last point.

    Raises
    ------
    SettingsError
        For a file with one signal.
    """
    require_moment("--start", start)
    require_moment("--end", end)
    require_time_unit(time_unit)
    recording = read_push(file, time_unit=time_unit)
    if recording.channels < 2:
        valid = f"a file with several signals; for one: stopflow fit {file.name}"
        raise SettingsError("FILE", file.name, valid=valid)
    decision = decision_of(file, recording, WHOLE_FILE)
    window = decided_window(recording, decision, start=start, end=end)
    recording, channels, left_out = _without_left_out(recording, file)
    kept = np.isfinite(recording.signals).all(axis=0)
    time, signals = recording.time_s[kept], recording.signals[:, kept]
    whole = replace(recording, time_s=time, signals=signals)
    fit = fit_spectrum(
        time,
        signals,
        law=law or decision.law or "single-slope",
        start_s=_detected(whole, window.end_s) if window.start_s is None else window.start_s,
        end_s=window.end_s,
    )
    source = "as given" if start is not None else "as decided"
    return FittedSpectrum(
        recording=recording,
        channels=channels,
        fit=fit,
        start_from="detected" if window.start_s is None else source,
        notes=(*(str(note).lstrip("/") for note in recording.notes), *window.said, *left_out),
    )


def _without_left_out(
    recording: Recording, file: Path
) -> tuple[Recording, tuple[int, ...], tuple[str, ...]]:
    """Take away the signals that a decision leaves out.

    Returns
    -------
    recording
        Of the signals that are left; all of them where the whole file is left out of the results.
    channels
        Their numbers in the file.
    said
        A line for each that is not among them.

    Raises
    ------
    SettingsError
        When fewer than two are left.
    """
    channels = range(1, recording.channels + 1)
    if decision_of(file, recording, WHOLE_FILE).use is False:
        return recording, tuple(channels), ()
    decided = {channel: decision_of(file, recording, channel) for channel in channels}
    kept = [channel - 1 for channel, decision in decided.items() if decision.use is not False]
    said = tuple(
        f"{DECISIONS} leaves channel {channel} out of the fit: {decision.note}"
        for channel, decision in decided.items()
        if decision.use is False
    )
    if len(kept) < 2:
        raise SettingsError("FILE", file.name, valid=f"two signals that {DECISIONS} leaves in")
    left = replace(
        recording,
        signals=recording.signals[kept],
        wavelengths_nm=tuple(recording.wavelengths_nm[place] for place in kept),
        signal_names=tuple(recording.signal_names[place] for place in kept),
        signal_units=tuple(recording.signal_units[place] for place in kept),
    )
    return left, tuple(place + 1 for place in kept), said


def _detected(recording: Recording, end_s: float | None) -> float:
    trace = recording.trace(liveliest([recording]))
    kept = trace.time_s <= (np.inf if end_s is None else end_s)
    return detect_start(trace.time_s[kept], trace.signal[kept]).window.start_s


def save_spectrum(fitted: FittedSpectrum, path: Path) -> None:
    """Write the table of all signals as CSV, every digit kept."""
    write_text(path, pd.DataFrame(fitted.rows()).to_csv(index=False, lineterminator="\n"))


def draw_spectrum(fitted: FittedSpectrum, path: Path) -> None:
    """Draw the spectrum of each amplitude, and the singular values against the noise."""
    from stopflow.report.kinetics.spectrum import plot_spectrum
    from stopflow.report.paper.pictures import save_picture

    figure = plot_spectrum(
        axis=_axis(fitted.recording),
        has_wavelengths=bool(np.isfinite(fitted.recording.wavelengths_nm).all()),
        fit=fitted.fit,
        title=f"{fitted.recording.name}  ·  {fitted.fit.law.key}, one set of rates",
    )
    save_picture(figure, path)


def _axis(recording: Recording) -> FloatArray:
    waves = np.array(recording.wavelengths_nm)
    return waves if np.isfinite(waves).all() else np.arange(1.0, recording.channels + 1)


def _signal(row: Mapping[str, Any]) -> str:
    return f"{row['wavelength_nm']:g} nm" if isfinite(row["wavelength_nm"]) else str(row["name"])
