"""Decisions that last: read back as written, one line for each that cannot be used."""

from pathlib import Path

import pytest

from stopflow.errors import FormatError
from stopflow.io.bka.format import write_bka
from stopflow.io.decisions import (
    Decision,
    When,
    load_decisions,
    parse_decisions,
    parse_when,
    save_decisions,
    with_decision,
)
from stopflow.io.folder import read_experiment


def lab(folder: Path, *names: str, channels: int = 1) -> None:
    for name in names:
        write_bka(
            folder / name,
            time=list(range(40)),
            signals=[[40.0 - value for value in range(40)]] * channels,
            signal_units=["Volt"] * channels,
        )


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_rows_are_read_whatever_parts_them(sign: str) -> None:
    text = "\n".join(
        sign.join(cells)
        for cells in (
            ["file", "channel", "use", "start", "end", "law", "note"],
            ["a.bka", "", "no", "", "", "", "bubble"],
            ["b.bka", "2", "yes", "5 ms", "0.3 s", "double", ""],
            ["c", "", "", "12", "", "", ""],
        )
    )
    found = parse_decisions(text.encode("utf-16"))
    assert found.problems == ()
    assert found.of("a.bka", 1) == Decision(file="a.bka", use=False, note="bubble", place="line 2")
    second = found.of("b.bka", 2)
    assert second is not None
    assert (second.start, second.end) == (
        When(value=0.005, has_unit=True),
        When(value=0.3, has_unit=True),
    )
    assert found.of("b.bka", 1) is None
    third = found.of("c.bka", 1)
    assert third is not None
    assert third.start is not None
    assert third.start.in_s(1e-3) == pytest.approx(0.012, rel=1e-12)


def test_what_is_saved_is_read_back_to_the_last_digit(tmp_path: Path) -> None:
    rows = (
        Decision(file="a, b.bka", use=False, note='a "bubble",\nlarge'),
        Decision(file="x.xlsx[shot 1]", channel=3, start=When(value=1 / 3, has_unit=True)),
        Decision(file="ü.bka", end=When(value=2 / 7, has_unit=False), law="single"),
    )
    save_decisions(tmp_path, rows)
    found = load_decisions(tmp_path)
    assert found.problems == ()
    assert [(r.file, r.channel, r.use, r.start, r.end, r.law, r.note) for r in found.rows] == [
        (r.file, r.channel, r.use, r.start, r.end, r.law, r.note) for r in rows
    ]


def test_later_rows_win_cell_by_cell() -> None:
    rows = with_decision((), Decision(file="a.bka", start=When(value=1.0, has_unit=True)))
    rows = with_decision(rows, Decision(file="A.BKA", use=False, note="bubble"))
    rows = with_decision(rows, Decision(file="a.bka", use=True))
    assert len(rows) == 1
    assert rows[0].use is True
    assert rows[0].start == When(value=1.0, has_unit=True)


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (",,no,,,,", "a row without a file"),
        ("a.bka,,maybe,,,,", "'maybe'"),
        ("a.bka,zero,,,,,", "'zero'"),
        ("a.bka,,,soon,,,", "'soon'"),
        ("a.bka,,,5 mV,,,", "'5 mV'"),
        ("a.bka,,,nan,,,", "'nan'"),
    ],
)
def test_a_row_that_makes_no_sense_is_one_problem(cells: str, found: str) -> None:
    text = f"file,channel,use,start,end,law,note\n{cells}\nb.bka,,no,,,,ok\n"
    read = parse_decisions(text.encode())
    assert len(read.problems) == 1
    assert found in str(read.problems[0])
    assert "line 2" in str(read.problems[0])
    assert [row.file for row in read.rows] == ["b.bka"]


def test_a_header_without_files_is_refused() -> None:
    with pytest.raises(FormatError, match="without the column file"):
        parse_decisions(b"a,b\n1,2\n")


def test_times() -> None:
    assert parse_when("5 ms") == When(value=0.005, has_unit=True)
    assert parse_when("5") == When(value=5.0, has_unit=False)
    assert parse_when("1 min") == When(value=60.0, has_unit=True)
    for text in ("", "x", "1 V", "inf", "1e999"):
        assert parse_when(text) is None


def test_a_folder_follows_its_decisions(tmp_path: Path) -> None:
    lab(tmp_path, "a.bka", "b.bka", "c.bka", "d.bka", "two.bka")
    lab(tmp_path, "two.bka", channels=2)
    (tmp_path / "start_values.csv").write_text(
        "Filename,x_start\na.bka,3\nb.bka,4\n", encoding="utf-8"
    )
    (tmp_path / "decisions.csv").write_text(
        "file,channel,use,start,end,law,note\n"
        "a.bka,,,7,,,\n"
        "b,,no,,,,bubble\n"
        "c.bka,,,,20 ms,double,\n"
        "d.bka,,,50,60,,\n"
        "gone.bka,,no,,,,\n"
        "two.bka,2,no,,,,HV only\n",
        encoding="utf-8",
    )
    experiment = read_experiment(tmp_path, channel="all")
    shots = {(shot.file, shot.channel): shot for shot in experiment.shots}
    assert set(shots) == {("a.bka", 1), ("c.bka", 1), ("d.bka", 1), ("two.bka", 1)}
    assert (shots["a.bka", 1].start_s, shots["a.bka", 1].start_from) == (0.007, "decision")
    third = shots["c.bka", 1]
    assert (third.end_s, third.law) == (0.02, "double")
    assert third.trace is not None
    assert third.until_end is not None
    assert (len(third.trace), len(third.until_end)) == (40, 21)
    assert "a window of no points, 0.05 to 0.06 s" in shots["d.bka", 1].refusal
    assert [(shot.file, shot.left_out) for shot in experiment.left_out] == [
        ("b.bka", "bubble"),
        ("two.bka", "HV only"),
    ]
    told = "\n".join(f"{p.level}: {p}" for p in experiment.problems)
    assert "note: " + f"{tmp_path.name}/b.bka: left out by a decision: bubble" in told
    assert "decisions.csv, line 6: 'gone.bka', which is not there" in told
    assert "decisions.csv, line 5: d.bka: a window of no points" in told
    assert told.count("decisions.csv") == 2
