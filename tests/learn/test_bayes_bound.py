import numpy as np
import pytest

from stopflow.learn.compare.bound import SlopeBounds, posterior_error_ratio
from stopflow.learn.pretraining.prior import Prior


def drift_of(rng, *, count, slope_bound, scale=None, share=0.6):
    scales = np.exp(rng.uniform(*np.log(Prior().slope), count)) if scale is None else scale
    return SlopeBounds(
        slope=scales * rng.standard_normal(count),
        slope_bound=np.full(count, slope_bound),
        k_bound=np.ones(count),
        k_bound_known_slope=np.full(count, share),
    )


def test_a_slope_that_the_trace_tells_leaves_nothing_to_gain(rng):
    sharp = drift_of(rng, count=300, slope_bound=1e-7)
    assert posterior_error_ratio(sharp, Prior(), generator=rng) == pytest.approx(1.0, abs=1e-3)


def test_a_slope_that_only_the_prior_tells_is_as_good_as_known(rng):
    blunt = drift_of(rng, count=300, slope_bound=50.0, scale=0.01)
    narrow = Prior(slope=(0.009, 0.011))
    found = posterior_error_ratio(blunt, narrow, generator=rng)
    assert found == pytest.approx(0.6, abs=0.01)


def test_the_gain_lies_between_for_slopes_of_the_prior(rng):
    found = posterior_error_ratio(
        drift_of(rng, count=2000, slope_bound=0.1), Prior(), generator=rng
    )
    assert 0.6 < found < 0.95
