"""Headers of other quantities, and columns of file names that are not called so."""

from pathlib import Path

import pytest
from labs import (
    FILES,
    MICROMOLAR,
    RATES,
    kelvin,
    micromolar,
    rates,
    read_folder,
    read_lab,
    said,
    table,
)


@pytest.mark.parametrize(
    "header",
    [
        "k / s-1",
        "k/s−1",
        "k / s⁻¹",
        "k_obs / s^-1",
        "kobs (s^(-1))",
        "$k_{obs}$ (s$^{-1}$)",
        "Rate constant k / s-1",
        "Observed rate constant (k_obs) / s-1",
        "Mean k_obs (s-1)",
        "k_obs (s-1)*",
        "k1 (s-1)",
        "Rate 1",
        "Geschwindigkeitskonstante k (s^-1)",
        "k_beob / s⁻¹",
        "Constante de vitesse (s⁻¹)",
    ],
)
def test_rates(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table(["File", header], FILES, RATES))
    assert rates(lab) == list(RATES)
    assert said(lab) == []


@pytest.mark.parametrize("header", ["Rate (M s-1)", "Rate / µM s-1", "Initial rate", "k2 (s-1)"])
def test_what_is_no_rate_constant(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table(["File", header], FILES, RATES))
    assert rates(lab) == [None] * 4
    assert any("no column for the lab's own rate constant" in item.found for item in lab.problems)


@pytest.mark.parametrize(("cell", "kelvin_read"), [("165580141", None), ("-40 °C", 233.15)])
def test_a_temperature_is_that_of_a_solution(
    tmp_path: Path, cell: str, kelvin_read: float | None
) -> None:
    lab = read_lab(tmp_path, table(["File", "T (°C)"], FILES, [cell, 20, 20, 20]))
    assert kelvin(lab)[0] == pytest.approx(kelvin_read) if kelvin_read else kelvin(lab)[0] is None
    refused = [text for text in said(lab) if "temperature of a solution" in text]
    assert len(refused) == (kelvin_read is None)


def test_a_rate_with_its_error_in_one_cell(tmp_path: Path) -> None:
    cells = ["6.0 ± 0.1", "10.0 +/- 0.2 s-1", "14.00(5)", "18,0 ± 0,3"]
    lab = read_lab(tmp_path, table(["File", "k_obs ± SD / s-1"], FILES, cells))
    assert rates(lab) == list(RATES)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("T / K", 298.15),
        ("T/°C", 25),
        ("t / °C", 25),
        ("Temperatur ϑ / °C", 25),
        ("Température (˚C)", 25),
        ("Temperature T (ºC)", 25),
        ("T (°F)", 77),
    ],
)
def test_temperatures(tmp_path: Path, header: str, value: float) -> None:
    lab = read_lab(tmp_path, table(["File", header], FILES, [value] * 4))
    assert kelvin(lab) == [298.15] * 4


@pytest.mark.parametrize("header", ["I / mM", "Ionenstärke I / mmol L-1", "Force ionique, I (mM)"])
def test_ionic_strengths(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table(["File", header], FILES, [100] * 4))
    assert {shot.conditions.ionic_strength_M for shot in lab.shots} == {0.1}


def test_an_inhibitor_is_no_ionic_strength(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, table(["File", "Rate", "I (µM)"], FILES, RATES, MICROMOLAR))
    assert {shot.conditions.ionic_strength_M for shot in lab.shots} == {None}
    assert any("'I (µM)' taken as concentration" in text for text in said(lab))


def test_counts_with_a_sign_before_them_and_others(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, table(["File", "Replicate"], FILES, ["#1", "R2", "rep 3", 4]))
    assert [shot.conditions.replicate for shot in lab.shots] == [1, 2, 3, 4]
    lab = read_lab(tmp_path, table(["File", "Replicate"], FILES, ["x3"] * 4))
    (warning,) = [text for text in said(lab) if "replicate" in text]
    assert "'x3' and 3 more like it" in warning
    assert lab.shots[0].conditions.extra == {"Replicate": "x3"}


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("Sample", ("S1", "S2", "S3", "S4")),
        ("Sample name", FILES),
        ("Run", ("s1", "s2", "s3", "s4")),
        ("Shot name", ("S1.BKA", "S2.BKA", "S3.BKA", "S4.BKA")),
        ("Nom de fichier", FILES),
        ("File name (.bka)", FILES),
        ("Messung", FILES),
    ],
)
def test_file_names_under_other_headers(
    tmp_path: Path, header: str, names: tuple[str, ...]
) -> None:
    lab = read_lab(tmp_path, table([header, "Rate", "[S] (µM)"], names, RATES, MICROMOLAR))
    assert (rates(lab), micromolar(lab)) == (list(RATES), list(MICROMOLAR))
    assert said(lab) == []


