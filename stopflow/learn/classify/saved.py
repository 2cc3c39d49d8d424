"""Classifiers on disk: the folder of `learn.saved`, for the other task."""

import json
from pathlib import Path

from stopflow.errors import ModelError, StopflowError
from stopflow.features import Standardiser
from stopflow.learn.classify.model import CLASSIFICATION, Classifier
from stopflow.learn.saved import DESCRIPTION, read_folder, rebuild_network, require_scales
from stopflow.lowrank import LayerSpec


def is_classifier(folder: Path) -> bool:
    """Whether the model in a folder says that it is for classes."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(described, dict) and described.get("task") == CLASSIFICATION


def load_classifier(folder: Path) -> Classifier:
    """Rebuild the classifier that `save_model` left in `folder`.

    Raises
    ------
    ModelError
        As `learn.saved.load_model`, and for a model that predicts rates.
    """
    described, tensors = read_folder(folder, task=CLASSIFICATION)
    try:
        standardiser = Standardiser(
            mean=tensors.pop("standardiser.mean").numpy(),
            scale=tensors.pop("standardiser.scale").numpy(),
        )
        specs = tuple(LayerSpec(**spec) for spec in described["layers"])
        network = rebuild_network(int(described["n_inputs"]), specs, tensors)
        require_scales(standardiser, network.n_inputs)
        record = dict(described["record"])
    except (KeyError, TypeError, ValueError, RuntimeError, StopflowError) as error:
        raise ModelError(f"{folder}: the weights do not fit {DESCRIPTION}: {error}") from error
    return Classifier(network=network, standardiser=standardiser, record=record)
