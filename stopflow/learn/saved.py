"""Models on disk: a folder that rebuilds its model, tensors and JSON, replaced only whole.

::

    models/NAME/
      model.safetensors   weights of every layer; mean and scale of the standardiser
      model.json          format, version, features, layers, target, settings, split, seed, versions
      metrics.json        how good it is on what it never saw
      history.csv         one row a judged epoch
      predictions.csv     one row a shot

A folder with anything else in it is not replaced.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from stopflow.errors import NO_ROOM, ModelError, StopflowError
from stopflow.features import FeatureSpec, Standardiser
from stopflow.io.atomic import Owned, recover_folder, replacing_folder, require_replaceable
from stopflow.learn.model import Model, TargetScale
from stopflow.learn.pretraining.interval import IntervalScale
from stopflow.lowrank import LayerSpec, Network, build_network

FORMAT: Final = "stopflow-model"
VERSION: Final = 2
WEIGHTS: Final = "model.safetensors"
DESCRIPTION: Final = "model.json"
METRICS: Final = "metrics.json"
HISTORY: Final = "history.csv"
PREDICTIONS: Final = "predictions.csv"
NOT_FINITE: Final = "holds values that are no finite numbers"
CARD: Final = "README.md"
FILES: Final = frozenset({WEIGHTS, DESCRIPTION, METRICS, HISTORY, PREDICTIONS})


class Savable(Protocol):
    """A model of any task."""

    @property
    def network(self) -> Network:
        """Layers with their weights."""

    @property
    def standardiser(self) -> Standardiser:
        """What is done to a row first."""

    @property
    def record(self) -> Mapping[str, Any]:
        """How it came to be; JSON values."""

    def described(self) -> dict[str, Any]:
        """Return what only models of its task have, as JSON values."""


def save_model(
    folder: Path,
    model: Savable,
    *,
    metrics: Mapping[str, Any] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    predictions: Sequence[Mapping[str, Any]] = (),
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a model and what is known about it; an older folder is replaced when all is written.

    Parameters
    ----------
    history, predictions
        Rows of the two tables; the columns are those of the first row.
    extra
        Further text files, name -> content (a model card).

    Raises
    ------
    SettingsError
        As `require_model_place`, with the names of `extra`.
    """
    with replacing_folder(folder, owned=_owned(extra or ())) as partial:
        save_tensors(partial / WEIGHTS, _tensors(model), place=folder)
        _write_json(partial / DESCRIPTION, _describe(model))
        if metrics is not None:
            _write_json(partial / METRICS, metrics)
        for name, rows in ((HISTORY, history), (PREDICTIONS, predictions)):
            if rows:
                (partial / name).write_text(csv_text(rows), encoding="utf-8", newline="")
        for name, text in (extra or {}).items():
            (partial / name).write_text(text, encoding="utf-8")


def save_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    *,
    place: Path,
    described: Mapping[str, str] | None = None,
) -> None:
    """Write tensors, with texts beside them.

    Raises
    ------
    ModelError
        When they cannot be written (a full disk); names `place`, which the user knows.
    """
    try:
        save_file(dict(tensors), path, None if described is None else dict(described))
    except SafetensorError as error:
        raise ModelError(f"{place} cannot be written ({error}); {NO_ROOM}") from error


def require_model_place(folder: Path, *, extra: Iterable[str] = ()) -> None:
    """Refuse a folder that a model must not replace.

    Parameters
    ----------
    extra
        Names of further files that an earlier model may have.

    Raises
    ------
    SettingsError
        When `folder` holds anything that is not of an earlier model.
    """
    require_replaceable(folder, _owned(extra))


def _owned(extra: Iterable[str]) -> Owned:
    def files(folder: Path) -> frozenset[str]:
        described = folder / DESCRIPTION
        ours = described.is_file() and FORMAT.encode() in described.read_bytes()
        return FILES | frozenset(extra) if ours else frozenset()

    return Owned(option="--name", what="an earlier model", files=files)


