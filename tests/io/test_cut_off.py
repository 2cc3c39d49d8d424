"""Files that were cut off, and rows below a recording that are none of it: named, never a point."""

import numpy as np
import pytest

from stopflow.io.folder import read_experiment
from stopflow.io.readers.reading import read_recordings

TIMES_S = np.round(np.arange(1, 121) * 5e-3, 4)
SIGNAL = np.round(0.1 + np.exp(-8 * TIMES_S), 5)
ROWS = [f"{t:g},{y:.5f}" for t, y in zip(TIMES_S, SIGNAL, strict=True)]
WHOLE = "\n".join(["Time (s),Absorbance", *ROWS, ""])


def read(folder, **files):
    for stem, text in files.items():
        (folder / f"{stem}.csv").write_text(text, encoding="utf-8")
    return read_experiment(folder)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Time (s),Absorbance\n0.005,1.06079\n", "line 2: found a trace that ends after 1 row;"),
        ("Time (s),Absorbance\n0.005,1.06079\n0.0", "line 3: found a trace that ends after 1 row;"),
        ("Time (s);A\ns;AU\n0,005;1,06079", "line 3: found a trace that ends after 1 row;"),
        ("# pH 7\nTime,Absorbance\n", "line 2: found a trace that ends after its header;"),
    ],
)
def test_a_trace_cut_off_in_its_first_rows_is_listed_as_one(tmp_path, text, ends):
    """It was taken for a table of conditions, and the row that names it for one of no file."""
    table = "Filename,Rate\nwhole.csv,8\ncut.csv,8\n"
    found = read(tmp_path, whole=WHOLE, cut=text, Extended_Dataset=table)
    assert [shot.file for shot in found.shots] == ["cut.csv", "whole.csv"]
    assert found.shots[0].refusal.startswith(ends)
    assert "export or copy it once more" in found.shots[0].refusal
    errors = [problem for problem in found.problems if problem.level == "error"]
    assert [problem.file for problem in errors] == ["cut.csv"]


@pytest.mark.parametrize("text", ["0.005,1.06079\n0.0", "\n".join(ROWS[:7])])
def test_numbers_alone_are_no_table_and_their_row_is_not_of_a_missing_file(tmp_path, text):
    table = "Filename,Rate\nwhole.csv,8\ncut.csv,8\n"
    found = read(tmp_path, whole=WHOLE, cut=text, Extended_Dataset=table)
    told = [str(problem) for problem in found.problems if problem.level != "note"]
    assert len(told) == 2
    assert "of no known format, not read: cut.csv" in told[0]
    assert "line 3: 'cut.csv', in which no trace was found; expected a trace" in told[1]


@pytest.mark.parametrize(
    "table",
    [
        "Time (s),Concentration (mM)\n",
        "Time,21:26:13\nTemperature,25\n",
        "Filename,Time (s)\nwhole.csv,2\n",
    ],
)
def test_a_table_that_speaks_of_times_is_no_trace(tmp_path, table):
    assert [shot.file for shot in read(tmp_path, whole=WHOLE, table=table).shots] == ["whole.csv"]


def one(tmp_path, text):
    (tmp_path / "shot.csv").write_text(text, encoding="utf-8")
    return read_recordings(tmp_path / "shot.csv")


@pytest.mark.parametrize("blank", ["", "\n"])
@pytest.mark.parametrize(
    ("footer", "how"),
    [
        (["120,5.3"], "a last row of which the time, 120, leaps beyond all spacing"),
        (["0.345,0.01"], "a last row of which the time, 0.345, does not go on|another table"),
        (["0.6,0.01"], "a last row of which the time, 0.6, does not go on"),
        (["120,5.3", "7,0.01"], "2 last rows of which the time, 120, leaps"),
    ],
)
def test_a_footer_of_two_bare_numbers_is_no_point(tmp_path, footer, how, blank):
    (recording,) = one(tmp_path, WHOLE + blank + "\n".join(footer) + "\n")
    told = [note for note in recording.notes if note.level == "warning"]
    if not (blank and footer == ["0.6,0.01"]):  # a blank line and a time that could go on
        assert any(part in told[0].found for part in how.split("|"))
        np.testing.assert_array_equal(recording.time_s, TIMES_S)
        np.testing.assert_array_equal(recording.signals[0], SIGNAL)


