"""Tables as labs lay them out: units in rows, two header rows, conditions and notes around them."""

from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest
from books import save_book
from hypothesis import given, settings
from hypothesis import strategies as st
from labs import (
    BOOK,
    FILES,
    MICROMOLAR,
    RATES,
    kelvin,
    micromolar,
    rates,
    read_folder,
    read_lab,
    said,
    table,
)
from openpyxl.worksheet.worksheet import Worksheet

from stopflow.io.workbook.grid import Sheet
from stopflow.io.workbook.names import FileNames
from stopflow.io.workbook.tables import parse_sheet
from stopflow.trace import Experiment

Rows = Sequence[Sequence[object]]

HEAD = ["Filename", "Rate (s-1)", "[S] (µM)"]
BODY = table(HEAD, FILES, RATES, MICROMOLAR)[1:]


def is_whole(lab: Experiment) -> bool:
    return (micromolar(lab), rates(lab)) == (list(MICROMOLAR), list(RATES))


@pytest.mark.parametrize(
    "head",
    [
        [["Filename", "Rate", "[S]"], [None, "s-1", "µM"]],
        [["Filename", "Rate", "[S]"], ["Units", "(s⁻¹)", "[µmol L⁻¹]"]],
        [["Filename", "k", "c"], [], ["-", "1/s", "µM"]],
        [["Filename", "Rate (s-1)", "[S]"], [None, None, "in µM"], []],
        [[None, "s-1", "µM"], ["Filename", "Rate", "[S]"]],
        [[None, "Rate", "[S]"], ["Filename", "s-1", "µM"]],
        [["Filename", "Results", "Conditions"], [None, "k_obs (s-1)", "[S] (µM)"]],
    ],
)
def test_units_and_names_in_rows_of_their_own(tmp_path: Path, head: Rows) -> None:
    lab = read_lab(tmp_path, [*head, *BODY])
    assert is_whole(lab)
    assert said(lab) == []


def test_a_row_of_units_makes_a_name_a_quantity(tmp_path: Path) -> None:
    header = ["Filename", "Substrate", "S", "T"]
    rows = table(header, FILES, ["NADH"] * 4, MICROMOLAR, [298.15] * 4)
    lab = read_lab(tmp_path, [rows[0], [None, None, "µM", "K"], *rows[1:]])
    assert micromolar(lab) == list(MICROMOLAR)
    assert kelvin(lab) == [298.15] * 4
    assert lab.shots[0].conditions.substrate == "NADH"


def test_an_unknown_unit_in_the_row_of_units_is_not_guessed(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [["Filename", "Rate", "[S]"], [None, "s-1", "mg/ml"], *BODY])
    assert micromolar(lab) == [None] * 4
    assert any("'mg/ml' is not a unit of concentration" in text for text in said(lab))


def test_a_row_of_units_that_contradicts_the_header_is_said(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [HEAD, [None, "s-1", "mM"], *BODY])
    assert is_whole(lab)
    (warning,) = said(lab)
    assert "'[S] (µM)' with another unit beside it, 'mM'" in warning


def test_headings_over_several_columns(tmp_path: Path) -> None:
    head = [
        ["Filename", "Rate (s-1)", None, "Concentrations (µM)", None],
        [None, "mean", "SD", "E", "S"],
    ]
    body = [[file, rate, 0.1, 5, amount] for file, rate, amount in BODY]

    def merge(sheet: Worksheet) -> None:
        for area in ("A1:A2", "B1:C1", "D1:E1"):
            sheet.merge_cells(area)

    lab = read_lab(tmp_path, [*head, *body], change=merge)
    assert is_whole(lab)
    (warning,) = said(lab)
    assert "not used: 'Concentrations (µM) E'" in warning


