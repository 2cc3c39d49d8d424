"""Models fine-tuned to another lab, or to other images: the command adapt."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stopflow.learn.adapt import Adapted, adapt_settings
from stopflow.learn.adapt import adapt_model as adapt_to
from stopflow.learn.adapt_cost import Cost, adapt_beside_full
from stopflow.learn.classify.saved import is_classifier
from stopflow.learn.compare.results import predict_lab, prediction_rows
from stopflow.learn.saved import load_model, save_model
from stopflow.pipeline.checks import require_seed
from stopflow.pipeline.find import find_model
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.pipeline.networks.adapt_images import COLUMNS, adapt_to_images
from stopflow.pipeline.networks.refined import Refined, describe_network, new_place
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.pipeline.networks.train import trace_of
from stopflow.pipeline.progress import Progress, silent

ADAPT_COLUMNS = {
    "model": "model",
    "part": "shots",
    "n": "n",
    "mae_per_s": "MAE (1/s)",
    "median_relative_error": "median",
    "p95_relative_error": "95 %",
}
COST_COLUMNS = {
    "learning_rate": "rate",
    "trained_parameters": "trained",
    "processor_s": "CPU s",
    "peak_MB": "peak MB",
}


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
    target = new_place(usual if name is None else name, models, place)
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
            **describe_network(found.model.network, found.trained_parameters, table=rows),
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
