"""Classifiers on disk, in the same kind of folder as models of rates (`learn.saved`)."""

from pathlib import Path

from stopflow.errors import FormatError
from stopflow.io.json_files import load_json
from stopflow.learn.classify.model import CLASSIFICATION, Classifier
from stopflow.learn.saved import DESCRIPTION, build_parts, read_folder, unfit


def is_classifier(folder: Path) -> bool:
    """Whether the model in a folder is a classifier."""
    try:
        described = load_json(folder / DESCRIPTION)
    except (FormatError, OSError):
        return False
    return described.get("task") == CLASSIFICATION


def load_classifier(folder: Path) -> Classifier:
    """Rebuild the classifier that `save_model` left in `folder`.

    Raises
    ------
    ModelError
        As `learn.saved.load_model`, and for a model that predicts rates.
    """
    described, tensors, stored = read_folder(folder, task=CLASSIFICATION)
    try:
        network, standardiser = build_parts(described, tensors, stored=stored)
        record = dict(described["record"])
    except Exception as error:  # barrier of a model: whatever its description makes fail
        raise unfit(folder, error) from error
    return Classifier(network=network, standardiser=standardiser, record=record)
