"""Any format written as any: every digit kept where the format does, and nothing overwritten."""

import csv

import numpy as np
import pytest
from trace_files import BUILDERS

from stopflow.errors import FormatError
from stopflow.io.combine import average_recordings, subtract_blank
from stopflow.io.readers.reading import read_recordings
from stopflow.io.writers import WRITERS

pytestmark = pytest.mark.whole


def shot(signals=1, points=200, k=12.0, seed=0):
    time = np.round(np.linspace(0.0, 0.5, points), 6)
    rng = np.random.default_rng(seed)
    rows = [0.2 + (0.5 + place) * np.exp(-k * time) for place in range(signals)]
    return time, np.round(np.array(rows) + rng.normal(0, 1e-3, (signals, points)), 5)


@pytest.mark.parametrize("to", WRITERS)
@pytest.mark.parametrize("kind", BUILDERS)
def test_what_is_written_is_read_back(kind, to, tmp_path):
    _, build, count = BUILDERS[kind]
    source = tmp_path / "source.dat"
    source.write_bytes(build(*shot(count)))
    (recording,) = read_recordings(source, time_unit="s")
    target = tmp_path / f"target{WRITERS[to].ending}"
    WRITERS[to].write(recording, target)
    (again,) = read_recordings(target, time_unit="s")
    tolerance = {"rtol": 5e-6, "atol": 1e-12} if to == "bka" else {"rtol": 0, "atol": 0}
    np.testing.assert_allclose(again.time_s, recording.time_s, **tolerance)
    np.testing.assert_allclose(again.signals, recording.signals, **tolerance)


def test_the_command_lists_converts_and_overwrites_nothing(tmp_path, run):
    code, out, _ = run("formats")
    assert code == 0
    assert all(word in out for word in ("jasco", "kintek", "Pro-Data", "--time-unit"))
    for place in range(3):
        data = BUILDERS["columns"][1](*shot(seed=place))
        (tmp_path / f"s{place}.csv").write_bytes(data)
    files = [tmp_path / f"s{place}.csv" for place in range(3)]
    assert run("convert", *files, "--to", "bka")[0] == 0
    assert {path.name for path in tmp_path.glob("*.bka")} == {"s0.bka", "s1.bka", "s2.bka"}
    code, _, err = run("convert", *files, "--to", "bka")
    assert code == 2
    assert "not taken" in err
    code, _, err = run("convert", *files, "--to", "word")
    assert code == 2
    assert "kintek" in err
    args = ("--to", "csv", "--average", "--out", tmp_path / "mean.csv", "--blank", files[0])
    assert run("convert", *files, *args)[0] == 0
    (mean,) = read_recordings(tmp_path / "mean.csv")
    signals = [read_recordings(file)[0].signals for file in files]
    expected = np.mean(signals, axis=0) - signals[0]
    np.testing.assert_allclose(mean.signals, expected, rtol=0, atol=1e-15)


def test_means_and_blanks_that_do_not_fit_are_refused(tmp_path):
    made = {}
    for name, points, count in (("a", 200, 1), ("b", 100, 1), ("two", 200, 2)):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(BUILDERS["columns three"][1](*shot(count, points)))
        made[name] = read_recordings(path)[0]
    with pytest.raises(FormatError, match="other times"):
        average_recordings([made["a"], made["b"]])
    with pytest.raises(FormatError, match="2 signals"):
        average_recordings([made["a"], made["two"]])
    rest = subtract_blank(made["a"], made["b"])
    assert np.abs(rest.signals).max() < 0.01
    shorter = tmp_path / "c.csv"
    shorter.write_bytes(BUILDERS["columns"][1](shot(1)[0] / 2, shot(1)[1]))
    with pytest.raises(FormatError, match="a blank from"):
        subtract_blank(made["a"], read_recordings(shorter)[0])


def test_a_lab_is_fitted_without_its_blank(tmp_path, run):
    lab = tmp_path / "lab"
    lab.mkdir()
    time, below = shot(k=3.0, seed=9)
    for name, seed in (("10uM_1", 0), ("10uM_2", 1), ("20uM_1", 2)):
        signal = shot(k=12.0, seed=seed)[1] + below
        (lab / f"{name}.csv").write_bytes(BUILDERS["columns"][1](time, signal))
    (lab / "buffer.csv").write_bytes(BUILDERS["columns"][1](time, below))
    assert run("ingest", lab, "--blank", lab / "buffer.csv")[0] == 0
    with (tmp_path / "reports" / "rates.csv").open(newline="") as handle:
        rows = {row["file"]: row for row in csv.DictReader(handle)}
    assert set(rows) == {"10uM_1.csv", "10uM_2.csv", "20uM_1.csv"}
    for row in rows.values():
        assert abs(float(row["k_per_s"]) - 12.0) < 4 * float(row["k_stderr_per_s"])
    code, _, err = run("ingest", lab, "--blank", lab / "none.csv")
    assert code == 2
    assert "none.csv" in err
