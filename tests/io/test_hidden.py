"""Rows and columns that a spreadsheet program does not show: read, said, and the last to count."""

from collections.abc import Callable
from pathlib import Path

from labs import FILES, MICROMOLAR, RATES, micromolar, rates, read_lab, said, table
from openpyxl.worksheet.worksheet import Worksheet

HEAD = ["Filename", "Rate (s-1)", "[S] (µM)"]
ROWS = table(HEAD, FILES, RATES, MICROMOLAR)


def hide(dimensions: str, key: int | str) -> Callable[[Worksheet], None]:
    """Return a change of a sheet that hides one row or column."""
    return lambda sheet: setattr(getattr(sheet, dimensions)[key], "hidden", True)


def test_filtered_rows_are_read_and_said(tmp_path: Path) -> None:
    def filter_rows(sheet: Worksheet) -> None:
        sheet.auto_filter.ref = "A1:C5"
        sheet.auto_filter.add_filter_column(2, ["10", "20"])
        for row in (4, 5):
            sheet.row_dimensions[row].hidden = True

    lab = read_lab(tmp_path, ROWS, change=filter_rows)
    assert (micromolar(lab), rates(lab)) == (list(MICROMOLAR), list(RATES))
    (warning,) = said(lab)
    assert "row 4: a hidden row of a file and 1 more, read like the others" in warning


def test_of_two_rows_of_a_file_the_hidden_one_does_not_count(tmp_path: Path) -> None:
    lab = read_lab(
        tmp_path, [HEAD, ["s1.bka", 99, 99], *ROWS[1:]], change=hide("row_dimensions", 2)
    )
    assert (micromolar(lab), rates(lab)) == (list(MICROMOLAR), list(RATES))
    (error,) = said(lab)
    assert "row 2: 's1.bka' again, with other values" in error


def test_a_hidden_row_that_is_none_of_a_file_needs_no_word(tmp_path: Path) -> None:
    assert (
        said(read_lab(tmp_path, [*ROWS, ["Mean", 12, 25]], change=hide("row_dimensions", 6))) == []
    )


def test_files_side_by_side_in_hidden_columns(tmp_path: Path) -> None:
    lab = read_lab(
        tmp_path,
        [list(row) for row in zip(*ROWS, strict=True)],
        change=hide("column_dimensions", "C"),
    )
    assert micromolar(lab) == list(MICROMOLAR)
    (warning,) = said(lab)
    assert "column C: a hidden row of a file, read like the others" in warning


def test_a_hidden_column_that_is_used_is_said(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, ROWS, change=hide("column_dimensions", "C"))
    assert micromolar(lab) == list(MICROMOLAR)
    (warning,) = said(lab)
    assert "hidden column '[S] (µM)' taken as concentration" in warning