def load_model(folder: Path) -> Model:
    """Rebuild the model that `save_model` left in `folder`.

    Raises
    ------
    ModelError
        No model there, a file that is cut off or no model, another version, weights that do not
        fit the description, or values in it that are no finite numbers.
    """
    described, tensors = read_folder(folder, task=None)
    try:
        features = FeatureSpec(**described["features"])
        specs = tuple(LayerSpec(**spec) for spec in described["layers"])
        target = TargetScale(**described["target"])
        interval = IntervalScale(**described["interval"])
        standardiser = Standardiser(
            mean=tensors.pop("standardiser.mean").numpy(),
            scale=tensors.pop("standardiser.scale").numpy(),
        )
        network = rebuild_network(int(described["n_inputs"]), specs, tensors)
        if features.n_inputs != network.n_inputs:
            raise ValueError(f"{features} makes {features.n_inputs} inputs")
        require_scales(standardiser, network.n_inputs)
        _require_finite("target", asdict(target).values())
        _require_finite("interval", asdict(interval).values())
        record = dict(described["record"])
    except (KeyError, TypeError, ValueError, RuntimeError, StopflowError) as error:
        raise ModelError(f"{folder}: the weights do not fit {DESCRIPTION}: {error}") from error
    return Model(
        network=network,
        features=features,
        standardiser=standardiser,
        target=target,
        interval=interval,
        record=record,
    )


def read_folder(folder: Path, *, task: str | None) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the description and the tensors of a model's folder.

    Parameters
    ----------
    task
        What the model must be for: None for rates, ``"classification"`` for classes.

    Raises
    ------
    ModelError
        As `load_model`, and for a model of another task.
    """
    recover_folder(folder)
    for name in (DESCRIPTION, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} is not a model: {name} is missing")
    described = _read_description(folder / DESCRIPTION)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{folder / WEIGHTS} is cut off or not safetensors: {error}") from error
    if described.get("task") != task:
        found, wanted = ("classes of images", "rates") if task is None else ("rates", "classes")
        raise ModelError(f"{folder} is a model that predicts {found}; one for {wanted} is needed")
    return described, tensors


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Comma-separated text with a header; NaN and None become empty cells."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return buffer.getvalue()


def json_ready(value: Any) -> Any:
    """Turn numpy numbers, tuples and NaN into what JSON has (NaN becomes None)."""
    if isinstance(value, Mapping):
        return {str(name): json_ready(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else value


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(json_ready(values), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _tensors(model: Savable) -> dict[str, Tensor]:
    tensors = {
        f"network.{name}": value.detach().cpu().contiguous()
        for name, value in model.network.state_dict().items()
    }
    for name, array in model.standardiser.to_dict().items():
        tensors[f"standardiser.{name}"] = torch.tensor(array, dtype=torch.float64)
    return tensors


def _describe(model: Savable) -> dict[str, Any]:
    ranks = model.network.ranks()
    layers = [
        {"type": spec.type, "dim": spec.dim, "activation": spec.activation, "rank": rank}
        for spec, rank in zip(model.network.specs, ranks, strict=True)
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "n_inputs": model.network.n_inputs,
        "layers": layers,
        **model.described(),
        "record": model.record,
    }


def _read_description(path: Path) -> dict[str, Any]:
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is cut off or not JSON: {error}") from error
    if not isinstance(described, dict) or described.get("format") != FORMAT:
        raise ModelError(f"{path} does not describe a model: no format {FORMAT!r} in it")
    if described.get("version") != VERSION:
        raise ModelError(
            f"{path} has version {described.get('version')!r}; this program reads {VERSION}: "
            "train the model again, or use the release that made it"
        )
    return described


def rebuild_network(
    n_inputs: int, specs: tuple[LayerSpec, ...], tensors: Mapping[str, Tensor]
) -> Network:
    """Build a network and give it its weights; a `ValueError` where they are not finite."""
    network = build_network(n_inputs, specs, generator=torch.Generator().manual_seed(0))
    state = {name.removeprefix("network."): value for name, value in tensors.items()}
    network.load_state_dict(state)
    for name, value in state.items():
        if not bool(value.isfinite().all()):
            raise ValueError(f"{name} {NOT_FINITE}")
    return network.eval()


def require_scales(standardiser: Standardiser, n_inputs: int) -> None:
    """Refuse a standardiser that makes no numbers; the scale of a constant column is infinite."""
    if standardiser.mean.shape != (n_inputs,):
        raise ValueError(f"the standardiser is for {len(standardiser.mean)} inputs, not {n_inputs}")
    if not (np.isfinite(standardiser.mean).all() and (standardiser.scale > 0).all()):
        raise ValueError(f"the standardiser {NOT_FINITE}")


def _require_finite(name: str, values: Iterable[object]) -> None:
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise ValueError(f"{name} {NOT_FINITE}")
