"""How good predicted classes are: accuracy, macro F1, and which class is taken for which."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stopflow.errors import StopflowError

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScores:
    """Scores of `n` predicted classes.

    Attributes
    ----------
    accuracy
        Share of rows whose class was found.
    macro_f1
        Mean over the classes of 2 TP / (2 TP + FP + FN); classes that neither occur nor are
        predicted are left out.
    confusion
        (c, c) rows of class i that were taken for class j.
    """

    accuracy: float
    macro_f1: float
    confusion: Counts
    n: int

    def to_dict(self) -> dict[str, object]:
        """For metrics.json."""
        return {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "confusion": self.confusion.tolist(),
            "n": self.n,
        }


def score_classes(predicted: ArrayLike, actual: ArrayLike, *, classes: int) -> ClassScores:
    """Score predicted classes (n,) against actual ones (n,).

    Raises
    ------
    StopflowError
        Where the two differ in shape, or there are none.
    """
    found, true = np.asarray(predicted), np.asarray(actual)
    if found.shape != true.shape or found.ndim != 1 or not found.size:
        raise StopflowError(f"predicted {found.shape} and actual {true.shape} classes must match")
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (true, found), 1)
    hits = np.diag(confusion)
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    occurring = both > 0
    return ClassScores(
        accuracy=float(hits.sum() / found.size),
        macro_f1=float(np.mean(2.0 * hits[occurring] / both[occurring])),
        confusion=confusion,
        n=int(found.size),
    )
