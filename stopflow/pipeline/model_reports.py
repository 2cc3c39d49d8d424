"""The PDF and page of a network, from what was written beside it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.errors import ModelError, StopflowError, describe_error
from stopflow.io.csv_files import restored
from stopflow.io.json_files import load_json
from stopflow.report.data import ModelReportData, TracePair
from stopflow.store import Dataset

AGAIN = "train it again"
HISTORY_COLUMNS = ("epoch", "train_mae_per_s", "test_mae_per_s", "loss", "seconds")
TEXTS = ("experiment", "file", "split")
LARGEST_TABLE = 500_000_000
"""Bytes of a table beside a model; that of 1,000,000 shots has a tenth."""
PREDICTION_COLUMNS = ("experiment", "file", "split", "k_actual_per_s", "k_predicted_per_s")


def model_data(folder: Path, *, dataset: Dataset | None) -> ModelReportData:
    """Read what was written beside a model; not every one has a history over epochs.

    Raises
    ------
    ModelError
        When there is no model, or a file of it cannot be read.
    """
    from stopflow.learn.saved import HISTORY, METRICS, PREDICTIONS
    from stopflow.report.tables.tables import signal_units

    require_reportable(folder)
    try:
        metrics = load_json(folder / METRICS)
        history = _read_table(folder / HISTORY, columns=HISTORY_COLUMNS)
        predictions = _read_table(folder / PREDICTIONS, columns=PREDICTION_COLUMNS)
        provenance = metrics.get("provenance", {})
        if not isinstance(provenance, dict):
            raise ValueError(f"{METRICS}: provenance is no table")
    except Exception as error:  # barrier of a model: its files may hold anything
        raise ModelError(
            f"{folder / METRICS} or a table beside it is damaged: {error}; {AGAIN}"
        ) from error
    return ModelReportData(
        name=folder.name,
        metrics=metrics,
        history=history,
        predictions=predictions,
        trace=None if dataset is None else trace_finder(dataset),
        provenance=provenance,
        signal_units={} if dataset is None else signal_units(dataset.shots),
    )


def require_reportable(folder: Path) -> None:
    """Refuse a folder that holds nothing to report on."""
    from stopflow.learn.saved import METRICS

    if not (folder / METRICS).is_file():
        raise ModelError(f"{folder} holds no model to report on: there is no {METRICS} in it")


def _read_table(path: Path, *, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table of a model; one without rows where there is none with these columns.

    Raises
    ------
    ValueError
        When a column of numbers holds anything else, or one of texts a missing one.
    """
    found = pd.DataFrame()
    if path.is_file():
        if path.stat().st_size > LARGEST_TABLE:
            raise ValueError(f"{path.name} has {path.stat().st_size} bytes")
        texts = {name: "str" for name in columns if name in TEXTS}
        found = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=texts)
    if not set(columns) <= set(found):
        return pd.DataFrame(columns=list(columns))
    for name in columns:
        if name in TEXTS:
            found[name] = [restored(text) for text in found[name].fillna("")]
        elif not pd.api.types.is_numeric_dtype(found[name]) or np.isinf(found[name]).any():
            raise ValueError(f"{path.name}: the column {name} holds more than finite numbers")
    return found


def trace_finder(dataset: Dataset) -> Callable[[str, str], TracePair | None]:
    """Return a look-up of trimmed traces by experiment and file."""
    keys = zip(dataset.shots[col.EXPERIMENT], dataset.shots[col.FILE], strict=True)
    rows = {key: row for row, key in enumerate(keys)}

    def find(experiment: str, file: str) -> TracePair | None:
        row = rows.get((experiment, file))
        return None if row is None else dataset.trimmed(row)

    return find


def write_model_report(
    folder: Path,
    reports: Path,
    *,
    dataset: Dataset | None,
    paper: str = "a4",
    figures: Path | None = None,
) -> list[Path]:
    """Write reports/NAME.pdf and NAME.html for the model in `folder`.

    With `figures`, every figure of the PDF is written into that folder too, as SVG and PNG.
    """
    from stopflow.report.html.models import write_model_page
    from stopflow.report.models.report import write_model_figures, write_model_pdf
    from stopflow.report.paper.style import require_paper

    require_paper(paper)
    written = [reports / f"{folder.name}{ending}" for ending in (".pdf", ".html")]
    data = model_data(folder, dataset=dataset)
    try:
        write_model_pdf(data, written[0], paper=paper)
        write_model_page(data, written[1])
        if figures is not None:
            written += write_model_figures(data, figures)
    except (StopflowError, OSError):
        raise
    except Exception as error:  # barrier of a model: what its numbers are no page can show
        why = describe_error(error)
        raise ModelError(f"{folder} has no numbers to report on ({why}); {AGAIN}") from error
    return written
