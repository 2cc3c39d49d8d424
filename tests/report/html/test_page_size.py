"""How large the page gets, and that packing loses nothing."""

import base64
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stopflow.report.html.arrays import pack_exactly, pack_integers
from stopflow.report.html.numbers import build_payload
from stopflow.report.html.page import build_page
from stopflow.report.html.shots import thin_indices

POINTS = 15_001
LARGEST, LARGEST_LIGHT = 12e6, 2e6


def unpack(text: str) -> np.ndarray:
    """Undo `pack_exactly`, written from its description alone."""
    form, digits, order, count, body = text.split(":")
    width, kind = (8, "<f8") if form == "f" else (4, "<i4")
    planes = np.frombuffer(zlib.decompress(base64.b64decode(body)), dtype=np.uint8)
    values = planes.reshape(width, int(count)).T.copy().view(kind)[:, 0]
    if form == "f":
        return values
    for _ in range(int(order)):
        values = np.cumsum(values)
    decimal = values / 10.0 ** int(digits)
    return decimal / 1000 if form == "m" else decimal


@given(st.lists(st.floats(allow_nan=True, width=64), min_size=1, max_size=60))
def test_any_numbers_come_back_bit_by_bit(values):
    array = np.array(values)
    assert unpack(pack_exactly(array)).tobytes() == array.tobytes() or np.array_equal(
        unpack(pack_exactly(array)), array
    )


@given(st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=200), st.integers(0, 6))
def test_decimal_numbers_need_no_more_than_their_digits(integers, digits):
    for array in (np.array(integers) / 10.0**digits, np.array(integers) / 10.0**digits / 1000):
        packed = pack_exactly(array)
        assert packed[0] in "dm"
        assert np.array_equal(unpack(packed), array)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=50, unique=True))
def test_whole_numbers_come_back(numbers):
    rising = np.sort(np.array(numbers))
    assert np.array_equal(unpack(pack_integers(rising, order=1)), rising)


@pytest.mark.parametrize("buckets", [75, 300])
def test_thinning_keeps_every_extreme(rng, buckets):
    time = np.linspace(0, 1.5, POINTS)
    signal = np.exp(-9 * time) + 0.01 * rng.normal(size=POINTS)
    signal[[1, 7000, 14_990]] = 5.0, -4.0, 3.0
    at = thin_indices(time, signal, 0.018, buckets=buckets)
    assert len(at) <= 2 * buckets + 2
    assert (np.diff(at) > 0).all()
    assert {0, 1, 7000, 14_990, POINTS - 1} <= set(at.tolist())
    for begin in range(0, POINTS - 1000, 1000):
        inside = at[(at >= begin) & (at < begin + 1000)]
        assert len(inside) >= 2


@pytest.mark.slow
def test_a_large_lab_stays_within_its_size(lab, full_proof):
    """1,193 traces of 15,001 points of five decimals, one shot in seven not passed."""
    shots = 1193 if full_proof else 40
    copies = -(-shots // len(lab.shots))
    table = pd.concat([lab.shots.assign(file=lab.shots["file"] + f"_{i}") for i in range(copies)])
    table = table.iloc[:shots].reset_index(drop=True)
    table["verdict"] = np.where(np.arange(shots) % 7 == 0, "WARN", "PASS")
    time = np.arange(POINTS) / 10 / 1000

    def trace(row: int) -> tuple[np.ndarray, np.ndarray]:
        noise = np.random.default_rng(row).normal(size=POINTS)
        return time, np.round(5 + 0.6 * np.exp(-9 * time) + 0.012 * noise, 5)

    data = replace(lab, shots=table, cuts=lab.cuts.iloc[:0], trace=trace)
    whole, light = build_page(data), build_page(data, light=True)
    assert len(whole.encode()) <= LARGEST
    assert len(light.encode()) <= LARGEST_LIGHT
    lines = whole.split('id="traces">')[1].split("</script>")[0].split("\n")
    full = np.array([bool(line.split("\t")[2]) for line in lines])
    assert full[table["verdict"] == "WARN"].all()


def test_shots_that_nothing_tells_apart_go_by_their_files(small_lab):
    experiment = small_lab.shots["experiment"].iloc[0]
    shots = small_lab.shots[small_lab.shots["experiment"] == experiment].iloc[:3].copy()
    shots["condition"] = range(3)
    for name in ("concentration_M", "temperature_K", "ionic_strength_M"):
        shots[name] = np.nan
    for name in ("substrate", "mixture"):
        shots[name] = ""
    columns = [name for name in small_lab.conditions if name in shots]
    conditions = small_lab.conditions.iloc[:3].reset_index(drop=True).copy()
    for name in columns:
        conditions[name] = shots[name].to_numpy()
    bare = replace(
        small_lab, shots=shots, conditions=conditions, secondary=small_lab.secondary.iloc[:0]
    )
    payload = build_payload(bare, light=True)
    label = payload["conditions"]["label"]
    assert [label["texts"][at] for at in label["at"]] == [Path(file).stem for file in shots["file"]]
