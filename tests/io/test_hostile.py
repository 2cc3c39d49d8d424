"""Files that brought an earlier version down: each is read, or is one problem of its own."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from attacks import FILES, ods_seed, xls_seed, xlsx_seed
from books import edit_xml, read_books
from labs import micromolar, rates, read_folder, read_lab, said

from stopflow.errors import FormatError
from stopflow.io.bka.format import parse_bka
from stopflow.io.workbook import grid
from stopflow.io.workbook.cells import MOST_CELLS
from stopflow.io.workbook.grid import read_sheets
from stopflow.io.workbook.reader_process import Limits, ReaderProcess

pytestmark = pytest.mark.whole

HEADER = b'"BIO-KINE ASCII FILE"\r\n"_UNITX"\t"ms"\r\n"_DATA"\r\n'
MULTI = (
    b'"BIO-KINE MULTI-Y ASCII FILE"\r\n"_UNITX"\t"ms"\r\n"_NBY"\t%s\r\n"_DATA"\r\n0\t1\r\n1\t2\r\n'
)
LINE_ENDS = ("\r\n", "\n", "\r", "\r\n\r\n")


# ---- Bio-Kine files


def test_blanks_in_a_header_take_no_time() -> None:
    comment = b'"_COMMENT"\t"a' + b" " * 200_000 + b"b\r\n"
    recorded = parse_bka(HEADER.replace(b'"_DATA"', comment + b'"_DATA"') + b"0\t1\r\n", name="a")
    assert recorded.signals.tolist() == [[1.0]]
    assert recorded.records[1][1].endswith(" b")


def test_blanks_in_a_row_take_no_time() -> None:
    recorded = parse_bka(HEADER + b"0" + b" " * 500_000 + b"1" + b" " * 500_000 + b"\r\n", name="a")
    assert recorded.signals.tolist() == [[1.0]]


@pytest.mark.parametrize("count", [b"100000000", b"9" * 4301, b"4096"])
def test_an_impossible_number_of_signals_is_refused(count: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        parse_bka(MULTI % count, name="a.bka")
    assert "_NBY" in caught.value.where
    assert len(str(caught.value)) < 300


def test_many_records_are_read_once() -> None:
    units = b'"_UNITY1"\t"Volt"\r\n' * 10_000
    data = (MULTI % b"1").replace(b'"_DATA"', units + b'"_DATA"')
    assert parse_bka(data, name="a.bka").signal_units == ("Volt",)


def test_a_header_without_end_is_refused() -> None:
    with pytest.raises(FormatError, match='no line "_DATA" within'):
        parse_bka(HEADER.replace(b"_DATA", b"_NONE") + b"0\t1\r\n" * 100_000, name="a.bka")


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(FormatError, match="a line of more than"):
        parse_bka(HEADER + b"0\t1" * 1_000_000, name="a.bka")


def test_blocks_join_without_a_seam(rng) -> None:
    """Rows of several blocks, with blank lines, every line end, and a bad cell in the last one."""
    table = rng.normal(size=(120_000, 2))
    text = "".join(
        f"{time!r}\t{value!r}" + LINE_ENDS[number % 4]
        for number, (time, value) in enumerate(table.tolist())
    )
    recorded = parse_bka(HEADER + text.encode(), name="a.bka")
    assert len(text) > 4 * 2**20
    assert np.array_equal(recorded.signals[0], table[:, 1])
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    with pytest.raises(FormatError, match=r"'1\.5x'") as caught:
        parse_bka(HEADER + text.encode() + b"1\t1.5x\r\n", name="a.bka")
    assert caught.value.where == f"line {lines + 4}, column 2"


# ---- the process that reads workbooks


def _lab_with(folder: Path, name: str, data: bytes):
    (folder / name).write_bytes(data)
    return read_folder(folder)


def test_a_process_that_never_answers_is_ended(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        "stopflow.io.workbook.reader_process._PROGRAM",
        "import sys, time; sys.stdout.buffer.write((5).to_bytes(8, 'big') + b'ready'); "
        "sys.stdout.flush(); time.sleep(60)",
    )
    process = ReaderProcess(Limits(seconds=0.2))
    monkeypatch.setattr(grid, "READER", process)
    lab = _lab_with(tmp_path, "start_values.xlsx", xlsx_seed())
    assert any("not read after 0.2 s" in text for text in map(str, lab.problems))
    assert all(shot.trace is not None for shot in lab.shots)
    assert process._process is None


def test_a_process_that_crashes_is_one_problem_and_the_next_book_is_read(
    tmp_path, monkeypatch
) -> None:
    process = ReaderProcess()
    monkeypatch.setattr(grid, "READER", process)
    (tmp_path / "good.xlsx").write_bytes(xlsx_seed())
    with monkeypatch.context() as patch:
        patch.setattr(
            "stopflow.io.workbook.reader_process._PROGRAM",
            "import os, sys; sys.stdout.buffer.write((5).to_bytes(8, 'big') + b'ready'); "
            "sys.stdout.flush(); sys.stdin.buffer.read(1); os.abort()",
        )
        with pytest.raises(FormatError, match="ends the program which reads it"):
            read_sheets(tmp_path / "good.xlsx")
    assert read_sheets(tmp_path / "good.xlsx")[0].rows[1][0] == "s1.bka"
    process.end()


def test_a_process_that_does_not_start_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("stopflow.io.workbook.reader_process._PROGRAM", "raise SystemExit(3)")
    monkeypatch.setattr(grid, "READER", ReaderProcess())
    (tmp_path / "good.xlsx").write_bytes(xlsx_seed())
    with pytest.raises(FormatError, match="does not start"):
        read_sheets(tmp_path / "good.xlsx")


def test_an_interruption_ends_the_process(tmp_path, monkeypatch) -> None:
    process = ReaderProcess()

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        process.read(xlsx_seed(), book="a.xlsx")
    assert process._process is None


# ---- workbooks


def _damaged(seed: bytes, part: str, old: str, new: str, folder: Path) -> bytes:
    path = folder / "damaged.zip"
    path.write_bytes(seed)
    edit_xml(path, lambda text: text.replace(old, new, 1), part=part)
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.parametrize(
    "kind", ["bit rot", "style index", "cut xls", "open ods", "no zip", "encrypted"]
)
def test_one_damaged_book_is_one_problem(tmp_path: Path, kind: str) -> None:
    data = {
        "bit rot": lambda: _rotten(xlsx_seed()),
        "style index": lambda: _damaged(xlsx_seed(), "sheet1.xml", 's="1"', 's="99"', tmp_path),
        "cut xls": lambda: xls_seed()[:1700],
        "open ods": lambda: _damaged(ods_seed(), "content.xml", "</table:table>", "", tmp_path),
        "no zip": lambda: xlsx_seed()[:-100],
        "encrypted": lambda: _encrypted(xlsx_seed()),
    }[kind]()
    lab = _lab_with(tmp_path, "start_values.xlsx", data)
    errors = [problem for problem in lab.problems if problem.level == "error"]
    assert [problem.file for problem in errors] == ["start_values.xlsx"]
    assert all(shot.trace is not None for shot in lab.shots)


def _rotten(data: bytes) -> bytes:
    """Pack the parts with deflate and damage the packed sheet."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name), compress_type=zipfile.ZIP_DEFLATED)
        place = target.getinfo("xl/worksheets/sheet1.xml").header_offset + 60
    content = bytearray(packed.getvalue())
    content[place : place + 40] = bytes(40)
    return bytes(content)


