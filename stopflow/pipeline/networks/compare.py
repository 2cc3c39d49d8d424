"""Every kind of network, the baselines and the fit on the same held-out experiments."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stopflow import column_names as col
from stopflow.features import FeatureSpec
from stopflow.io.results import file_sha256
from stopflow.io.switch import switching
from stopflow.learn.adapt import adapted_way
from stopflow.learn.compare.compare import DEFAULT_WAYS, FIT, PUBLISHED_NAME, Predictor, compare
from stopflow.learn.compare.memory import peaks_of_ways
from stopflow.learn.compare.results import part_metrics, prediction_rows
from stopflow.learn.compare.runs import ComparedRun, UnfinishedComparison
from stopflow.learn.compare.table import comparison_rows
from stopflow.learn.data import LabData
from stopflow.learn.evaluate import bias_against_k, measure
from stopflow.learn.model import Model
from stopflow.learn.predict.shots import predict_shots
from stopflow.learn.saved import WEIGHTS, load_model
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.pipeline.checks import require_reports
from stopflow.pipeline.find import find_model
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.pipeline.networks.train import model_provenance, trace_of
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.data import ModelReportData
from stopflow.report.paper.rounding import format_digits, format_percent, format_pm
from stopflow.report.tables.tables import write_csv
from stopflow.store import Dataset, load_dataset
from stopflow.trace import FloatArray

TABLE, PDF, PAGE = "compare.csv", "compare.pdf", "compare.html"
PRETRAINED = "pretrained"
ADAPTED = "pretrained + LoRA"
WIDE_EPOCHS = 60
"""Most epochs of the ways on all 28,000 inputs, unless they are asked for by name."""
_PAIRED = "ratio_to_dense"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """The comparison, ready to print."""

    rows: list[dict[str, Any]]
    written: tuple[Path, ...]
    headline: str
    set_aside: tuple[str, ...] = ()

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        timed = [name for name in self.rows[0] if name.startswith("seconds_to_")]
        columns = ["", "MAE (1/s)", "median", "to fit"]
        columns += ["to dense"] * (_PAIRED in self.rows[0])
        columns += ["parameters", "epochs", "s", "peak MB"]
        columns += [f"s to {name.removeprefix('seconds_to_')}'s best" for name in timed]
        return columns, [
            (
                row["layer"],
                format_pm(row["mae_per_s"], row["mae_sd_per_s"]),
                format_percent(row["median_relative_error"]),
                format_pm(row["ratio_to_fit"], row["ratio_to_fit_sd"]),
                *([format_pm(row[_PAIRED], row[f"{_PAIRED}_se"])] if _PAIRED in row else []),
                str(row["parameters"] or ""),
                str(row["epochs"] or ""),
                format_digits(row["seconds"], 3),
                format_digits(row["peak_MB"], 3),
                *(_reached(row, name.removeprefix("seconds_to_")) for name in timed),
            )
            for row in self.rows
        ]


def compare_models(
    dataset_folder: Path,
    settings: TrainSettings,
    *,
    layers: Sequence[str] | None = None,
    seeds: int = 1,
    folds: int = 1,
    reports: Path,
    paper: str = "a4",
    figures: Path | None = None,
    progress: Progress = silent,
) -> Compared:
    """Train and judge each way on the same splits; write compare.csv, .pdf and .html.

    With `figures`, every figure of the PDF is written into that folder too, as SVG and PNG.

    An interrupted comparison leaves its finished runs in REPORTS/compare.runs; the same command
    goes on from there.
    """
    from stopflow.report.html.models import write_comparison_page
    from stopflow.report.models.comparison import write_compare_figures, write_compare_pdf
    from stopflow.report.models.comparison_numbers import build_comparison, state_best

    require_reports(reports, paper=paper)
    dataset = load_dataset(dataset_folder)
    every = (*DEFAULT_WAYS[:-1], "adaptive", PRETRAINED, ADAPTED, FIT)
    ways = every if layers is None else tuple(layers)
    labs = {settings.features: _lab(dataset, settings, settings.features, progress)}
    if PUBLISHED_NAME in ways and "raw" not in labs:
        labs["raw"] = _lab(dataset, settings, "raw", progress)
    data = labs[settings.features]
    shipped = find_model(None, Path("models"))
    further = _shipped_ways(load_model(shipped), dataset, settings)
    kept = UnfinishedComparison(reports / "compare.runs", salt=(file_sha256(shipped / WEIGHTS),))
    runs = compare(
        labs,
        settings,
        ways=ways,
        seeds=seeds,
        folds=folds,
        wide_epochs=WIDE_EPOCHS if layers is None else None,
        trace=trace_of(dataset),
        further=further,
        kept=kept,
        progress=progress,
    )
    rows = comparison_rows(runs, data)
    peaks = peaks_of_ways(labs, settings, ways=ways)
    for row in rows:
        row["peak_MB"] = peaks.get(row["layer"], float("nan")) / 1e6
    shown = [_report_data(row, runs, data, settings, dataset) for row in rows]
    with switching() as switch:
        gathered = switch.files(reports, lab=dataset.lab)
        write_csv(pd.DataFrame(rows), gathered / TABLE)
        write_compare_pdf(shown, gathered / PDF, paper=paper)
        write_comparison_page(shown, gathered / PAGE)
        written = [gathered / name for name in (TABLE, PDF, PAGE)]
        drawn = None if figures is None else switch.files(figures, lab=dataset.lab)
        written += [] if drawn is None else write_compare_figures(shown, drawn)
    kept.remove()
    return Compared(
        rows=rows,
        written=tuple(map(switch.in_place, written)),
        headline=state_best(build_comparison(shown)),
        set_aside=tuple(switch.notes),
    )


def _lab(dataset: Dataset, settings: TrainSettings, kind: str, progress: Progress) -> LabData:
    pairs = settings.pairs if kind == settings.features else 0
    return build_lab_data(
        dataset, FeatureSpec(kind, pairs), labels=settings.labels, progress=progress
    )


def _reached(row: dict[str, Any], reference: str) -> str:
    """Say after how many seconds and epochs, and in which share of the runs if not in all."""
    share = row[f"reached_{reference}"]
    if not share > 0:
        return "never" if share == 0 else ""
    seconds = format_digits(row[f"seconds_to_{reference}"], 3)
    text = f"{seconds} ({row[f'epochs_to_{reference}']:.0f} epochs)"
    return text if share == 1 else f"{text} in {share:.0%} of runs"


def _shipped_ways(model: Model, dataset: Dataset, settings: TrainSettings) -> dict[str, Predictor]:
    """Return the shipped model as it is, and fine-tuned where it takes the same features."""

    def predict(data: LabData, _split: Split, _seed: int) -> FloatArray:
        traces = [dataset.trimmed(int(row)) for row in data.row]
        return predict_shots(model, [trace for trace in traces if trace is not None]).k_per_s

    ways: dict[str, Predictor] = {PRETRAINED: predict}
    if settings.feature_spec() == model.features:
        ways[ADAPTED] = adapted_way(model, trace=trace_of(dataset))
    return ways


def _report_data(
    row: dict[str, Any],
    runs: Sequence[ComparedRun],
    data: LabData,
    settings: TrainSettings,
    dataset: Dataset,
) -> ModelReportData:
    """Hand one way to the report: its numbers, curves and held-out shots over all runs."""
    own = [run for run in runs if run.way == row["layer"]]
    first = own[0]
    tests = [one.split.test for one in own]
    actual = [data.k_actual_per_s[test] for test in tests]
    predicted = [one.k_per_s[test] for one, test in zip(own, tests, strict=True)]
    metrics = {
        **part_metrics(first.k_per_s, data, first.split),
        "layer": row["layer"],
        "features": row["features"],
        "epochs": first.epochs,
        "over_runs": row,
        "run_mae_per_s": [
            measure(k, true).mae_per_s for k, true in zip(predicted, actual, strict=True)
        ],
        "test_bias": [
            asdict(part)
            for part in bias_against_k(np.concatenate(predicted), np.concatenate(actual))
        ],
    }
    shared = {name: value for name, value in asdict(settings).items() if name != "layer"}
    return ModelReportData(
        name=row["layer"],
        metrics=metrics,
        history=pd.concat(
            [
                pd.DataFrame(list(one.history)).assign(run=number)
                for number, one in enumerate(own, start=1)
            ],
            ignore_index=True,
        ),
        predictions=pd.concat(
            [_predictions(one, data, number=number) for number, one in enumerate(own, start=1)],
            ignore_index=True,
        ),
        provenance=model_provenance(shared, dataset),
    )


def _predictions(run: ComparedRun, data: LabData, *, number: int) -> pd.DataFrame:
    """List the held-out shots of a run, and of the first its training shots too."""
    rows = pd.DataFrame(prediction_rows(run.k_per_s, data, run.split)).assign(run=number)
    known = np.isfinite(run.k_per_s)
    return rows[known & ((rows[col.SPLIT] == "test") | (number == 1))]
