"""A network trained on labelled images: the model's folder and its PDF."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from stopflow import __version__
from stopflow.config import build_settings
from stopflow.errors import SettingsError
from stopflow.io.idx import read_image_set
from stopflow.io.switch import switching
from stopflow.learn.classify.data import ClassData, class_data
from stopflow.learn.classify.train import (
    CLASS_DEFAULTS,
    class_metrics,
    refuse_rates_only,
    train_classifier,
)
from stopflow.learn.device import require_device
from stopflow.learn.memory import peak_memory
from stopflow.learn.saved import require_model_place, save_model
from stopflow.learn.settings import TrainSettings
from stopflow.pipeline.checks import require_name, require_reports, require_seed
from stopflow.pipeline.networks.train import TrainedRun, compose_values, default_name, layer_rows
from stopflow.report.data import ModelReportData

PARTS: Final = ("test", "validation", "train")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedClassifier(TrainedRun):
    """A network trained on images, ready to print."""

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        rows: list[Sequence[str]] = [
            (
                part,
                f"{100 * self.metrics[part]['accuracy']:.2f} %",
                f"{100 * self.metrics[part]['macro_f1']:.2f} %",
                str(self.metrics[part]["n"]),
            )
            for part in PARTS
            if part in self.metrics
        ]
        return ("", "accuracy", "macro F1", "images"), rows

    def headline(self) -> str:
        """Say the outcome in a line."""
        return (
            f"{self.name}: test accuracy {100 * self.metrics['test']['accuracy']:.2f} %; "
            f"{self.metrics['parameters']} parameters; "
            f"time to train {self.metrics['seconds']:.1f} s"
        )


def classifier_settings(config: Path | None = None, **options: Any) -> TrainSettings:
    """Compose the settings of a classifier from a TOML file and options, as `train_settings`."""
    values, where = compose_values(config, options)
    refuse_rates_only(values)
    settings = build_settings(TrainSettings, {**CLASS_DEFAULTS, **values}, where=where)
    require_seed(settings.seed)
    return settings


def load_images(folder: Path) -> ClassData:
    """Read a folder of IDX files."""
    return class_data(read_image_set(folder))


def train_images(
    folder: Path,
    settings: TrainSettings,
    *,
    name: str | None = None,
    models: Path,
    reports: Path,
    resume: bool = False,
    paper: str = "a4",
    figures: Path | None = None,
    on_line: Callable[[str], None] = lambda _line: None,
) -> TrainedClassifier:
    """Train on a folder of IDX files; write models/NAME/, reports/NAME.pdf and NAME.html.

    With `figures`, every figure of the PDF is written into that folder too, as SVG and PNG.
    `on_line` gets a line after each judged epoch. An interrupted run leaves its state in
    models/NAME.checkpoint; `resume` goes on from there.
    """
    from stopflow.report.html.classifier import write_classifier_page
    from stopflow.report.models.classifier import write_classifier_figures, write_classifier_pdf

    require_reports(reports, paper=paper)
    device = require_device(settings.device)
    name = require_name(default_name(settings) if name is None else name)
    require_model_place(models / name)
    data = load_images(folder)
    models.mkdir(parents=True, exist_ok=True)
    checkpoint = models / f"{name}.checkpoint"
    with peak_memory(device) as peak:
        trained = train_classifier(
            data,
            settings,
            checkpoint=checkpoint,
            resume=resume,
            on_epoch=lambda row: on_line(say_epoch(row, settings.epochs)),
        )
    provenance = {
        "version": __version__,
        "settings": settings.to_record(),
        "seed": settings.seed,
    }
    metrics = {
        **class_metrics(trained, data),
        "data": data.name,
        "layers": layer_rows(trained.model.network),
        "peak_memory_bytes": peak.bytes,
        "provenance": provenance,
    }
    shown = ModelReportData(
        name=name,
        metrics=metrics,
        history=pd.DataFrame(list(trained.history)),
        provenance=provenance,
    )
    place = models / name
    save_model(place, trained.model, metrics=metrics, history=trained.history)
    checkpoint.unlink(missing_ok=True)
    with switching() as switch:
        gathered = switch.files(reports, lab=None, common=True)
        drawn = None if figures is None else switch.files(figures, lab=None, common=True)
        written = [gathered / f"{name}{ending}" for ending in (".pdf", ".html")]
        write_classifier_pdf(shown, written[0], paper=paper)
        write_classifier_page(shown, written[1])
        if drawn is not None:
            written += write_classifier_figures(shown, drawn)
    return TrainedClassifier(
        name=name,
        metrics=metrics,
        written=(place, *map(switch.in_place, written)),
        status=trained.status,
        notes=(*(text for text in (trained.reason,) if text), *switch.notes),
    )


def say_epoch(row: Mapping[str, float], epochs: int) -> str:
    """Word a row of the history: epoch, step, loss, accuracy."""
    part = "validation" if "validation_accuracy" in row else "test"
    return (
        f"epoch {row['epoch']:.0f}/{epochs}  step {row['step']:.0f}  loss {row['loss']:.4f}  "
        f"{part} accuracy {100 * row[f'{part}_accuracy']:.2f} %"
    )


def require_images(data: Path | None, *, dataset: Path, usual: Path) -> None:
    """Refuse a dataset of shots beside a folder of images."""
    if data is not None and dataset != usual:
        raise SettingsError(
            "--dataset", str(dataset), valid="--dataset (shots) or --data (images), not both"
        )