def _encrypted(data: bytes) -> bytes:
    """Set the flag of encryption in every entry of an archive."""
    content = bytearray(data)
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(sign)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(sign, place + 1)
    return bytes(content)


def test_merged_cells_out_of_proportion_are_refused(tmp_path: Path) -> None:
    data = _damaged(xlsx_seed(), "sheet1.xml", "E2:E4", "C1:XFD1048576", tmp_path)
    lab = _lab_with(tmp_path, "start_values.xlsx", data)
    assert any("C1:XFD1048576 merged" in text for text in said(lab))


def test_a_packed_bomb_is_refused_unread(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(200_000_000))
    lab = _lab_with(tmp_path, "start_values.xlsx", packed.getvalue())
    assert any("unpacks to 200 MB" in text for text in said(lab))


def test_formulas_that_refer_to_each_other_are_computed_once(tmp_path: Path) -> None:
    """A chain of 400 sums of the two cells before: 2^400 ways through it, 400 values."""

    def chain(sheet) -> None:
        sheet["H1"], sheet["H2"] = 1, 1
        for number in range(3, 400):
            sheet[f"H{number}"] = f"=H{number - 1}+H{number - 2}"

    rows = [["Filename", "Rate (s-1)"], ["s1.bka", "=H20/1000"], ["s2.bka", "=H399/H398"]]
    lab = read_lab(tmp_path, rows, files=FILES[:2], change=chain)
    assert rates(lab)[0] == 6.765
    assert rates(lab)[1] == pytest.approx((1 + 5**0.5) / 2, rel=1e-12)


def test_running_sums_and_circles_of_formulas(tmp_path: Path) -> None:
    def sums(sheet) -> None:
        sheet["H1"] = 0.001
        for number in range(2, 3001):
            sheet[f"H{number}"] = f"=H{number - 1}+0.001"

    rows = [
        ["Filename", "Rate (s-1)"],
        ["s1.bka", "=H3000"],
        ["s2.bka", "=B3+1"],
        ["s3.bka", "=B3"],
    ]
    lab = read_lab(tmp_path, rows, files=FILES, change=sums)
    assert rates(lab)[0] == pytest.approx(3.0, rel=1e-9), said(lab)
    assert rates(lab)[1:] == [None, None]
    assert any("'=B3+1' and 1 more like it" in text for text in said(lab))


