"""No column of a lab's workbook can stand for a result, whatever its header says."""

import csv
import io
import shutil

import pandas as pd
import pytest
from cli_lab import one_folder

from stopflow.columns import foreign_name
from stopflow.io.csv_files import LIVE, csv_text
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.report.tables.tables import order_columns
from stopflow.schema import COLUMNS, RATE_COLUMNS

pytestmark = pytest.mark.whole

GIVEN = {
    "channel": set(),
    "k_per_s": {"workbook_rate_per_s", "verdict", "reason", "findings", "rules"},
    "concentration_M": {"concentration_M", "condition", "replicate"},
    "temperature_K": {"temperature_K"},
    "substrate": {"substrate"},
    "ionic_strength_M": {"ionic_strength_M"},
    "replicate": {"replicate"},
    "dead_time_s": {"dead_time_s", "amplitude_at_mixing"},
}
"""Headers that the reader takes for what the lab says of a shot, and all that follows from it."""

PARTS = 8
"""Headers are tried in parts: of several that may be the start time the reader takes none."""


@pytest.fixture(scope="module")
def lab(simulated, tmp_path_factory):
    folder = one_folder(simulated, tmp_path_factory.mktemp("foreign"))
    for path in [*folder.glob("*.XLSX"), *sorted(folder.glob("*.bka"))[3:]]:
        path.unlink()
    return folder


def lab_with(lab, tmp_path, headers, value="7"):
    folder = tmp_path / "lab" / "shots"
    if folder.parent.exists():
        shutil.rmtree(folder.parent)
    shutil.copytree(lab, folder)
    names = sorted(path.name for path in folder.glob("*.bka"))
    lines = [
        ["Filename", "x_start", *headers],
        *([n, "20", *[value] * len(headers)] for n in names),
    ]
    text = "".join(",".join(line) + "\n" for line in lines)
    (folder / "start_values.csv").write_text(text, encoding="utf-8")
    return ingest(folder.parent, out=tmp_path / "out", settings=ingest_settings(workers=1))


@pytest.mark.parametrize("part", range(PARTS))
def test_no_header_of_a_workbook_changes_a_result(lab, tmp_path, part):
    usual = lab_with(lab, tmp_path, []).shots
    foreign = [name for name in COLUMNS if name not in GIVEN][part::PARTS]
    dataset = lab_with(lab, tmp_path, foreign)
    pd.testing.assert_frame_equal(dataset.shots[usual.columns], usual)
    kept = [foreign_name(name) for name in foreign]
    assert [name for name in dataset.shots if name not in usual] == kept
    for name in kept:
        assert dataset.shots[name].tolist() == ["7"] * len(usual)
        noted = dataset.problems[dataset.problems["found"].str.contains(f"'{name}'", regex=False)]
        assert noted["level"].tolist() == ["note"]


@pytest.mark.parametrize("header", GIVEN)
def test_what_the_reader_knows_stands_in_its_own_column_alone(lab, tmp_path, header):
    usual = lab_with(lab, tmp_path, []).shots
    shots = lab_with(lab, tmp_path, [header], value="1").shots
    assert list(shots) == list(usual)
    assert {name for name in usual if not usual[name].equals(shots[name])} <= GIVEN[header]


def test_a_verdict_of_a_workbook_is_no_verdict(lab, tmp_path):
    path = sorted(lab.glob("*.bka"))[0]
    head, data = path.read_bytes().split(b'"_DATA"\r\n')
    rows = [row.split(b"\t")[0] + b"\t1.5" for row in data.split(b"\r\n") if row]
    constant = tmp_path / "constant"
    shutil.copytree(lab, constant)
    (constant / path.name).write_bytes(head + b'"_DATA"\r\n' + b"\r\n".join(rows) + b"\r\n")
    shots = lab_with(constant, tmp_path, ["verdict", "amplitude"], value="PASS").shots
    assert shots["verdict"].iloc[0] == "FAIL"
    assert shots["workbook: verdict"].iloc[0] == "PASS"
    assert shots["amplitude"].dtype == float
    written = order_columns(shots)
    assert list(written.columns[: len(RATE_COLUMNS)]) == list(RATE_COLUMNS)


def test_a_header_with_our_prefix_is_kept_apart_too(lab, tmp_path):
    shots = lab_with(lab, tmp_path, ["verdict", "workbook: verdict"]).shots
    assert {"verdict", "workbook: verdict", "workbook: workbook: verdict"} <= set(shots)


def test_a_header_that_is_a_formula_is_none_in_the_tables(lab, tmp_path):
    shots = lab_with(lab, tmp_path, ["=1+2", "@SUM(A1)"], value="=cmd").shots
    header, *rows = csv.reader(io.StringIO(csv_text(order_columns(shots))))
    assert not [cell for cell in header if cell.startswith(LIVE)]
    place = header.index("workbook: =1+2")
    assert [row[place] for row in rows] == ["'=cmd"] * len(rows)
    assert csv_text(pd.DataFrame({"=1+2": ["-1", "-x"]})) == "'=1+2\n-1\n'-x\n"
