"""A network trained on an ingested lab: the model's folder and its PDF."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stopflow import __version__
from stopflow.config import build_settings, read_config
from stopflow.errors import SettingsError
from stopflow.io.switch import switching
from stopflow.learn.compare.results import metrics_of, predict_lab, prediction_rows
from stopflow.learn.device import require_device
from stopflow.learn.memory import peak_memory
from stopflow.learn.saved import require_model_place, save_model
from stopflow.learn.settings import TrainSettings
from stopflow.learn.training.augment import TraceOf
from stopflow.learn.training.train import TrainStatus, train
from stopflow.lowrank import LAYERS, Network
from stopflow.pipeline.checks import given, require_name, require_reports, require_seed
from stopflow.pipeline.model_reports import write_model_report
from stopflow.pipeline.networks.layer_files import parse_layers
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.paper.rounding import format_digits, format_percent
from stopflow.store import Dataset, load_dataset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedRun:
    """A finished training run: what was written, how it ended, and what is to be said of it."""

    name: str
    metrics: dict[str, Any]
    written: tuple[Path, ...]
    status: TrainStatus
    notes: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether the run ended as it should."""
        return self.status is not TrainStatus.DIVERGED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedModel(TrainedRun):
    """A network trained on a lab, ready to print."""

    def table(self) -> tuple[Sequence[str], list[Sequence[str]]]:
        """Give columns and rows for the terminal."""
        rows = [
            _metric_row(label, self.metrics.get(part))
            for label, part in (
                ("test", "test"),
                ("train", "train"),
                ("validation", "validation"),
                ("least-squares fit on test", "fit_on_test"),
            )
        ]
        return ("", "MAE (1/s)", "median", "95 %", "shots"), [row for row in rows if row]

    def headline(self) -> str:
        """Say the outcome in a line."""
        test = self.metrics["test"]["mae_per_s"]
        ratio = self.metrics.get("test_ratio_to_fit")
        beside = f", {ratio:.2g} times the fit's where the truth is known" if ratio else ""
        beside += " (use the fit)" if ratio and ratio > 1 else ""
        return (
            f"{self.name}: test MAE {format_digits(test, 3)} 1/s{beside}; "
            f"{self.metrics['parameters']} parameters, {self.metrics['seconds']:.0f} s"
        )


def train_settings(config: Path | None = None, **options: Any) -> TrainSettings:
    """Compose the settings of a model of rates from a TOML file and options.

    An option that is None leaves the file be; the option `layer` wins over its [[layer]] tables.
    """
    values, where = compose_values(config, options)
    settings = build_settings(TrainSettings, values, where=where)
    require_seed(settings.seed)
    settings.network_specs(settings.feature_spec().n_inputs)
    return settings


def compose_values(config: Path | None, options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the values of [train] or [settings], of [[layer]] and of options, and their place."""
    asked = given(options)
    values = read_config(config) if config else {}
    where = config.name if config else ""
    if "train" in values and "settings" in values:
        raise SettingsError(f"{where}: table", "settings", valid="[train] or [settings], not both")
    section = "settings" if "settings" in values else "train"
    chosen = dict(values.get(section, {}))
    if "layer" in values and "layer" not in asked:
        tables = parse_layers(values["layer"], where=where)
        chosen |= {"layers": tables.layers, "inputs": tables.inputs}
    return chosen | asked, f"{where} [{section}]".strip()


def require_ranked(rank: int | None, layers: Sequence[str]) -> None:
    """Refuse a rank that was asked for where no layer takes one."""
    ranked = [name for name, layer in LAYERS.items() if layer.ranked]
    if rank is not None and not any(name in ranked for name in layers):
        raise SettingsError(
            "--rank", rank, valid=f"no rank for {', '.join(layers)}; {', '.join(ranked)} take one"
        )


def train_model(
    dataset_folder: Path,
    settings: TrainSettings,
    *,
    name: str | None = None,
    models: Path,
    reports: Path,
    resume: bool = False,
    paper: str = "a4",
    figures: Path | None = None,
    progress: Progress = silent,
) -> TrainedModel:
    """Train on a dataset; write models/NAME/, reports/NAME.pdf and NAME.html.

    With `figures`, every figure of the PDF is written into that folder too, as SVG and PNG.

    An interrupted run leaves its state in models/NAME.checkpoint; `resume` goes on from there.
    """
    require_reports(reports, paper=paper)
    device = require_device(settings.device)
    name = require_name(default_name(settings) if name is None else name)
    require_model_place(models / name)
    settings.require_inputs(settings.feature_spec().n_inputs)
    dataset = load_dataset(dataset_folder)
    data = build_lab_data(
        dataset, settings.feature_spec(), labels=settings.labels, progress=progress
    )
    models.mkdir(parents=True, exist_ok=True)
    checkpoint = models / f"{name}.checkpoint"
    with peak_memory(device) as peak:
        trained = train(
            data,
            settings,
            trace=trace_of(dataset),
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )
    rates = predict_lab(trained.model, data)
    metrics = {
        **metrics_of(trained, data, rates),
        "layer": settings.layer,
        "rank": settings.rank,
        "features": settings.features,
        "layers": layer_rows(trained.model.network),
        "peak_memory_bytes": peak.bytes,
        "provenance": model_provenance(settings.to_record(), dataset),
    }
    folder = models / name
    save_model(
        folder,
        trained.model,
        metrics=metrics,
        history=trained.history,
        predictions=prediction_rows(rates, data, trained.split),
    )
    checkpoint.unlink(missing_ok=True)
    with switching() as switch:
        gathered = switch.files(reports, lab=dataset.lab)
        drawn = None if figures is None else switch.files(figures, lab=dataset.lab)
        written = write_model_report(folder, gathered, dataset=dataset, paper=paper, figures=drawn)
    return TrainedModel(
        name=name,
        metrics=metrics,
        written=(folder, *map(switch.in_place, written)),
        status=trained.status,
        notes=(
            *(text for text in (trained.reason, f"inputs: {trained.inputs_used}") if text),
            *switch.notes,
        ),
    )


def trace_of(dataset: Dataset) -> TraceOf:
    """Return the look-up of trimmed traces by row that training re-cuts its augmentations from."""
    look_up: Callable[[int], Any] = dataset.trimmed
    return look_up


def layer_rows(network: Network) -> list[dict[str, Any]]:
    """One row a layer: type, size, rank, activation."""
    rows = []
    width = network.n_inputs
    for number, (spec, rank) in enumerate(
        zip(network.specs, network.ranks(), strict=True), start=1
    ):
        rows.append(
            {
                "layer": number,
                "type": spec.type,
                "inputs": width,
                "outputs": spec.dim,
                "rank": rank,
                "activation": spec.activation,
            }
        )
        width = spec.dim
    return rows


def model_provenance(settings: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Say how a model came to be, for its report."""
    return {
        "version": __version__,
        "settings": settings,
        "seed": settings["seed"],
        "libraries": dataset.provenance.get("libraries", {}),
        "inputs": dataset.provenance.get("inputs", {}),
    }


def default_name(settings: TrainSettings) -> str:
    """Name a model after its layers where the user gives none."""
    return "network" if settings.layers else settings.layer


def _metric_row(label: str, found: dict[str, Any] | None) -> Sequence[str]:
    if not found:
        return ()
    return (
        label,
        format_digits(found["mae_per_s"], 3),
        format_percent(found["median_relative_error"]),
        format_percent(found["p95_relative_error"]),
        str(found["n"]),
    )
