"""The bench runs, counts and is right; its speeds are not tested."""

from stopflow.kinetics.bench import bench_fit


def test_small_bench_gives_a_row_a_case_without_wrong_answers():
    rows = bench_fit(traces=300, points=200, own_traces=10, own_points=900, workers=2)
    assert [row["traces"] for row in rows] == [300, 10]
    for row in rows:
        assert row["wrong_ours"] == row["refused_ours"] == 0
        assert row["sampled"] >= 10
        assert row["ours_s"] > 0
        assert row["ratio"] > 0
