"""Files that a spreadsheet has opened and saved: the same traces, whatever it did to the text."""

import numpy as np
import openpyxl
import pytest
from trace_files import BUILDERS

from stopflow.io.folder import read_experiment
from stopflow.io.readers.reading import read_recordings

TIMES_S = np.round(np.linspace(0.001, 1, 60), 6)
FIRST = np.round(np.exp(-5 * TIMES_S) + 0.1, 5)
SECOND = np.round(np.exp(-7 * TIMES_S) + 0.1, 5)


@pytest.mark.parametrize("kind", ["bio-kine", "bio-kine two", "bio-kine-3d"])
@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_bio_kine_files_whose_quotes_a_spreadsheet_took(tmp_path, kind, encoding):
    _, build, signals = BUILDERS[kind]
    whole = build(TIMES_S, np.vstack([FIRST, SECOND, FIRST])[:signals])
    (tmp_path / "whole.bka").write_bytes(whole)
    lines = whole.decode("cp1252").replace('"', "").replace(".", ",").splitlines()
    anew = "\r\n".join([lines[0] + "\t", *lines[1:], ""])
    (tmp_path / "anew.bka").write_bytes(anew.encode(encoding))
    (expected,), (found,) = (read_recordings(tmp_path / f"{n}.bka") for n in ("whole", "anew"))
    np.testing.assert_array_equal(found.time_s, expected.time_s)
    np.testing.assert_array_equal(found.signals, expected.signals)
    assert found.signal_units == expected.signal_units
    assert found.notes == expected.notes


def sheet(tmp_path, columns, further=()):
    """Write a workbook of {column number: (header, values)}, and single cells."""
    book = openpyxl.Workbook()
    for place, (header, values) in columns.items():
        for row, value in enumerate([header, *values], 1):
            book.active.cell(row, place, value)
    for row, column, value in further:
        book.active.cell(row, column, value)
    book.save(tmp_path / "book.xlsx")
    return read_experiment(tmp_path)


@pytest.mark.parametrize("places", [(1, 3, 4), (1, 2, 4), (2, 4, 6)])
def test_an_empty_column_between_times_and_shots_loses_none(tmp_path, places):
    columns = [("Time (s)", TIMES_S), ("shot 1", FIRST), ("shot 2", SECOND)]
    found = sheet(tmp_path, dict(zip(places, columns, strict=True)))
    assert [shot.file for shot in found.shots] == ["book.xlsx[shot 1]", "book.xlsx[shot 2]"]
    for shot, signal in zip(found.shots, (FIRST, SECOND), strict=True):
        np.testing.assert_array_equal(shot.trace.signal, signal)


def test_a_long_table_of_conditions_behind_an_empty_column_is_no_shot(tmp_path):
    columns = {1: ("Time (s)", TIMES_S), 2: ("shot 1", FIRST), 4: ("Conc (mM)", TIMES_S)}
    assert [shot.file for shot in sheet(tmp_path, columns).shots] == ["book.xlsx"]


def test_shots_with_times_of_their_own_keep_their_names(tmp_path):
    columns = {
        1: ("Time (s)", TIMES_S),
        2: ("shot 1", FIRST),
        4: ("Time (s)", TIMES_S),
        5: ("shot 2", SECOND),
    }
    found = sheet(tmp_path, columns)
    assert [shot.file for shot in found.shots] == ["book.xlsx[shot 1]", "book.xlsx[shot 2]"]


def test_what_stands_below_the_traces_of_a_sheet_is_quoted(tmp_path):
    columns = {1: ("Time (s)", TIMES_S), 2: ("shot 1", FIRST)}
    below = [(70, 1, "Time (s)"), (70, 2, "shot 2"), (71, 1, 0.5), (71, 2, 1.5)]
    found = sheet(tmp_path, columns, below)
    told = [str(problem) for problem in found.problems if problem.level == "warning"]
    assert len(told) == 1
    assert "row 70: another table from here on ('Time (s), shot 2'); not read" in told[0]


def test_a_word_among_the_times_of_a_sheet_is_one_error(tmp_path):
    columns = {1: ("Time (s)", TIMES_S), 2: ("shot 1", FIRST)}
    found = sheet(tmp_path, columns, [(30, 1, "x")])
    assert [problem.level for problem in found.problems if problem.level == "error"] == ["error"]
    assert "row 30: found 'x, " in found.shots[0].refusal


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Time (s),,shot 1,shot 2", "{t},,{a},{b}"),
        ("Time (s),shot 1,,shot 2", "{t},{a},,{b}"),
        (",Time (s),shot 1,shot 2", ",{t},{a},{b}"),
        ("Time (s),shot 1,,Time (s),shot 2", "{t},{a},,{t},{b}"),
    ],
)
def test_an_empty_column_of_a_text_loses_no_shot(tmp_path, header, row):
    rows = (row.format(t=t, a=a, b=b) for t, a, b in zip(TIMES_S, FIRST, SECOND, strict=True))
    (tmp_path / "x.csv").write_text("\n".join([header, *rows, ""]))
    found = read_experiment(tmp_path)
    assert [shot.file for shot in found.shots] == ["x.csv[shot 1]", "x.csv[shot 2]"]
    np.testing.assert_array_equal(found.shots[1].trace.signal, SECOND)


def test_times_of_a_clock_are_refused_by_name(tmp_path):
    rows = [f"00:00:{t:06.3f},{y}" for t, y in zip(TIMES_S, FIRST, strict=True)]
    (tmp_path / "x.csv").write_text("\n".join(["Time,A", *rows, ""]))
    (shot,) = read_experiment(tmp_path).shots
    assert "expected its rows of numbers" in shot.refusal
