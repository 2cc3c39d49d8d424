"""Numbers and units as people type them."""

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stopflow
from stopflow.io.units import (
    CONCENTRATION,
    RATE,
    TEMPERATURE,
    celsius_text,
    find_scale,
    fold_unit,
    is_molar,
    parse_quantity,
    parse_time_unit,
    without_uncertainty,
)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("15.5", 15.5, ""),
        ("15,5", 15.5, ""),
        (" 15,5 ms ", 15.5, "ms"),
        ("15.5ms", 15.5, "ms"),
        ("-3", -3.0, ""),
        ("−3", -3.0, ""),
        ("+.5", 0.5, ""),
        ("5.", 5.0, ""),
        ("1,234.5", 1234.5, ""),
        ("1.234,5", 1234.5, ""),
        ("1,234", 1.234, ""),
        ("12 345,6", 12345.6, ""),
        ("12'345.6", 12345.6, ""),
        ("12\u00a0345", 12345.0, ""),
        ("1e-3", 1e-3, ""),
        ("1,5E-3 M", 1.5e-3, "M"),
        ("5 x 10^-3", 5e-3, ""),
        ("5·10⁻³", 5e-3, ""),
        ("5 µM", 5.0, "μM"),
        ("25 °C", 25.0, "°C"),
        ("3.4 s⁻¹", 3.4, "s-1"),
    ],
)
def test_numbers(text: str, value: float, unit: str) -> None:
    read = parse_quantity(text)
    assert read is not None
    assert read[0] == pytest.approx(value, rel=1e-15)
    assert fold_unit(read[1]) == fold_unit(unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "nan",
        "inf",
        "#N/A",
        "=B2",
        "1.2.3",
        "1,2,3,4.5.6",
        "3 4",
        "2024-01-02",
        "1e999",
        "1..5",
        "--3",
        "3.5 - 4",
        "TRUE",
        "12,34.5",
    ],
)
def test_no_numbers(text: str) -> None:
    read = parse_quantity(text)
    assert read is None or fold_unit(read[1]) not in {*RATE, *CONCENTRATION, ""}


@settings(max_examples=100, deadline=None)
@given(value=st.floats(-1e9, 1e9), sign=st.sampled_from(".,"))
def test_every_float_reads_back_with_either_decimal_sign(value: float, sign: str) -> None:
    assert parse_quantity(repr(value).replace(".", sign)) == (value, "")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12))
def test_any_text_gives_a_finite_number_or_none(text: str) -> None:
    read = parse_quantity(text)
    assert read is None or math.isfinite(read[0])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("s", 1), (" Sec ", 1), ("MS", 1e-3), ("µs", 1e-6), ("μs", 1e-6), ("nm", None), ("", None)],
)
def test_time_units(text: str, seconds: float | None) -> None:
    assert parse_time_unit(text) == seconds


def test_conversions_that_should_be_equal_are_equal() -> None:
    ten_micromolar = CONCENTRATION["um"].to_ours(10)
    assert ten_micromolar == CONCENTRATION["mm"].to_ours(0.01) == 1e-5
    assert TEMPERATURE["°c"].to_ours(25) == TEMPERATURE["k"].to_ours(298.15) == 298.15
    assert RATE["min-1"].to_ours(60) == RATE["s-1"].to_ours(1) == RATE["ms-1"].to_ours(1e-3) == 1.0


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("mol L-1", 1.0),
        ("mol·dm⁻³", 1.0),
        ("mol m^-3", 1e-3),
        ("µmol L−1", 1e-6),
        ("μmol.l^(-1)", 1e-6),
        ("nmol/mL", 1e-6),
        ("$\\mu$M", 1e-6),
        ("10⁻⁶ M", 1e-6),
        ("10^-3 mol L-1", 1e-3),
        ("10-6 M", 1e-6),
        ("1000 M", None),
        ("mol/kg", None),
        ("mg/ml", None),
    ],
)
def test_units_of_concentration(text: str, factor: float | None) -> None:
    scale = find_scale(CONCENTRATION, text)
    assert (scale and scale.factor) == (factor and pytest.approx(factor, rel=1e-15))


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("s⁻¹", 1.0),
        ("s^{-1}", 1.0),
        ("s^(-1)", 1.0),
        ("s‑1", 1.0),
        ("sˉ¹", 1.0),
        ("ms-1", 1e3),
        ("ms⁻¹", 1e3),
        ("10³ s⁻¹", 1e3),
        ("M s-1", None),
        ("Ms-1", None),
        ("m s-1", None),
        ("M-1 s-1", None),
    ],
)
def test_units_of_rate(text: str, factor: float | None) -> None:
    scale = find_scale(RATE, text)
    assert (scale and scale.factor) == factor


@pytest.mark.parametrize("text", ["25 °C", "25 ˚C", "25 ºC", "25 ⁰C", "25 ℃", "77 °F", "298.15 K"])
def test_units_of_temperature(text: str) -> None:
    value, unit = parse_quantity(text) or (0.0, "")
    scale = find_scale(TEMPERATURE, unit)
    assert scale is not None
    assert scale.to_ours(value) == 298.15


@pytest.mark.parametrize(
    ("kelvin", "text"),
    [(298.15, "25"), (289.65, "16.5"), (298.1234, "24.97"), (273.149, "0"), (268.15, "-5")],
)
def test_temperatures_are_written_without_idle_zeros(kelvin: float, text: str) -> None:
    assert celsius_text(kelvin) == text


def test_nobody_writes_a_temperature_in_a_way_of_his_own() -> None:
    package = Path(stopflow.__file__).parent
    own_way = re.compile(r"ZERO_CELSIUS_K\b[^}\n]*:[^}\n]*} °C")
    found = [path.name for path in package.rglob("*.py") if own_way.search(path.read_text("utf-8"))]
    assert found == []


def test_lengths_are_no_concentrations() -> None:
    assert [text for text in ("M", "mM", "nM", "mol/L", "nm", "mm", "m") if is_molar(text)] == [
        "M",
        "mM",
        "nM",
        "mol/L",
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("3.5 ± 0.1", "3.5"),
        ("3,5±0,1 s-1", "3,5 s-1"),
        ("3.5 +/- 1e-2 s-1", "3.5 s-1"),
        ("3.52(4) s-1", "3.52 s-1"),
        ("3.5 s-1", "3.5 s-1"),
        ("±1", "±1"),
    ],
)
def test_uncertainties_are_left_out(text: str, left: str) -> None:
    assert without_uncertainty(text) == left
