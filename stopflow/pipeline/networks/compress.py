"""Smaller models from trained ones, and the curve of all truncations: the command compress."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from stopflow.errors import SettingsError
from stopflow.io.atomic import write_text
from stopflow.io.csv_files import csv_text
from stopflow.io.switch import switching
from stopflow.learn.classify.compress import ClassSubject
from stopflow.learn.classify.saved import is_classifier, load_classifier
from stopflow.learn.classify.scores import score_classes
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.compress import Share, Subject, compress_subject
from stopflow.learn.compress_curve import compress_curve
from stopflow.learn.compress_rates import RateSubject, known_rows
from stopflow.learn.data import LabData
from stopflow.learn.device import one_thread
from stopflow.learn.evaluate import measure
from stopflow.learn.model import Model
from stopflow.learn.saved import load_model, save_model
from stopflow.pipeline.checks import require_reports
from stopflow.pipeline.find import find_model
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.refined import (
    Refined,
    describe_network,
    judged_predictions,
    new_place,
)
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
COMPRESS_COLUMNS = {
    "layer": "layer",
    "rank_before": "rank",
    "rank_after": "after",
    "parameters_before": "parameters",
    "parameters_after": "after",
    "error_before": "error",
    "error_after": "after",
    "note": "",
}


def compress_model(
    model: str,
    share: Share,
    *,
    name: str | None,
    dataset: Path,
    data: Path | None = None,
    models: Path,
) -> Refined:
    """Truncate a model's layers; judge it on the dataset's shots or on images in `data`."""
    place = find_model(model, models)
    usual = f"{place.resolve().name}-compressed"
    target = new_place(usual if name is None else name, models, place)
    if is_classifier(place):
        return _compress_classifier(place, target, share, data=data)
    if data is not None:
        raise SettingsError("--data", str(data), valid="--dataset, for a model that predicts rates")
    subject = _of_rates(place, dataset)
    lab, found = subject.data, compress_subject(subject, share)
    save_model(
        target,
        found.model,
        metrics={
            **describe_network(found.model.network, found.parameters_after, table=found.rows()),
            "test": None if lab is None else _test_metrics(found.model, lab),
        },
        predictions=() if lab is None else judged_predictions(found.model, lab),
    )
    return Refined(
        rows=found.rows(),
        columns=COMPRESS_COLUMNS,
        written=(target,),
        judgement=found.judgement,
        use=f"use it with: stopflow predict {target.name} FOLDER",
    )


def _compress_classifier(place: Path, target: Path, share: Share, *, data: Path | None) -> Refined:
    subject = _of_images(place, data)
    images, found = subject.data, compress_subject(subject, share)
    metrics = describe_network(found.model.network, found.parameters_after, table=found.rows())
    if images is not None:
        rows = np.arange(images.first_test, len(images))
        predicted = found.model.predict(images.inputs[rows])
        scores = score_classes(predicted, images.labels[rows], classes=images.classes)
        metrics |= {"test": scores.to_dict(), "task": "classification"}
    save_model(target, found.model, metrics=metrics)
    return Refined(
        rows=found.rows(),
        columns=COMPRESS_COLUMNS,
        written=(target,),
        judgement=found.judgement,
        use="it lies beside the model it was made from",
    )


def _test_metrics(model: Model, lab: LabData) -> dict[str, Any]:
    rows = known_rows(model, lab, held_out=True)
    return measure(predict_lab(model, lab)[rows], lab.k_actual_per_s[rows]).to_dict()


def _of_rates(place: Path, dataset: Path) -> RateSubject:
    """Load a model of rates and, where there is an ingested lab, what it is judged on."""
    loaded = load_model(place)
    known = is_dataset(dataset)
    lab = build_lab_data(load_dataset(dataset), loaded.features) if known else None
    return RateSubject(model_before=loaded, data=lab)


def _of_images(place: Path, data: Path | None) -> ClassSubject:
    """Load a classifier and, where a folder is given, the images that it is judged on."""
    images = None if data is None else load_images(data)
    return ClassSubject(classifier=load_classifier(place), data=images)


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
    images = is_classifier(place)
    subject: Subject[Any] = _of_images(place, data) if images else _of_rates(place, dataset)
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
