"""A row for several files: ``shots 1-5``."""

from pathlib import Path

import pytest
from labs import FILES, RATES, micromolar, rates, read_lab, said, table


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("shots 1-2", "shots 3-4"),
        ("1-2", "3–4"),
        ("Shots 1 to 2", "Shots 3 bis 4"),
        ("s1-s2", "s3 - s4"),
        ("s1.bka - s2.bka", "s3.bka … s4.bka"),
        ("s1-2", "s3-4"),
    ],
)
def test_a_row_for_several_files(tmp_path: Path, first: str, second: str) -> None:
    conditions = [["Shots", "[S] (µM)"], [first, 10], [second, 20]]
    lab = read_lab(tmp_path, table(["Filename", "Rate"], FILES, RATES), conditions=conditions)
    assert micromolar(lab) == [10, 10, 20, 20]
    assert rates(lab) == list(RATES)
    (warning,) = said(lab)
    assert f"taken for files: {first!r} is 's1.bka to s2.bka'" in warning


def test_one_shot_beside_ranges(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, [["Shots", "[S] (µM)"], ["shots 1-3", 10], ["shot 4", 20]])
    assert micromolar(lab) == [10, 10, 10, 20]


def test_a_rate_of_several_files_is_that_of_none(tmp_path: Path) -> None:
    rows = [["Shots", "[S] (µM)", "Rate (s-1)"], ["1-3", 10, 6], ["shot 4", 20, 8]]
    lab = read_lab(tmp_path, rows)
    assert rates(lab) == [None, None, None, 8]
    assert lab.shots[0].conditions.extra == {"Rate (s-1)": "6"}
    assert any("cell C2: 6.0 of several files" in text for text in said(lab, "note"))


@pytest.mark.parametrize(
    ("first", "second"),
    [("1-2", "1-3"), ("1-3", "4-9"), ("2-1", "3-4"), ("1-2", "shot 2"), ("0-2", "3-4")],
)
def test_ranges_that_leave_a_doubt(tmp_path: Path, first: str, second: str) -> None:
    lab = read_lab(tmp_path, [["Shots", "[S] (µM)"], [first, 10], [second, 20]])
    assert micromolar(lab) == [None] * 4
    assert said(lab, "error")


def test_a_name_that_looks_like_a_range_is_a_name(tmp_path: Path) -> None:
    files = ("1.bka", "2.bka", "1-2.bka")
    lab = read_lab(tmp_path, [["Shot", "[S] (µM)"], ["1-2", 10], ["1", 20]], files=files)
    read = {shot.file: shot.conditions.concentration_M for shot in lab.shots}
    assert read == {"1-2.bka": 1e-5, "1.bka": 2e-5, "2.bka": None}
