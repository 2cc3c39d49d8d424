"""Models on disk: a folder of tensors and JSON from which the model can be rebuilt.

::

    models/NAME/
      model.safetensors   weights of every layer; mean and scale of the standardiser
      model.json          format, version, features, layers, target, settings, split, seed, versions
      metrics.json        its errors on held-out data
      history.csv         one row a judged epoch
      predictions.csv     one row a shot

The folder is replaced as a whole, and only where it holds nothing else.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from stopflow.errors import NO_ROOM, FormatError, ModelError
from stopflow.features import FeatureSpec
from stopflow.io.atomic import Owned, require_replaceable
from stopflow.io.csv_files import csv_text
from stopflow.io.json_files import json_text, load_json
from stopflow.io.switch import recover_folder, replacing_folder
from stopflow.learn.interval import IntervalScale
from stopflow.learn.model import Model, TargetScale
from stopflow.learn.standardiser import Standardiser
from stopflow.lowrank import LayerSpec, Network, build_network

FORMAT: Final = "stopflow-model"
VERSION: Final = 2
WEIGHTS: Final = "model.safetensors"
DESCRIPTION: Final = "model.json"
METRICS: Final = "metrics.json"
HISTORY: Final = "history.csv"
PREDICTIONS: Final = "predictions.csv"
NOT_FINITE: Final = "holds values that are not finite numbers"
ALWAYS_HELD: Final = 50_000_000
"""Values of a network that any machine holds; one with more must have them in its file."""
CARD: Final = "README.md"
FILES: Final = frozenset({WEIGHTS, DESCRIPTION, METRICS, HISTORY, PREDICTIONS})


class Savable(Protocol):
    """A model of any task."""

    @property
    def network(self) -> Network:
        """Layers with their weights."""

    @property
    def standardiser(self) -> Standardiser:
        """The scaling of a row before the first layer."""

    @property
    def record(self) -> Mapping[str, Any]:
        """How it was made; JSON values."""

    def described(self) -> dict[str, Any]:
        """Return the parts that only models of its task have, as JSON values."""


def save_model(
    folder: Path,
    model: Savable,
    *,
    metrics: Mapping[str, Any] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
    predictions: Sequence[Mapping[str, Any]] = (),
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a model and its results; they replace an older folder once all is written.

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
                (partial / name).write_text(
                    csv_text(pd.DataFrame(list(rows))), encoding="utf-8", newline=""
                )
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
        When they cannot be written, as on a full disk; the message names `place`.
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
        When `folder` holds anything that does not belong to an earlier model.
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
        No model there, a file that is cut off or not a model, another version, weights that do not
        fit the description, or values in it that are not finite numbers.
    """
    described, tensors, stored = read_folder(folder, task=None)
    try:
        return _build(described, tensors, stored=stored)
    except Exception as error:  # barrier of a model: whatever its description makes fail
        raise unfit(folder, error) from error


def read_folder(folder: Path, *, task: str | None) -> tuple[dict[str, Any], dict[str, Tensor], int]:
    """Read the description and the tensors of a model's folder, and how many bytes those take.

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
    if described.get("task") != task:
        found, wanted = ("classes of images", "rates") if task is None else ("rates", "classes")
        raise ModelError(f"{folder} is a model that predicts {found}; one for {wanted} is needed")
    try:
        tensors = load_file(folder / WEIGHTS)
    except Exception as error:  # barrier of a model: safetensors has errors of several classes
        raise ModelError(f"{folder / WEIGHTS} is cut off or not safetensors: {error}") from error
    return described, tensors, (folder / WEIGHTS).stat().st_size


def unfit(folder: Path, error: Exception) -> ModelError:
    """Return the error of a model whose description and weights do not fit together."""
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return ModelError(f"{folder}: the weights do not fit {DESCRIPTION}: {text}")


def _build(described: Mapping[str, Any], tensors: dict[str, Tensor], *, stored: int) -> Model:
    """Build a model from its description and its weights, which take `stored` bytes."""
    features = FeatureSpec(**described["features"])
    target = TargetScale(**described["target"])
    interval = IntervalScale(**described["interval"])
    if described["n_inputs"] != features.n_inputs:
        raise ValueError(f"{features} makes {features.n_inputs} inputs")
    _require_finite("target", asdict(target).values())
    _require_finite("interval", asdict(interval).values())
    network, standardiser = build_parts(described, tensors, stored=stored)
    return Model(
        network=network,
        features=features,
        standardiser=standardiser,
        target=target,
        interval=interval,
        record=dict(described["record"]),
    )


def build_parts(
    described: Mapping[str, Any], tensors: dict[str, Tensor], *, stored: int
) -> tuple[Network, Standardiser]:
    """Build the parts that all models have; a `ValueError` where they do not fit together."""
    specs = tuple(LayerSpec(**spec) for spec in described["layers"])
    n_inputs = described["n_inputs"]
    if not isinstance(n_inputs, int) or n_inputs < 1:
        raise ValueError(f"n_inputs is {n_inputs!r}, not a whole number from 1")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ValueError(f"{name} holds values that are not real numbers")
    standardiser = Standardiser(
        mean=tensors.pop("standardiser.mean").numpy(),
        scale=tensors.pop("standardiser.scale").numpy(),
    )
    _require_size(n_inputs, specs, stored=stored)
    _require_scales(standardiser, n_inputs)
    return _rebuild(n_inputs, specs, tensors), standardiser


def _require_size(n_inputs: int, specs: Sequence[LayerSpec], *, stored: int) -> None:
    """Refuse layers larger than their stored weights before memory is allocated."""
    widths = [n_inputs, *(spec.dim for spec in specs)]
    values = sum(
        before * spec.dim + (spec.rank or 0) * (before + spec.dim)
        for before, spec in zip(widths, specs, strict=False)
    )
    if values > max(stored, ALWAYS_HELD):
        raise ValueError(f"layers of {values} values, but {stored} bytes of weights")


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json_text(values) + "\n", encoding="utf-8")


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
        described = load_json(path)
    except FormatError as error:
        raise ModelError(f"{path} is cut off or not JSON: {error}") from error
    if described.get("format") != FORMAT:
        raise ModelError(f"{path} does not describe a model: no format {FORMAT!r} in it")
    if described.get("version") != VERSION:
        raise ModelError(
            f"{path} has version {described.get('version')!r}; this program reads {VERSION}: "
            "train the model again, or use the release that made it"
        )
    return described


def _rebuild(n_inputs: int, specs: tuple[LayerSpec, ...], tensors: dict[str, Tensor]) -> Network:
    network = build_network(n_inputs, specs, generator=torch.Generator().manual_seed(0))
    state = {name.removeprefix("network."): value for name, value in tensors.items()}
    network.load_state_dict(state)
    for name, value in state.items():
        if not bool(value.isfinite().all()):
            raise ValueError(f"{name} {NOT_FINITE}")
    return network.eval()


def _require_scales(standardiser: Standardiser, n_inputs: int) -> None:
    """Refuse a standardiser that gives no finite numbers; a constant column has infinite scale."""
    if standardiser.mean.shape != (n_inputs,):
        raise ValueError(f"the standardiser is for {len(standardiser.mean)} inputs, not {n_inputs}")
    if not (np.isfinite(standardiser.mean).all() and (standardiser.scale > 0).all()):
        raise ValueError(f"the standardiser {NOT_FINITE}")


def _require_finite(name: str, values: Iterable[object]) -> None:
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        raise ValueError(f"{name} {NOT_FINITE}")
