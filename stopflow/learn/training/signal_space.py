"""The few directions of a row in which rates show, found from the training rows.

The curves of the rate laws lie close to a space of a few dozen dimensions, that of
`projection.bin_basis`; whatever a row has outside this space is noise. Inside it, the principal
directions of the training rows are ordered by energy: the leading ones distinguish curves, the
others hold noise. The number d of leading directions is chosen on the training experiments alone:
a cubic polynomial in the first d directions predicts log(k T) of experiments that it was not fitted
to, and the d with the smallest error is taken. The directions beyond d are kept, so that the first
layer can have its full rank, but are scaled down.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stopflow.features import FeatureSpec
from stopflow.learn.projection import bin_basis
from stopflow.trace import FloatArray

CURVE_DIRECTIONS: Final = 64
MUTED: Final = 1e-3
"""SD of a direction beyond the leading ones, the first of which has SD 1."""
FEWEST: Final = 2
MOST: Final = 16
CURVED: Final = 5
"""Directions with products and cubes in the polynomial; the others enter linearly."""
PENALTY: Final = 1e-6
INNER_FOLDS: Final = 5
TOLERANCE: Final = 1.02
"""A smaller d wins where its error is within this factor of the smallest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignalSpace:
    """z = (signal slots of a row - their mean) @ matrix.

    Attributes
    ----------
    matrix
        (pairs, q) over the signal slots of a row.
    leading
        d, the columns at full size.
    energy_share
        Part of the variance of the signal slots that the leading directions hold.
    """

    matrix: FloatArray
    leading: int
    energy_share: float


def find_signal_space(
    signals: Iterable[NDArray[np.float32]],
    encoded: FloatArray,
    experiment: NDArray[np.str_],
    *,
    spec: FeatureSpec,
    variance: float,
    directions: int,
    whitening: float = 1.0,
) -> SignalSpace:
    """Find the space from training rows.

    Parameters
    ----------
    signals
        (N, pairs) signal slots, a few rows at a time.
    encoded
        (N,) targets.
    experiment
        (N,) names: whole experiments are set aside in turn.
    spec
        Kind of the rows, one of `features.EDGES`.
    variance
        Sum of the variances of all slots.
    directions
        Largest q; it is smaller where the curves or the rows span fewer directions.
    whitening
        How far the leading directions are scaled to equal size: with 1 all have SD 1, with 0 they
        keep their ratios and the first has SD 1.
    """
    basis = _curve_basis(spec.kind, spec.pairs)
    single = basis.astype(np.float32)
    inside = np.concatenate([part @ single for part in signals]).astype(np.float64)
    inside -= inside.mean(axis=0)
    energy, vectors = np.linalg.eigh(inside.T @ inside / len(inside))
    kept = min(directions, int((energy > 1e-12 * energy[-1]).sum()))
    energy, vectors = energy[::-1][:kept], vectors[:, ::-1][:, :kept]
    whitened = inside @ (vectors / np.sqrt(energy))
    leading = count_leading(whitened, encoded, experiment)
    sizes = (energy / energy[0]) ** (0.5 * (1.0 - whitening))
    gains = np.where(np.arange(kept) < leading, sizes, MUTED) / np.sqrt(energy)
    return SignalSpace(
        matrix=basis @ (vectors * gains),
        leading=leading,
        energy_share=float(energy[:leading].sum()) / variance,
    )


@lru_cache(maxsize=2)
def _curve_basis(kind: str, pairs: int) -> FloatArray:
    """Return an orthonormal basis (pairs, m) of the rate laws, the same for every run."""
    basis = bin_basis(kind, pairs, directions=min(CURVE_DIRECTIONS, pairs - 1))
    basis.setflags(write=False)
    return basis


def count_leading(whitened: FloatArray, encoded: FloatArray, experiment: NDArray[np.str_]) -> int:
    """Return d, the number of whitened directions (N, q) that predict `encoded` (N,) best."""
    names = np.unique(experiment)
    folds = [np.isin(experiment, names[fold::INNER_FOLDS]) for fold in range(INNER_FOLDS)]
    folds = [aside for aside in folds if 0 < aside.sum() < len(aside)]
    counts = range(min(FEWEST, whitened.shape[1]), min(MOST, whitened.shape[1]) + 1)
    if not folds:
        return counts[-1]
    errors = []
    for count in counts:
        terms = polynomial(whitened[:, :count])
        found = [np.abs(_held_out(terms, encoded, aside)) for aside in folds]
        errors.append(float(np.median(np.concatenate(found))))
    best = min(errors)
    return next(c for c, e in zip(counts, errors, strict=True) if e <= TOLERANCE * best)


def polynomial(directions: FloatArray) -> FloatArray:
    """Return 1, every direction of (N, d), and all products of two or three of the first five."""
    curved = directions[:, :CURVED]
    columns = [np.ones(len(directions)), *directions.T]
    for degree in (2, 3):
        for chosen in combinations_with_replacement(range(curved.shape[1]), degree):
            columns.append(np.prod(curved[:, chosen], axis=1))
    return np.stack(columns, axis=1)


def _held_out(terms: FloatArray, encoded: FloatArray, aside: NDArray[np.bool_]) -> FloatArray:
    known = terms[~aside]
    gram = known.T @ known / len(known)
    scale = np.sqrt(np.diag(gram))
    scaled = gram / np.outer(scale, scale) + PENALTY * np.eye(len(gram))
    weights = np.linalg.solve(scaled, known.T @ encoded[~aside] / len(known) / scale) / scale
    return terms[aside] @ weights - encoded[aside]
