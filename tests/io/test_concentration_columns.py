"""Which column the concentrations come from, whatever it is called, and what is said of others."""

from pathlib import Path

import pytest
from labs import FILES, MICROMOLAR, RATES, micromolar, rates, read_lab, said, table
from openpyxl.worksheet.worksheet import Worksheet

MOLAR = tuple(value * 1e-6 for value in MICROMOLAR)
NANOMOLAR = (50, 50, 50, 50)


@pytest.mark.parametrize(
    "header",
    [
        "c(S) / µmol L-1",
        "c(S)/µmol·L⁻¹",
        "c / µmol L−1",
        "c / µmol dm^-3",
        "c / µmol dm⁻³",
        "c (µmol L^(-1))",
        "c(NaSCN) / µmol L–1",
        "c_S / µM",
        "cS / µM",
        "[S] / 10⁻⁶ mol L⁻¹",
        "[S] (10^-6 M)",
        "$[S]$ ($\\mu$M)",
        "Substrate concentration [uM] after mixing",
        "conc_after_mixing_uM",
        "Concentration (after mixing) / µM",
        "Final [S] (µM)",
        "[S] (µM, final)",
        "[S]0 / µM",
        "[S] (µM)*",
        "Concentration, c (µM)",
        "Enzyme conc. (µM)",
        "[Fe(CN)6 3-] (µM)",
        "NADH-Konzentration (µmol/l)",
        "Endkonz. [µM]",
        "Concentration en substrat (µmol.L-1)",
        "Conc. finale (µM)",
        "Inhibitor (µM)",
        "[S] (nmol/mL)",
        "[S]\n(µM)",
    ],
)
def test_a_header_with_its_unit(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table(["File", "Rate", header], FILES, RATES, MICROMOLAR))
    assert micromolar(lab) == list(MICROMOLAR)
    assert said(lab) == []


@pytest.mark.parametrize("header", ["c(S) / mol L-1", "c(S) / mol dm-3", "[NaSCN] / mol·dm⁻³"])
def test_mol_a_litre(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table(["File", "Rate", header], FILES, RATES, MOLAR))
    assert micromolar(lab) == list(MICROMOLAR)


def test_the_unit_may_stand_in_the_cells_or_in_a_column_beside(tmp_path: Path) -> None:
    cells = [f"{value} µM" for value in MICROMOLAR]
    lab = read_lab(tmp_path, table(["File", "[NADH]"], FILES, cells))
    assert micromolar(lab) == list(MICROMOLAR)
    columns = (FILES, (10, 0.02, 30, 4e-5), ("µM", "mM", "µmol/L", "M"))
    lab = read_lab(tmp_path, table(["File", "Conc.", "Unit"], *columns))
    assert micromolar(lab) == list(MICROMOLAR)
    assert not any("no unit" in text for text in said(lab))


@pytest.mark.parametrize("first", ["Enzyme conc. (nM)", "[A] (nM)", "[S] (nM)", "c(E) / nM"])
def test_of_two_the_one_that_differs_is_taken_and_the_other_named(
    tmp_path: Path, first: str
) -> None:
    header = ["File", "Rate", first, "Inhibitor conc. (µM)"]
    lab = read_lab(tmp_path, table(header, FILES, RATES, NANOMOLAR, MICROMOLAR))
    assert micromolar(lab) == list(MICROMOLAR)
    (warning,) = said(lab)
    assert "'Inhibitor conc. (µM)' taken as concentration" in warning
    assert "it alone differs between rows" in warning
    assert f"not used: {first!r}" in warning


@pytest.mark.parametrize("cells", [MICROMOLAR[::-1], (5, 5, 7, 7)])
def test_two_that_differ_are_both_named(tmp_path: Path, cells: tuple[int, ...]) -> None:
    header = ["File", "Rate", "A conc. (µM)", "B conc. (µM)"]
    lab = read_lab(tmp_path, table(header, FILES, RATES, MICROMOLAR, cells))
    (warning,) = said(lab)
    assert "'A conc. (µM)' taken as concentration" in warning
    assert "not used: 'B conc. (µM)'" in warning
    assert "Concentration after mixing" in warning


def test_two_that_do_not_differ_are_both_named(tmp_path: Path) -> None:
    header = ["File", "Rate", "Enzyme conc. (nM)", "Inhibitor conc. (nM)"]
    lab = read_lab(tmp_path, table(header, FILES, RATES, NANOMOLAR, (70, 70, 70, 70)))
    assert micromolar(lab) == [0.07] * 4
    (warning,) = said(lab)
    assert "'Inhibitor conc. (nM)' taken as concentration" in warning
    assert "not used: 'Enzyme conc. (nM)'" in warning


