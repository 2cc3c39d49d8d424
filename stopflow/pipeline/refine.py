"""Models from models: compressed, or fine-tuned to another lab."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stopflow.learn.adapt import adapt_model as adapt_to
from stopflow.learn.adapt import adapt_settings
from stopflow.learn.compress import compress_model as compress_to
from stopflow.learn.model import Model
from stopflow.learn.results import predict_lab, prediction_rows
from stopflow.learn.saved import load_model, save_model
from stopflow.pipeline.find import find_model
from stopflow.pipeline.ingest import ingest, ingest_settings
from stopflow.pipeline.progress import Progress, silent
from stopflow.pipeline.rows import build_lab_data
from stopflow.pipeline.train import layer_rows, require_name, trace_of
from stopflow.report.rounding import format_digits
from stopflow.store import load_dataset

DATASET_MARK = "ingest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """A new model's table, ready to print, and where the model is."""

    rows: list[dict[str, Any]]
    columns: Mapping[str, str]
    written: tuple[Path, ...]

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        return tuple(self.columns.values()), [
            [_text(row.get(name)) for name in self.columns] for row in self.rows
        ]


COMPRESS_COLUMNS = {
    "layer": "layer",
    "rank_before": "rank",
    "rank_after": "after",
    "parameters_before": "parameters",
    "parameters_after": "after",
    "mae_before_per_s": "MAE (1/s)",
    "mae_after_per_s": "after",
}
ADAPT_COLUMNS = {
    "model": "model",
    "part": "shots",
    "n": "n",
    "mae_per_s": "MAE (1/s)",
    "median_relative_error": "median error",
    "p95_relative_error": "95 %",
}


def compress_model(
    model: str,
    *,
    energy: float | None,
    entropy: float | None,
    data_aware: bool,
    name: str | None,
    dataset: Path,
    models: Path,
) -> Refined:
    """Truncate a model's layers; the errors are those on the dataset's shots, if there is one."""
    place = find_model(model, models)
    loaded = load_model(place)
    target = models / require_name(name or f"{place.name}-compressed")
    if energy is None and entropy is None:
        energy = 0.99
    lab = None
    if data_aware or (dataset / DATASET_MARK).is_file():
        lab = build_lab_data(load_dataset(dataset), loaded.features)
    found = compress_to(loaded, energy=energy, entropy=entropy, data_aware=data_aware, data=lab)
    metrics = _metrics(found.model, parameters=found.parameters_after, table=found.rows())
    save_model(target, found.model, metrics=metrics)
    return Refined(rows=found.rows(), columns=COMPRESS_COLUMNS, written=(target,))


def adapt_model(
    model: str,
    folder: Path,
    *,
    rank: int,
    epochs: int | None,
    learning_rate: float | None,
    seed: int,
    name: str | None,
    models: Path,
    progress: Progress = silent,
) -> Refined:
    """Fine-tune a model to the shots of `folder`; the base model's folder stays as it is."""
    place = find_model(model, models)
    loaded = load_model(place)
    target = models / require_name(name or f"{place.name}-{folder.resolve().name}")
    changes = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed}
    settings = adapt_settings(**{key: item for key, item in changes.items() if item is not None})
    with tempfile.TemporaryDirectory(prefix="stopflow-") as scratch:
        dataset = ingest(
            folder, out=Path(scratch) / "ingested", settings=ingest_settings(), progress=progress
        )
        lab = build_lab_data(dataset, loaded.features)
        found = adapt_to(
            loaded, lab, settings, rank=rank, trace=trace_of(dataset), progress=progress
        )
        rates = predict_lab(found.model, lab)
    metrics = _metrics(found.model, parameters=found.trained_parameters, table=found.rows())
    save_model(
        target,
        found.model,
        metrics={**metrics, "status": str(found.status), "reason": found.reason},
        history=found.history,
        predictions=prediction_rows(rates, lab, found.split),
    )
    return Refined(rows=found.rows(), columns=ADAPT_COLUMNS, written=(target,))


def _metrics(model: Model, *, parameters: int, table: list[dict[str, Any]]) -> dict[str, Any]:
    return {"parameters": parameters, "layers": layer_rows(model), "table": table}


def _text(value: object) -> str:
    if value is None:
        return ""
    return format_digits(value, 3) if isinstance(value, float) else str(value)
