"""What the sources of the conditions disagree about stands on page 1 and on the terminal."""

import json

import numpy as np
import pytest
from cli_lab import exit_code
from pypdf import PdfReader

from stopflow.io.bka.format import write_bka

pytestmark = pytest.mark.whole

MICROMOLAR = (10, 20, 30, 40, 60, 80)


def write_shots(folder, names):
    folder.mkdir(parents=True)
    time_ms = np.linspace(0.0, 400.0, 300)
    generator = np.random.default_rng(2)
    for number, name in enumerate(names):
        k_per_s = 8.0 + MICROMOLAR[number % 6] / 4
        signal = 5 + np.exp(-k_per_s * time_ms / 1000) + generator.normal(0, 0.004, time_ms.size)
        write_bka(folder / name, time=time_ms, signals=signal)


def write_book(folder, rows, head="Filename,[S] (µM)"):
    lines = "\n".join([head, *(",".join(map(str, row)) for row in rows)])
    (folder / "Extended_Dataset.csv").write_text(lines, encoding="utf-8")


@pytest.fixture
def lab(tmp_path):
    """Five folders, each with a disagreement of its own."""
    root, names = tmp_path / "lab", [f"S_{c}uM.bka" for c in MICROMOLAR]
    plain = [f"shot{number}.bka" for number in range(6)]
    for folder, files in (
        ("one value", names),
        ("shifted", names),
        ("twice", plain),
        ("ratio", names),
        ("syringe", plain),
    ):
        write_shots(root / folder, files)
    write_book(root / "one value", zip(names, (10, 20, 35, 40, 60, 80), strict=True))
    write_book(root / "shifted", zip(names, (*MICROMOLAR[1:], 100), strict=True))
    rows = list(zip(plain, MICROMOLAR, strict=True))
    write_book(root / "twice", [*rows, (plain[0], 99)])
    write_book(root / "ratio", [(name, c / 2) for name, c in zip(names, MICROMOLAR, strict=True)])
    write_book(root / "syringe", rows, head="Filename,[S] in syringe (µM)")
    return root


WANTED = {
    "one value": ("30 µM in the name and 35 µM in the workbook", "the workbook is used"),
    "shifted": ("rows that seem shifted by one", "the workbook is used"),
    "twice": ("'shot0.bka' again, with other values", "the first"),
    "ratio": ("2 times those of the workbook", "--mixing-ratio"),
    "syringe": ("in syringe", "used as it stands"),
}


def test_disagreements_stand_on_page_1_and_on_the_terminal(lab, tmp_path, capsys):
    words = ("--out", tmp_path / "out", "--reports", tmp_path / "reports", "--html-light")
    exit_code("ingest", lab, *words)
    told = " ".join(capsys.readouterr().err.split())
    heading, _, told = told.partition("the sources of the conditions disagree:")
    assert "µM" not in heading
    page = PdfReader(tmp_path / "reports" / "kinetics.pdf").pages[0].extract_text()
    page = " ".join(page.replace("\n", " ").split())
    assert "Sources of the conditions that disagree" in page
    assert "But the sources of the conditions disagree" in page
    for folder, texts in WANTED.items():
        for text in (f"{folder}/", *texts):
            assert text in told, (folder, text)
            assert text in page, (folder, text)
    disagreeing, _, others = told.partition("in the input to look at:")
    for text, _ in WANTED.values():
        assert text not in others
        assert text in disagreeing

    capsys.readouterr()
    exit_code("ingest", lab, *words, "--json")
    found = json.loads(capsys.readouterr().out)["disagreements"]
    assert len(found) == len(WANTED)


def test_a_lab_that_agrees_says_nothing_of_it(tmp_path, capsys):
    names = [f"S_{c}uM.bka" for c in MICROMOLAR]
    write_shots(tmp_path / "lab" / "day", names)
    write_book(tmp_path / "lab" / "day", zip(names, MICROMOLAR, strict=True))
    words = ("--out", tmp_path / "out", "--reports", tmp_path / "reports", "--html-light")
    exit_code("ingest", tmp_path / "lab", *words)
    assert "disagree" not in capsys.readouterr().err
    page = PdfReader(tmp_path / "reports" / "kinetics.pdf").pages[0].extract_text()
    assert "disagree" not in page
