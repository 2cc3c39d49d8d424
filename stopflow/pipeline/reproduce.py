"""Published tables with one command: rows trained, kept, set side by side, drawn."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from stopflow import __version__
from stopflow.errors import SettingsError
from stopflow.features import FeatureSpec
from stopflow.io.atomic import write_text
from stopflow.io.csv_files import csv_text
from stopflow.io.json_files import json_ready
from stopflow.learn.device import one_thread
from stopflow.learn.published.reference import AsPublished
from stopflow.learn.published.runs import (
    Truncated,
    VariantRun,
    run_ours,
    run_rates,
    run_reference,
    run_truncated,
)
from stopflow.learn.settings import TrainSettings
from stopflow.pipeline.progress import Progress, silent
from stopflow.pipeline.published import (
    SHOTS,
    VARIANTS,
    Row,
    Trainable,
    choose_rows,
    describe_variant,
    load_rows,
    shortened,
)
from stopflow.pipeline.reports import require_reports
from stopflow.pipeline.reproduce_data import Sources, open_sources
from stopflow.report.models.reproduction import (
    ReproducedVariant,
    published_figure,
    write_reproduction_pdf,
)

QUICK_EPOCHS: Final = 2
KEPT: Final = "reproduced"
PDF: Final = "reproduce.pdf"
CSV: Final = "reproduce.csv"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reproduced:
    """Published rows beside ours, ready to print."""

    rows: list[dict[str, Any]]
    written: tuple[Path, ...]
    notes: tuple[str, ...]

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal: test accuracies in %, errors of rates in 1/s."""
        found: dict[str, dict[str, str]] = {}
        for row in self.rows:
            cells = found.setdefault(row["row"], {"": _figure(row["published"])})
            cells[row["variant"]] = _spread(row["test"], row["test_sd"])
        columns = ("test: % right, or 1/s", "published", "as published", "sound", "best")
        return columns, [
            (name, cells[""], *(cells.get(variant, "") for variant in VARIANTS))
            for name, cells in found.items()
        ]


def list_rows() -> list[str]:
    """Name every row in a line, with its published figure."""
    return [
        f"{row.name:<24}{_figure(published_figure(row.published)):>7}  {row.title}"
        for row in load_rows()
    ]


def reproduce(
    names: Sequence[str],
    *,
    data: Path,
    dataset: Path,
    reports: Path,
    seeds: int = 5,
    epochs: int | None = None,
    variants: Sequence[str] = (),
    quick: bool = False,
    paper: str = "a4",
    progress: Progress = silent,
) -> Reproduced:
    """Train the rows asked for; finished runs are kept in REPORTS/reproduced and not repeated.

    Parameters
    ----------
    names
        Tables or rows; none: all.
    data
        A folder of IDX files.
    dataset
        An ingested lab, for rows of rates; without one they are left out and named.
    epochs
        Another length than the rows' own, for a short look.
    variants
        Of `pipeline.published.VARIANTS`; none: all.
    quick
        A few hundred images, a small simulated lab, two epochs, one seed: does every row run?
    """
    for name in variants:
        if name not in VARIANTS:
            raise SettingsError("--variant", name, valid=VARIANTS)
    asked = choose_rows(load_rows(), names)
    require_reports(reports, paper=paper)
    if quick:
        seeds, epochs = 1, epochs or QUICK_EPOCHS
    found: dict[tuple[str, str], list[VariantRun]] = {}
    with open_sources(data, dataset, quick=quick) as sources, one_thread():
        notes = tuple(filter(None, map(sources.missing, asked)))
        rows = [row for row in asked if not sources.missing(row)]
        jobs = [
            (row, name, shortened(chosen, seed=seed, epochs=epochs), seed)
            for row in rows
            for name, chosen in row.variants.items()
            if not variants or name in variants
            for seed in range(seeds)
        ]
        for number, (row, name, chosen, seed) in enumerate(jobs):
            progress("rows", number, len(jobs))
            kept = reports / KEPT
            run = _kept_or_run(sources, row, chosen, seed=seed, kept=kept, report=progress)
            found.setdefault((row.name, name), []).append(run)
    progress("rows", len(jobs), len(jobs))
    drawn = [
        _drawn(row, name, found[row.name, name], epochs=epochs)
        for row in rows
        for name in row.variants
        if (row.name, name) in found
    ]
    table = [summarise(variant) for variant in drawn]
    if not table:
        return Reproduced(rows=[], written=(), notes=notes)
    csv, pdf = reports / CSV, reports / PDF
    write_text(csv, csv_text(pd.DataFrame(table)))
    write_reproduction_pdf(drawn, table, pdf, paper=paper)
    return Reproduced(rows=table, written=(csv, pdf, reports / KEPT), notes=notes)