@pytest.mark.parametrize("header", ["", "Messkurve", "Kept as"])
def test_file_names_known_by_their_folder_are_said(tmp_path: Path, header: str) -> None:
    lab = read_lab(tmp_path, table([header, "Rate"], FILES, RATES))
    assert rates(lab) == list(RATES)
    (warning,) = said(lab)
    assert f"column {header!r} taken as file name" in warning


def test_the_column_that_has_the_files_wins_over_the_one_called_so(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, table(["Name", "Sample", "Rate"], ["Ann"] * 4, FILES, RATES))
    assert rates(lab) == list(RATES)
    assert said(lab) == []


@pytest.mark.parametrize("header", ["Shot", "Shot no.", "Run", "Sample", "Filename"])
@pytest.mark.parametrize(
    "files",
    [
        FILES,
        ("NADH_10uM_001.bka", "NADH_10uM_002.bka", "NADH_10uM_003.bka", "NADH_10uM_004.bka"),
        ("a1x.bka", "b2x.bka", "c3x.bka", "d4x.bka"),
        ("2024-01-05_1.bka", "2024-01-05_2.bka", "2024-01-05_3.bka", "2024-01-05_4.bka"),
    ],
)
def test_numbers_that_fit_one_file_each(
    tmp_path: Path, header: str, files: tuple[str, ...]
) -> None:
    lab = read_lab(tmp_path, table([header, "Rate"], (1, 2, 3, 4), RATES), files=files)
    assert rates(lab) == list(RATES)
    (warning,) = said(lab)
    assert f"'1' is {files[0]!r}" in warning


@pytest.mark.parametrize(
    ("files", "numbers"),
    [
        (("a_1.bka", "a_2.bka", "b_1.bka", "b_2.bka"), (1, 2, 3, 4)),
        (("a_1.bka", "b_1.bka"), (1, 2)),
        (FILES, (1, 2, 3, 5)),
        (FILES, (1, 2, 1, 2)),
        (FILES, (1, 2, 3, 3.5)),
        (("run1_a.bka", "run1_b.bka"), (1, 2)),
        (("T0.1.bka", "T0.2.bka"), (1, 2)),
        (("1_x2y.bka", "2_x1y.bka"), (1, 2)),
    ],
)
def test_numbers_that_leave_a_doubt(
    tmp_path: Path, files: tuple[str, ...], numbers: tuple[float, ...]
) -> None:
    rows = table(["Shot", "Rate"], numbers, RATES[: len(numbers)])
    lab = read_lab(tmp_path, rows, files=files)
    assert rates(lab) == [None] * len(files)
    assert any("numbers that fit one each" in text for text in said(lab, "error"))


def test_names_in_another_spelling_are_said(tmp_path: Path) -> None:
    lab = read_lab(tmp_path, table(["File", "Rate"], ["S 01", "s_2", "s3.dsa", "S-4"], RATES))
    assert rates(lab) == list(RATES)
    (warning,) = said(lab)
    assert "'S 01' is 's1.bka'" in warning
    files = ("s1.bka", "s_1.bka", "s2.bka")
    lab = read_lab(tmp_path, table(["File", "Rate"], ["S 1", "s2"], (1, 2)), files=files)
    assert any("'S 1', which is not there" in text for text in said(lab, "error"))


def test_a_table_saved_with_an_index_and_no_name_for_it(tmp_path: Path) -> None:
    lines = [f"{file},{rate}" for file, rate in zip(FILES, RATES, strict=True)]
    (tmp_path / "Extended_Dataset.csv").write_text("\n".join([",kobs", *lines]), encoding="utf-8")
    assert rates(read_folder(tmp_path)) == list(RATES)
