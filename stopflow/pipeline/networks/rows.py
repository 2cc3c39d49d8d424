"""From an ingested dataset to what a network takes: rows of features and the rates beside them."""

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stopflow import column_names as col
from stopflow.errors import StopflowError
from stopflow.features import FeatureSpec, Rows, fill_rows, window_of
from stopflow.learn.data import LabData, lab_data
from stopflow.pipeline.progress import Progress, silent
from stopflow.store import Dataset
from stopflow.trace import FloatArray

TRACES_AT_ONCE: Final = 512
"""Traces on one grid that are in memory together."""
MOST_IN_MEMORY: Final = 500_000_000
"""Bytes of rows from which on they lie in a file of their own, which the system reads by parts."""
GRID_COLUMNS: Final = ("time_first", "trace_points", "start_s", "end_s", "reason")
LABEL_COLUMNS = {"fit": "k_per_s", "workbook": "workbook_rate_per_s"}
LEARNT_COLUMNS: Final = (
    *LABEL_COLUMNS.values(),
    "verdict",
    "experiment",
    "file",
    "k_true_per_s",
    "k_stderr_per_s",
    "k_bound_per_s",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureRows:
    """Rows of the shots that have features, and why the others have none.

    Attributes
    ----------
    row
        (M,) row numbers in the dataset's shots.
    inputs
        (M, n) features.
    window_s
        (M,) windows of the trimmed traces.
    refused
        Row number -> reason.
    """

    row: NDArray[np.intp]
    inputs: Rows
    window_s: FloatArray
    refused: dict[int, str]


def build_feature_rows(
    dataset: Dataset, spec: FeatureSpec, *, wanted: NDArray[np.bool_], progress: Progress = silent
) -> FeatureRows:
    """Build features of the wanted shots.

    Traces on one time grid are built together, `TRACES_AT_ONCE` at a time: so many are in memory,
    however large the lab is.
    """
    shots = dataset.tables["shots"].columns(GRID_COLUMNS)
    refused: dict[int, str] = {}
    grids: dict[tuple[int, int, float, float], list[int]] = defaultdict(list)
    for row, shot in enumerate(shots.itertuples(index=False, name=None)):
        if not wanted[row]:
            continue
        time_first, points, start_s, end_s, reason = shot
        if points == 0 or np.isnan(start_s):
            refused[row] = str(reason) or "there is no trace to look at"
            continue
        grids[time_first, points, start_s, end_s].append(row)
    parts = [
        rows[first : first + TRACES_AT_ONCE]
        for rows in grids.values()
        for first in range(0, len(rows), TRACES_AT_ONCE)
    ]
    wanted_rows = np.sort(np.array([row for part in parts for row in part], dtype=np.intp))
    inputs = empty_rows(len(wanted_rows), spec.n_inputs)
    window_s = np.full(len(wanted_rows), np.nan)
    for number, part in enumerate(parts, start=1):
        rows, built, window = _build_part(dataset, part, spec, refused=refused)
        places = np.searchsorted(wanted_rows, rows)
        inputs[places], window_s[places] = built, window
        progress("building features", number, len(parts))
    good = ~np.isnan(window_s)
    if not good.all():  # otherwise nothing is copied
        wanted_rows, inputs, window_s = wanted_rows[good], _close_up(inputs, good), window_s[good]
    return FeatureRows(row=wanted_rows, inputs=inputs, window_s=window_s, refused=refused)


def empty_rows(count: int, width: int) -> Rows:
    """Return memory for rows; many lie in a file without a name, among the system's temporary ones.

    It is gone with the array.
    """
    if 4 * count * width <= MOST_IN_MEMORY:
        return np.empty((count, width), dtype=np.float32)
    with tempfile.TemporaryFile(prefix="stopflow-") as file:
        return np.asarray(np.memmap(file, dtype=np.float32, mode="w+", shape=(count, width)))


def _close_up(inputs: Rows, good: NDArray[np.bool_]) -> Rows:
    """Move the good rows to the front, where they are; return these."""
    places = np.flatnonzero(good)
    for first in range(0, len(places), TRACES_AT_ONCE):
        part = places[first : first + TRACES_AT_ONCE]
        inputs[first : first + len(part)] = inputs[part]
    return inputs[: len(places)]


def _build_part(
    dataset: Dataset, rows: list[int], spec: FeatureSpec, *, refused: dict[int, str]
) -> tuple[list[int], Rows, float]:
    """Build the features of traces on one grid: which have some, these, and their window in s."""
    traces = {row: trimmed for row in rows if (trimmed := dataset.trimmed(row)) is not None}
    out: Rows = np.empty((len(traces), spec.n_inputs), dtype=np.float32)
    if not traces:
        return [], out, np.nan
    (time_s, _), *_ = traces.values()
    signals = np.stack([signal for _, signal in traces.values()])
    reasons = fill_rows(time_s, signals, spec=spec, out=out)
    refused |= {row: why for row, why in zip(traces, reasons, strict=True) if why}
    good = [row for row, why in zip(traces, reasons, strict=True) if not why]
    return good, out[: len(good)], window_of(time_s)


def build_lab_data(
    dataset: Dataset, spec: FeatureSpec, *, labels: str = "fit", progress: Progress = silent
) -> LabData:
    """Take every shot that has a trace and a rate to learn.

    Shots with the verdict FAIL are left out of fit labels: their rate is not one to learn from.

    Raises
    ------
    StopflowError
        When no shot is left.
    """
    shots = dataset.tables["shots"].columns(LEARNT_COLUMNS)
    rates = shots[LABEL_COLUMNS[labels]].to_numpy(dtype=float)
    wanted = np.isfinite(rates) & (rates > 0)
    if labels == "fit":
        wanted &= (shots[col.VERDICT] != "FAIL").to_numpy()
    if not wanted.any():
        raise StopflowError(
            f"no shot of {dataset.folder} has a rate to learn ({LABEL_COLUMNS[labels]}); "
            "with --labels workbook the workbook needs a Rate column, with fit a passing fit"
        )
    built = build_feature_rows(dataset, spec, wanted=wanted, progress=progress)
    used = shots.iloc[built.row]

    def column(name: str) -> FloatArray:
        return used[name].to_numpy(dtype=float)

    return lab_data(
        built.inputs,
        features=spec,
        window_s=built.window_s,
        k_label_per_s=rates[built.row],
        experiment=used[col.EXPERIMENT].to_numpy(dtype=str),
        file=used[col.FILE].to_numpy(dtype=str),
        row=built.row,
        k_true_per_s=column("k_true_per_s"),
        k_fit_per_s=column("k_per_s"),
        k_fit_stderr_per_s=column("k_stderr_per_s"),
        k_bound_per_s=column("k_bound_per_s"),
    )
