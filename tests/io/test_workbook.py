"""What a folder's workbooks are taken to say, and what is said about them."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from books import read_books, save_book

from stopflow.errors import SettingsError
from stopflow.io.workbook.workbook import WorkbookReading, merge_rows, rows_by_file
from stopflow.io.workbook.writer import write_workbooks
from stopflow.trace import Conditions, Problem, Shot

STARTS = [["Filename", "x_start"], ["a.bka", 15.5], ["b.bka", 16]]
RATES = [["Filename", "Rate", "[S] (µM)"], ["a.bka", 3.5, 10], ["b.bka", 7, 20]]


def folder_with(
    tmp_path: Path,
    starts: Sequence[Sequence[object]] | None = STARTS,
    rates: Sequence[Sequence[object]] | None = RATES,
) -> Path:
    if starts:
        save_book(tmp_path / "start_values.XLSX", {"start_values": starts})
    if rates:
        save_book(tmp_path / "Extended_Dataset.XLSX", {"Sheet1": rates})
    return tmp_path


def values(reading: WorkbookReading, file: str) -> dict[str, object]:
    row, _ = merge_rows(rows_by_file(reading)[file])
    return {key: entry.value for key, entry in row.entries.items()}


def serious(reading: WorkbookReading) -> list[Problem]:
    return [problem for problem in reading.problems if problem.level != "note"]


def test_the_two_usual_workbooks(tmp_path: Path) -> None:
    reading = read_books(folder_with(tmp_path))
    assert values(reading, "a") == {"start": 15.5, "rate": 3.5, "concentration": 1e-5}
    assert values(reading, "b") == {"start": 16.0, "rate": 7.0, "concentration": 2e-5}
    assert serious(reading) == []
    assert [(note.file, note.where, note.found) for note in reading.problems] == [
        ("start_values.XLSX", f"sheet 'start_values', column {letter}", found)
        for letter, found in [
            ("A", "column 'Filename' taken as file name"),
            ("B", "column 'x_start' taken as start time, in the time unit of each file"),
        ]
    ] + [
        ("Extended_Dataset.XLSX", f"sheet 'Sheet1', column {letter}", found)
        for letter, found in [
            ("A", "column 'Filename' taken as file name"),
            ("B", "column 'Rate' taken as the lab's own rate constant, no unit: taken as s-1"),
            ("C", "column '[S] (µM)' taken as concentration, in µM"),
        ]
    ]


@pytest.mark.parametrize(
    ("header", "cell", "quantity", "value"),
    [
        ("x_start", "15,5", "start", 15.5),
        ("x_start", "15.5 ms", "start", 0.0155),
        ("x_start (s)", 0.0155, "start", 0.0155),
        ("x_start (s)", "15.5 ms", "start", 0.0155),
        ("x_start", -2, "start", -2.0),
        ("Rate (min-1)", 60, "rate", 1.0),
        ("kobs", "3,5 s-1", "rate", 3.5),
        ("Rate (s-1)", "=7/2", "rate", 3.5),
        ("[S] (mM)", "5", "concentration", 5e-3),
        ("[S] (mM)", "5 µM", "concentration", 5e-6),
        ("Conc.", "5 nM", "concentration", 5e-9),
        ("Conc. (M)", 0, "concentration", 0.0),
        ("Temperature", 25, "temperature", 298.15),
        ("Temperature", 298.15, "temperature", 298.15),
        ("T (K)", "298,15", "temperature", 298.15),
        ("T (°C)", "25 °C", "temperature", 298.15),
        ("Ionic strength (mM)", 100, "ionic_strength", 0.1),
        ("Dead time (ms)", 1.5, "dead_time", 0.0015),
        ("Replicate", "3", "replicate", 3.0),
        ("Substrate", "NADH", "substrate", "NADH"),
        ("Substrate", 7, "substrate", "7"),
    ],
)
def test_numbers_and_units(
    tmp_path: Path, header: str, cell: object, quantity: str, value: object
) -> None:
    save_book(tmp_path / "any.xlsx", {"s": [["Filename", header], ["a.bka", cell]]})
    assert values(read_books(tmp_path), "a") == {quantity: value}


@pytest.mark.parametrize(
    ("header", "cell", "found"),
    [
        ("x_start", "soon", "'soon'"),
        ("x_start", "15 mV", "'15 mV'"),
        ("x_start", "nan", "'nan'"),
        ("x_start", "#N/A", "'#N/A'"),
        ("x_start", "=MIN(B3:B9)", "'=MIN(B3:B9)'"),
        ("x_start", True, "'TRUE'"),
        ("Rate", -1, "-1.0"),
        ("Rate", 0, "0.0"),
        ("Rate", "3 M-1s-1", "'3 M-1s-1'"),
        ("[S] (mM)", -1, "-1.0"),
        ("T (°C)", -300, "-300.0"),
        ("Replicate", 1.5, "1.5"),
        ("Replicate", "first", "'first'"),
    ],
)
def test_cells_that_cannot_be_used_are_quoted(
    tmp_path: Path, header: str, cell: object, found: str
) -> None:
    save_book(tmp_path / "any.xlsx", {"s": [["Filename", header], ["a.bka", cell]]})
    reading = read_books(tmp_path)
    (problem,) = [problem for problem in serious(reading) if "cell" in problem.where]
    assert (problem.file, problem.where) == ("any.xlsx", "sheet 's', cell B2")
    assert problem.found == found
    assert problem.expected
    assert values(reading, "a") == {}


@pytest.mark.parametrize("empty", [None, "", " ", "-", "–", "n/a"])
def test_empty_cells_say_nothing(tmp_path: Path, empty: str | None) -> None:
    rows = [["Filename", "x_start"], ["a.bka", empty], ["b.bka", 16]]
    reading = read_books(folder_with(tmp_path, rows))
    assert "start" not in values(reading, "a")
    assert serious(reading) == []


@pytest.mark.parametrize("name", ["../a.bka", "sub/a.bka", "C:\\lab\\a.bka", "\\\\pc\\a.bka", ".."])
def test_names_that_are_paths_are_refused(tmp_path: Path, name: str) -> None:
    reading = read_books(folder_with(tmp_path, [*STARTS, [name, 1]]))
    (problem,) = serious(reading)
    assert problem.where == "sheet 'start_values', cell A4"
    assert problem.level == "error"
    assert name in problem.found.replace("\\\\", "\\")
    assert not any(row.file == name for row in reading.rows)


@pytest.mark.parametrize(("again", "level"), [(15.5, "warning"), (99, "error")])
def test_duplicate_names(tmp_path: Path, again: float, level: str) -> None:
    reading = read_books(folder_with(tmp_path, [*STARTS, ["A.BKA", again]]))
    (problem,) = serious(reading)
    assert (problem.where, problem.level) == ("sheet 'start_values', row 4", level)
    assert "A.BKA" in problem.found
    assert "row 2" in problem.expected
    assert values(reading, "a")["start"] == 15.5


def test_a_row_without_a_name(tmp_path: Path) -> None:
    reading = read_books(folder_with(tmp_path, [*STARTS, [None, 17], [None, None]]))
    (problem,) = serious(reading)
    assert problem.where == "sheet 'start_values', cell A4"
    assert "17" in problem.found


@pytest.mark.parametrize("name", ["A", "a.BKA", " a.bka ", "A.bka"])
def test_names_without_case_and_ending(tmp_path: Path, name: str) -> None:
    reading = read_books(folder_with(tmp_path, [["File", "Start"], [name, 1]]))
    assert values(reading, "a")["start"] == 1.0


@pytest.mark.parametrize(
    ("starts", "rates", "files"),
    [
        (None, RATES, ["start_values.XLSX"]),
        (STARTS, None, ["Extended_Dataset.XLSX"]),
        (None, None, ["start_values.XLSX", "Extended_Dataset.XLSX"]),
    ],
)
def test_missing_workbook(
    tmp_path: Path,
    starts: Sequence[Sequence[object]] | None,
    rates: Sequence[Sequence[object]] | None,
    files: list[str],
) -> None:
    reading = read_books(folder_with(tmp_path, starts, rates))
    missing = [problem for problem in reading.problems if "no workbook" in problem.found]
    assert [problem.file for problem in missing] == files
    assert serious(reading) == []


def test_missing_column(tmp_path: Path) -> None:
    reading = read_books(folder_with(tmp_path, [["Filename", "Remark"], ["a.bka", "ok"]]))
    (problem,) = serious(reading)
    assert (problem.file, problem.level) == ("start_values.XLSX", "warning")
    assert "start time" in problem.found
    row, _ = merge_rows(rows_by_file(reading)["a"])
    assert row.extra["Remark"] == "ok"


def test_missing_column_of_file_names(tmp_path: Path) -> None:
    reading = read_books(folder_with(tmp_path, [["Nr", "x_start"], [1, 15]]))
    problem = serious(reading)[0]
    assert (problem.file, problem.level) == ("start_values.XLSX", "error")
    assert "Nr, x_start" in problem.found


def test_broken_and_empty_workbooks(tmp_path: Path) -> None:
    (tmp_path / "start_values.XLSX").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "Extended_Dataset.csv").write_bytes(b"")
    reading = read_books(tmp_path)
    assert [(problem.file, problem.level) for problem in serious(reading)] == [
        ("start_values.XLSX", "error"),
        ("Extended_Dataset.csv", "error"),
    ]


def test_lock_hidden_truth_and_foreign_files_are_left_alone(tmp_path: Path) -> None:
    folder_with(tmp_path)
    for name in ("~$start_values.XLSX", ".hidden.xlsx", "notes.txt"):
        (tmp_path / name).write_bytes(b"lock")
    (tmp_path / "truth.csv").write_text(
        "experiment,file,k_true_per_s\nx,a.bka,99\n", encoding="utf-8"
    )
    (tmp_path / "rates.csv").write_text(
        "experiment,file,verdict,start_s,k_per_s,k_stderr_per_s\nx,a.bka,PASS,0,99,1\n",
        encoding="utf-8",
    )
    (tmp_path / "order.xlsx").write_bytes(
        save_book(tmp_path / "x.xlsx", {"s": [["Item", "Price"], ["cuvette", 9]]}).read_bytes()
    )
    (tmp_path / "x.xlsx").unlink()
    reading = read_books(tmp_path)
    assert values(reading, "a") == {"start": 15.5, "rate": 3.5, "concentration": 1e-5}
    assert serious(reading) == []
    left = {note.file for note in reading.problems if "not used" in note.found}
    assert left == {"rates.csv", "order.xlsx"}


def test_sheet_by_name_else_by_content(tmp_path: Path) -> None:
    old = [["Filename", "x_start"], ["a.bka", 99]]
    title = [["Start values of Monday"], [], *STARTS]
    save_book(tmp_path / "start_values.XLSX", {"old": old, "START_VALUES": title})
    save_book(tmp_path / "Extended_Dataset.XLSX", {"notes": [["hello"]], "June": RATES})
    reading = read_books(tmp_path)
    assert values(reading, "a") == {"start": 15.5, "rate": 3.5, "concentration": 1e-5}
    assert serious(reading) == []
    assert any("sheet 'old'" in note.where for note in reading.problems)


def test_one_workbook_with_another_name_and_both_sheets(tmp_path: Path) -> None:
    save_book(tmp_path / "my day.xlsx", {"starts": STARTS, "results": RATES, "copy": STARTS})
    reading = read_books(tmp_path)
    assert values(reading, "b") == {"start": 16.0, "rate": 7.0, "concentration": 2e-5}
    assert serious(reading) == []


def test_sources_that_disagree(tmp_path: Path) -> None:
    folder_with(tmp_path)
    (tmp_path / "start_values.csv").write_text(
        "Filename;x_start\na.bka;17,5\nb.bka;16\n", encoding="utf-8"
    )
    reading = read_books(tmp_path)
    row, problems = merge_rows(rows_by_file(reading)["a"])
    assert row.entries["start"].value == 15.5
    (problem,) = problems
    assert (problem.file, problem.where) == ("start_values.csv", "line 2, column 2")
    assert "17.5" in problem.found
    assert "15.5" in problem.found
    assert merge_rows(rows_by_file(reading)["b"])[1] == ()


def test_unit_missing_is_assumed_aloud(tmp_path: Path) -> None:
    rows = [["Filename", "Conc.", "Ionic strength", "Dead time"], ["a.bka", 1e-3, 0.1, 2]]
    save_book(tmp_path / "any.xlsx", {"s": rows})
    reading = read_books(tmp_path)
    assert values(reading, "a") == {
        "concentration": 1e-3,
        "ionic_strength": 0.1,
        "dead_time": 2e-3,
    }
    assumed = [problem.found for problem in serious(reading) if "no unit" in problem.found]
    assert len(assumed) == 3


def test_unknown_unit_is_not_guessed(tmp_path: Path) -> None:
    save_book(tmp_path / "any.xlsx", {"s": [["Filename", "Rate (M-1 s-1)"], ["a.bka", 5]]})
    reading = read_books(tmp_path)
    assert values(reading, "a") == {}
    assert any("M-1 s-1" in problem.found for problem in serious(reading))
    row, _ = merge_rows(rows_by_file(reading)["a"])
    assert row.extra == {"Rate (M-1 s-1)": "5"}


def test_other_columns_are_kept(tmp_path: Path) -> None:
    rows = [["Filename", "Rate", "Slope", None, "Rate (fit)"], ["a.bka", 1, -0.5, "x", 2]]
    reading = read_books(folder_with(tmp_path, rates=rows))
    row, _ = merge_rows(rows_by_file(reading)["a"])
    assert row.extra == {"Slope": "-0.5", "sheet 'Sheet1', column D": "x", "Rate (fit)": "2"}


def shot(number: int, **facts: object) -> Shot:
    conditions = Conditions(
        substrate="NADH",
        concentration_M=number * 1e-5,
        temperature_K=298.15,
        ionic_strength_M=0.1,
        replicate=number,
        dead_time_s=0.0015,
        extra={"Slope": f"{-0.5 * number:g}", "Remark": "fine"},
    )
    return Shot(
        experiment="e",
        file=f"shot {number}.bka",
        trace=None,
        conditions=conditions,
        start_s=0.0155,
        workbook_rate_per_s=3.25 * number,
        **facts,
    )


@pytest.mark.parametrize("header", ["[S] (µM)", "Concentration after mixing (mM)", "conc_M"])
def test_written_workbooks_are_read(tmp_path: Path, header: str) -> None:
    shots = [shot(1), shot(2)]
    write_workbooks(tmp_path, shots, concentration_header=header)
    reading = read_books(tmp_path)
    assert serious(reading) == []
    for number, written in enumerate(shots, 1):
        row, _ = merge_rows(rows_by_file(reading)[f"shot {number}"])
        assert {key: entry.value for key, entry in row.entries.items()} == {
            "start": 15.5,
            "rate": written.workbook_rate_per_s,
            "substrate": "NADH",
            "concentration": written.conditions.concentration_M,
            "temperature": 298.15,
            "ionic_strength": 0.1,
            "replicate": number,
            "dead_time": 0.0015,
        }
        assert row.extra == written.conditions.extra


def test_written_workbooks_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_workbooks(tmp_path / "one", [shot(1)])
    write_workbooks(tmp_path / "two", [shot(1)])
    for name in ("start_values.XLSX", "Extended_Dataset.XLSX"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_writer_refuses_headers_it_could_not_read_back(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="concentration_header"):
        write_workbooks(tmp_path, [shot(1)], concentration_header="Conc.")
