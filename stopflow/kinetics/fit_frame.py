"""Orthonormal frames of baselines."""

import numpy as np

from stopflow.trace import FloatArray


def orthonormal_rows(rows: FloatArray) -> FloatArray:
    """Gram-Schmidt, twice over; `rows` (b, N) must be independent."""
    frame = np.empty_like(rows)
    for i, row in enumerate(rows):
        rest = row
        for _ in range(2):
            rest = rest - (frame[:i] @ rest) @ frame[:i]
        frame[i] = rest / np.sqrt(rest @ rest)
    return frame
