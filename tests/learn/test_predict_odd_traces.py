"""Odd records through the whole of predict: right, or doubted, or refused, and always said why."""

import numpy as np
import pytest

from stopflow.io.bka.format import write_bka
from stopflow.pipeline.networks.predict import predict_folder

K_PER_S = 8.0
TIME_S = np.linspace(0.0, 1.5, 3001)


def trace(time_s, *, seed=0):
    noise = 0.01 * np.random.default_rng(seed).standard_normal(len(time_s))
    return 1.0 - 0.8 * np.exp(-K_PER_S * time_s) + noise


def spiked():
    signal = trace(TIME_S)
    signal[1500] = 50.0
    return signal


GAP = (TIME_S < 0.6) | (TIME_S > 0.7)
COARSE = np.linspace(0.0, 1.5, 200)
LOG = np.concatenate([[0.0], np.geomspace(1e-4, 1.5, 1500)])
RECORDS = {
    "coarse": (COARSE, trace(COARSE), {}),
    "constant": (TIME_S, np.full(3001, 0.3), {}),
    "gap": (TIME_S[GAP], trace(TIME_S)[GAP], {}),
    "log": (LOG, trace(LOG), {}),
    "millivolt": (TIME_S, 1000 * trace(TIME_S), {"signal_units": ("mV",)}),
    "reversed": (TIME_S[::-1], trace(TIME_S)[::-1], {}),
    "mirrored": (TIME_S, trace(TIME_S)[::-1], {}),
    "seconds": (TIME_S, trace(TIME_S), {"time_unit": "s"}),
    "seconds-called-ms": (TIME_S / 1000, trace(TIME_S), {}),
    "short": (TIME_S[:5], trace(TIME_S[:5]), {}),
    "spike": (TIME_S, spiked(), {}),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    for name, (time_s, signal, units) in RECORDS.items():
        scale = 1.0 if units.get("time_unit") == "s" else 1000.0
        place = folder / "lab" / f"{name}.bka"
        place.parent.mkdir(exist_ok=True)
        write_bka(place, time=scale * time_s, signals=[signal], **units)
    found = predict_folder(folder / "lab", models=folder, reports=folder / "reports")
    return {row["file"].removesuffix(".bka"): row for row in found.rows}


@pytest.mark.parametrize("name", ["coarse", "log", "millivolt", "seconds"])
def test_units_and_sampling_do_not_matter(rows, name):
    row = rows[name]
    assert row["doubt"] == ""
    low, high = row["k_predicted_low95_per_s"], row["k_predicted_high95_per_s"]
    standard_error = np.log(high / low) / (2 * 1.96)
    assert abs(np.log(row["k_predicted_per_s"] / K_PER_S)) < 3 * standard_error
    assert row["k_predicted_per_s"] == pytest.approx(K_PER_S, rel=0.06)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("short", "5 points"),
        ("constant", "the signal is constant"),
        ("reversed", "run backwards"),
    ],
)
def test_what_cannot_be_predicted_is_refused(rows, name, says):
    assert np.isnan(rows[name]["k_predicted_per_s"])
    assert says in rows[name]["doubt"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gap", "a gap of 0.1 s"),
        ("mirrored", "record longer"),
        ("seconds-called-ms", "check the time unit"),
        ("spike", "a spike at 0.75 s"),
    ],
)
def test_what_may_be_wrong_is_doubted(rows, name, says):
    assert says in rows[name]["doubt"]