def test_a_recording_below_another_is_not_mixed_into_it(tmp_path):
    (recording,) = one(tmp_path, WHOLE + "\n".join(ROWS) + "\n")
    np.testing.assert_array_equal(recording.time_s, TIMES_S)
    assert ["times that begin again, at 0.005" in note.found for note in recording.notes] == [True]


@pytest.mark.parametrize(
    "times",
    [
        np.geomspace(1e-3, 1e3, 60),
        np.concatenate([np.arange(100) * 1e-3, [0.6, 1.1, 1.6, 2.1]]),
        np.concatenate([np.arange(40) * 1e-3, [20.0]]),
    ],
    ids=["logarithmic", "two time bases", "few points and a late one"],
)
def test_times_that_widen_are_kept(tmp_path, times):
    rows = [f"{t:.9g},{np.exp(-t):.5f}" for t in times]
    (recording,) = one(tmp_path, "\n".join(["Time (s),A", *rows, ""]))
    assert len(recording.time_s) == len(times)
    assert recording.notes == ()


def pro_data(*blocks, declared="Time,120 time points over 0.6s,linear", trailer="History:\n"):
    head = f"ProDataCSV\n\nTitle: x\n\nAvailable Dimensions:,1\n{declared}\n\nData:\n"
    return (
        head + "".join(f"Absorbance\nTime\n{rows}\n" for rows in map("\n".join, blocks)) + trailer
    )


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        (pro_data(ROWS), "", ""),
        (pro_data(ROWS, trailer=""), "", ""),
        (pro_data(ROWS[:80], trailer=""), "warning", "and rows to 0.4 s of 0.6 s"),
        (pro_data(ROWS[:-1], trailer=""), "warning", "and rows to 0.595 s of 0.6 s"),
        (pro_data(ROWS[:80]), "", ""),
        (
            pro_data(ROWS, ROWS[:80], declared="", trailer=""),
            "warning",
            "and 80 rows in its last block and 120 in another",
        ),
        (pro_data(ROWS[:80], declared="", trailer=""), "note", "no end of its times in its header"),
        (
            pro_data(ROWS, declared="Time,x\nAvailable Properties: ,2", trailer=""),
            "warning",
            "1 of 2 properties",
        ),
    ],
)
def test_a_pro_data_file_cut_between_rows_says_so(tmp_path, text, level, said):
    """A file without its trailer is whole where its times reach the end that it declares."""
    notes = one(tmp_path, text)[0].notes
    assert [note.level for note in notes] == [level] * bool(level)
    assert not level or said in notes[0].found
    assert not level or notes[0].found.startswith('no line "History:" at its end')


def test_a_turned_pro_data_file_cut_between_wavelengths_says_so(tmp_path):
    axis = "," + ",".join(f"{t:g}" for t in TIMES_S) + ","
    rows = [f"{wave},{','.join(f'{y:g}' for y in SIGNAL)}" for wave in (340, 350, 360)]
    head = "ProDataCSV\nAvailable Dimensions:,2\nWavelength,Wavelength: 340nm - 360nm, Step: 10nm\n"
    for count, said in ((3, 0), (2, 1)):
        body = "\n".join([axis, *rows[:count], ""])
        (recording,) = one(tmp_path, f"{head}Data:\nAbsorbance\nWavelength,Time\n{body}")
        assert recording.channels == count
        assert len(recording.notes) == said
        assert all("rows to 350 nm of 360 nm" in note.found for note in recording.notes)
