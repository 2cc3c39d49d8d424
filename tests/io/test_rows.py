"""Cells of a row: approximate numbers, units in some of them, commas that part too much."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from labs import FILES, RATES, micromolar, rates, read_folder, read_lab, said, table


def column(header: str, cells: Sequence[object]) -> list[list[object]]:
    """Rows of a table with rates and one more column."""
    return table(["Filename", "Rate (s-1)", header], FILES, RATES, cells)


@pytest.mark.parametrize(
    "cells",
    [
        ("~10", "≈ 20", "ca. 30", 40),
        ("ca 10 µM", "approx. 20", "about 30", "c. 40 ± 0.5"),
        ("etwa 10,0", "circa 20", "env. 30", "~ 0.04 mM"),
    ],
)
def test_approximate_numbers_are_read_and_said_once(
    tmp_path: Path, cells: Sequence[object]
) -> None:
    lab = read_lab(tmp_path, column("[S] (µM)", cells))
    assert micromolar(lab) == [10, 20, 30, 40]
    (warning,) = said(lab)
    assert f"{cells[0]!r} and " in warning
    assert "more like it taken as exact (concentration)" in warning


@pytest.mark.parametrize("cell", ["<10", "> 10", "≤10", "10-20", "~10-20", "~", "ca.", "cab 10"])
def test_limits_and_ranges_are_no_numbers(tmp_path: Path, cell: str) -> None:
    lab = read_lab(tmp_path, column("[S] (µM)", (cell, 20, 30, 40)))
    assert micromolar(lab) == [None, 20, 30, 40]
    assert any(f"cell C2: {cell!r}; expected a number" in text for text in said(lab, "error"))


def test_a_rate_with_its_unit_as_a_fraction(tmp_path: Path) -> None:
    rows = table(["Filename", "Rate"], FILES, ("6 1/s", "10 1 / s", "1 400 1/s", "18 1/min"))
    assert rates(read_lab(tmp_path, rows)) == [6, 10, 1400, 0.3]


@pytest.mark.parametrize("cells", [("10 µM", 20, 30, 40), (10, 20, "30 µM", "40 uM")])
def test_cells_without_a_unit_have_that_of_the_others(
    tmp_path: Path, cells: Sequence[object]
) -> None:
    lab = read_lab(tmp_path, column("[S]", cells))
    assert micromolar(lab) == [10, 20, 30, 40]
    (warning,) = said(lab)
    assert "some cells without a unit: taken as uM, as the others" in warning


def test_a_cell_without_a_unit_among_several_is_not_guessed(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, column("[S]", (0, "500 nM", "1 µM", 2)))
    assert micromolar(lab) == [0, 0.5, 1, None]
    (error,) = said(lab, "error")
    assert "cell C5: 2.0; expected a unit, as in other cells" in error
    assert not any("taken as M" in text for text in said(lab))


def test_decimal_commas_between_commas_are_not_read_as_cells(tmp_path: Path) -> None:
    lines = ["Filename,Rate (s-1),[S] (µM),Note", "s1.bka,6,5,10,0,ok", "s2.bka,10,20,ok, good"]
    (tmp_path / "Extended_Dataset.csv").write_text("\n".join(lines), encoding="utf-8")
    lab = read_folder(tmp_path, files=FILES[:2])
    assert (rates(lab), micromolar(lab)) == ([None, 10], [None, 20])
    (error,) = said(lab, "error")
    assert "line 2: 6 cells below 4 headers; expected decimal commas in quotes" in error
