"""The scan on sums over blocks begins next to the answer on the points."""

import numpy as np
import pytest

from stopflow.kinetics.many.block_scan import scan_blocks

POINTS, BLOCKS = 6000, 120
K_T = np.array([1.0, 3.0, 10.0, 30.0])


def sums_over_blocks(time, signals):
    """Add up (B, 5, BLOCKS) over blocks of equal width."""
    terms = [np.stack([np.ones_like(y), time, y, time**2, time * y]) for y in signals]
    return np.stack([term.reshape(5, BLOCKS, -1).sum(axis=-1) for term in terms])


@pytest.mark.parametrize("slope", [False, True])
def test_the_rate_of_an_exponential_is_found_up_to_what_blocks_leave_out(slope):
    time = np.linspace(0.0, 1.0, POINTS)
    line = 0.3 + 0.5 * slope * time
    found = scan_blocks(
        sums_over_blocks(time, line + np.exp(-K_T[:, None] * time)), fastest=500.0, slope=slope
    )
    # A block keeps what a straight line tells of it: the rest is of fourth order in k times width.
    assert np.all(found.clear)
    left_out = (K_T / BLOCKS) ** 4
    assert np.all(np.abs(found.x - np.log(K_T)) < left_out + 1e-7)
