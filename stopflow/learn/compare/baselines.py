"""Baselines that a network has to beat: a constant, and ridge regression in closed form."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from stopflow.features import FEATURES, decode_target, encode_target
from stopflow.learn.data import LabData
from stopflow.learn.split import Split
from stopflow.learn.standardiser import Standardiser
from stopflow.trace import FloatArray

PENALTIES: Final = tuple(10.0**power for power in range(-6, 5))
"""Ridge penalties tried, relative to the mean energy of a training row."""
INNER_FOLDS: Final = 5


def predict_constant(data: LabData, split: Split) -> FloatArray:
    """Predict the median label of the training shots for every shot, (N,)."""
    return np.full(len(data), np.median(data.k_label_per_s[split.train]))


def predict_ridge(data: LabData, split: Split) -> FloatArray:
    """Predict rates (N,) by ridge regression of the encoded target on standardised rows.

    The dual form with the Gram matrix G = X X^T of the training rows,
    a = (G + lambda I)^-1 (y - mean y); lambda is chosen on whole training experiments set aside in
    turn (Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634).
    """
    rows = data.inputs[split.train]
    standardiser = Standardiser.fit(rows)
    known = standardiser.apply(rows)
    gram = (known @ known.T).astype(np.float64)
    encoded = encode_target(data.k_label_per_s, data.window_s, spec=data.features)[split.train]
    scale = float(np.trace(gram)) / len(gram)
    experiments = data.experiment[split.train]
    names = np.unique(experiments)
    folds = [np.isin(experiments, names[fold::INNER_FOLDS]) for fold in range(INNER_FOLDS)]
    folds = [aside for aside in folds if 0 < aside.sum() < len(aside)]

    def error(penalty: float) -> float:
        found = [
            np.abs(_ridge(gram, encoded, ~aside, penalty * scale)[aside] - encoded[aside]).mean()
            for aside in folds
        ]
        return float(np.mean(found)) if found else penalty

    best = min(PENALTIES, key=error)
    weights = _weights(gram, encoded, best * scale)
    others = standardiser.apply(data.inputs)
    predicted = (others @ known.T) @ weights + encoded.mean()
    if not FEATURES[data.features.kind].dimensionless:
        return predicted
    return decode_target(predicted, data.window_s, spec=data.features)


def _ridge(gram: FloatArray, encoded: FloatArray, kept: np.ndarray, penalty: float) -> FloatArray:
    weights = _weights(gram[np.ix_(kept, kept)], encoded[kept], penalty)
    return gram[:, kept] @ weights + encoded[kept].mean()


def _weights(gram: FloatArray, encoded: FloatArray, penalty: float) -> FloatArray:
    return np.linalg.solve(gram + penalty * np.eye(len(gram)), encoded - encoded.mean())


BASELINES: Final[Mapping[str, Callable[[LabData, Split], FloatArray]]] = {
    "constant": predict_constant,
    "ridge": predict_ridge,
}
"""(data, split) -> rates (N,) of all shots, learned from the training shots."""
