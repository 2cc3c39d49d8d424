"""Published tables with one command: rows trained, kept, set side by side, drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from stopflow.errors import require_key
from stopflow.io.atomic import write_text
from stopflow.io.csv_files import csv_text
from stopflow.io.json_files import json_text
from stopflow.io.switch import switching
from stopflow.learn.device import one_thread
from stopflow.learn.published.runs import VariantRun
from stopflow.pipeline.checks import require_reports
from stopflow.pipeline.progress import Progress, silent
from stopflow.pipeline.published.data import open_sources
from stopflow.pipeline.published.rows import (
    SHOTS,
    VARIANTS,
    Row,
    Trainable,
    choose_rows,
    describe_variant,
    load_rows,
    shortened,
    with_seed,
)
from stopflow.pipeline.published.runs import KeptRuns
from stopflow.report.models.reproduction import (
    ReproducedVariant,
    published_figure,
    write_reproduction_pdf,
)

QUICK_EPOCHS: Final = 2
KEPT: Final = "reproduced"
PDF: Final = "reproduce.pdf"
CSV: Final = "reproduce.csv"
JSON: Final = "reproduce.json"


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
            cells[row["variant"]] = (
                f"{row['diverged']} of {row['seeds']} diverged"
                if row["diverged"]
                else _spread(row["test"], row["test_sd"])
            )
        columns = ("test: % right, or 1/s", "published", "as published", "sound", "best")
        return columns, [
            (name, cells[""], *(cells.get(variant, "") for variant in VARIANTS))
            for name, cells in found.items()
        ]


def list_rows(names: Sequence[str] = ()) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Give columns and rows of a list: every row asked for, its published figure, what it is."""
    return ("row", "published", "network"), [
        (row.name, _with_unit(row), row.title) for row in choose_rows(load_rows(), names)
    ]


def _with_unit(row: Row) -> str:
    figure = _figure(published_figure(row.published))
    return f"{figure} {'1/s' if row.data == SHOTS else '%'}" if figure else ""


def reproduce(
    names: Sequence[str],
    *,
    data: Path,
    dataset: Path,
    reports: Path,
    seeds: int = 5,
    first_seed: int = 0,
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
    seeds, first_seed
        How many, from which on.
    epochs
        Another length than the rows' own, for a short look.
    variants
        Of `pipeline.published.rows.VARIANTS`; none: all.
    quick
        A few hundred images, a small simulated lab, two epochs, one seed: does every row run?
    """
    for name in variants:
        require_key("--variant", name, VARIANTS)
    asked = choose_rows(load_rows(), names)
    require_reports(reports, paper=paper)
    remark = _conditions(epochs, quick=quick)
    if quick:
        seeds, epochs = 1, epochs or QUICK_EPOCHS
    found: dict[tuple[str, str], list[VariantRun]] = {}
    peaks: dict[tuple[str, str], float] = {}
    with open_sources(data, dataset, quick=quick) as sources, one_thread():
        notes = tuple(filter(None, map(sources.missing, asked)))
        rows = [row for row in asked if not sources.missing(row)]
        kept = KeptRuns(folder=reports / KEPT, sources=sources, report=progress)
        chosen = _resolve(rows, variants, kept, epochs=epochs)
        jobs = [
            (row, name, seed)
            for table in dict.fromkeys(row.table for row in rows)
            for seed in range(first_seed, first_seed + seeds)
            for row in rows
            for name in row.variants
            if row.table == table and (row.name, name) in chosen
        ]
        for number, (row, name, seed) in enumerate(jobs):
            progress("rows", number, len(jobs))
            key = row.name, name
            run = kept.run(row, with_seed(chosen[key], seed), seed=seed)
            found.setdefault(key, []).append(run)
        progress("rows", len(jobs), len(jobs))
        peaks = {
            (row.name, name): kept.peak(chosen[row.name, name])
            for row in rows
            for name in row.variants
            if row.cost and not quick and (row.name, name) in chosen
        }
    drawn = [
        ReproducedVariant(
            row=row,
            variant=name,
            settings=describe_variant(chosen[row.name, name]),
            runs=tuple(found[row.name, name]),
        )
        for row in rows
        for name in row.variants
        if (row.name, name) in found
    ]
    table = [
        summarise(variant, peak_bytes=peaks.get((variant.row.name, variant.variant), float("nan")))
        for variant in drawn
    ]
    if not table:
        return Reproduced(rows=[], written=(), notes=notes)
    _set_beside_yardsticks(table, rows, found)
    with switching() as switch:
        gathered = switch.files(reports, lab=None, common=True)
        write_text(gathered / CSV, csv_text(pd.DataFrame(table)))
        write_text(gathered / JSON, json_text(table))
        write_reproduction_pdf(drawn, table, gathered / PDF, paper=paper, remark=remark)
    written = tuple(reports / name for name in (CSV, JSON, PDF, KEPT))
    return Reproduced(
        rows=table, written=written, notes=(*notes, *filter(None, [remark]), *switch.notes)
    )


def _conditions(epochs: int | None, *, quick: bool) -> str:
    """Say what keeps the figures of a short look from being compared with the published ones."""
    if quick:
        return "a quick look at a few hundred images: it shows that the rows run, not how well"
    if epochs is not None:
        return f"every row was trained for {epochs} epochs in place of its own number"
    return ""


def _resolve(
    rows: Sequence[Row], variants: Sequence[str], kept: KeptRuns, *, epochs: int | None
) -> dict[tuple[str, str], Trainable]:
    """Return the settings of every variant asked for, those that are tuned after their search."""
    return {
        (row.name, name): kept.tuned(shortened(asked, epochs=epochs))
        for row in rows
        for name, asked in row.variants.items()
        if not variants or name in variants
    }


def _set_beside_yardsticks(
    table: Sequence[dict[str, Any]],
    rows: Sequence[Row],
    found: Mapping[tuple[str, str], Sequence[VariantRun]],
) -> None:
    """Add the processor time over that of the yardstick, the mean over pairs of equal seeds."""
    yardsticks = {row.name: row.yardstick for row in rows}
    for line in table:
        own = found[line["row"], line["variant"]]
        other = found.get((yardsticks[line["row"]], line["variant"]), ())
        ratios = [a.processor_s / b.processor_s for a, b in zip(own, other, strict=False)]
        line["time_to_yardstick"] = float(np.mean(ratios)) if ratios else float("nan")


def summarise(variant: ReproducedVariant, *, peak_bytes: float = float("nan")) -> dict[str, Any]:
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
        "row": variant.row.name,
        "title": variant.row.title,
        "variant": variant.variant,
        "measure": measure,
        "published": published_figure(variant.row.published),
        "test": mean(test),
        "test_sd": float(np.std(test, ddof=1)) if len(test) > 1 else float("nan"),
        "train": mean([scale * row[f"train_{measure}"] for row in at]),
        "best_epoch": mean([run.epoch for run in runs]),
        "epochs": mean(epochs),
        "seeds": len(runs),
        "first_seed": runs[0].seed,
        "learning_rate": variant.settings.get("learning_rate", float("nan")),
        "weight_decay": variant.settings.get("weight_decay", float("nan")),
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
        "processor_s": mean([run.processor_s for run in runs]),
        "peak_MB": peak_bytes / 1e6,
        "accuracy_before": mean([100 * run.accuracy_before for run in runs]),
        "diverged": sum(run.status == "diverged" for run in runs),
    }


def _figure(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""


def _spread(mean: float, sd: float) -> str:
    return f"{mean:.2f} ± {sd:.2f}" if np.isfinite(sd) else f"{mean:.2f}"