@pytest.mark.parametrize("header", ["NaCl (mM)", "K (M)", "Protein (mg/ml)", "c(X) / mol L-1"])
def test_a_column_left_aside_is_named(tmp_path: Path, header: str) -> None:
    columns = (FILES, RATES, MICROMOLAR, (1, 2, 1, 2))
    lab = read_lab(tmp_path, table(["File", "Rate", "[S] (µM)", header], *columns))
    assert micromolar(lab) == list(MICROMOLAR)
    (warning,) = said(lab)
    assert f"not used: {header!r}" in warning


@pytest.mark.parametrize("header", ["NADH (µM)", "Urea / µM", "µM NADH", "µM"])
def test_the_only_column_with_a_unit_of_concentration_is_taken_aloud(
    tmp_path: Path, header: str
) -> None:
    lab = read_lab(tmp_path, table(["File", "Rate", header], FILES, RATES, MICROMOLAR))
    assert micromolar(lab) == list(MICROMOLAR)
    (warning,) = said(lab)
    assert f"{header!r} taken as concentration" in warning


@pytest.mark.parametrize(
    "header",
    [
        "Km (µM)",
        "K / M",
        "Stock (mM)",
        "10^6 [S] / M",
        "[S] error (µM)",
        "log [S] (M)",
        "Protein (mg/ml)",
    ],
)
def test_what_may_be_no_concentration_is_not_taken_but_named(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table(["File", "Rate", header], FILES, RATES, MICROMOLAR))
    assert micromolar(lab) == [None] * 4
    (warning,) = said(lab)
    assert "no column taken as concentration" in warning
    assert repr(header) in warning


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("[S] error (µM)", (1, 2, 1, 2)),
        ("[S] before mixing (µM)", (20, 40, 60, 80)),
        ("Stock (mM)", (1, 2, 1, 2)),
        ("[S] (mM)", (0.01, 0.02, 0.03, 0.04)),
        ("SCN- after mixing (mM)", (1.5, 1.5, 1.5, 1.5)),
        ("Comment on the concentration", ("good", "good", "low", "good")),
        ("Wavelength (nm)", (340, 350, 360, 370)),
        ("k_on (M-1 s-1)", (1, 2, 3, 4)),
    ],
)
def test_what_belongs_to_the_concentration_or_is_none_needs_no_word(
    tmp_path: Path, header: str, cells: tuple[object, ...]
) -> None:
    columns = (FILES, RATES, MICROMOLAR, cells)
    lab = read_lab(tmp_path, table(["File", "Rate", "[S] (µM)", header], *columns))
    assert micromolar(lab) == list(MICROMOLAR)
    assert said(lab) == []


def test_after_mixing_is_taken_before_mixing_is_said(tmp_path: Path) -> None:
    header = ["File", "Concentration (µM)", "Concentration after mixing (µM)"]
    lab = read_lab(tmp_path, table(header, FILES, (20, 40, 60, 80), MICROMOLAR))
    assert micromolar(lab) == list(MICROMOLAR)
    lab = read_lab(tmp_path, table(["File", "Conc. in syringe (µM)"], FILES, MICROMOLAR))
    assert micromolar(lab) == list(MICROMOLAR)
    assert any("--mixing-ratio" in text for text in said(lab))


def test_a_hidden_column_gives_way(tmp_path: Path) -> None:
    header = ["File", "[S] (µM)", "Rate", "[S] (µM)", "Rate"]
    rows = table(header, FILES, (1, 2, 3, 4), (1, 1, 1, 1), MICROMOLAR, RATES)

    def hide(sheet: Worksheet) -> None:
        for letter in "BC":
            sheet.column_dimensions[letter].hidden = True

    lab = read_lab(tmp_path, rows, change=hide)
    assert (micromolar(lab), rates(lab)) == (list(MICROMOLAR), list(RATES))


def test_a_unit_shown_by_the_number_format(tmp_path: Path) -> None:
    def show_unit(sheet: Worksheet) -> None:
        for row in range(2, 6):
            sheet.cell(row, 2).number_format = '0.0" µM"'
            sheet.cell(row, 3).number_format = '#,##0.00\\ "mM"'

    rows = table(["File", "Conc.", "Ionic strength"], FILES, MICROMOLAR, (100, 100, 100, 100))
    lab = read_lab(tmp_path, rows, change=show_unit)
    assert micromolar(lab) == list(MICROMOLAR)
    assert lab.shots[0].conditions.ionic_strength_M == 0.1
    assert not any("no unit" in text for text in said(lab))
