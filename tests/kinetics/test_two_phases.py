"""Two phases and a straight line through block means, from any cut, as the points have them."""

import numpy as np
import pytest

from stopflow.kinetics.many.time_blocks import build_blocks
from stopflow.kinetics.many.two_phases import fit_two_phases

TIME = np.linspace(0.002, 2.0, 4000)
FAST, SLOW = 40.0, 4.0
SIZES = np.array([[0.7, 0.3], [0.5, -0.4], [-0.2, 1.0]])


@pytest.fixture
def blocks():
    return build_blocks(TIME)


def curves(sizes):
    decays = np.exp(-np.array([FAST, SLOW])[:, None] * (TIME - TIME[0]))
    return sizes @ decays + 0.2 + 0.3 * TIME


@pytest.mark.parametrize("number", [0, 3, 6])
def test_what_was_put_in_comes_out_from_every_cut(blocks, number):
    means = blocks.means(curves(SIZES))
    cut = np.full(len(SIZES), number)
    found = fit_two_phases(blocks, means, cut)
    begin = TIME[blocks.bounds[blocks.cuts[number]]] - TIME[0]
    left = np.exp(-np.array([FAST, SLOW]) * begin)
    np.testing.assert_allclose(found.k_per_s, [[FAST, SLOW]] * 3, rtol=1e-5)
    np.testing.assert_allclose(found.amplitudes, SIZES * left, rtol=1e-5)
    np.testing.assert_allclose(found.expected, means, atol=1e-7)


def test_the_variances_are_those_of_the_points(blocks):
    means = blocks.means(curves(SIZES))
    found = fit_two_phases(blocks, means, np.zeros(len(SIZES), dtype=int))
    since = TIME - TIME[0]
    for sizes, variance in zip(SIZES, found.log_k_variance, strict=True):
        decays = [np.exp(-k * since) for k in (FAST, SLOW)]
        slopes = [-a * k * since * e for a, k, e in zip(sizes, (FAST, SLOW), decays, strict=True)]
        jacobian = np.stack([*slopes, *decays, np.ones_like(since), since])
        expected = np.diag(np.linalg.inv(jacobian @ jacobian.T))[:2]
        np.testing.assert_allclose(variance, expected, rtol=0.01)
