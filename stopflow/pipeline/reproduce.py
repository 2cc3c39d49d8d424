"""Published tables with one command: rows trained, kept, set side by side, drawn."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from stopflow import __version__
from stopflow.errors import SettingsError
from stopflow.io.atomic import write_text
from stopflow.learn.classify.data import ClassData
from stopflow.learn.device import one_thread
from stopflow.learn.published.reference import AsPublished
from stopflow.learn.published.runs import (
    Truncated,
    VariantRun,
    run_ours,
    run_reference,
    run_truncated,
)
from stopflow.learn.saved import csv_text, json_ready
from stopflow.pipeline.classify import load_images
from stopflow.pipeline.progress import Progress, silent
from stopflow.pipeline.published import (
    VARIANTS,
    Row,
    Trainable,
    choose_rows,
    describe_variant,
    load_rows,
    shortened,
)
from stopflow.pipeline.reports import require_reports
from stopflow.report.models.reproduction import ReproducedVariant, write_reproduction_pdf

QUICK_ROWS: Final = 600
QUICK_TEST: Final = 200
QUICK_EPOCHS: Final = 2
KEPT: Final = "reproduced"
PDF: Final = "reproduce.pdf"
CSV: Final = "reproduce.csv"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reproduced:
    """Published rows beside ours, ready to print."""

    rows: list[dict[str, Any]]
    written: tuple[Path, ...]

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal: test accuracies in %."""
        found: dict[str, dict[str, str]] = {}
        for row in self.rows:
            cells = found.setdefault(row["row"], {"": _percent(row["published_accuracy"])})
            cells[row["variant"]] = _spread(row["test_accuracy"], row["test_accuracy_sd"])
        columns = ("test accuracy, %", "published", "as published", "sound", "best")
        return columns, [
            (name, cells[""], *(cells.get(variant, "") for variant in VARIANTS))
            for name, cells in found.items()
        ]


def list_rows() -> list[str]:
    """Name every row in a line, with its published figure."""
    return [
        f"{row.name:<24}{_percent(published_accuracy(row)):>6}  {row.title}" for row in load_rows()
    ]


def reproduce(
    names: Sequence[str],
    *,
    data: Path,
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
    epochs
        Another length than the rows' own, for a short look.
    variants
        Of `pipeline.published.VARIANTS`; none: all.
    quick
        A few hundred images, two epochs, one seed: does every row run at all?
    """
    for name in variants:
        if name not in VARIANTS:
            raise SettingsError("--variant", name, valid=VARIANTS)
    rows = choose_rows(load_rows(), names)
    require_reports(reports, paper=paper)
    images = load_images(data)
    if quick:
        images, seeds, epochs = _few(images), 1, epochs or QUICK_EPOCHS
    kept = reports / KEPT
    jobs = [
        (row, name, chosen, seed)
        for row in rows
        for name, chosen in row.variants.items()
        if not variants or name in variants
        for seed in range(seeds)
    ]
    known = _data_hash(images)
    found: dict[tuple[str, str], list[VariantRun]] = {}
    with one_thread():
        for number, (row, name, chosen, seed) in enumerate(jobs):
            progress("rows", number, len(jobs))
            asked = shortened(chosen, seed=seed, epochs=epochs)
            place = _place(kept, [__version__, known, seed, quick, describe_variant(asked)])
            run = _kept_or_run(images, asked, seed=seed, place=place, quick=quick, report=progress)
            found.setdefault((row.name, name), []).append(run)
    progress("rows", len(jobs), len(jobs))
    drawn = [
        ReproducedVariant(
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
        for row in rows
        for name, runs in ((name, found.get((row.name, name))) for name in row.variants)
        if runs
    ]
    table = [summarise(variant) for variant in drawn]
    csv, pdf = reports / CSV, reports / PDF
    write_text(csv, csv_text(table))
    write_reproduction_pdf(drawn, table, pdf, paper=paper)
    return Reproduced(rows=table, written=(csv, pdf, kept))


def summarise(variant: ReproducedVariant) -> dict[str, Any]:
    """Return a row of the table: means and SD over the seeds."""
    runs = variant.runs
    at = [run.at_epoch() for run in runs]

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values))

    test = [100 * row["test_accuracy"] for row in at]
    epochs = [len(run.history) for run in runs]
    return {
        "row": variant.row,
        "variant": variant.variant,
        "published_accuracy": variant.published_accuracy,
        "test_accuracy": mean(test),
        "test_accuracy_sd": float(np.std(test, ddof=1)) if len(test) > 1 else float("nan"),
        "train_accuracy": mean([100 * row["train_accuracy"] for row in at]),
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


def published_accuracy(row: Row) -> float:
    """Return the accuracy that the source gives, on test or validation rows; NaN for none."""
    figures = row.published
    return float(figures.get("test_accuracy", figures.get("validation_accuracy", np.nan)))


def _place(kept: Path, described: Sequence[Any]) -> Path:
    """Name the file of a run after everything that decides it."""
    text = json.dumps(json_ready(described), sort_keys=True)
    return kept / f"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}.json"


def _kept_or_run(
    images: ClassData,
    asked: Trainable,
    *,
    seed: int,
    place: Path,
    quick: bool,
    report: Progress,
) -> VariantRun:
    """Read a finished run, or train and keep it; a file that is no run is written again."""
    try:
        return _parse_run(json.loads(place.read_text(encoding="utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        pass

    def on_epoch(done: int, total: int) -> None:
        report("epochs", done, total)

    if isinstance(asked, AsPublished):
        run = run_reference(images, asked, seed=seed, on_epoch=on_epoch)
    elif isinstance(asked, Truncated):
        run = run_truncated(images, asked, on_epoch=on_epoch)
    else:
        run = run_ours(images, asked, on_epoch=on_epoch, timed=not quick)
    kept = {"settings": describe_variant(asked), "run": run.to_dict()}
    write_text(place, json.dumps(json_ready(kept), allow_nan=False))
    return run


def _parse_run(values: Mapping[str, Any]) -> VariantRun:
    """Undo `VariantRun.to_dict`; None stands for NaN."""
    known: dict[str, Any] = _with_nan(values)
    known["history"] = tuple(_with_nan(row) for row in known["history"])
    known["ranks_of_steps"] = tuple(tuple(step) for step in known["ranks_of_steps"])
    return VariantRun(**known)


def _with_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if value is None else value for key, value in values.items()}


def _few(images: ClassData) -> ClassData:
    """Keep the first images of each part."""
    train, test = min(QUICK_ROWS, images.first_test), images.first_test
    chosen = np.r_[:train, test : min(test + QUICK_TEST, len(images))]
    return replace(
        images, inputs=images.inputs[chosen], labels=images.labels[chosen], first_test=train
    )


def _data_hash(images: ClassData) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for array in (images.inputs, images.labels):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _percent(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def _spread(mean: float, sd: float) -> str:
    return f"{mean:.2f} ± {sd:.2f}" if np.isfinite(sd) else f"{mean:.2f}"
