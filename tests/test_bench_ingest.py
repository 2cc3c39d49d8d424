"""The bench of the ingest runs whole on a small lab, and both sides find the true rates."""

import os
from functools import partial
from time import process_time

import numpy as np
import pytest

from stopflow.kinetics.plain_script import ENGINES, fit_lab, read_trace
from stopflow.pipeline.bench.ingest import CASES, bench_ingest, timed
from stopflow.report.beside import working_beside
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab


@pytest.mark.whole
def test_a_small_bench_measures_every_case_on_the_same_traces():
    spec = LabSpec(folders=2, traces=(4, 4), points=600)
    rows = {row["case"]: row for row in bench_ingest(spec, workers=2, rounds=1)}
    assert tuple(rows) == tuple(CASES)
    for row in rows.values():
        assert row["traces"] == 8
        assert row["cpu_s"] > 0
        assert row["peak_mb"] > 10
    plain, ours = rows["plain script"], rows["ingest without reports"]
    assert plain["cpu_ratio"] == plain["wall_ratio"] == 1
    assert plain["rates"] == 8
    assert ours["rates"] == rows["ingest on one core"]["rates"] >= 6
    assert ours["median_log_error"] == rows["ingest on one core"]["median_log_error"]
    assert max(plain["median_log_error"], ours["median_log_error"]) < 0.1


def test_both_engines_of_the_plain_script_read_what_was_written(tmp_path):
    write_lab(tmp_path / "lab", spec=LabSpec(folders=1, traces=(4, 4), points=300), seed=0)
    path = sorted((tmp_path / "lab").glob("*/*.bka"))[0]
    data = path.read_text().partition('"_DATA"\n')[2].split()
    for engine in ENGINES:
        time_s, signal = read_trace(path, engine=engine)
        np.testing.assert_allclose(time_s, np.array(data[::2], dtype=float) / 1e3, rtol=1e-15)
        np.testing.assert_array_equal(signal, np.array(data[1::2], dtype=float))


def test_the_plain_script_fits_what_its_workbook_names(tmp_path):
    write_lab(tmp_path / "lab", spec=LabSpec(folders=1, traces=(4, 4), points=300), seed=0)
    path = sorted((tmp_path / "lab").glob("*/*.bka"))[0]
    found = fit_lab(tmp_path / "lab")
    path.rename(path.with_name("unnamed.bka"))
    fewer = fit_lab(tmp_path / "lab")
    assert set(found) - set(fewer) == {(path.parent.name, path.name)}
    assert all(fewer[shot] == pytest.approx(found[shot], rel=1e-12) for shot in fewer)


def burn(cpu_s):
    while process_time() < cpu_s:
        pass


def burn_beside(_lab, out, _workers):
    with working_beside() as beside:
        beside.load(partial(burn, 0.5))
        beside.dismiss()
    return {}


def test_a_process_that_was_dismissed_is_counted_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert timed(burn_beside, tmp_path, tmp_path, 1).cpu_s > 0.5