@pytest.mark.parametrize(
    "above",
    [
        [["T = 25 °C"]],
        [["T = 298.15 K; pH 7"], []],
        [["NADH with LDH, T = 25.0 ± 0.1 °C, pH 7.4"]],
        [["Experiment", "NADH series"], ["Temperature", 25, "°C"], ["Operator", "A. B."]],
        [["Temperature (°C):", 25], []],
        [["Temperature: 25 °C (water bath)"]],
        [[None, "Temperature: 25"], ["[E] = 50 nM"]],
    ],
)
def test_conditions_above_the_table(tmp_path: Path, above: Rows) -> None:
    lab = read_lab(tmp_path, [*above, HEAD, *BODY])
    assert is_whole(lab)
    assert kelvin(lab) == [298.15] * 4
    assert said(lab) == []
    assert any("taken as temperature of all rows" in text for text in said(lab, "note"))


def test_a_title_merged_over_the_table(tmp_path: Path) -> None:
    rows = [["Kinetics of NADH; I = 0.1 M"], HEAD, *BODY]
    lab = read_lab(tmp_path, rows, change=lambda sheet: sheet.merge_cells("A1:C1"))
    assert is_whole(lab)
    assert lab.shots[0].conditions.ionic_strength_M == 0.1


def test_a_concentration_above_counts_only_without_a_column(tmp_path: Path) -> None:
    above = [["[E] = 50 nM"], ["Substrate: NADH"], ["[S] = 10 µM"]]
    lab = read_lab(tmp_path, [*above, ["Filename", "Rate"], *(row[:2] for row in BODY)])
    assert micromolar(lab) == [10.0] * 4
    assert lab.shots[0].conditions.substrate == "NADH"
    assert is_whole(read_lab(tmp_path, [*above, HEAD, *BODY]))


@pytest.mark.parametrize(
    ("above", "found"),
    [
        ([["T = 25 °C"], ["T = 30 °C"]], "'T = 25 °C', 'T = 30 °C'; expected one temperature"),
        ([["[A] = 1 µM", "[B] = 2 µM"]], "'[A] = 1 µM', '[B] = 2 µM'; expected one concentration"),
    ],
)
def test_conditions_that_contradict_each_other(tmp_path: Path, above: Rows, found: str) -> None:
    lab = read_lab(tmp_path, [*above, ["Filename", "Rate"], *(row[:2] for row in BODY)])
    assert (kelvin(lab), micromolar(lab)) == ([None] * 4, [None] * 4)
    (warning,) = said(lab)
    assert found in warning


@pytest.mark.parametrize("above", [["Temperature (°C)", 25, 30], ["Temperature", "25 °C", "30 °C"]])
def test_several_values_above_a_table_are_not_one(tmp_path: Path, above: list[object]) -> None:
    assert kelvin(read_lab(tmp_path, [above, HEAD, *BODY])) == [None] * 4


def test_a_line_that_only_looks_like_a_condition_is_no_error(tmp_path: Path) -> None:
    above = [["Temperature: 25 to 30"], ["Ionic strength: 3 drops"], ["Substrate = NADH"]]
    lab = read_lab(tmp_path, [*above, HEAD, *BODY])
    assert is_whole(lab)
    assert (kelvin(lab), said(lab)) == ([None] * 4, [])


def test_a_unit_assumed_above_the_table_is_said(tmp_path: Path) -> None:
    rows = [["Ionic strength", 0.1], HEAD, *BODY]
    lab = read_lab(tmp_path, rows)
    assert lab.shots[0].conditions.ionic_strength_M == 0.1
    (warning,) = said(lab)
    assert "no unit: taken as M" in warning


def test_a_unit_assumed_is_said_with_the_largest_value(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [["Filename", "Rate", "[S]"], *BODY])
    (warning,) = said(lab)
    assert "'[S]' taken as concentration, no unit: taken as M, up to 40 M" in warning
    assert "expected a unit in the header" in warning


def test_headings_of_groups_of_rows(tmp_path: Path) -> None:
    rows = [["Filename", "Rate"], ["10 µM"], ["25 °C"], *(row[:2] for row in BODY[:2])]
    rows += [["[S] = 20 µM, T = 30 °C"], *(row[:2] for row in BODY[2:])]
    lab = read_lab(tmp_path, rows)
    assert micromolar(lab) == [10, 10, 20, 20]
    assert kelvin(lab) == [298.15, 298.15, 303.15, 303.15]
    assert len(said(lab)) == 4
    assert all("taken as" in text for text in said(lab))


