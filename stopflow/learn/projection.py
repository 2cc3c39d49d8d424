"""What a linear first layer can see of a trace: its product with a few directions.

The bins of a trace are a linear map R of its points (`bins.bin_matrix`), and the first layer
is linear again. So in the span of an orthonormal basis Q of the bins a trace enters only through
Q^T R y, a hundred numbers instead of 28,000. Training in these coordinates is the same as training
on the full rows with V = Q Vc, and traces can be drawn in them directly (`learn.synthetic`).
"""

from itertools import pairwise
from typing import Final

import numpy as np

from stopflow.bins import EDGES, bin_means
from stopflow.features import sign_weights
from stopflow.trace import FloatArray

CLEAN_ENERGY: Final = 1e-9
"""Directions of clean curves with less than this share of the largest energy are left out."""
STRIPES: Final = 8
LENGTHS: Final = (150, 300, 600, 1200, 2500, 5000, 10_000, 15_001)


def cell_basis(kind: str, pairs: int, *, directions: int) -> FloatArray:
    """Orthonormal Q (pairs, q) over the signal slots of `kind`, every column of mean 0.

    It holds the direction that turns a trace, the slope, every shape an exponential takes on the
    grids that occur, and striped directions that see nothing but noise, so that the noise level
    can be felt; q = `directions`. What a grid looks like otherwise stays unseen, so that nothing
    can be learned by heart about the grids of a bank.
    """
    edges = EDGES[kind](pairs)
    middle = 0.5 * (edges[1:] + edges[:-1])
    basis = _orthonormal(np.stack([sign_weights(kind, pairs), middle - middle.mean()], axis=1))
    basis = _orthonormal(np.hstack([basis, _clean_directions(edges, beside=basis)]))
    stripes = _stripes(pairs, directions - basis.shape[1])
    return _orthonormal(np.hstack([basis, stripes]))


def _orthonormal(columns: FloatArray) -> FloatArray:
    found = columns
    for _ in range(2):  # twice is enough: centre, then orthonormalise
        found = np.linalg.qr(found - found.mean(axis=0))[0]
    return found


def _clean_directions(edges: FloatArray, *, beside: FloatArray) -> FloatArray:
    """Leading directions of exponentials on even grids of many lengths and a log-spaced one."""
    rates = np.exp(np.linspace(np.log(0.3), np.log(12_000.0), 160))
    grids = [np.arange(length) / (length - 1) for length in LENGTHS]
    log_grid = np.geomspace(1e-3, 1.0, 1000)
    grids.append((log_grid - log_grid[0]) / (log_grid[-1] - log_grid[0]))
    curves = []
    for tau in grids:
        resolved = rates[rates * tau[1] < 0.6]
        curves.append(bin_means(tau, np.exp(-resolved[:, None] * tau), edges))
    rows = np.concatenate(curves)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= (rows @ beside) @ beside.T
    energy, vectors = np.linalg.eigh(rows @ rows.T)
    kept = energy > CLEAN_ENERGY * energy[-1]
    return rows.T @ vectors[:, kept]


def _stripes(pairs: int, count: int) -> FloatArray:
    """(pairs, count) alternating signs, each over its own stretch of bins."""
    bounds = np.linspace(0, pairs, count + 1).astype(int)
    columns = np.zeros((pairs, count))
    for column, (first, last) in enumerate(pairwise(bounds)):
        place, length = np.arange(last - first), last - first
        signs = place * min(STRIPES, length) // length % 2
        columns[first:last, column] = np.where(signs, -1.0, 1.0)
    return columns
