"""Conditions on a sheet of their own, for all files of the folder."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from books import save_book
from labs import FILES, MICROMOLAR, RATES, kelvin, micromolar, rates, read_folder, read_lab, said
from labs import table as table_of

HEAD = ["Filename", "Rate (s-1)"]
ROWS = table_of(HEAD, FILES, RATES)


@pytest.mark.parametrize(
    "sheet",
    [
        [["Substrate", "NADH"], ["[S]", "10 µM"], ["Temperature (°C)", 25], ["Buffer", "Tris"]],
        [
            ["Parameter", "Value", "Unit"],
            ["Temperature", 25, "°C"],
            ["Substrate", "NADH"],
            ["Substrate concentration", 10, "µM"],
            ["Enzyme concentration", 50, "nM"],
            ["pH", 7.4],
        ],
        [["Name", "Value"], ["T", "25 °C"], ["Substrate", "NADH"], ["[S]", "10 µM"], ["pH", 7]],
        [["Substrate", "T (°C)", "[S] (µM)"], ["NADH", 25, 10]],
        [["Substrate: NADH"], ["[S] = 10 µM, T = 25 °C"], ["50 mM Tris, pH 7.4"]],
        [["NADH, at 25 °C"], [], ["Substrate", "NADH"], ["[S] / µM", 10]],
    ],
)
def test_conditions_on_a_sheet_of_their_own(
    tmp_path: Path, sheet: Sequence[Sequence[object]]
) -> None:
    lab = read_lab(tmp_path, ROWS, Conditions=sheet)
    assert rates(lab) == list(RATES)
    assert (kelvin(lab), micromolar(lab)) == ([298.15] * 4, [10] * 4)
    assert {shot.conditions.substrate for shot in lab.shots} == {"NADH"}
    assert said(lab) == []
    assert any("taken as temperature of all files" in text for text in said(lab, "note"))


def test_conditions_in_a_workbook_of_their_own_hold_for_files_without_a_row(tmp_path: Path) -> None:
    save_book(tmp_path / "notes.xlsx", {"Sheet1": [["Temperature", "25 °C"]]})
    lab = read_lab(tmp_path, ROWS[:3])
    assert kelvin(lab) == [298.15] * 4


def test_conditions_and_no_table_at_all(tmp_path: Path) -> None:
    (tmp_path / "conditions.csv").write_text(
        "Temperature;25,0 °C\nIonic strength (M);0,1\n", encoding="utf-8"
    )
    lab = read_folder(tmp_path)
    assert kelvin(lab) == [298.15] * 4
    assert lab.shots[0].conditions.ionic_strength_M == 0.1


def test_the_usual_workbook_without_its_table(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [["Temperature", "25 °C"]])
    assert kelvin(lab) == [298.15] * 4
    (error,) = said(lab, "error")
    assert "conditions but no table; expected a table with the columns Filename and Rate" in error


def test_a_table_wins_over_a_sheet_of_conditions(tmp_path: Path) -> None:
    rows = table_of([*HEAD, "[S] (µM)"], FILES, RATES, MICROMOLAR)
    lab = read_lab(tmp_path, rows, Info=[["[S] (µM)", 5], ["T", "25 °C"]])
    assert (micromolar(lab), kelvin(lab)) == (list(MICROMOLAR), [298.15] * 4)
    assert any("not used: a table has the concentration" in text for text in said(lab, "note"))


def test_sheets_that_contradict_each_other(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, ROWS, Day1=[["T = 25 °C"]], Day2=[["T = 30 °C"]])
    assert kelvin(lab) == [None] * 4
    (warning,) = said(lab)
    assert "expected one temperature for all files; none is used" in warning


def test_a_unit_assumed_on_a_sheet_of_conditions_is_said(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, ROWS, Info=[["Ionic strength", 0.1]])
    assert lab.shots[0].conditions.ionic_strength_M == 0.1
    (warning,) = said(lab)
    assert "no unit: taken as M" in warning


@pytest.mark.parametrize(
    "sheet",
    [
        [["Substrate", "Conc. (mM)"], ["NADH", 10], ["KCl", 100]],
        [["Stock concentration (mM)", 10], ["Volume (µL)", 5]],
        [["[E] (nM)", 50], ["[NaCl]", "100 mM"], ["Conc. in syringe (µM)", 20]],
        [["Temperature (°C)", 25, 30]],
        [["[S] (µM)", "k_obs (s-1)"], [10, 6], [20, 10]],
    ],
)
def test_sheets_of_other_things(tmp_path: Path, sheet: Sequence[Sequence[object]]) -> None:
    lab = read_lab(tmp_path, ROWS, Other=sheet)
    assert (kelvin(lab), micromolar(lab)) == ([None] * 4, [None] * 4)
    assert {shot.conditions.substrate for shot in lab.shots} == {None}
    assert any("sheet 'Other'" in text for text in said(lab, "note"))


def test_conditions_in_a_book_of_several_experiments_are_left(tmp_path: Path) -> None:
    others = [HEAD, ["other1.bka", 1], ["other2.bka", 2]]
    lab = read_lab(tmp_path, ROWS, others=others, Info=[["T = 25 °C"]])
    assert kelvin(lab) == [None] * 4
    assert any(
        "conditions beside tables of files that are not here" in t for t in said(lab, "note")
    )
