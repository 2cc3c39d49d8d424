"""One file with several signals: one set of rates, and the spectrum of each amplitude."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from stopflow.errors import SettingsError
from stopflow.io.atomic import write_text
from stopflow.io.channels import liveliest
from stopflow.io.readers.table import read_push
from stopflow.kinetics.many.spectrum import SpectrumFit, fit_spectrum
from stopflow.kinetics.start.detect import detect_start
from stopflow.pipeline.checks import require_moment, require_start, require_time_unit
from stopflow.report.paper.rounding import format_pm, format_time
from stopflow.trace import FloatArray, Recording

SHOWN_ROWS = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedSpectrum:
    """A fitted recording, ready to print, to draw and to save."""

    recording: Recording
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
                "channel": place + 1,
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
    require_start(start)
    require_moment("--end", end)
    require_time_unit(time_unit)
    recording = read_push(file, time_unit=time_unit)
    if recording.channels < 2:
        valid = f"a file with several signals; for one: stopflow fit {file.name}"
        raise SettingsError("FILE", file.name, valid=valid)
    kept = np.isfinite(recording.signals).all(axis=0)
    time, signals = recording.time_s[kept], recording.signals[:, kept]
    whole = replace(recording, time_s=time, signals=signals)
    start_s, source = _start(whole, start, end)
    fit = fit_spectrum(
        time,
        signals,
        law=law or "single-slope",
        start_s=start_s,
        end_s=None if end is None else end * recording.time_unit_s,
    )
    return FittedSpectrum(
        recording=recording,
        fit=fit,
        start_from=source,
        notes=tuple(str(note).lstrip("/") for note in recording.notes),
    )


def _start(recording: Recording, start: float | None, end: float | None) -> tuple[float, str]:
    if start is not None:
        return start * recording.time_unit_s, "as given"
    trace = recording.trace(liveliest([recording]))
    kept = trace.time_s <= (np.inf if end is None else end * recording.time_unit_s)
    detection = detect_start(trace.time_s[kept], trace.signal[kept])
    return detection.window.start_s, "detected"


def save_spectrum(fitted: FittedSpectrum, path: Path) -> None:
    """Write the table of all signals as CSV, every digit kept."""
    rows = fitted.rows()
    lines = [",".join(rows[0])]
    lines += [",".join(_cell(value) for value in row.values()) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


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


def _cell(value: object) -> str:
    text = repr(value) if isinstance(value, float) else str(value)
    return "" if text == "nan" else f'"{text}"' if "," in text or '"' in text else text
