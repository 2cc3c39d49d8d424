"""Decimation against plain loops."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stopflow.report.paper.decimate import (
    bucket_sums,
    decimate_min_max,
    envelope,
    find_extremes,
)


@given(seed=st.integers(0, 10_000), points=st.integers(1, 900), buckets=st.integers(1, 60))
def test_min_max_keeps_order_extremes_and_size(seed, points, buckets):
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.random(points)), rng.standard_normal(points)
    kept_x, kept_y = decimate_min_max(x, y, buckets=buckets)
    assert len(kept_x) <= max(2 * buckets, 0) or points <= 2 * buckets
    assert (np.diff(kept_x) >= 0).all()
    assert kept_y.min() == y.min()
    assert kept_y.max() == y.max()
    assert set(zip(kept_x, kept_y, strict=True)) <= set(zip(x, y, strict=True))


@given(seed=st.integers(0, 10_000), points=st.integers(1, 300), buckets=st.integers(1, 40))
def test_envelope_and_sums_equal_a_loop(seed, points, buckets):
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.random(points)), rng.standard_normal(points)
    edges = np.linspace(-0.01, 1.01, buckets + 1)
    middle, low, high = envelope(x, y, edges=edges)
    counts, sums = bucket_sums(x, y, edges=edges)
    expected = []
    for place, (left, right) in enumerate(itertools.pairwise(edges)):
        inside = (x >= left) & (x < right)
        if inside.any():
            expected.append((x[inside].mean(), y[inside].min(), y[inside].max()))
        np.testing.assert_allclose(sums[place], y[inside].sum(), atol=1e-12)
        assert counts[place] == inside.sum()
    np.testing.assert_allclose(np.column_stack([middle, low, high]), np.array(expected))


def test_envelope_of_nothing_is_empty():
    outside = envelope(np.array([5.0]), np.array([1.0]), edges=np.array([0.0, 1.0]))
    assert [len(part) for part in outside] == [0, 0, 0]


def test_the_extremes_of_pieces_are_those_that_a_search_piece_by_piece_finds(rng):
    for count in (1, 2, 7, 400):
        y = rng.integers(-3, 4, size=count).astype(float)  # with values that are equal
        y[rng.random(count) < 0.05] = np.nan
        starts = np.unique([0, *rng.integers(0, count, size=count // 5)])
        pieces = [y[a:b] for a, b in zip(starts, [*starts[1:], count], strict=True)]
        low, high = find_extremes(y, starts)
        assert low.tolist() == [a + p.argmin() for a, p in zip(starts, pieces, strict=True)]
        assert high.tolist() == [a + p.argmax() for a, p in zip(starts, pieces, strict=True)]
