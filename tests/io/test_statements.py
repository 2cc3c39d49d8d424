"""What stands above and below tables: titles with a temperature, concentrations before mixing."""

from pathlib import Path

import pytest
from labs import FILES, MICROMOLAR, RATES, kelvin, micromolar, read_lab, said, table

HEAD = ["Filename", "Rate (s-1)", "[S] (µM)"]
BODY = table(HEAD, FILES, RATES, MICROMOLAR)[1:]
RATES_ONLY = table(HEAD[:2], FILES, RATES)


@pytest.mark.parametrize(
    "title",
    [
        "25 °C",
        "25 C",
        "298.15 K",
        "NADH and LDH, 25 C",
        "Versuch 5, 25,0 °C, pH 7,4",
        "NADH with LDH (25 °C, pH 7.4)",
        "Measured at 25 ± 0.1 °C in 50 mM Tris",
        "Messung bei 25 °C",
        "NADH @25°C",
        "T = 25 °C; quench at 37 °C",
    ],
)
def test_a_temperature_in_a_title(tmp_path: Path, title: str) -> None:
    lab = read_lab(tmp_path, [[title], [], HEAD, *BODY])
    assert kelvin(lab) == [298.15] * 4
    assert said(lab) == []
    assert any("taken as temperature of all rows" in text for text in said(lab, "note"))


@pytest.mark.parametrize(
    "title",
    [
        "5 C",
        "Lab 25",
        "at 25-30 °C",
        "T-jump from 25 °C to 35 °C",
        "Enzyme stored at 4 °C",
        "Enzym, bei 4 °C gelagert",
        "Substrate heated, 37 °C",
        "-80 °C",
        "NADH, 5 K",
        "pH at 25 °C was 7.4",
    ],
)
def test_what_may_be_no_temperature_of_the_shots(tmp_path: Path, title: str) -> None:
    assert kelvin(read_lab(tmp_path, [[title], HEAD, *BODY])) == [None] * 4


def test_two_temperatures_in_titles_are_named_and_not_used(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [["NADH, 25 °C"], ["LDH at 30 °C"], HEAD, *BODY])
    assert kelvin(lab) == [None] * 4
    (warning,) = said(lab)
    assert "expected one temperature" in warning


def test_temperatures_without_a_degree_sign_over_groups_of_rows(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [HEAD, ["25 C"], *BODY[:2], ["~30 C"], *BODY[2:]])
    assert kelvin(lab) == [298.15, 298.15, 303.15, 303.15]


def test_a_title_that_states_nothing_is_named(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [["Kinetics of NADH"], ["T = 25 °C"], ["at pH 7.4"], HEAD, *BODY])
    assert said(lab) == []
    (note,) = [text for text in said(lab, "note") if "not used" in text]
    assert "row 1: 'Kinetics of NADH' and 1 more above the table; not used" in note


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ([["All concentrations before mixing"]], []),
        ([], [["Concentrations are those in the syringe"]]),
        ([["Versuch 5"]], [[], ["Konzentrationen vor dem Mischen"]]),
    ],
)
def test_a_line_that_says_before_mixing(
    tmp_path: Path, above: list[list[object]], below: list[list[object]]
) -> None:
    lab = read_lab(tmp_path, [*above, HEAD, *BODY, *below])
    assert micromolar(lab) == list(MICROMOLAR)
    (warning,) = said(lab)
    assert "used as they stand; expected those after mixing, or --mixing-ratio 2" in warning


@pytest.mark.parametrize("line", ["Concentrations after mixing", "Stock concentration 10 mM"])
def test_lines_that_do_not_say_before_mixing(tmp_path: Path, line: str) -> None:
    assert said(read_lab(tmp_path, [HEAD, *BODY, [line]])) == []


def test_a_concentration_beside_the_table_before_mixing(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [["[S] = 20 µM (in syringe)"], *RATES_ONLY])
    assert micromolar(lab) == [20] * 4
    (warning,) = said(lab)
    assert "used as it stands; expected those after mixing, or --mixing-ratio 2" in warning


def test_the_only_concentration_beside_the_table_may_be_another_ones(tmp_path: Path) -> None:
    (warning,) = said(read_lab(tmp_path, [["[NaCl] = 100 mM"], *RATES_ONLY]))
    assert "'[NaCl] = 100 mM' taken as concentration" in warning
    assert "the only one named" in warning


@pytest.mark.parametrize("header", ["[S] x 10^6 (M)", "c(S) × 10⁶ / M", "[NADH]·10^3 (M)"])
def test_a_multiple_of_a_concentration_is_not_taken_but_named(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table([*HEAD[:2], header], FILES, RATES, MICROMOLAR))
    assert micromolar(lab) == [None] * 4
    assert any(f"not used: {header!r}" in text for text in said(lab))
