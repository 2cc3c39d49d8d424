"""Files as odd programs and locales write them: the right numbers, or a line that says why not."""

import numpy as np
import openpyxl
import pytest
from trace_files import example as example_of

from stopflow.errors import FormatError
from stopflow.io.folder import read_experiment
from stopflow.io.readers.reading import read_recordings

TIMES_US = np.arange(0, 40_000, 500)
SIGNAL = np.round(5 + np.exp(-TIMES_US / 12_000), 5)


def grouped(value, sign):
    return f"{value:,}".replace(",", sign)


def comma(value):
    return f"{value:.5f}".replace(".", ",")


def text(head, rows):
    return "\n".join([head, *rows])


READABLE = {
    "apostrophes": text(
        "Time (us);Signal",
        [f"{grouped(t, chr(39))};{y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)],
    ),
    "narrow spaces": text(
        "Temps (us);Signal",
        [f"{grouped(t, chr(0x202F))};{comma(y)}" for t, y in zip(TIMES_US, SIGNAL, strict=True)],
    ),
    "a header without names of signals": text(
        "Time (us),,", [f"{t},{y:.5f},{-y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    ),
}


@pytest.mark.parametrize("case", READABLE)
def test_odd_ways_to_write_numbers_are_read(tmp_path, case):
    path = tmp_path / "shot.csv"
    path.write_text(READABLE[case], encoding="utf-8")
    (recording,) = read_recordings(path)
    assert recording.time_s == pytest.approx(TIMES_US * 1e-6, rel=1e-12)
    assert recording.signals[0] == pytest.approx(SIGNAL, rel=1e-12)


def test_a_minus_as_it_is_printed_is_a_minus(tmp_path):
    path = tmp_path / "shot.csv"
    rows = [f"{t},\u2212{y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    path.write_text(text("Time (us),Signal", rows), encoding="utf-8")
    (recording,) = read_recordings(path)
    assert recording.signals[0] == pytest.approx(-SIGNAL, rel=1e-12)


def test_points_beside_decimal_commas_are_never_guessed(tmp_path):
    rows = [f"{grouped(t, '.')};{comma(y)}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    (tmp_path / "shot.csv").write_text(text("Zeit (us);Signal", rows), encoding="utf-8")
    (shot,) = read_experiment(tmp_path).shots
    assert shot.trace is None
    assert "'1.000' among numbers with decimal commas" in shot.refusal


CONTRADICTING = {
    "two records": (
        "shot.bka",
        '"BIO-KINE ASCII FILE"\n"_UNITX"\t"s"\n"_UNITX"\t"ms"\n"_UNITY"\t"Volt"\n"_DATA"\n'
        + "".join(f"{t}\t{y}\n" for t, y in zip(TIMES_US, SIGNAL, strict=True)),
    ),
    "two in a header": (
        "shot.csv",
        text("Time (ms) [s],V", [f"{t},{y}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]),
    ),
    "a row of units": (
        "shot.csv",
        text("Time (ms),A\ns,V", [f"{t},{y}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]),
    ),
    "a line above": (
        "shot.csv",
        text(
            "Time unit: s\n\nTime (ms),A",
            [f"{t},{y}" for t, y in zip(TIMES_US, SIGNAL, strict=True)],
        ),
    ),
}


@pytest.mark.parametrize("case", CONTRADICTING)
def test_units_of_time_that_contradict_each_other_are_refused(tmp_path, case):
    name, content = CONTRADICTING[case]
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=r"two units of time, '(s|ms)' and '(s|ms)'"):
        read_recordings(tmp_path / name)


def test_one_unit_said_twice_is_one(tmp_path):
    rows = [f"{t},{y}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    (tmp_path / "a.csv").write_text(text("Time (us),A\nµs,V", rows), encoding="utf-8")
    (recording,) = read_recordings(tmp_path / "a.csv")
    assert recording.time_s[1] == pytest.approx(500e-6)


def test_rows_below_a_time_that_cannot_be_read_do_not_vanish(tmp_path):
    rows = [f"{t}x,{y}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    (tmp_path / "shot.csv").write_text(text("Time (us),A", rows), encoding="utf-8")
    experiment = read_experiment(tmp_path)
    (shot,) = experiment.shots
    assert "comes nearest to plain columns of text" in shot.refusal
    assert [problem.level for problem in experiment.problems if problem.file == "shot.csv"] == [
        "error"
    ]


def test_an_olis_matrix_is_read_both_ways(tmp_path):
    waves, times = [350, 400, 450], TIMES_US[:20] * 1e-6
    values = np.outer([1.0, 2.0, 3.0], SIGNAL[:20])
    upright = [
        ["OLIS-3D-ASCII", *times],
        *([w, *row] for w, row in zip(waves, values, strict=True)),
    ]
    turned = [
        ["OLIS-3D-ASCII", *waves],
        *([t, *row] for t, row in zip(times, values.T, strict=True)),
    ]
    for rows in (upright, turned):
        path = tmp_path / "scan.o3a"
        path.write_text("\n".join(",".join(map(str, row)) for row in rows), encoding="utf-8")
        (recording,) = read_recordings(path)
        assert recording.wavelengths_nm == (350, 400, 450)
        assert recording.time_s == pytest.approx(times)
        assert recording.signals == pytest.approx(values)


@pytest.mark.parametrize(
    ("beginning", "nearest"),
    [("ProDataCVS", "Pro-Data CSV"), ("OLIS-3D-ASCI", "OLIS"), ("Time (s);A", "plain columns")],
)
def test_what_comes_nearest_is_said(tmp_path, beginning, nearest):
    (tmp_path / "x.txt").write_text(f"{beginning}\nnothing\n", encoding="utf-8")
    with pytest.raises(FormatError, match=f"comes nearest to {nearest}"):
        read_recordings(tmp_path / "x.txt")


@pytest.mark.parametrize(
    "cell", ["-", "--", "---", "*****", "########", "ovfl", "#DIV/0!", "#NV", "#ZAHL!", "", " "]
)
@pytest.mark.parametrize("signals", [1, 2])
def test_a_cell_without_a_number_costs_its_point_only(cell, signals, tmp_path):
    """A sign alone, a cell filled with signs, a spreadsheet's error, and nothing at all."""
    rows = [
        ",".join([f"{t}", *[f"{y:.5f}"] * signals]) for t, y in zip(TIMES_US, SIGNAL, strict=True)
    ]
    rows[30] = ",".join([f"{TIMES_US[30]}", *[f"{SIGNAL[30]:.5f}"] * (signals - 1), cell])
    (tmp_path / "shot.csv").write_text(text("Time (us),A,B"[: 9 + 2 * signals], [*rows, ""]))
    (recording,) = read_recordings(tmp_path / "shot.csv")
    expected = SIGNAL.copy()
    expected[30] = np.nan
    assert recording.time_s == pytest.approx(TIMES_US * 1e-6, rel=1e-12)
    assert recording.signals[-1] == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert [note.rule for note in recording.notes] == ["missing-values"]


def test_a_last_row_cut_before_its_signal_is_named(tmp_path):
    rows = [f"{t},{y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    rows[-1] = f"{TIMES_US[-1]},"
    (tmp_path / "shot.csv").write_text(text("Time (us),A", rows))
    (recording,) = read_recordings(tmp_path / "shot.csv")
    assert len(recording.time_s) == len(TIMES_US) - 1
    assert f"({rows[-1]!r}); left out" in recording.notes[0].found


@pytest.mark.parametrize("head", [["", "Page 2", "", "Time (us),A", ""], ["", "Page 2"]])
def test_rows_below_the_head_of_a_page_are_not_left_out(head, tmp_path):
    """Half of a printed record would be a record too, and its rate another."""
    rows = [f"{t},{y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    (tmp_path / "shot.csv").write_text(text("Time (us),A", [*rows[:40], *head, *rows[40:], ""]))
    with pytest.raises(FormatError, match=r"line 43: found 'Page 2'; expected 2 numbers"):
        read_recordings(tmp_path / "shot.csv")


@pytest.mark.parametrize("start", [0, 10 * TIMES_US[-1]])
def test_another_table_below_a_title_is_one_still(start, tmp_path):
    rows = [f"{t},{y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    below = [f"{start + t},{-y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    (tmp_path / "shot.csv").write_text(text("Time (us),A", [*rows, "", "Residuals", *below, ""]))
    (recording,) = read_recordings(tmp_path / "shot.csv")
    assert recording.signals[0] == pytest.approx(SIGNAL, rel=1e-12)
    assert [note.rule for note in recording.notes] == ["second-table"]


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ("temps (secondes)", 1.0),
        ("Tiempo [segundos]", 1.0),
        ("tempo (secondi)", 1.0),
        ("Zeit / Sek", 1.0),
        ("Zeit in Millisekunden", 1e-3),
        ("Время (с)", 1.0),
        ("Время, мс", 1e-3),
        ("时间 (秒)", 1.0),
        ("时间 (毫秒)", 1e-3),
        ("時間(ミリ秒)", 1e-3),
        ("Tijd (minuten)", 60.0),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_times_are_named_in_the_language_of_the_instrument(header, scale, ending, tmp_path):
    times = np.arange(40) / 8
    path = tmp_path / f"shot{ending}"
    if ending == ".csv":
        rows = [f"{t};{y}" for t, y in zip(times, SIGNAL[:40], strict=True)]
        path.write_text(text(f"{header};A", [*rows, ""]), encoding="utf-8")
    else:
        book = openpyxl.Workbook()
        book.active.append([header, "A"])
        for row in zip(times.tolist(), SIGNAL[:40].tolist(), strict=True):
            book.active.append(row)
        book.save(path)
    (recording,) = read_recordings(path)
    assert recording.time_s == pytest.approx(times * scale, rel=1e-12)


@pytest.mark.parametrize("key", ["columns", "bio-kine"])
def test_zeros_at_the_end_say_that_a_write_was_interrupted(key, tmp_path):
    """The points are right, but the record is shorter than it was."""
    rows = example_of(key).encode()
    (tmp_path / "shot.dat").write_bytes(rows + bytes(512))
    (recording,) = read_recordings(tmp_path / "shot.dat")
    assert [note.rule for note in recording.notes if note.level == "warning"] == ["zero-bytes"]
    assert "512 bytes of zeros at the end" in recording.notes[-1].found


def test_half_a_letter_of_utf_16_is_no_interrupted_write(tmp_path):
    rows = [f"{t},{y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    (tmp_path / "shot.csv").write_bytes(text("Time (us),A", [*rows, ""]).encode("utf-16-le"))
    (recording,) = read_recordings(tmp_path / "shot.csv")
    assert recording.notes == ()


def test_an_empty_file_is_neither_a_trace_nor_a_workbook(tmp_path):
    (tmp_path / "shot.csv").write_bytes(b"")
    problem = next(item for item in read_experiment(tmp_path).problems if item.file == "shot.csv")
    assert (problem.level, problem.found) == ("error", "nothing in it")
    assert problem.expected == "a trace or a table of files"


def rows_of_example(key):
    """Return the lines of a format's example, with longer records, and the first of its rows."""
    lines = example_of(key).splitlines()
    place = next(at for at, line in enumerate(lines) if line.startswith(("0,", "350,")))
    first = [float(cell) for cell in lines[place].split(",")]
    step = 2.5 if key in ("olis", "kinetic-studio") else 0.01
    rows = [
        ",".join(f"{number:.6g}" for number in (first[0] + at * step, *(first[1] - 0.01 * at,)))
        + "".join(f",{number - 0.01 * at:.6g}" for number in first[2:])
        for at in range(20)
    ]
    tail = lines[place:]
    tail = tail[next((at for at, line in enumerate(tail) if not line[:1].isdigit()), len(tail)) :]
    return lines[:place], rows, tail


@pytest.mark.parametrize("key", ["pro-data-csv", "diode-array", "olis", "uv-vis", "kinetic-studio"])
@pytest.mark.parametrize("at", [3, 10, 17])
@pytest.mark.parametrize("words", ["lamp off", "x,0.5", "{time}"])
def test_no_format_loses_rows_above_or_below_one_that_is_none(key, at, words, tmp_path):
    head, rows, tail = rows_of_example(key)
    lines = [*head, *rows[:at], words.format(time=rows[at].split(",")[0]), *rows[at:], *tail, ""]
    (tmp_path / "shot.csv").write_text("\n".join(lines))
    with pytest.raises(FormatError) as error:
        read_recordings(tmp_path / "shot.csv")
    assert error.value.where == f"line {len(head) + at + 1}"


@pytest.mark.parametrize("between", ["", "# lamp off"])
@pytest.mark.parametrize("key", ["pro-data-csv", "diode-array", "uv-vis"])
def test_nothing_and_a_remark_between_rows_mean_nothing(key, between, tmp_path):
    head, rows, tail = rows_of_example(key)
    for name, middle in (("whole.csv", []), ("parted.csv", [between])):
        lines = [*head, *rows[:10], *middle, *rows[10:], *tail, ""]
        (tmp_path / name).write_text("\n".join(lines))
    (whole,), (parted,) = (read_recordings(tmp_path / n) for n in ("whole.csv", "parted.csv"))
    assert len(whole.time_s) == 20
    assert np.array_equal(whole.time_s, parted.time_s)
    assert np.array_equal(whole.signals, parted.signals)
    assert [note.found for note in parted.notes] == [note.found for note in whole.notes]


def test_pairs_whose_empty_cells_were_cut_off_are_refused_and_not_shortened(tmp_path):
    rows = [f"{t},{y:.5f}" for t, y in zip(TIMES_US, SIGNAL, strict=True)]
    lines = [f"{row},{row}" for row in rows[:50]] + rows[50:]
    (tmp_path / "shot.csv").write_text(text("Time (us),A,Time (us),B", [*lines, ""]))
    with pytest.raises(FormatError, match=r"line 52: found .* expected 4 numbers"):
        read_recordings(tmp_path / "shot.csv")


def test_a_second_table_of_kinetic_studio_is_named(tmp_path):
    example = example_of("kinetic-studio")
    (tmp_path / "shot.csv").write_text(example * 2)
    (recording,) = read_recordings(tmp_path / "shot.csv")
    assert [note.rule for note in recording.notes] == ["second-table"]


def test_a_point_missing_at_the_end_of_a_row_of_kinetic_studio_costs_no_file(tmp_path):
    lines = example_of("kinetic-studio").splitlines()
    lines[2] = lines[2].rpartition(",")[0] + ","
    (tmp_path / "shot.csv").write_text("\n".join([*lines, ""]))
    (recording,) = read_recordings(tmp_path / "shot.csv")
    assert np.isnan(recording.signals).sum() == np.isnan(recording.signals[0, -1]) == 1


@pytest.mark.parametrize(("counted", "rules"), [("6", []), ("5", []), ("7", ["fewer-rows"])])
def test_fewer_rows_than_a_jasco_header_counts_are_named(counted, rules, tmp_path):
    example = example_of("jasco").replace("NPOINTS\t6", f"NPOINTS\t{counted}")
    (tmp_path / "shot.txt").write_text(example)
    (recording,) = read_recordings(tmp_path / "shot.txt")
    assert [note.rule for note in recording.notes] == rules
