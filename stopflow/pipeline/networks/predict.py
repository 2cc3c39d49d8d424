"""Rates of new folders by a trained model, beside the fit's own."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.io.results import lab_at
from stopflow.io.switch import switching
from stopflow.learn.model import Model
from stopflow.learn.predict.reliability import disagreement
from stopflow.learn.predict.shots import Reasons, ShotPredictions
from stopflow.learn.saved import load_model
from stopflow.pipeline.barriers import Trace, predict_each, trimmed_or_none
from stopflow.pipeline.find import find_model
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.pipeline.lab.summarise import summarise
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.paper.rounding import format_percent, format_pm_groups
from stopflow.report.tables.tables import write_csv, write_table_xlsx
from stopflow.store import Dataset
from stopflow.wording import count_things

SHOWN_ROWS = 40
TRACES_AT_ONCE = 512
"""Traces that are in memory together; an experiment's always are, for they share their drift."""
DIGITS = 6
"""Significant digits of predictions.csv: no network knows a rate to one in a million."""
NAMES = ("experiment", "file", "channel")
FIT_COLUMNS = (
    "k_per_s",
    "k_stderr_per_s",
    "k_low95_per_s",
    "k_high95_per_s",
    "verdict",
    "reason",
    "window_s",
    "workbook_rate_per_s",
    "k_true_per_s",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """Predictions of a lab: the table, the files written, and what could not be predicted."""

    frame: pd.DataFrame
    reasons: tuple[Reasons, ...]
    written: tuple[Path, ...]
    problems: tuple[str, ...]
    unread: bool
    model: str
    set_aside: tuple[str, ...] = ()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """For --json."""
        return self.frame.to_dict("records")

    @property
    def exit_code(self) -> int:
        """1 when a shot has no prediction or an input could not be read."""
        return int(self.unread or bool(self.frame[col.K_PREDICTED_PER_S].isna().any()))

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        columns = ("experiment", "file", "network (1/s)", "fit (1/s)", "doubt")
        shown = self.frame.head(SHOWN_ROWS)
        names = list(shown[col.EXPERIMENT])
        network, fit = (
            format_pm_groups(
                names, list(zip(shown[f"{k}_per_s"], shown[f"{k}_stderr_per_s"], strict=True))
            )
            for k in ("k_predicted", "k")
        )
        rows: list[Sequence[str]] = [
            (*cells, count_things(len(reasons), "reason") if reasons else "")
            for *cells, reasons in zip(
                names, shown[col.FILE], network, fit, self.reasons, strict=False
            )
        ]
        if len(self.frame) > SHOWN_ROWS:
            rows.append(("...", f"and {len(self.frame) - SHOWN_ROWS} more", "", "", ""))
        return columns, rows

    def warnings(self) -> list[str]:
        """One line for each shot with warnings, with its reasons."""
        return [
            f"{row['experiment']}/{row['file']}: {row['doubt']}"
            for row in self.frame.to_dict("records")
            if row["doubt"]
        ]

    def headline(self) -> str:
        """Say the outcome in a line."""
        known = self.frame[col.K_PREDICTED_PER_S].notna()
        both = known & self.frame[col.K_PER_S].notna()
        shots = count_things(len(self.frame), "shot")
        parts = [f"{int(known.sum())} of {shots} predicted by {self.model}"]
        if both.any():
            difference = self.frame.loc[both, "relative_difference"].abs().median()
            parts.append(f"median difference to the fit {format_percent(difference)}")
        parts.append(f"{int((self.frame['doubt'] != '').sum())} with warnings")
        return "; ".join(parts)


def predict_folder(
    folder: Path,
    *,
    model: str | None = None,
    models: Path,
    reports: Path,
    law: str | None = None,
    progress: Progress = silent,
) -> Predicted:
    """Read and fit the shots of `folder`, predict them, write predictions.csv and .xlsx."""
    find_model(model, models)
    with tempfile.TemporaryDirectory(prefix="stopflow-") as scratch:
        dataset = ingest(
            folder,
            out=Path(scratch) / "ingested",
            settings=ingest_settings(law=law),
            progress=progress,
        )
        with switching() as switch:
            gathered = switch.files(reports, lab=lab_at(folder), is_part=True)
            found = predict_dataset(
                dataset, model=model, models=models, reports=gathered, progress=progress
            )
        written = tuple(reports / path.name for path in found.written)
        return replace(found, written=written, set_aside=tuple(switch.notes))


def predict_dataset(
    dataset: Dataset,
    *,
    model: str | None = None,
    models: Path = Path("models"),
    reports: Path,
    progress: Progress = silent,
) -> Predicted:
    """Predict every shot of a dataset; write predictions.csv and predictions.xlsx."""
    place = find_model(model, models)
    loaded = load_model(place)
    shots = dataset.tables["shots"].columns((*NAMES, *FIT_COLUMNS))
    progress("predicting", 0, len(shots))
    parts: list[pd.DataFrame] = []
    reasons: list[Reasons] = []
    for rows in whole_experiments(shots[col.EXPERIMENT], at_once=TRACES_AT_ONCE):
        traces = [trimmed_or_none(dataset, row) for row in rows]
        part, why = predict_table(loaded, shots.iloc[rows.start : rows.stop], traces)
        parts.append(part)
        reasons += why
        progress("predicting", rows.stop, len(shots))
    frame = pd.concat(parts)
    written = (reports / "predictions.csv", reports / "predictions.xlsx")
    write_csv(frame, written[0], digits=DIGITS)
    write_table_xlsx(frame, written[1], sheet="predictions")
    summary = summarise(dataset)
    return Predicted(
        frame=frame,
        reasons=tuple(reasons),
        written=written,
        problems=(*summary.disagreements, *summary.grouped),
        unread=bool((dataset.problems["level"] == "error").any()),
        model=place.name,
    )


def whole_experiments(experiment: pd.Series, *, at_once: int) -> Iterator[range]:
    """Divide the rows into runs of `at_once` or a few more that part no experiment's shots."""
    names = experiment.to_numpy()
    ends = [row for row in range(1, len(names)) if names[row] != names[row - 1]]
    first = 0
    for end in (*ends, len(names)):
        if end - first >= at_once or end == len(names):
            yield range(first, end)
            first = end


def predict_table(
    model: Model, shots: pd.DataFrame, traces: Sequence[Trace | None]
) -> tuple[pd.DataFrame, list[Reasons]]:
    """Predict shots and set the fit's own results beside the predictions.

    Parameters
    ----------
    shots
        (M rows) the table of shots; those of one experiment share what they know of its drift.
    traces
        M trimmed traces (time_s, signal); None where there is none.

    Returns
    -------
    tuple
        The M rows of predictions.csv, and the reasons to doubt each of them.
    """
    usable = [row for row, trace in enumerate(traces) if trace is not None]
    found = predict_each(
        model,
        [trace for trace in traces if trace is not None],
        experiment=shots[col.EXPERIMENT].iloc[usable].tolist(),
    )
    frame = shots[list(NAMES)].copy()
    for name, values in (
        ("k_predicted_per_s", found.k_per_s),
        ("k_predicted_stderr_per_s", found.k_per_s * found.log_sd),
        ("k_predicted_low95_per_s", found.k_low95_per_s),
        ("k_predicted_high95_per_s", found.k_high95_per_s),
        ("moved_by_shared_drift", np.expm1(found.log_shift)),
    ):
        column = np.full(len(frame), np.nan)
        column[usable] = values
        frame[name] = column
    fit = shots[list(FIT_COLUMNS)]
    frame["relative_difference"] = frame[col.K_PREDICTED_PER_S] / fit[col.K_PER_S] - 1
    reasons = _reasons(frame, fit, usable, found)
    frame["doubt"] = ["; ".join(own) for own in reasons]
    return pd.concat([frame, fit], axis=1), reasons


def _reasons(
    frame: pd.DataFrame, fit: pd.DataFrame, usable: Sequence[int], found: ShotPredictions
) -> list[Reasons]:
    """Return the warnings, and where network and fit disagree beyond their errors.

    A trace without features has the reasons of both: the start that leaves too few points, say.
    """
    given = fit["reason"].astype(str).tolist()
    reasons: list[Reasons] = [("no trace: " + reason,) for reason in given]
    predicted = frame[col.K_PREDICTED_PER_S].to_numpy()
    log_sd = frame["k_predicted_stderr_per_s"].to_numpy() / predicted
    fitted, error = fit[col.K_PER_S].to_numpy(), fit[col.K_STDERR_PER_S].to_numpy()
    for row, warnings, refusals in zip(usable, found.warnings, found.refusals, strict=True):
        apart = disagreement(
            k_per_s=float(predicted[row]),
            log_sd=float(log_sd[row]),
            k_fit_per_s=float(fitted[row]),
            k_fit_stderr_per_s=float(error[row]),
        )
        seen = (*refusals, given[row]) if refusals else (*warnings, apart)
        reasons[row] = tuple(dict.fromkeys(filter(None, seen)))
    return reasons
