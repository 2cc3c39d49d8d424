"""Workbook files to grids: what spreadsheets do that readers stumble over."""

import datetime
import re
from pathlib import Path

import openpyxl
import pytest
from books import edit_xml, save_book

from stopflow.errors import FormatError
from stopflow.io.folder import read_experiment
from stopflow.io.workbook.grid import read_sheets


def test_values_and_places(tmp_path: Path) -> None:
    rows = [["Filename", "x"], ["a.bka", 15], [None, 1.5], ["b", True], ["c", " text "]]
    rows.append(["d", datetime.date(2024, 1, 2)])
    (sheet,) = read_sheets(save_book(tmp_path / "a.xlsx", {"one": rows}))
    assert sheet.rows == (
        ("Filename", "x"),
        ("a.bka", 15.0),
        ("", 1.5),
        ("b", "TRUE"),
        ("c", "text"),
        ("d", "2024-01-02T00:00:00"),
    )
    assert sheet.place(3, 1) == "sheet 'one', cell B4"
    assert sheet.row_place(3) == "sheet 'one', row 4"
    assert sheet.column_place(27) == "sheet 'one', column AB"


@pytest.mark.parametrize("reference", ["A1", "A1:A1", "A1:XFD1048576", "B7:C9"])
def test_wrong_dimension_record(tmp_path: Path, reference: str) -> None:
    path = save_book(tmp_path / "a.xlsx", {"s": [["Filename", "x"], ["a", 1], ["b", 2]]})
    edit_xml(
        path, lambda text: re.sub(r'<dimension ref="[^"]*"', f'<dimension ref="{reference}"', text)
    )
    (sheet,) = read_sheets(path)
    assert sheet.rows == (("Filename", "x"), ("a", 1.0), ("b", 2.0))


def test_formulas_never_calculated_and_error_values(tmp_path: Path) -> None:
    rows = [
        ["Filename", "x", "y"],
        ["a", 15, "=B2*2"],
        ['="b"&".bka"', "=C2+1", "=AVERAGE(B2:B3)"],
        ["c", "=B4", "#N/A"],
        ["d", "=C3", "=B3/0"],
    ]
    (sheet,) = read_sheets(save_book(tmp_path / "a.xlsx", {"s": rows}))
    assert sheet.rows == (
        ("Filename", "x", "y"),
        ("a", 15.0, 30.0),
        ("b.bka", 31.0, "=AVERAGE(B2:B3)"),
        ("c", "=B4", "#N/A"),
        ("d", "=C3", "=B3/0"),
    )


def test_a_stored_value_wins_over_its_formula(tmp_path: Path) -> None:
    path = save_book(tmp_path / "a.xlsx", {"s": [["Filename", "x"], ["a", "=NOW()"]]})
    edit_xml(
        path,
        lambda text: re.sub(r"<f>NOW\(\)</f>(?:<v ?/>|<v></v>)", "<f>NOW()</f><v>7.5</v>", text),
    )
    assert read_sheets(path)[0].rows[1] == ("a", 7.5)


def test_merged_cells_all_hold_the_value_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["Filename", "conc"], ["a", 5], ["b", None], ["c", None], ["d", 6]):
        sheet.append(row)
    sheet.merge_cells("B2:B4")
    book.save(path)
    assert [row[1] for row in read_sheets(path)[0].rows] == ["conc", 5.0, 5.0, 5.0, 6.0]


@pytest.mark.parametrize(
    ("delimiter", "decimal"), [(",", "."), (";", ","), (";", "."), ("\t", ","), ("\t", ".")]
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_text_tables(tmp_path: Path, delimiter: str, decimal: str, encoding: str) -> None:
    path = tmp_path / "start_values.csv"
    lines = [["Filename", "Größe"], ['"a, b; c.bka"', f"15{decimal}5"], ["d.bka", "16"]]
    path.write_bytes("\r\n".join(delimiter.join(line) for line in lines).encode(encoding))
    (sheet,) = read_sheets(path)
    assert sheet.rows == (("Filename", "Größe"), ("a, b; c.bka", f"15{decimal}5"), ("d.bka", "16"))
    assert sheet.place(1, 1) == "line 2, column 2"


def test_content_decides_not_the_ending(tmp_path: Path) -> None:
    renamed = tmp_path / "start_values.XLSX"
    renamed.write_text("Filename;x_start\na.bka;15,5\n", encoding="utf-8")
    assert read_sheets(renamed)[0].rows[1] == ("a.bka", "15,5")
    book = save_book(tmp_path / "book.xlsx", {"s": [["Filename"], ["a"]]})
    other = book.rename(tmp_path / "book.csv")
    assert read_sheets(other)[0].rows == (("Filename",), ("a",))


@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04 not a zip", b"\xd0\xcf\x11\xe0 not an xls", b"\x89PNG\0\0\0", b"PK\x03\x04"],
)
def test_broken_workbooks_are_a_format_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "start_values.XLSX"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"start_values\.XLSX"):
        read_sheets(path)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_truncated_workbook_is_a_format_error(tmp_path: Path, kept: float) -> None:
    path = save_book(tmp_path / "a.xlsx", {"s": [["Filename", "x"], ["a", 1]]})
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(FormatError, match="cannot be read"):
        read_sheets(path)


@pytest.mark.parametrize("part", ["worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml"])
def test_damaged_parts_are_a_format_error(tmp_path: Path, part: str) -> None:
    path = save_book(tmp_path / "a.xlsx", {"s": [["Filename", "x"], ["a", 1]]})
    edit_xml(path, lambda text: text[: len(text) // 2], part=part)
    with pytest.raises(FormatError, match="cannot be read"):
        read_sheets(path)


def test_a_stray_cell_far_away_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    book.worksheets[0]["A1"] = "Filename"
    book.worksheets[0]["Z1048576"] = "x"
    book.save(path)
    with pytest.raises(FormatError, match="1048576 rows"):
        read_sheets(path)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        read_sheets(tmp_path / "gone.xlsx")


@pytest.mark.parametrize(
    ("headers", "level"),
    [((340, 350, 360), "warning"), ((1, 2, 3), ""), (("340 nm", "350 nm", "360 nm"), "")],
)
def test_numbers_alone_as_headers_name_shots_and_wavelengths_are_asked_for(
    headers: tuple[object, ...], level: str, tmp_path: Path
) -> None:
    """Read as wavelengths, two shots of three would be lost; read as shots, nothing is."""
    rows = [["Time (s)", *headers]]
    rows += [[number / 100, *(1.0 + 0.9**number * at for at in (1, 2, 3))] for number in range(40)]
    save_book(tmp_path / "traces.xlsx", {"run": rows})
    found = read_experiment(tmp_path)
    assert len(found.shots) == (1 if "nm" in str(headers[0]) else 3)
    told = [item for item in found.problems if "taken for names of shots" in item.found]
    assert [item.level for item in told] == [level] * bool(level)
    assert all(item.expected.startswith("'340 nm'") for item in told)
