"""Traces and folders worked on in memory for the Python API; their folders stay as they are."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from stopflow import column_names as col
from stopflow.errors import TraceError
from stopflow.kinetics.analysis import AnalysisSettings
from stopflow.pipeline.barriers import trimmed_or_none
from stopflow.pipeline.find import require_file
from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.one_file.fitted import FittedTrace, fit_shot
from stopflow.pipeline.one_file.single import read_shot
from stopflow.store import Dataset
from stopflow.trace import Conditions, FloatArray, Shot, Trace

if TYPE_CHECKING:
    from stopflow.learn.model import Model

TraceLike = str | Path | Trace | Shot | tuple[ArrayLike, ArrayLike]
"""A file, a `Trace`, a `Shot`, or a pair of arrays (time_s, signal)."""


def as_shot(
    item: TraceLike, *, law: str | None = None, start_s: float | None = None, name: str = "trace"
) -> tuple[Shot, tuple[str, ...]]:
    """Make a shot of whatever stands for a trace; return it with what there is to remark.

    Parameters
    ----------
    law
        A rate law that goes before the one that the shot itself says.
    start_s
        Where the fit starts; None: where the shot itself says, else it is detected.
    name
        What arrays are called.

    Raises
    ------
    TraceError
        What is given stands for no trace.
    """
    notes: tuple[str, ...] = ()
    if isinstance(item, str | Path):
        shot, notes = read_shot(require_file(Path(item)))
    elif isinstance(item, Shot):
        shot = item
    else:
        trace = item if isinstance(item, Trace) else _pair(item)
        shot = Shot(experiment="", file=name, trace=trace, conditions=Conditions())
    if law is not None:
        shot = replace(shot, law="")
    if start_s is not None:
        shot = replace(shot, start_s=start_s, start_from="workbook")
    return shot, notes


def _pair(item: Any) -> Trace:
    expected = "give a file, a Trace, a Shot, or a pair of arrays (time_s, signal) of equal length"
    try:
        time_s, signal = item
        return Trace(time_s=time_s, signal=signal)
    except (TypeError, ValueError) as error:
        raise TraceError(f"{type(item).__name__} is no trace ({error}); {expected}") from error


def fit_traces(
    traces: Sequence[TraceLike | FittedTrace],
    settings: AnalysisSettings,
    *,
    law: str | None = None,
    start_s: float | None = None,
) -> list[FittedTrace]:
    """Fit and judge every trace by itself; one that cannot be fitted says why in its reason.

    Parameters
    ----------
    law, start_s
        As in `as_shot`. What is fitted already stays as it is.
    """
    fitted = []
    for at, item in enumerate(traces, start=1):
        if isinstance(item, FittedTrace):
            fitted.append(item)
            continue
        name = f"trace {at}" if len(traces) > 1 else "trace"
        shot, notes = as_shot(item, law=law, start_s=start_s, name=name)
        fitted.append(fit_shot(shot, settings, notes=notes))
    return fitted


def rates_table(fitted: Sequence[FittedTrace]) -> pd.DataFrame:
    """One row a trace, with the columns of rates.csv."""
    return pd.DataFrame([dict(one.row) for one in fitted])


def analyse_in_memory(root: Path, settings: IngestSettings) -> Dataset:
    """Read, fit and judge the folders below `root` as ingest does; leave no file behind.

    Raises
    ------
    StopflowError
        As `stopflow.pipeline.lab.ingest.ingest`.
    """
    with tempfile.TemporaryDirectory(prefix="stopflow-") as scratch:
        dataset = ingest(root, out=Path(scratch) / "ingested", settings=settings)
        # Copies: what lies on disk goes with the folder. A table is read once and kept.
        for table in dataset.tables.values():
            table.frame()
        in_memory = replace(
            dataset, folder=root, time_s=np.array(dataset.time_s), signal=np.array(dataset.signal)
        )
        del dataset
    return in_memory


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TracePredictor:
    """A trained network that takes traces.

    Attributes
    ----------
    name
        The model's name.
    model
        The network with its features and scales.
    """

    name: str
    model: "Model"

    def __repr__(self) -> str:
        return f"TracePredictor('{self.name}': {self.model!r})"

    def predict(
        self, data: Dataset | TraceLike | FittedTrace | Sequence[TraceLike | FittedTrace]
    ) -> pd.DataFrame:
        """Predict rate constants, beside those of the fit.

        Parameters
        ----------
        data
            What `stopflow.analyse`, `stopflow.fit` or `stopflow.read` returned, a trace in any
            other form, or a list of traces. A trace begins where its fit begins.

        Returns
        -------
        pandas.DataFrame
            One row a trace, with the columns of predictions.csv: ``k_predicted_per_s`` with its
            error and 95 % interval, ``doubt`` with the reasons not to believe it, and the results
            of the fit.
        """
        from stopflow.pipeline.networks.predict import predict_table

        if isinstance(data, Dataset):
            traces = [trimmed_or_none(data, row) for row in range(len(data.shots))]
            return predict_table(self.model, data.shots, traces)[0]
        given: list[Any] = data if isinstance(data, list) else [data]
        fitted = fit_traces(given, AnalysisSettings())
        shots = rates_table(fitted).assign(k_true_per_s=np.nan)
        # Traces that are given one by one say nothing about each other's drift.
        alone = shots.assign(experiment=[f"{at}" for at in range(len(shots))])
        found, _ = predict_table(self.model, alone, [_trimmed(one) for one in fitted])
        return found.assign(experiment=shots[col.EXPERIMENT])


def _trimmed(fitted: FittedTrace) -> tuple[FloatArray, FloatArray] | None:
    start_s = float(fitted.row[col.START_S])
    if np.isnan(start_s):
        return None
    kept = (fitted.trace.time_s >= start_s) & (fitted.trace.time_s <= float(fitted.row[col.END_S]))
    return fitted.trace.time_s[kept], fitted.trace.signal[kept]
