"""The comparison of speeds fits the same thing in every way."""

import numpy as np

from stopflow.mechanism.bench.compare import bench_mechanism


def test_every_way_reaches_the_same_optimum() -> None:
    rows = bench_mechanism(names=("first order", "binding"), rounds=1, points=150)
    assert [row["case"] for row in rows] == ["first order", "binding"]
    for row in rows:
        assert np.abs(row["scipy_squares_above"]) < 1e-5
        assert row["scipy_constants_apart"] < 1e-5
        assert row["scipy_times"] > 0
