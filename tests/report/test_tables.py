"""Tables read back by other means: the csv module, openpyxl, plain splitting."""

import csv
import datetime
import errno
import io
import re
import zipfile
from dataclasses import replace
from itertools import groupby

import numpy as np
import openpyxl
import pandas as pd
import pytest
import python_calamine
from report_lab import FINDINGS

from stopflow.errors import SettingsError
from stopflow.io.csv_files import csv_text
from stopflow.kinetics.verdicts.findings import write_findings
from stopflow.kinetics.verdicts.rules import RULES
from stopflow.pipeline.reports import write_exports
from stopflow.report.tables.exports import (
    FreshNames,
    export_kintek,
    export_origin,
    export_prism,
)
from stopflow.report.tables.sheets import write_sheets
from stopflow.report.tables.tables import (
    write_rates_csv,
    write_rates_xlsx,
    write_table_xlsx,
)
from stopflow.report.tables.workbook import Workbook

PROMISED = (
    "experiment,file,channel,verdict,reason,start_s,start_source,points,window_s,k_per_s,"
    "k_stderr_per_s,k_low95_per_s,k_high95_per_s,amplitude,slope_per_s,intercept,noise_sd,"
    "signal_to_noise,workbook_rate_per_s,concentration_M,temperature_K,substrate"
)
DANGEROUS = ["=1+2", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "-5"]


@pytest.fixture
def dangerous(lab):
    shots = lab.shots.copy()
    shots["reason"] = [DANGEROUS[i % len(DANGEROUS)] for i in range(len(shots))]
    shots["trace_first"] = 0
    shots["slope_per_s"] *= np.where(np.arange(len(shots)) % 2, -1.234567, 1.0)
    return replace(lab, shots=shots)


def test_csv_has_the_promised_columns_and_keeps_refused_shots(lab, tmp_path):
    path = tmp_path / "rates.csv"
    write_rates_csv(lab, path)
    text = path.read_bytes().decode("utf-8")
    assert text.startswith(PROMISED)
    assert "\r" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == list(lab.shots["file"])
    for row, k in zip(rows, lab.shots["k_per_s"], strict=True):
        assert row["k_per_s"] == "" if np.isnan(k) else float(row["k_per_s"]) == pytest.approx(k)
    assert any(row["k_per_s"] == "" and row["reason"] for row in rows)


def test_no_csv_cell_is_a_live_formula_and_numbers_stay(dangerous):
    rows = list(csv.DictReader(io.StringIO(csv_text(dangerous.shots))))
    assert {row["reason"] for row in rows} == {
        "'=1+2",
        "'+cmd",
        "'-cmd",
        "'@SUM(A1)",
        "'\t=1",
        "-5",
    }
    slopes = dangerous.shots["slope_per_s"]
    assert (slopes < 0).any()
    for row, slope in zip(rows, slopes, strict=True):
        assert row["slope_per_s"] == "" if np.isnan(slope) else float(row["slope_per_s"]) == slope


