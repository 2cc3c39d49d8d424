"""A smaller model from a trained one, and what it costs (ARSVD)."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from stopflow.errors import ModelError, SettingsError
from stopflow.learn.compare.results import predict_lab
from stopflow.learn.data import LabData, Numbers
from stopflow.learn.evaluate import Metrics, measure
from stopflow.learn.model import Model
from stopflow.lowrank import CompressedLayer, compress, count_parameters


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CompressedModel:
    """The smaller model, layer by layer, and its errors beside those of the model it came from.

    `before` and `after` are None without data.
    """

    model: Model
    layers: tuple[CompressedLayer, ...]
    parameters_before: int
    parameters_after: int
    before: Metrics | None
    after: Metrics | None

    def rows(self) -> list[dict[str, Any]]:
        """Return the table, one row a layer and a last one for the whole model.

        Columns: ``layer, type, rank_before, rank_after, parameters_before, parameters_after, kept,
        mae_before_per_s, mae_after_per_s, note``; the errors stand in the last row.
        """
        errors = {"mae_before_per_s": None, "mae_after_per_s": None}
        rows = [{**asdict(layer), "layer": str(layer.layer + 1), **errors} for layer in self.layers]
        whole = {
            "layer": "all",
            "type": "",
            "rank_before": None,
            "rank_after": None,
            "parameters_before": self.parameters_before,
            "parameters_after": self.parameters_after,
            "kept": None,
            "note": "" if self.before is None else f"MAE on {self.before.n} shots",
            "mae_before_per_s": None if self.before is None else self.before.mae_per_s,
            "mae_after_per_s": None if self.after is None else self.after.mae_per_s,
        }
        columns = (*list(whole)[:7], "mae_before_per_s", "mae_after_per_s", "note")
        return [{name: row[name] for name in columns} for row in (*rows, whole)]


def compress_model(
    model: Model,
    *,
    energy: float | None = None,
    entropy: float | None = None,
    data_aware: bool = False,
    data: LabData | None = None,
) -> CompressedModel:
    """Truncate a model's layers.

    Parameters
    ----------
    energy, entropy
        The share to keep; exactly one of the two, between 0 and 1.
    data_aware
        Keep what changes the outputs on the shots of `data` the model may learn from.
    data
        A lab with the model's features; the errors are those on the experiments that the model was
        not trained on where its record names them, else on all shots.

    Raises
    ------
    SettingsError
        Both shares, none, or one out of range; `data_aware` without data.
    ModelError
        Data with other features than the model's.
    """
    if (energy is None) == (entropy is None):
        raise SettingsError("energy, entropy", (energy, entropy), valid="exactly one of the two")
    if data is not None and data.features != model.features:
        raise ModelError(
            f"the model takes {model.features.kind} features of {model.features.pairs} pairs; "
            f"the lab's rows are {data.features.kind} of {data.features.pairs}"
        )
    inputs = None
    if data_aware:
        if data is None:
            raise SettingsError("data_aware", data_aware, valid="True only with a dataset")
        known = data.inputs[_rows(model, data, held_out=False)]
        inputs = torch.from_numpy(model.standardiser.apply(known))
    found = compress(
        model.network,
        energy if energy is not None else entropy,
        criterion="energy" if energy is not None else "entropy",
        inputs=inputs,
    )
    share = {"energy": energy, "entropy": entropy, "data_aware": data_aware}
    smaller = replace(
        model, network=found.network.eval(), record={**model.record, "compressed": share}
    )
    return CompressedModel(
        model=smaller,
        layers=found.layers,
        parameters_before=count_parameters(model.network),
        parameters_after=count_parameters(smaller.network),
        before=None if data is None else _measured(model, data),
        after=None if data is None else _measured(smaller, data),
    )


def _rows(model: Model, data: LabData, *, held_out: bool) -> Numbers:
    """Shots of the model's test experiments, or the others; all where that leaves none."""
    named = model.record.get("split", {}).get("test_experiments", [])
    rows = np.flatnonzero(np.isin(data.experiment, named) == held_out)
    return rows if rows.size else np.arange(len(data))


def _measured(model: Model, data: LabData) -> Metrics:
    rows = _rows(model, data, held_out=True)
    return measure(predict_lab(model, data)[rows], data.k_actual_per_s[rows])