def test_notes_and_sums_below_the_table(tmp_path: Path) -> None:
    below = [["Mean", 12, 25], ["SD", 5, 13], [], ["* by hand"], ["*", "two fits"], ["T = 25 °C"]]
    lab = read_lab(tmp_path, [HEAD, *BODY, *below])
    assert is_whole(lab)
    assert kelvin(lab) == [298.15] * 4
    (warning,) = said(lab)
    assert "'T = 25 °C' taken as temperature" in warning
    (left,) = [text for text in said(lab, "note") if "not a row of a file" in text]
    assert "'Mean 12 25' and 3 more like it" in left


@pytest.mark.parametrize("name", ["Mean ± SD", "Average of 1-3", "Mittelwert s1 bis s3"])
def test_means_under_longer_names(tmp_path: Path, name: str) -> None:
    lab = read_lab(tmp_path, [HEAD, *BODY[:3], [name, 10, 20], *BODY[3:]])
    assert is_whole(lab)
    assert said(lab) == []


def test_a_row_with_values_of_a_file_that_is_not_there_stays_an_error(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [HEAD, *BODY, ["gone", 1, 2], ["lost.bka", None, None]])
    errors = said(lab, "error")
    assert len(errors) == 2
    assert all("which is not there" in text for text in errors)


@pytest.mark.parametrize(
    ("cells", "amounts"),
    [
        ((10, None, 20, None), [10, 10, 20, 20]),
        ((10, None, None, 20), [10, 10, 10, 20]),
        ((0, None, None, None), [0, 0, 0, 0]),
        ((None, 10, None, None), [None, 10, 10, 10]),
    ],
)
def test_a_value_once_a_group(
    tmp_path: Path, cells: tuple[float, ...], amounts: list[float]
) -> None:
    lab = read_lab(tmp_path, table(HEAD, FILES, RATES, cells))
    assert micromolar(lab) == amounts
    assert any("empty cells of column '[S] (µM)' read as the value above" in t for t in said(lab))


@pytest.mark.parametrize("cells", [(10, 20, None, 40), (10, 10, None, None), (10, "-", "-", "-")])
def test_a_value_forgotten_is_not_filled_in(tmp_path: Path, cells: tuple[object, ...]) -> None:
    lab = read_lab(tmp_path, table(HEAD, FILES, RATES, cells))
    assert micromolar(lab).count(None) == sum(not isinstance(cell, int) for cell in cells)
    assert any("no concentration" in text for text in said(lab))


def test_no_value_is_carried_over_an_empty_row(tmp_path: Path) -> None:
    rows = table(HEAD, FILES, RATES, (10, None, None, None))
    lab = read_lab(tmp_path, [*rows[:3], [], *rows[3:]])
    assert micromolar(lab) == [10, 10, None, None]


def test_signs_that_repeat_the_value_above(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, table(HEAD, FILES, RATES, (10, '"', 20, "ditto")))
    assert micromolar(lab) == [10, 10, 20, 20]
    assert said(lab) == []


def test_a_second_header_further_down(tmp_path: Path) -> None:
    below = [[file, rate, amount / 1000] for file, rate, amount in BODY[2:]]
    rows = [HEAD, *BODY[:2], [], ["Filename", "Rate (s-1)", "[S] (mM)"], *below]
    lab = read_lab(tmp_path, rows)
    assert is_whole(lab)
    assert said(lab) == []


def test_tables_side_by_side(tmp_path: Path) -> None:
    rows = [[*HEAD, None, *HEAD]]
    rows += [[*left, None, *right] for left, right in zip(BODY[:2], BODY[2:], strict=True)]
    lab = read_lab(tmp_path, rows)
    assert is_whole(lab)
    assert said(lab) == []
    assert not any(shot.conditions.extra for shot in lab.shots)


def test_files_side_by_side(tmp_path: Path) -> None:
    rows = [["Filename", *FILES], ["Rate (s-1)", *RATES], ["[S] (µM)", *MICROMOLAR[:3], "low"]]
    lab = read_lab(tmp_path, rows)
    assert rates(lab) == list(RATES)
    assert micromolar(lab) == [10, 20, 30, None]
    assert any("sheet 'Sheet1', cell E3: 'low'" in text for text in said(lab, "error"))
    assert any("sheet 'Sheet1', row 2: column" in text for text in said(lab, "note"))


