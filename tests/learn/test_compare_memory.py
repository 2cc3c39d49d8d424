"""Peak memory of each way does not depend on the order of the rows."""

import numpy as np
import pytest
from small_lab import SPEC, make_lab

from stopflow.learn.compare.memory import peaks_of_ways
from stopflow.learn.settings import TrainSettings
from stopflow.memory import CLEAR


@pytest.mark.skipif(not CLEAR.exists(), reason="the system does not tell peaks")
def test_a_wide_network_takes_more_wherever_it_stands():
    data = make_lab(np.random.default_rng(4), experiments=4).data
    settings = TrainSettings(hidden=(2048, 2048), rank=4, test_count=1, augmentations=0)
    one, other = (
        peaks_of_ways({SPEC.kind: data}, settings, ways=ways)
        for ways in (("dense", "dlrt", "fit"), ("dlrt", "dense"))
    )
    assert set(one) == {"dense", "dlrt"}
    for way in one:
        assert one[way] == pytest.approx(other[way], rel=0.25, abs=4e6)
    assert one["dense"] > 3 * 4 * 2048**2
