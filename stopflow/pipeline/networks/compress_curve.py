"""The curve of a model's truncations: measured, written, ready to print."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stopflow.io.atomic import write_text
from stopflow.io.csv_files import csv_text
from stopflow.io.switch import switching
from stopflow.learn.classify.compress import ClassSubject
from stopflow.learn.classify.saved import is_classifier, load_classifier
from stopflow.learn.compress import Subject
from stopflow.learn.compress_curve import compress_curve
from stopflow.learn.compress_rates import RateSubject
from stopflow.learn.device import one_thread
from stopflow.learn.saved import load_model
from stopflow.pipeline.checks import require_reports
from stopflow.pipeline.find import find_model
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.report.paper.rounding import format_digits
from stopflow.store import is_dataset, load_dataset

SUFFIX: Final = "-compress"
SCORES: Final = {
    "mae_per_s": ("MAE (1/s)", 1),
    "median_relative_error": ("median (%)", 100),
    "accuracy": ("accuracy (%)", 100),
    "macro_f1": ("macro F1 (%)", 100),
}
"""Score -> its column on the terminal and what it is multiplied by there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCurve:
    """Rows of the curve, the files they were written to, and what made way for these."""

    rows: list[dict[str, Any]]
    scores: tuple[str, ...]
    written: tuple[Path, ...]
    notes: tuple[str, ...]

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        heads = (SCORES[name][0] for name in self.scores)
        columns = ("kept", "of", "data-aware", "values", "share", *heads, "latency")
        return columns, [
            (
                f"{row['kept']:g}",
                row["criterion"],
                "yes" if row["data_aware"] else "no",
                str(row["parameters"]),
                f"{100 * row['share']:.1f} %",
                *(format_digits(SCORES[name][1] * row[name], 4) for name in self.scores),
                f"{row['latency_ratio']:.2f}",
            )
            for row in self.rows
        ]


def measure_curve(
    model: str, *, dataset: Path, data: Path | None, models: Path, reports: Path, paper: str = "a4"
) -> MeasuredCurve:
    """Truncate a model to many shares and judge each; write REPORTS/NAME-compress.csv and .pdf.

    Parameters
    ----------
    dataset, data
        What to judge on: an ingested lab for a model of rates, a folder of images for a
        classifier.
    """
    from stopflow.report.models.compression import write_compression_pdf

    require_reports(reports, paper=paper)
    place = find_model(model, models)
    subject: Subject[Any]
    if is_classifier(place):
        images = None if data is None else load_images(data)
        subject = ClassSubject(classifier=load_classifier(place), data=images)
    else:
        loaded = load_model(place)
        known = is_dataset(dataset)
        lab = build_lab_data(load_dataset(dataset), loaded.features) if known else None
        subject = RateSubject(model_before=loaded, data=lab)
    with one_thread():
        points = compress_curve(subject)
    rows = [point.row() for point in points]
    table = pd.DataFrame(rows)
    name = place.resolve().name
    csv, pdf = f"{name}{SUFFIX}.csv", f"{name}{SUFFIX}.pdf"
    scores = tuple(points[0].scores)
    with switching() as switch:
        gathered = switch.files(reports, lab=None, common=True)
        write_text(gathered / csv, csv_text(table))
        write_compression_pdf(name, table, gathered / pdf, scores=scores, paper=paper)
    return MeasuredCurve(
        rows=rows, scores=scores, written=(reports / csv, reports / pdf), notes=tuple(switch.notes)
    )
