"""The benchmark runs at a small size and says what it should."""

import pytest
import torch

from stopflow.errors import SettingsError
from stopflow.lowrank.bench.bench import BASELINE, VARIANTS, BenchSize, bench_step, peak_megabytes
from stopflow.lowrank.bench.variants import data_for

SMALL = BenchSize(inputs=60, dims=(16, 12), rank=4, rows=30)


def test_every_variant_takes_steps():
    rows = bench_step(size=SMALL, batches=(8,), rounds=1, memory=False)
    assert [row["variant"] for row in rows] == list(VARIANTS)
    assert all(row["median_ms"] > 0 for row in rows)
    assert rows[0]["variant"] == BASELINE
    assert rows[0]["times_dense"] == 1.0


def test_the_baseline_is_always_measured():
    rows = bench_step(size=SMALL, batches=(8,), rounds=1, memory=False, variants=["dlrt, SGD"])
    assert [row["variant"] for row in rows] == [BASELINE, "dlrt, SGD"]


def test_unknown_variants_are_listed():
    with pytest.raises(SettingsError, match="dlrt, SGD"):
        bench_step(size=SMALL, variants=["magic"])


@pytest.mark.slow
def test_peak_memory_sees_the_dense_weights(full_proof):
    if not full_proof:
        pytest.skip("starts two processes; runs with --full")
    size = BenchSize(inputs=12_000, dims=(512,), rank=8, rows=40)
    dense = peak_megabytes(BASELINE, size=size, batch=8)
    low = peak_megabytes("dlrt, SGD", size=size, batch=8)
    assert dense > 4 * 12_000 * 512 * 4 / 2**20 * 0.9
    assert low < dense / 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_variant_takes_steps_on_the_gpu():
    rows = bench_step(size=SMALL, batches=(8,), rounds=1, device="cuda")
    assert all(row["peak_mb"] > 0 for row in rows)


@pytest.mark.parametrize(("inputs", "coordinates"), [(40, 12), (8, 8)])
def test_the_rows_are_as_long_as_what_is_timed_says(inputs, coordinates):
    size = BenchSize(inputs=inputs, dims=(8,), rank=3, rows=12)
    for row_space, length in ((False, inputs), (True, coordinates)):
        data = data_for(size, row_space=row_space, device="cpu")
        assert data.inputs.shape == (12, length)
        assert data.fan_in == inputs
        torch.testing.assert_close(data.gram, data.inputs @ data.inputs.T)
