"""Errors of common parameters from the scatter between traces, each trace counted as one draw.

What differs from push to push is not in the noise of a trace. The scores of the traces at the
common parameters hold it: a cluster-robust covariance, with every trace a cluster. Bell and
McCaffrey, Survey Methodology 28, 169 (2002), whose adjustment makes it unbiased where the traces
scatter as their information says; for traces alike it is the variance of the mean, ``SD^2 / n``.
"""

from collections.abc import Sequence

import numpy as np

from stopflow.trace import FloatArray

_NOTHING_LEFT = 1e-9
"""A trace that alone determines a direction says nothing about the scatter there."""


def scatter_covariance(residuals: Sequence[FloatArray], slopes: Sequence[FloatArray]) -> FloatArray:
    """Covariance (q, q) of common parameters from the scatter between n >= 2 traces.

    Parameters
    ----------
    residuals
        (N_i,) residuals of each trace at the common minimum, over its noise.
    slopes
        (N_i, q) their derivatives with respect to the common parameters, all others projected out.
    """
    own = [item.T @ item for item in slopes]
    size = len(own[0])
    inner = np.linalg.inv(np.linalg.cholesky(sum(own, np.zeros((size, size)))))
    scatter = np.zeros((size, size))
    for residual, slope, information in zip(residuals, slopes, own, strict=True):
        left, axes = np.linalg.eigh(np.eye(size) - inner @ information @ inner.T)
        score = axes.T @ (inner @ (slope.T @ residual))
        known = left > _NOTHING_LEFT
        score = axes[:, known] @ (score[known] / np.sqrt(left[known]))
        scatter += np.outer(score, score)
    return np.asarray(inner.T @ scatter @ inner)