def summarise(variant: ReproducedVariant) -> dict[str, Any]:
    """Return a row of the table: means and SD over the seeds; accuracies in %, MAE in 1/s."""
    runs = variant.runs
    measure = runs[0].measure
    scale = 100.0 if measure == "accuracy" else 1.0
    at = [run.at_epoch() for run in runs]

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values))

    test = [scale * row[f"test_{measure}"] for row in at]
    epochs = [len(run.history) for run in runs]
    return {
        "row": variant.row,
        "variant": variant.variant,
        "measure": measure,
        "published": published_figure(variant.published),
        "test": mean(test),
        "test_sd": float(np.std(test, ddof=1)) if len(test) > 1 else float("nan"),
        "train": mean([scale * row[f"train_{measure}"] for row in at]),
        "best_epoch": mean([run.epoch for run in runs]),
        "epochs": mean(epochs),
        "seeds": len(runs),
        "seconds": mean([run.seconds for run in runs]),
        "seconds_per_epoch": mean(
            [run.seconds / count for run, count in zip(runs, epochs, strict=True)]
        ),
        "parameters": runs[0].parameters,
        "trained_parameters": runs[0].trained_parameters,
        "stored": runs[0].stored,
        "evaluation_parameters": mean([run.evaluation_parameters for run in runs]),
        "compression": mean([run.compression for run in runs]),
        "step_ratio": mean([run.step_ratio for run in runs]),
        "macro_f1": mean([run.macro_f1 for run in runs]),
        "accuracy_before": mean([100 * run.accuracy_before for run in runs]),
        "diverged": sum(run.status == "diverged" for run in runs),
    }


def _drawn(
    row: Row, name: str, runs: Sequence[VariantRun], *, epochs: int | None
) -> ReproducedVariant:
    return ReproducedVariant(
        row=row.name,
        title=row.title,
        table=row.table,
        source=row.source,
        differs=row.differs,
        variant=name,
        published=row.published,
        settings=describe_variant(shortened(row.variants[name], seed=0, epochs=epochs)),
        runs=tuple(runs),
    )


def _place(kept: Path, described: Sequence[Any]) -> Path:
    """Name the file of a run after everything that decides it."""
    text = json.dumps(json_ready(described), sort_keys=True)
    return kept / f"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}.json"


def _kept_or_run(
    sources: Sources, row: Row, asked: Trainable, *, seed: int, kept: Path, report: Progress
) -> VariantRun:
    """Read a finished run, or train and keep it; a file that is no run is written again."""
    spec = None
    if row.data == SHOTS and isinstance(asked, TrainSettings):
        spec = asked.feature_spec()
    known = sources.fingerprint(spec)
    place = _place(kept, [__version__, known, seed, sources.quick, describe_variant(asked)])
    try:
        return _parse_run(json.loads(place.read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    run = _run(sources, asked, spec, seed=seed, on_epoch=partial(report, "epochs"))
    described = {"settings": describe_variant(asked), "run": run.to_dict()}
    write_text(place, json.dumps(json_ready(described), allow_nan=False))
    return run


def _run(
    sources: Sources,
    asked: Trainable,
    spec: FeatureSpec | None,
    *,
    seed: int,
    on_epoch: Callable[[int, int], None],
) -> VariantRun:
    if isinstance(asked, AsPublished):
        return run_reference(sources.images(), asked, seed=seed, on_epoch=on_epoch)
    if isinstance(asked, Truncated):
        return run_truncated(sources.images(), asked, on_epoch=on_epoch)
    if spec is not None:
        lab, trace = sources.lab(spec)
        return run_rates(lab, asked, trace=trace, on_epoch=on_epoch)
    return run_ours(sources.images(), asked, on_epoch=on_epoch, timed=not sources.quick)


def _parse_run(values: Mapping[str, Any]) -> VariantRun:
    """Undo `VariantRun.to_dict`; None stands for NaN."""
    known: dict[str, Any] = _with_nan(values)
    known["history"] = tuple(_with_nan(row) for row in known["history"])
    known["ranks_of_steps"] = tuple(tuple(step) for step in known["ranks_of_steps"])
    return VariantRun(**known)


def _with_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if value is None else value for key, value in values.items()}


def _figure(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def _spread(mean: float, sd: float) -> str:
    return f"{mean:.2f} ± {sd:.2f}" if np.isfinite(sd) else f"{mean:.2f}"
