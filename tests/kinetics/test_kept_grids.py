"""What depends on a time grid alone is made once, and is what it would be if it were made anew."""

import numpy as np
import pytest

from stopflow.io.folder import find_experiments, read_experiment
from stopflow.kinetics.many import common_grid, time_blocks
from stopflow.kinetics.solver.kept_times import LARGEST_KEPT, OfTimes
from stopflow.kinetics.solver.window import validate_trace
from stopflow.kinetics.start.relaxation import slow_space
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab
from stopflow.trace import frozen_array


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
    anew = build.__wrapped__(time_s)
    for name in ("bounds", "counts", "half_variance"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(anew, name))


@pytest.mark.parametrize("module", [common_grid, time_blocks])
def test_blocks_of_a_very_long_grid_are_not_kept(module):
    build = module.build_grid if module is common_grid else module.build_blocks
    time_s = np.arange(LARGEST_KEPT + 1) * 1e-5
    assert build(time_s) is not build(time_s)


def test_nobody_can_change_a_space_that_is_kept():
    blocks = time_blocks.build_blocks(np.arange(2000) * 1e-3)
    space = slow_space(blocks, 1)
    assert slow_space(blocks, 1) is space
    assert not space.flags.writeable


def test_a_result_is_kept_for_the_very_times_alone():
    calls = []
    total = OfTimes(lambda time, start: calls.append(start) or float(time.sum()) + start)
    time = frozen_array(np.arange(5.0))
    assert [total(time, 1.0), total(time, 1.0), total(time, 2.0)] == [11.0, 11.0, 12.0]
    assert calls == [1.0, 2.0]
    assert total(frozen_array([1.0, 1.0]), 1.0) == 3.0
    changing = np.arange(5.0)
    assert total(changing, 1.0) == 11.0
    changing[0] = 7
    assert total(changing, 1.0) == 18.0


def test_windows_of_shots_that_share_their_times_and_start_share_them_too(rng):
    time_s = frozen_array(np.arange(500) * 1e-3)
    first, second, other = (
        validate_trace(time_s, rng.standard_normal(500), start_s=start) for start in (0.1, 0.1, 0.2)
    )
    assert second.time is first.time
    assert other.time is not first.time
    weighted = validate_trace(time_s, time_s, start_s=0.1, weights=np.ones(500))
    np.testing.assert_array_equal(weighted.time, first.time)


def test_traces_of_an_experiment_share_equal_times(tmp_path):
    write_lab(tmp_path, spec=LabSpec(folders=1, traces=(4, 4), points=200), seed=3)
    experiment = read_experiment(find_experiments(tmp_path)[0])
    shared = experiment.sharing_times()
    assert len({id(shot.trace.time_s) for shot in shared.shots}) == 1
    for one, other in zip(experiment.shots, shared.shots, strict=True):
        np.testing.assert_array_equal(one.trace.signal, other.trace.signal)
        assert one.conditions == other.conditions
