"""Models from models: compressed, or fine-tuned to another lab."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stopflow.errors import SettingsError
from stopflow.learn.adapt import Adapted, adapt_settings
from stopflow.learn.adapt import adapt_model as adapt_to
from stopflow.learn.adapt_cost import Cost, adapt_beside_full
from stopflow.learn.classify.compress import ClassSubject
from stopflow.learn.classify.saved import is_classifier, load_classifier
from stopflow.learn.classify.scores import score_classes
from stopflow.learn.compare.results import predict_lab, prediction_rows
from stopflow.learn.compress import Share, compress_subject
from stopflow.learn.compress_rates import RateSubject, known_rows
from stopflow.learn.data import LabData
from stopflow.learn.evaluate import measure
from stopflow.learn.judge import Judgement
from stopflow.learn.model import Model
from stopflow.learn.saved import load_model, require_model_place, save_model
from stopflow.learn.split import Split
from stopflow.lowrank import Network
from stopflow.pipeline.checks import require_name, require_seed
from stopflow.pipeline.find import find_model
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.pipeline.networks.adapt_images import COLUMNS, adapt_to_images
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.pipeline.networks.train import layer_rows, trace_of
from stopflow.pipeline.progress import Progress, silent
from stopflow.report.paper.rounding import format_digits
from stopflow.store import is_dataset, load_dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """A new model's table, ready to print, and where the model is."""

    rows: list[dict[str, Any]]
    columns: Mapping[str, str]
    written: tuple[Path, ...]
    judgement: Judgement | None
    use: str

    @property
    def finished(self) -> bool:
        """Whether the new model may be recommended, as far as can be told."""
        return self.judgement is None or not self.judgement.worse

    def headline(self) -> str:
        """Say in a line what the new model is worth, and how to use it."""
        name, found = self.written[0].name, self.judgement
        if found is None:
            return f"{name} was not judged: there were no data to judge it on; {self.use}"
        errors = (
            f"{found.what} {format_digits(found.after, 3)}, before "
            f"{format_digits(found.before, 3)} ± {format_digits(found.spread, 2)}"
        )
        if found.worse:
            return f"{name} IS WORSE THAN THE MODEL IT CAME FROM AND SHOULD NOT BE USED: {errors}"
        return f"the new model is {name} ({errors}); {self.use}"

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
    "error_before": "error",
    "error_after": "after",
    "note": "",
}
ADAPT_COLUMNS = {
    "model": "model",
    "part": "shots",
    "n": "n",
    "mae_per_s": "MAE (1/s)",
    "median_relative_error": "median error",
    "p95_relative_error": "95 %",
}
COST_COLUMNS = {
    "learning_rate": "rate",
    "trained_parameters": "trained",
    "processor_s": "processor s",
    "peak_MB": "peak MB",
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
    """Truncate a model's layers; it is judged on the dataset's shots, or on images, if there are.

    Parameters
    ----------
    data
        A folder of images, for a classifier.
    """
    place = find_model(model, models)
    usual = f"{place.resolve().name}-compressed"
    target = _new_place(usual if name is None else name, models, place)
    if is_classifier(place):
        return _compress_classifier(place, target, share, data=data)
    if data is not None:
        raise SettingsError("--data", str(data), valid="--dataset, for a model that predicts rates")
    loaded = load_model(place)
    lab = None
    if is_dataset(dataset):
        lab = build_lab_data(load_dataset(dataset), loaded.features)
    found = compress_subject(RateSubject(model_before=loaded, data=lab), share)
    save_model(
        target,
        found.model,
        metrics={
            **_metrics(found.model.network, found.parameters_after, table=found.rows()),
            "test": None if lab is None else _test_metrics(found.model, lab),
        },
        predictions=() if lab is None else _predictions(found.model, lab),
    )
    return Refined(
        rows=found.rows(),
        columns=COMPRESS_COLUMNS,
        written=(target,),
        judgement=found.judgement,
        use=f"use it with: stopflow predict {target.name} FOLDER",
    )


def _compress_classifier(place: Path, target: Path, share: Share, *, data: Path | None) -> Refined:
    images = None if data is None else load_images(data)
    subject = ClassSubject(classifier=load_classifier(place), data=images)
    found = compress_subject(subject, share)
    metrics = _metrics(found.model.network, found.parameters_after, table=found.rows())
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
    beside_full: bool = False,
    progress: Progress = silent,
) -> Refined:
    """Fine-tune a model to the shots of `folder`; the base model's folder stays as it is.

    A classifier is fine-tuned to the images of `folder`.
    With `beside_full` the table has full fine-tuning as well, and what each of the two cost.
    """
    place = find_model(model, models)
    usual = f"{place.resolve().name}-{folder.resolve().name}"
    target = _new_place(usual if name is None else name, models, place)
    if is_classifier(place):
        lora, rows = adapt_to_images(
            place,
            target,
            folder,
            rank=rank,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
            beside_full=beside_full,
        )
        return Refined(
            rows=rows,
            columns=COLUMNS | (COST_COLUMNS if beside_full else {}),
            written=(target,),
            judgement=lora.judgement,
            use="it lies beside the model it was made from",
        )
    loaded = load_model(place)
    changes = {"epochs": epochs, "learning_rate": learning_rate, "seed": require_seed(seed)}
    settings = adapt_settings(**{key: item for key, item in changes.items() if item is not None})
    with tempfile.TemporaryDirectory(prefix="stopflow-") as scratch:
        dataset = ingest(
            folder, out=Path(scratch) / "ingested", settings=ingest_settings(), progress=progress
        )
        lab = build_lab_data(dataset, loaded.features)
        trace = trace_of(dataset)
        if beside_full:
            found, costs = adapt_beside_full(loaded, lab, settings, rank=rank, trace=trace)
            rows = _cost_rows(found, costs)
        else:
            found = adapt_to(loaded, lab, settings, rank=rank, trace=trace, progress=progress)
            rows = found.rows()
        rates = predict_lab(found.model, lab)
    save_model(
        target,
        found.model,
        metrics={
            **_metrics(found.model.network, found.trained_parameters, table=rows),
            **{part: measured.to_dict() for part, measured in found.after.items()},
            "status": str(found.status),
            "reason": found.reason,
        },
        history=found.history,
        predictions=prediction_rows(rates, lab, found.split),
    )
    return Refined(
        rows=rows,
        columns=ADAPT_COLUMNS | (COST_COLUMNS if beside_full else {}),
        written=(target,),
        judgement=found.judgement,
        use=f"use it with: stopflow predict {target.name} FOLDER",
    )


