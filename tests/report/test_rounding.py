"""Numbers cut by their error: against decimal arithmetic, and the habits of the trade."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stopflow.report.paper.rounding import (
    error_decimals,
    format_celsius,
    format_concentration,
    format_digits,
    format_half_life,
    format_interval,
    format_pm,
    format_temperature,
    format_time,
    format_value,
    set_numbers,
    set_sentence,
)


def _read(text: str) -> Decimal:
    return Decimal(text.replace("−", "-"))


@given(
    value=st.floats(1e-2, 9e4),
    error=st.floats(1e-3, 1e2),
)
def test_value_and_error_stop_at_the_same_decimal_near_the_truth(value, error):
    text = format_pm(value, error)
    left, right = (_read(part) for part in text.split(" ± "))
    place = max(left.as_tuple().exponent, right.as_tuple().exponent)
    assert left.as_tuple().exponent == right.as_tuple().exponent
    step = Decimal(10) ** -error_decimals(error)
    assert place >= -12
    assert abs(left - Decimal(value)) <= step * Decimal("0.5000001")
    assert abs(right - Decimal(error)) <= step * Decimal("0.5000001")


@given(error=st.floats(1e-12, 1e12))
def test_an_error_keeps_one_or_two_significant_digits(error):
    step = Decimal(10) ** -error_decimals(error)
    kept = round(Decimal(error) / step)
    assert 3 <= kept <= 30


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (12.3456, 0.0123, "12.346 ± 0.012"),
        (12.3456, 0.0456, "12.35 ± 0.05"),
        (0.827, 0.119, "0.83 ± 0.12"),
        (1234567.0, 23000.0, "(1.235 ± 0.023)×10⁶"),
        (-3.2, 0.96, "−3.2 ± 1.0"),
        (14.8, 9.96, "15 ± 10"),
        (-3.4, 180.0, "0 ± 180"),
        (-0.0004, 0.012, "0.000 ± 0.012"),
        (5.0, float("nan"), "5.000"),
        (float("nan"), 1.0, "–"),
    ],
)
def test_known_cases(value, error, said):
    assert format_pm(value, error) == said


def test_intervals_say_open_ends():
    assert format_interval(1.0, 2.0, error=0.31) == "1.0 to 2.0"
    assert format_interval(0.0, float("inf"), error=0.3) == "open"
    assert format_interval(2.0, float("inf"), error=0.31) == "above 2.0"
    assert format_interval(float("nan"), float("nan"), error=1.0) == "–"


def test_units_follow_the_size():
    assert format_time(0.018) == "18.0 ms"
    assert format_time(0.018, exact=True) == "18 ms"
    assert format_time(2.5e-5) == "25.0 µs"
    assert format_time(0.0) == format_time(-0.0, exact=True) == "0 s"
    assert format_concentration(5e-5) == "50 µM"
    assert format_concentration(1e-3) == "1 mM"


def test_a_temperature_that_is_not_known_is_missing():
    assert format_celsius(298.15) == "25"
    assert format_temperature(298.15) == "25 °C"
    assert format_celsius(float("nan")) == format_temperature(float("nan")) == "–"


def test_values_without_error_keep_their_digits():
    assert format_digits(0.0, 3) == "0"
    assert format_digits(5.48e-4, 3) == "0.000548"
    assert format_digits(99.96, 3) == "100"
    assert format_digits(1234.5, 2) == "1200"
    assert format_value(7.25e8, 1e6) == "7.250×10⁸"


def test_an_error_that_rounds_up_to_the_next_power_of_ten_has_no_mantissa_of_ten():
    assert format_value(9.79e-4, 9.79e-4) == "0.0010"
    assert format_value(9.79e-5, 9.79e-5) == "0.00010"
    assert format_value(9.79e-6, 9.79e-6) == "1.0×10⁻⁵"
    assert format_value(-9.96e-7, 3e-8) == "−1.00×10⁻⁶"


def test_numbers_of_a_sentence_are_set_as_in_print():
    assert set_numbers("drifts by -7.7% to -.5") == "drifts by −7.7 % to −.5"
    assert set_numbers("k-1 <= 1.2e-06 M^-1 s^-1") == "k-1 ≤ 1.2×10⁻⁶ M⁻¹ s⁻¹"
    assert set_numbers("k1 >= 3, A + B <=> C -> D") == "k1 ≥ 3, A + B ⇌ C → D"
    for same in ("2024-03-01", "shot-07.bka", "run1e-05.csv", "exp(-k t)", "a--b", "100 %"):
        assert set_numbers(same) == same


def test_phases_have_the_same_names_in_sentences_and_in_tables():
    assert set_sentence("no upper limit to k2; use k of 3") == "no upper limit to k₂; use k of 3"
    assert set_sentence("k3 and amplitude2 by -7.7%") == "k₃ and amplitude₂ by −7.7 %"
    for same in ("k2.csv", "run-k2", "k22", "buffer/k2", "pk2", "k2-07.bka"):
        assert set_sentence(same) == same


def test_a_half_life_has_the_digits_of_its_rate():
    assert format_half_life(0.0217302, 0.0217302 * 0.0998 / 31.9) == "21.73 ms"
    assert format_half_life(0.0248, 5 * 0.0248) == "–"
    assert format_half_life(0.0248, float("nan")) == "24.8 ms"
