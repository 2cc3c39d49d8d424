"""What depends on a time grid alone is made once, and is what it would be if it were made anew."""

import numpy as np
import pytest

from stopflow.kinetics.many import common_grid, time_blocks
from stopflow.kinetics.start.relaxation import slow_space


@pytest.mark.parametrize("module", [common_grid, time_blocks])
def test_equal_times_have_one_grid_and_others_another(module):
    build = module.build_grid if module is common_grid else module.build_blocks
    time_s = np.arange(2000) * 1e-3
    kept = build(time_s)
    assert build(time_s.copy()) is kept
    moved = time_s.copy()
    moved[-1] += 1e-9
    assert build(moved) is not kept
    assert build(time_s[:-1]) is not kept
    anew = module._divided(time_s)
    for name in ("bounds", "counts", "half_variance"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(anew, name))


@pytest.mark.parametrize("module", [common_grid, time_blocks])
def test_blocks_of_a_very_long_grid_are_not_kept(module):
    build = module.build_grid if module is common_grid else module.build_blocks
    time_s = np.arange(time_blocks.LARGEST_KEPT + 1) * 1e-5
    assert build(time_s) is not build(time_s)


def test_nobody_can_change_a_space_that_is_kept():
    blocks = time_blocks.build_blocks(np.arange(2000) * 1e-3)
    space = slow_space(blocks, 1)
    assert slow_space(blocks, 1) is space
    assert not space.flags.writeable