def _cost_rows(found: Adapted, costs: Sequence[Cost]) -> list[dict[str, Any]]:
    """Return the errors before, and those after each way with its cost, part by part."""
    return [
        row
        for part in found.before
        for row in (
            {"model": "before", "part": part, **found.before[part].to_dict()},
            *(
                {
                    "model": cost.way,
                    "part": part,
                    **cost.metrics[part].to_dict(),
                    "learning_rate": cost.learning_rate,
                    "trained_parameters": cost.trained_parameters,
                    "processor_s": cost.processor_s,
                    "peak_MB": cost.peak_bytes / 1e6,
                }
                for cost in costs
            ),
        )
    ]


def _new_place(name: str, models: Path, source: Path) -> Path:
    """Return the folder of a new model, which must not be that of the model it is made from."""
    target = models / require_name(name)
    if target.exists() and target.samefile(source):
        raise SettingsError("--name", name, valid=f"another name than that of the model {source}")
    require_model_place(target)
    return target


def _predictions(model: Model, lab: LabData) -> list[dict[str, Any]]:
    """Return rows of predictions.csv; shots count as tested unless the model learned from them.

    A lab that holds none of the model's test experiments is one that it never saw.
    """
    named = model.record.get("split", {}).get("test_experiments", [])
    tested = np.isin(lab.experiment, named)
    if not tested.any():
        tested[:] = True
    split = Split(
        train=np.flatnonzero(~tested),
        validation=np.empty(0, dtype=np.intp),
        test=np.flatnonzero(tested),
        test_experiments=tuple(named),
        validation_experiments=(),
    )
    return prediction_rows(predict_lab(model, lab), lab, split)


def _metrics(network: Network, parameters: int, *, table: list[dict[str, Any]]) -> dict[str, Any]:
    return {"parameters": parameters, "layers": layer_rows(network), "table": table}


def _text(value: object) -> str:
    if value is None:
        return ""
    return format_digits(value, 3) if isinstance(value, float) else str(value)
