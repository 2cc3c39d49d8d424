"""What names say, and where they and the workbooks disagree: one finding a kind."""

from itertools import combinations
from pathlib import Path

import pytest

from stopflow.io.bka.format import write_bka
from stopflow.io.folder import read_experiment
from stopflow.io.metadata.sources import parse_told
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
    alone = read_lab(tmp_path / "one", [], files=FILES[:1]).problems
    (taken,) = [item.found for item in alone if "taken from the name" in item.found]
    assert "likewise" not in taken


def test_temperatures_of_headers_and_of_names_that_disagree(tmp_path: Path) -> None:
    experiment = read_lab(tmp_path / "a", [], comments=("Temperature: 36.77 C",))
    assert experiment.shots[0].conditions.temperature_K == pytest.approx(309.92)
    rows = ["Filename,Temperature (°C)", *(f"{file},20" for file in FILES)]
    (found,) = [text for text in findings(read_lab(tmp_path / "b 25C", rows)) if "°C" in text]
    assert "25 °C in the folder's name and 20 °C in the workbook and 7 more like it" in found


def test_a_name_twice_in_the_workbook_is_listed(tmp_path: Path) -> None:
    rows = ["Filename,[S] (mM)", *(f"{f},{c}" for f, c in zip(FILES, MILLIMOLAR, strict=True))]
    rows.append(f"{FILES[0]},0.3")
    told = "\n".join(map(str, read_lab(tmp_path, rows).problems))
    assert "again, with other values" in told


SAYS = {
    "workbook": lambda c, t: {"rows": ("Filename,[S] (mM),T (°C)", f"{{file}},{c},{t}")},
    "name": lambda c, t: {"name": f"{c}mM {t}C"},
    "header": lambda c, t: {"comment": f"substrate {c} mM, temperature {t} C"},
    "folder": lambda c, t: {"folder": f"run {c}mM {t}C"},
}
SHOWN = {
    "workbook": "the workbook",
    "name": "the name",
    "header": "the header",
    "folder": "the folder's name",
}


def lab_of(tmp_path: Path, **values: tuple[float, float]) -> Experiment:
    """Read a folder of three repeats in which each source says its own values."""
    said: dict = {}
    for source, (molar, celsius) in values.items():
        said |= SAYS[source](molar, celsius)
    files = [f"{said.get('name', 'shot')} {number}.bka" for number in (1, 2, 3)]
    head, row = said.get("rows", ("", ""))
    rows = [head, *(row.format(file=file) for file in files)] if head else []
    comments = (said["comment"],) if "comment" in said else ()
    return read_lab(tmp_path / said.get("folder", "day"), rows, files=files, comments=comments)


@pytest.mark.parametrize(("first", "second"), list(combinations(SAYS, 2)))
def test_every_source_is_checked_against_every_other(tmp_path: Path, first, second) -> None:
    agreeing = lab_of(tmp_path / "a", **{first: (0.1, 25), second: (0.1, 25)})
    assert [problem for problem in agreeing.problems if problem.topic] == []

    experiment = lab_of(tmp_path / "b", **{first: (0.1, 20), second: (0.2, 25)})
    found = [problem for problem in experiment.problems if problem.topic == "conditions"]
    assert [problem.level for problem in found] == ["warning"] * 2
    one, other = map(str, found)
    assert f"200 µM in {SHOWN[second]} and 100 µM in {SHOWN[first]}" in one
    assert f"25 °C in {SHOWN[second]} and 20 °C in {SHOWN[first]}" in other
    assert "hat of " + SHOWN[first] + " is used" in one
    assert f"that of {SHOWN[first]} is used" in other
    for shot in experiment.shots:
        assert shot.conditions.concentration_M == pytest.approx(1e-4)
        assert shot.conditions.temperature_K == pytest.approx(293.15)


def test_the_partner_in_a_name_is_no_disagreement(tmp_path: Path) -> None:
    rows = ["Filename,[S] (µM)", *(f"E2uM_{c}.bka,{c}" for c in (10, 20, 40, 80))]
    files = [f"E2uM_{c}.bka" for c in (10, 20, 40, 80)]
    experiment = read_lab(tmp_path / "all with E 2 uM", rows, files=files)
    assert [problem for problem in experiment.problems if problem.topic] == []
    both = ["Filename,[S] (µM),[E] (µM)", *(f"{file},50,2" for file in files)]
    experiment = read_lab(tmp_path / "kept", both, files=files)
    assert [problem for problem in experiment.problems if problem.topic] == []


def test_one_wrong_row_among_repeats_is_found(tmp_path: Path) -> None:
    files = [f"0.10mM_{number}.bka" for number in (1, 2, 3, 4)]
    values = (0.1, 0.1, 0.2, 0.1)
    rows = ["Filename,[S] (mM)", *(f"{f},{c}" for f, c in zip(files, values, strict=True))]
    (found,) = findings(read_lab(tmp_path, rows, files=files))
    assert "0.10mM_3.bka: 100 µM in the name and 200 µM in the workbook" in found
