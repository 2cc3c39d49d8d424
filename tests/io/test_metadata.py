"""What names say, and where they and the workbooks disagree: one finding a kind."""

from pathlib import Path

import pytest

from stopflow.io.bka.format import write_bka
from stopflow.io.folder import read_experiment
from stopflow.io.metadata import parse_told
from stopflow.trace import Experiment

FILES = [f"ch1_{c}mM_{r}.bka" for c in ("0.10", "0.20", "0.40", "0.80") for r in (1, 2)]
MILLIMOLAR = [0.1, 0.1, 0.2, 0.2, 0.4, 0.4, 0.8, 0.8]


def read_lab(
    folder: Path, rows: list[str], *, files: list[str] = FILES, comments: tuple[str, ...] = ()
) -> Experiment:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        write_bka(folder / file, time=[0, 1, 2, 3, 4], signals=[5, 4, 3, 2, 1], comments=comments)
    if rows:
        (folder / "Extended_Dataset.csv").write_text("\n".join(rows), encoding="utf-8")
    return read_experiment(folder)


def findings(experiment: Experiment) -> list[str]:
    return [
        str(problem)
        for problem in experiment.problems
        if "name" in problem.found and problem.level == "warning"
    ]


@pytest.mark.parametrize(
    ("name", "molar", "kelvin", "repeat"),
    [
        ("ch1_0.20mM_3.bka", (2e-4,), (), 3),
        ("H2O2 10 uM 25C.bka", (1e-5,), (298.15,), None),
        ("E2uM_S1,5mM_298K_rep2.csv", (2e-6, 1.5e-3), (298.0,), 2),
        ("shot_12.bka", (), (), None),
        ("run 3 of 2024-05-12", (), (), None),
        ("25CATP", (), (), None),
        ("100nM", (1e-7,), (), None),
        ("10mm slit", (), (), None),
        ("5 µM, 37.5 °C", (5e-6,), (310.65,), None),
    ],
)
def test_what_a_name_says(name, molar, kelvin, repeat) -> None:
    told = parse_told(name)
    assert told.concentrations_M == pytest.approx(molar, rel=1e-12)
    assert told.temperatures_K == pytest.approx(kelvin, rel=1e-12)
    assert told.repeat == repeat


def test_names_that_agree_say_nothing(tmp_path: Path) -> None:
    rows = ["Filename,[S] (mM)", *(f"{f},{c}" for f, c in zip(FILES, MILLIMOLAR, strict=True))]
    assert findings(read_lab(tmp_path, rows)) == []


def test_one_disagreement_is_named_and_the_workbook_counts(tmp_path: Path) -> None:
    values = [*MILLIMOLAR[:2], 0.1, *MILLIMOLAR[3:]]
    rows = ["Filename,[S] (mM)", *(f"{f},{c}" for f, c in zip(FILES, values, strict=True))]
    experiment = read_lab(tmp_path, rows)
    (found,) = findings(experiment)
    assert "ch1_0.20mM_1.bka: 200 µM in the name and 100 µM in the workbook" in found
    assert experiment.shots[2].conditions.concentration_M == pytest.approx(1e-4)


def test_rows_shifted_by_one_are_one_finding(tmp_path: Path) -> None:
    rows = ["Filename,[S] (µM)"]
    values = [3, 7, 20, 25, 80, 90]
    files = [f"s_{c}uM.bka" for c in values]
    rows += [f"{f},{c}" for f, c in zip(files, [*values[1:], 120], strict=True)]
    (found,) = findings(read_lab(tmp_path, rows, files=files))
    assert "shifted by one" in found
    assert "the row above" in found


def test_syringe_against_after_mixing_is_one_finding(tmp_path: Path) -> None:
    rows = ["Filename,[S] (mM)"]
    rows += [f"{f},{c / 2}" for f, c in zip(FILES, MILLIMOLAR, strict=True)]
    (found,) = findings(read_lab(tmp_path, rows))
    assert "2 times those of the workbook" in found
    assert "--mixing-ratio" in found


def test_names_are_used_where_no_workbook_says_it(tmp_path: Path) -> None:
    experiment = read_lab(tmp_path / "HRP 25C", [])
    known = [shot.conditions.concentration_M for shot in experiment.shots]
    assert known == pytest.approx([value / 1e3 for value in MILLIMOLAR])
    assert [shot.conditions.replicate for shot in experiment.shots] == [1, 2] * 4
    assert {shot.conditions.temperature_K for shot in experiment.shots} == {298.15}
    (found,) = findings(experiment)
    assert "100 µM taken from the name, and likewise for 7 more" in found


def test_temperatures_of_headers_and_of_names_that_disagree(tmp_path: Path) -> None:
    experiment = read_lab(tmp_path / "a", [], comments=("Temperature: 36.77 C",))
    assert experiment.shots[0].conditions.temperature_K == pytest.approx(309.92)
    rows = ["Filename,Temperature (°C)", *(f"{file},20" for file in FILES)]
    (found,) = [text for text in findings(read_lab(tmp_path / "b 25C", rows)) if "°C" in text]
    assert "25 °C in the name and 20 °C in the workbook and 7 more like it" in found


def test_a_name_twice_in_the_workbook_is_listed(tmp_path: Path) -> None:
    rows = ["Filename,[S] (mM)", *(f"{f},{c}" for f, c in zip(FILES, MILLIMOLAR, strict=True))]
    rows.append(f"{FILES[0]},0.3")
    told = "\n".join(map(str, read_lab(tmp_path, rows).problems))
    assert "again, with other values" in told
