"""The script that a chemist would write in an afternoon: what `stopflow bench ingest` races.

It reads each trace with ``pandas.read_csv`` (the faster of its two engines, on one core), takes
the start time from the workbook, and fits ``y = c exp(-k t) + a t + b`` once by
``scipy.optimize.curve_fit`` with an analytic Jacobian from a start that is read off the trace. It
does not detect a start, compares no laws, and says nothing about the error beyond the covariance.
It uses nothing of this package, so that it stays the independent peer that it is meant to be.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit

ENGINES: Final = ("c", "pyarrow")
START_COLUMN: Final = "x_start"
LAST_HEADER: Final = b'"_DATA"'
TRIED: Final = 5
"""Files that each engine reads before the faster one is chosen."""


def fit_lab(root: Path) -> dict[tuple[str, str], float]:
    """Fit every trace of a lab.

    Parameters
    ----------
    root
        Holds folders of ``.bka`` files, each with a workbook that has a column ``x_start`` in ms.

    Returns
    -------
    dict
        k in 1/s by (folder, file); NaN where the fit gives up.
    """
    pyarrow.set_cpu_count(1)
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    engine = fastest_engine([path for folder in folders[:1] for path in _traces(folder)][:TRIED])
    return {
        (folder.name, path.name): fit_file(path, start_ms, engine=engine)
        for folder in folders
        for path, start_ms in _with_starts(folder)
    }


def fastest_engine(paths: Sequence[Path]) -> str:
    """Return the engine that reads these files in the least processor time."""
    taken = {}
    for engine in ENGINES:
        read_trace(paths[0], engine=engine)
        begin = process_time()
        for path in paths:
            read_trace(path, engine=engine)
        taken[engine] = process_time() - begin
    return min(taken, key=taken.__getitem__)


def read_trace(path: Path, *, engine: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return time in s and the signal of a Bio-Kine file."""
    with path.open("rb") as file:
        lines = next(number for number, line in enumerate(file, 1) if line.startswith(LAST_HEADER))
    table = pd.read_csv(path, sep="\t", header=None, skiprows=lines, engine=engine)
    return table[0].to_numpy(float) / 1e3, table[1].to_numpy(float)


def fit_file(path: Path, start_ms: float, *, engine: str) -> float:
    """Fit one trace from its start time on; NaN where the fit gives up."""
    time_s, signal = read_trace(path, engine=engine)
    kept = time_s >= start_ms / 1e3
    since_s, signal = time_s[kept] - start_ms / 1e3, signal[kept]
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", OptimizeWarning)
            found, _ = curve_fit(
                _signal, since_s, signal, p0=_guess(since_s, signal), jac=_jacobian
            )
    except (RuntimeError, ValueError):
        return float("nan")
    return float(found[0])


def _traces(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.bka"))


def _with_starts(folder: Path) -> list[tuple[Path, float]]:
    """Return the traces that a workbook of the folder names, with their start times in ms."""
    starts: dict[str, float] = {}
    for book in sorted(folder.glob("*.XLSX")):
        table = pd.read_excel(book, engine="calamine")
        if START_COLUMN in table:
            starts |= dict(zip(table.iloc[:, 0], table[START_COLUMN], strict=True))
    return [(path, starts[path.name]) for path in _traces(folder) if path.name in starts]


def _signal(
    time: NDArray[np.float64], k: float, c: float, a: float, b: float
) -> NDArray[np.float64]:
    return c * np.exp(-k * time) + a * time + b


def _jacobian(time: NDArray[np.float64], k: float, c: float, *_: float) -> NDArray[np.float64]:
    decay = np.exp(-k * time)
    return np.column_stack([-c * time * decay, decay, time, np.ones_like(time)])


def _guess(time: NDArray[np.float64], signal: NDArray[np.float64]) -> tuple[float, ...]:
    """Read a start off the trace: end level, first level, time to fall to 1/e."""
    level = float(signal[-max(len(signal) // 20, 1) :].mean())
    height = float(signal[:5].mean()) - level
    fallen = np.abs(signal - level) < abs(height) / np.e
    return 1 / float(time[max(int(np.argmax(fallen)), 1)]), height, 0.0, level
