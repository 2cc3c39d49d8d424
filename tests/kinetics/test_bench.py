"""The bench runs, counts and is right; its speeds are not tested."""

from types import SimpleNamespace

import numpy as np
import pytest

from stopflow.kinetics import bench
from stopflow.kinetics.bench import bench_fit
from stopflow.kinetics.many.batch import fit_batch


def test_small_bench_gives_a_row_a_case_without_wrong_answers():
    rows = bench_fit(traces=300, points=200, own_traces=10, own_points=900, workers=2)
    assert [row["traces"] for row in rows] == [300, 10]
    for row in rows:
        assert row["wrong_ours"] == row["refused_ours"] == 0
        assert row["sampled"] >= 10
        assert row["ours_s"] > 0
        assert row["ratio"] > 0


@pytest.mark.parametrize(("factor", "column"), [(1.2, "wrong_ours"), (np.nan, "refused_ours")])
def test_answers_that_are_wrong_or_missing_are_counted(monkeypatch, factor, column):
    def faulty(*arguments, **settings):
        return SimpleNamespace(k_per_s=factor * fit_batch(*arguments, **settings).k_per_s)

    monkeypatch.setattr(bench, "fit_batch", faulty)
    row, sound = bench_fit(traces=60, points=200, own_traces=10, own_points=900, workers=1)
    assert row[column] == (row["sampled"] if column == "wrong_ours" else row["traces"])
    assert sound[column] == 0
    assert row["wrong_peer"] < row["sampled"]