def test_a_sheet_for_each_group_of_files(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [HEAD, *BODY[:2]], Tuesday=[HEAD, *BODY[2:]])
    assert is_whole(lab)
    assert said(lab) == []


def test_sheets_of_solutions_and_of_other_experiments_are_left(tmp_path: Path) -> None:
    solutions = [["Name", "Substrate", "Conc. (mM)"], ["NADH", "x", 10], ["KCl", "y", 100]]
    others = [HEAD, ["other1.bka", 1, 2], ["other2.bka", 1, 2]]
    lab = read_lab(tmp_path, solutions, others=others, mine=[HEAD, *BODY])
    assert is_whole(lab)
    assert said(lab) == []
    left = [text for text in said(lab, "note") if "a table without a file of this folder" in text]
    assert len(left) == 2


def test_a_hidden_sheet_comes_last(tmp_path: Path) -> None:
    old = [HEAD, *([file, 1, 1] for file in FILES)]
    path = save_book(tmp_path / BOOK, {"old": old, "new": [HEAD, *BODY]})
    book = openpyxl.load_workbook(path)
    book["old"].sheet_state = "hidden"
    book.save(path)
    assert is_whole(read_folder(tmp_path))


def test_lines_above_the_table_of_a_text_file(tmp_path: Path) -> None:
    lines = ["Versuch 5, NADH", "T = 25 °C", "", "Dateiname;k (1/s);Konz. (µM)"]
    lines += [f"{file};{rate},0;{amount},0" for file, rate, amount in BODY]
    (tmp_path / "Extended_Dataset.csv").write_bytes("\r\n".join(lines).encode("cp1252"))
    lab = read_folder(tmp_path)
    assert is_whole(lab)
    assert kelvin(lab) == [298.15] * 4
    assert said(lab) == []


def test_a_table_of_fits_from_an_instrument_program(tmp_path: Path) -> None:
    head = [
        ["Pro-Data Viewer", "4.2"],
        ["Temperature:", "25.0 C"],
        [],
        ["Trace", "k1", "k1 error", "A1", "Conc."],
        [None, "/s", "/s", "V", "µM"],
    ]
    body = [[file, rate, 0.1, 1, amount] for file, rate, amount in BODY]
    lab = read_lab(tmp_path, [*head, *body])
    assert is_whole(lab)
    assert kelvin(lab) == [298.15] * 4
    assert said(lab) == []


ODD_CELLS = (
    *("", "Filename", "Sample", "Rate", "[S]", "[S] (µM)", "T", "s-1", "µM", "°C", "s1.bka", "S 2"),
    *("Mean", "*", '"', "10 µM", "T = 25 °C", "[E] = 1 nM", "=A1", "=", ":", "[]", "a/b", "Unit"),
    *(1.0, 2.5, -1.0, float("nan"), float("inf")),
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(st.sampled_from(ODD_CELLS), max_size=5).map(tuple), max_size=7),
    first=st.sampled_from(["Filename", "Sample", "Name", ""]),
    files=st.sampled_from([(), FILES]),
)
def test_any_sheet_gives_rows_of_files_or_problems(
    rows: list[tuple[float | str, ...]], first: str, files: tuple[str, ...]
) -> None:
    rows = [(first, *rows[0]), *rows[1:]] if rows else rows
    names = FileNames(files)
    for found in parse_sheet(Sheet(book="b", name="s", rows=tuple(rows)), names):
        keys = [(row.file, row.channel) for row in found.rows]
        assert len(set(keys)) == len(keys)
        assert all(problem.found for problem in found.problems)


@pytest.mark.parametrize("ending", ["xlsx", "XLS", "ods", "csv", "bk3a"])
def test_a_table_may_name_a_trace_by_the_ending_it_had_before(ending: str) -> None:
    """A lab that saves its traces as sheets keeps the table that names them ``.bka``."""
    names = FileNames([f"CO_80uM_3.{ending}"])
    assert "CO_80uM_3.bka" in names
    assert "CO_80uM_3" in names
    assert "CO_80uM_4.bka" not in names