def test_a_failing_write_leaves_the_old_file(lab, tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("old")
    broken = lab.shots.assign(reason=[object()] * len(lab.shots))
    broken["reason"] = [_Unprintable()] * len(broken)
    with pytest.raises(RuntimeError):
        write_rates_csv(replace(lab, shots=broken), path)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["rates.csv"]


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_no_key_of_a_rule_stands_in_the_workbook(lab, tmp_path):
    """Reasons are sentences there; the keys are for programs, in the CSV."""
    path = tmp_path / "rates.xlsx"
    told = {"rules": "noisy; start-removes", "findings": write_findings(FINDINGS["WARN"])}
    shots, conditions = lab.shots.assign(**told), lab.conditions.assign(**told)
    write_rates_xlsx(replace(lab, shots=shots, conditions=conditions), path)
    keys = {key for key in RULES if "-" in key}
    for sheet in openpyxl.load_workbook(path):
        texts = [str(cell) for row in sheet.iter_rows(values_only=True) for cell in row if cell]
        assert not [text for text in texts for key in keys if key in re.split("[; ,]+", text)]


def test_conditions_of_the_workbook_have_the_order_of_the_paper(lab, tmp_path):
    path = tmp_path / "rates.xlsx"
    write_rates_xlsx(replace(lab, conditions=lab.conditions.iloc[::-1]), path)
    sheet = openpyxl.load_workbook(path)["conditions"]
    heads = [str(cell.value).partition(" (")[0] for cell in sheet[1]]
    rows = [dict(zip(heads, row, strict=True)) for row in sheet.iter_rows(2, values_only=True)]
    for _, own in groupby(rows, key=lambda row: row["experiment"]):
        amounts = [row["concentration"] for row in own]
        assert amounts == sorted(amounts)


def test_workbook_has_a_sheet_a_level_and_no_formula(dangerous, tmp_path):
    path = tmp_path / "rates.xlsx"
    write_rates_xlsx(dangerous, path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[:4] == ["conditions", "shots", "secondary", "settings"]
    sheet = book["shots"]
    headers = [cell.value for cell in sheet[1]]
    names = [header.partition(" (")[0] for header in headers]
    units = {
        name: header[len(name) :].strip(" ()") for name, header in zip(names, headers, strict=True)
    }
    promised = PROMISED.replace("concentration_M", "concentration")
    assert ",".join(names).startswith(promised.replace("temperature_K", "temperature"))
    assert sheet.max_row == 1 + len(dangerous.shots), "a row of units would be sorted as a shot"
    assert sheet.auto_filter.ref.startswith("A1:")
    assert "trace_first" not in names
    assert units["k_per_s"] == "s⁻¹"
    assert units["amplitude"] == "Volt"
    assert units["slope_per_s"] == "Volt/s"
    for item in book:
        assert item.freeze_panes is not None
        assert all(cell.data_type != "f" for row in item.iter_rows() for cell in row)
    reasons = [row[names.index("reason")].value for row in sheet.iter_rows(min_row=2)]
    assert "=1+2" in reasons
    column = [row[names.index("k_per_s")] for row in sheet.iter_rows(min_row=2)]
    for cell, k in zip(column, dangerous.shots["k_per_s"], strict=True):
        assert cell.value is None if np.isnan(k) else cell.value == pytest.approx(k)
    sizes = [cell.value for cell in column if cell.value]
    decimals = len(column[0].number_format.partition(".")[2])
    assert 1e4 <= min(sizes) * 10**decimals < 1e5, "five digits of the smallest"


def test_a_workbook_shows_amounts_in_the_units_of_the_lab(lab, tmp_path):
    """As the report does: no 0.000E+00 mol/L, and no kelvin beside degrees."""
    path = tmp_path / "rates.xlsx"
    conditions = lab.conditions.assign(k2_per_s=np.nan, outlier_files="")
    write_rates_xlsx(replace(lab, conditions=conditions), path)
    book = openpyxl.load_workbook(path)
    for name, frame in (("conditions", lab.conditions), ("shots", lab.shots)):
        heads, *rows = book[name].iter_rows(values_only=True)
        shown = pd.DataFrame(rows, columns=heads)
        assert not {"concentration_M (mol/L)", "temperature_K (K)"} & set(heads)
        assert ("k2_per_s (s⁻¹)" in heads) == (name == "shots"), "no column of conditions is empty"
        assert "outlier_files" not in heads
        assert shown["concentration (µM)"].tolist() == pytest.approx(1e6 * frame["concentration_M"])
        assert shown["temperature (°C)"].tolist() == pytest.approx(frame["temperature_K"] - 273.15)
    meanings = {row[0]: row[1:] for row in book["columns"].iter_rows(values_only=True)}
    assert meanings["concentration"][0] == "µM"
    assert meanings["temperature"][0] == "°C"


def test_verdicts_are_coloured_differently(lab, tmp_path):
    path = tmp_path / "rates.xlsx"
    write_rates_xlsx(lab, path)
    sheet = openpyxl.load_workbook(path)["shots"]
    place = [cell.value for cell in sheet[1]].index("verdict")
    fills = {row[place].value: row[place].fill.fgColor.rgb for row in sheet.iter_rows(min_row=2)}
    assert set(fills) == {"PASS", "WARN", "FAIL"}
    assert len(set(fills.values())) == 3


def test_workbooks_of_the_same_rates_are_the_same_bytes_on_another_day(lab, tmp_path, monkeypatch):
    first, second = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    write_rates_xlsx(lab, first)
    later = datetime.datetime(2031, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return later.astimezone(tz)

    monkeypatch.setattr("datetime.datetime", Later)
    monkeypatch.setattr("time.time", lambda: later.timestamp())
    write_rates_xlsx(lab, second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(second) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {2000}
        assert b"2031" not in archive.read("docProps/core.xml")
    write_table_xlsx(lab.conditions, first, sheet="p")
    assert b"2031" not in zipfile.ZipFile(first).read("docProps/core.xml")


def test_numbers_stand_with_decimals_of_their_size(lab, tmp_path):
    """No 2.99E-01 for an amplitude, no 0.0000 for the error of a slow rate."""
    rows = len(lab.conditions)
    conditions = lab.conditions.assign(
        amplitude=np.linspace(-0.299, 0.4, rows),
        k_per_s=np.linspace(0.002, 0.003, rows),
        k_stderr_per_s=np.linspace(1.9e-5, 3e-5, rows),
        between_shot_sd_per_s=np.geomspace(1e-7, 1e3, rows),
    )
    write_rates_xlsx(replace(lab, conditions=conditions), tmp_path / "a.xlsx")
    heads, first = list(openpyxl.load_workbook(tmp_path / "a.xlsx")["conditions"].iter_rows())[:2]
    shown = {
        str(head.value).partition(" (")[0]: cell.number_format
        for head, cell in zip(heads, first, strict=True)
    }
    assert "E" not in shown["amplitude"]
    assert shown["k_per_s"] == "0.0000000"
    assert shown["k_stderr_per_s"] == "0.000000"
    assert "E" in shown["between_shot_sd_per_s"]


def test_secondary_plots_are_numbered_and_hold_no_kelvin(lab, tmp_path):
    write_rates_xlsx(lab, tmp_path / "a.xlsx")
    heads, *rows = openpyxl.load_workbook(tmp_path / "a.xlsx")["secondary"].iter_rows(
        values_only=True
    )
    numbers = [row[heads.index("plot")] for row in rows]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(set(numbers)) + 1))
    assert len(set(numbers)) == lab.secondary["plot"].nunique()
    assert "group" not in heads
    assert not any(" K" in str(cell) for row in rows for cell in row)


def test_an_empty_table_and_a_single_table_make_workbooks(lab, tmp_path):
    write_rates_xlsx(replace(lab, secondary=lab.secondary.iloc[:0]), tmp_path / "a.xlsx")
    write_table_xlsx(lab.conditions, tmp_path / "b.xlsx", sheet="predictions")
    assert openpyxl.load_workbook(tmp_path / "b.xlsx").sheetnames == ["predictions"]


def test_numbers_of_the_labs_own_columns_are_numbers_and_other_texts_stay(lab, tmp_path):
    count = len(lab.shots)
    columns = {
        "workbook: SCN (mM)": [f"{number / 10:g}" for number in range(count)],
        "workbook: code": [f"{number:03d}" for number in range(count)],
        "workbook: odd \uffff": ["a\uffffb\x07"] * count,
    }
    write_rates_xlsx(replace(lab, shots=lab.shots.assign(**columns)), tmp_path / "rates.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "rates.xlsx")["shots"]
    found = {cells[0].value: [cell.value for cell in cells[1:]] for cells in sheet.columns}
    assert found["workbook: SCN (mM)"] == [number / 10 for number in range(count)]
    assert found["workbook: code"] == columns["workbook: code"]
    assert found["workbook: odd "] == ["ab"] * count


def _lines(path):
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def test_prism_has_replicates_side_by_side(lab, tmp_path):
    (path,) = export_prism(lab, FreshNames(tmp_path))
    assert path.name == "prism.txt"
    header, *rows = _lines(path)
    assert header[0] == "µ-oxo dimère (µM)", "in the unit of the report"
    assert len(header) == 1 + 2 * lab.shots["experiment"].nunique()
    values = sorted(float(cell) for row in rows for cell in row[1:] if cell)
    expected = sorted(lab.shots["k_per_s"].dropna())
    np.testing.assert_allclose(values, expected, rtol=1e-8)
    levels = sorted(1e6 * lab.conditions["concentration_M"].unique())
    assert [float(row[0]) for row in rows] == pytest.approx(levels)
    warm = np.arange(len(lab.shots)) % 2 == 0
    two = lab.shots.assign(temperature_K=np.where(warm, 298.15, 288.15))
    header, *rows = _lines(export_prism(replace(lab, shots=two), FreshNames(tmp_path))[0])
    first = lab.shots["experiment"].iloc[0]
    assert {f"{first}, 15 °C k (1/s)", f"{first}, 25 °C k (1/s)"} <= set(header)
    cool = [row[at] for at, name in enumerate(header) if "15 °C" in name for row in rows]
    found = sorted(float(cell) for cell in cool if cell)
    np.testing.assert_allclose(found, sorted(lab.shots["k_per_s"][~warm].dropna()), rtol=1e-8)


def test_prism_has_no_shot_that_was_refused(lab, tmp_path):
    refused = lab.shots.assign(verdict=np.where(lab.shots.index == 0, "FAIL", lab.shots["verdict"]))
    _, *rows = _lines(export_prism(replace(lab, shots=refused), FreshNames(tmp_path))[0])
    count = sum(bool(cell) for row in rows for cell in row[1:])
    assert count == lab.shots["k_per_s"].notna().sum() - 1


def test_prism_keeps_substrates_on_axes_of_their_own(lab, tmp_path):
    first = lab.shots["experiment"].iloc[0]
    names = np.where(lab.shots["experiment"] == first, "azide", "cyanide")
    written = export_prism(
        replace(lab, shots=lab.shots.assign(substrate=names)), FreshNames(tmp_path)
    )
    assert [path.name for path in written] == ["prism-azide.txt", "prism-cyanide.txt"]
    for path, ligand in zip(written, ("azide", "cyanide"), strict=True):
        header, *rows = _lines(path)
        assert header[0] == f"{ligand} (µM)"
        own = lab.shots.loc[names == ligand, "k_per_s"].dropna()
        assert sum(bool(cell) for row in rows for cell in row[1:]) == len(own)


def test_origin_has_a_pair_of_columns_a_shot(lab, tmp_path):
    name = lab.shots["experiment"].iloc[0]
    path = export_origin(lab, FreshNames(tmp_path))[0]
    assert path.name == f"origin-{name}.txt"
    lines = _lines(path)
    readable = [i for i, e in enumerate(lab.shots["experiment"]) if e == name and lab.trace(i)]
    assert {len(line) for line in lines} == {2 * len(readable)}
    assert lines[1][:2] == ["s", "Volt"]
    other = lab.shots["experiment"] != name
    mixed = replace(lab, shots=lab.shots.assign(signal_unit=np.where(other, "AU", "Volt")))
    assert _lines(export_origin(mixed, FreshNames(tmp_path / "mixed"))[0])[1][:2] == ["s", "Volt"]
    time, signal = lab.trace(readable[1])
    np.testing.assert_allclose([float(line[2]) for line in lines[3:]], time, rtol=1e-8)
    np.testing.assert_allclose([float(line[3]) for line in lines[3:]], signal, rtol=1e-8)


def test_kintek_keeps_the_time_of_the_instrument_and_splits_by_time_base(lab, tmp_path):
    name = lab.shots["experiment"].iloc[0]
    longer = replace(lab, trace=lambda i: _half(lab.trace(i)) if i == 0 else lab.trace(i))
    paths = export_kintek(longer, FreshNames(tmp_path))
    assert [path.name for path in paths[:2]] == [f"kintek-{name}.txt", f"kintek-{name}-2.txt"]
    header, *rows = _lines(paths[0])
    assert header == ["Time (s)", f"{lab.shots['file'].iloc[0]}, 10 µM"]
    time, signal = _half(lab.trace(0))
    kept = time >= lab.shots["start_s"].iloc[0]
    np.testing.assert_allclose([float(r[0]) for r in rows], time[kept], rtol=1e-8)
    np.testing.assert_allclose([float(r[1]) for r in rows], signal[kept], rtol=1e-8)
    warm = np.arange(len(lab.shots)) % 2 == 0
    two = lab.shots.assign(temperature_K=np.where(warm, 298.15, 288.15))
    header, *_ = _lines(export_kintek(replace(lab, shots=two), FreshNames(tmp_path))[0])
    assert header[1].endswith(", 10 µM, 25 °C")


def _half(pair):
    return pair[0][::2], pair[1][::2]


@pytest.mark.parametrize("export", [export_origin, export_kintek])
def test_no_export_overwrites_that_of_another_experiment(lab, tmp_path, export):
    odd = ["A", "A-2", "a/n", "a-n", "A-N", "a:n"]
    names = [odd[place % len(odd)] for place in range(len(lab.shots))]
    shots = lab.shots.assign(experiment=names, condition=0)
    shots.loc[:, "start_s"] += 0.001 * np.arange(len(shots))
    conditions = lab.conditions.head(len(odd)).assign(experiment=odd, condition=0)
    written = export(replace(lab, shots=shots, conditions=conditions), FreshNames(tmp_path))
    assert len({path.name.casefold() for path in written}) == len(written)
    assert all(path.parent == tmp_path and path.is_file() for path in written)
    titles = [cell for path in written for cell in _lines(path)[0]]
    for place, file in enumerate(lab.shots["file"]):
        if lab.trace(place) is not None:
            assert any(title.startswith(file) for title in titles)


def test_an_unknown_export_lists_the_known(tmp_path):
    with pytest.raises(SettingsError, match="prism, origin, kintek"):
        write_exports(None, tmp_path, names=["prism", "excel"])


def test_a_workbook_that_finds_no_room_leaves_the_old_one(lab, tmp_path, monkeypatch):
    def full(*_words):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "rates.xlsx"
    path.write_bytes(b"old")
    monkeypatch.setattr(Workbook, "finish", full)
    with pytest.raises(OSError, match="No space left"):
        write_rates_xlsx(lab, path)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["rates.xlsx"]


KINDS = {
    "text": ["a", "  b\n<&>", "=1", "", None, "WARN"],
    "number": [1.5, -2e-300, np.nan, np.inf, 0.1 + 0.2, 3.0],
    "flag": [True, False, None, True, False, True],
    "points": pd.array([1, 2, None, 4, 5, 6], dtype="Int64"),
}


def test_two_readers_of_their_own_read_every_kind_of_cell(tmp_path):
    """Against openpyxl and calamine, in more columns than there are letters."""
    kinds = pd.DataFrame(KINDS)
    wide = pd.concat([kinds, *(kinds.add_suffix(str(place)) for place in range(10))], axis=1)
    path = tmp_path / "t.xlsx"
    write_sheets({"it's <one>": wide, "none": wide.iloc[:0]}, path, unit="V")
    expected = [
        ["a", 1.5, "yes", 1],
        ["  b\n<&>", -2e-300, "no", 2],
        ["=1", None, None, None],
        [None, "open", "yes", 4],
        [None, 0.1 + 0.2, "no", 5],
        ["WARN", 3, "yes", 6],
    ]
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["it's <one>", "none"]
    rows = [list(row) for row in book["it's <one>"].iter_rows(min_row=2, values_only=True)]
    assert rows == [row * 11 for row in expected]
    assert book["it's <one>"].cell(4, 1).quotePrefix
    assert [cell.value for cell in book["none"][1]] == [str(name) for name in wide.columns]
    other = python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    assert other[1:] == [["" if cell is None else cell for cell in row] * 11 for row in expected]


def test_a_long_table_is_written_in_parts_without_a_seam(tmp_path):
    path, count = tmp_path / "t.xlsx", 2_345
    write_table_xlsx(pd.DataFrame({"n": range(count)}), path, sheet="long")
    sheet = openpyxl.load_workbook(path)["long"]
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == list(range(count))
    assert sheet.auto_filter.ref == f"A1:A{count + 1}"
