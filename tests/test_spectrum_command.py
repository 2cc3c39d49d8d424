"""stopflow spectrum and --channel all: one k for what was recorded together."""

import csv
import json

import numpy as np
import pytest
from trace_files import BUILDERS

pytestmark = pytest.mark.whole


def recorded(k=12.0, count=6, seed=0):
    time = np.round(np.linspace(0, 0.5, 400), 6)
    sizes = np.linspace(0.2, 1.2, count)
    noise = np.random.default_rng(seed).normal(0, 2e-3, (count, time.size))
    return time, sizes[:, None] * np.exp(-k * time) + 0.3 + noise


def test_amplitudes_by_wavelength_are_printed_drawn_and_written(tmp_path, run):
    (tmp_path / "scan.csv").write_bytes(BUILDERS["diode-array"][1](*recorded()))
    words = ("spectrum", tmp_path / "scan.csv", "--law", "single", "--start", "0")
    code, out, _ = run(*words, "--plot", "scan.png", "--out", "amplitudes.csv")
    assert code == 0
    assert "2 components above the noise" in out
    assert "350 nm" in out
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "amplitudes.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    amplitudes = [float(row["amplitude"]) for row in rows]
    np.testing.assert_allclose(amplitudes, np.linspace(0.2, 1.2, 6), atol=0.01)
    found = json.loads(run(*words, "--json")[1])
    assert found["parameters"]["k_per_s"] == pytest.approx(12.0, abs=0.1)


def test_a_file_with_one_signal_is_sent_to_fit(tmp_path, run):
    (tmp_path / "one.csv").write_bytes(BUILDERS["columns"][1](*recorded(count=1)))
    code, _, err = run("spectrum", tmp_path / "one.csv")
    assert code == 2
    assert "stopflow fit one.csv" in err


def test_channels_are_chosen_and_the_others_mentioned(tmp_path, run):
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "two.bka").write_bytes(BUILDERS["bio-kine two"][1](*recorded(count=2)))
    (lab / "scan.csv").write_bytes(BUILDERS["diode-array"][1](*recorded()))
    _, _, err = run("ingest", lab)
    assert "two.bka: 2 signals: 1 (Volt), 2 (Volt); the first is fitted" in err
    assert "6 wavelengths, 350 to 380 nm; that at 380 nm is fitted" in err
    with (tmp_path / "reports" / "rates.csv").open(newline="") as handle:
        assert [(r["file"], r["channel"]) for r in csv.DictReader(handle)] == [
            ("scan.csv", "6"),
            ("two.bka", "1"),
        ]
    assert run("ingest", lab, "--channel", "all")[0] == 0
    with (tmp_path / "reports" / "rates.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [(r["file"], r["channel"]) for r in rows] == [
        *(("scan.csv", str(place)) for place in range(1, 7)),
        ("two.bka", "1"),
        ("two.bka", "2"),
    ]
    shared = {(r["file"], r["k_shared_per_s"]) for r in rows}
    assert len(shared) == 2
    for row in rows:
        assert float(row["k_shared_per_s"]) == pytest.approx(12.0, abs=0.3)
        assert float(row["k_shared_stderr_per_s"]) < 1.1 * float(row["k_stderr_per_s"])
    _, out, _ = run("fit", lab / "scan.csv", "--wavelength", "361", "--json")
    assert json.loads(out)["channel"] == 4
    code, _, err = run("fit", lab / "scan.csv", "--channel", "all")
    assert code == 2
    assert "stopflow spectrum" in err
    code, _, err = run("fit", lab / "two.bka", "--channel", "0")
    assert code == 2
    assert "a number from 1, or all" in err