def test_a_text_that_doubles_in_each_cell_stays_a_formula(tmp_path: Path) -> None:
    def doubling(sheet) -> None:
        sheet["H1"] = "xxxxxxxx"
        for number in range(2, 60):
            sheet[f"H{number}"] = f"=H{number - 1}&H{number - 1}"

    lab = read_lab(
        tmp_path, [["Filename", "Rate"], ["s1.bka", 2]], files=FILES[:1], change=doubling
    )
    assert rates(lab) == [2]


def test_numbers_of_thousands_of_digits_in_text(tmp_path: Path) -> None:
    text = f"Filename,x_start\ns1.bka,1\n{'9' * 5000}\n{'8' * 5000},{'7' * 5000}\n"
    lab = _lab_with(tmp_path, "start_values.csv", text.encode())
    assert lab.shots[0].start_s == 1e-3
    assert all(len(str(problem)) < 400 for problem in lab.problems)
    assert any("'" + "8" * 60 + "'; expected a file name" in text for text in said(lab))


@pytest.mark.parametrize("rows", [1_000_001, 400_000])
def test_text_tables_out_of_proportion_are_refused(tmp_path: Path, rows: int) -> None:
    (tmp_path / "start_values.csv").write_text(
        "Filename,x_start\n" + "a.bka,1\n" * rows, encoding="utf-8"
    )
    reading = read_books(tmp_path, FILES)
    (error,) = [item for item in reading.problems if item.level == "error"]
    assert f"at most {MOST_CELLS} cells" in error.expected or "too many for a table" in error.found


def test_a_long_line_and_a_wide_row_are_refused(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_bytes(b"Filename,x_start\n" + b"a" * 33_000_000)
    (tmp_path / "start_values.csv").write_text(
        "Filename," * 16_384 + "\ns1.bka,1\n", encoding="utf-8"
    )
    found = [str(item) for item in read_books(tmp_path, FILES).problems if item.level == "error"]
    assert any("a text file of 33 MB" in text for text in found)
    assert any("2 rows of up to 16384 cells" in text for text in found)


def test_rows_that_are_wrong_alike_are_one_problem(tmp_path: Path) -> None:
    rows = [["Filename", "Rate (s-1)"], ["s1.bka", 2], *([None, value / 7] for value in range(999))]
    lab = read_lab(tmp_path, rows)
    (warning,) = [text for text in said(lab) if "no file name" in text]
    assert "and 998 more like it" in warning


def test_control_characters_do_not_get_through(tmp_path: Path) -> None:
    text = "Filename,x_start,\x1b[31mnote\x07\ns1.bka,1,a\uffffb\x00\n"
    lab = _lab_with(tmp_path, "start_values.csv", text.encode())
    assert lab.shots[0].conditions.extra == {"\ufffd[31mnote\ufffd": "a\ufffdb\ufffd"}


# ---- thousands


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("1,000", "2,000", "4,000", "8,000"), [None] * 4),
        (("500", "1,000", "2,000", "4,000"), [500, None, None, None]),
        (("0.5", "1,000", "2,000", "4,000"), [0.5, 1000, 2000, 4000]),
        (("0,5", "1,000", "2,000", "4,000"), [0.5, 1, 2, 4]),
        (("1,000,000", "1,000", "2,000", "4,000"), [1e6, 1000, 2000, 4000]),
        (("1.000,5", "1,000", "2,500", "4,5"), [1000.5, 1, 2.5, 4.5]),
        (("0,5", "1.000", "2,0", "4,0"), [0.5, None, 2, 4]),
        (("0.5", "0,5", "1,000", "2,000"), [0.5, 0.5, None, None]),
        (("1,000 µM", "2,000 µM", "3,000 µM", "4 µM"), [None, None, None, 4]),
    ],
)
def test_a_comma_before_three_digits_is_not_guessed(tmp_path, cells, expected) -> None:
    rows = [
        ["Filename", "[S] (µM)"],
        *zip(("s1.bka", "s2.bka", "s3.bka", "s4.bka"), cells, strict=True),
    ]
    lab = read_lab(tmp_path, rows)
    assert micromolar(lab) == expected
    doubted = [text for text in said(lab, "error") if "not ambiguous" in text]
    assert len(doubted) == (None in expected)


def test_semicolons_between_cells_leave_the_comma_to_the_decimals(tmp_path: Path) -> None:
    text = "Filename;[S] (µM)\ns1.bka;1,250\ns2.bka;2,500\n"
    lab = _lab_with(tmp_path, "Extended_Dataset.csv", text.encode())
    assert micromolar(lab)[:2] == [1.25, 2.5]
