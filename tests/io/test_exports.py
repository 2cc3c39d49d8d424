"""Exports of programs that the readers were not written after: the right numbers, or a refusal."""

import io

import numpy as np
import openpyxl
import pytest

from stopflow.errors import FormatError
from stopflow.io.readers.reading import read_recordings

TIME_S = np.round(np.linspace(0.0, 0.5, 60), 6)
ONE = np.round(0.3 + 0.8 * np.exp(-12 * TIME_S), 6)
TWO = np.round(1.3 - 0.4 * np.exp(-12 * TIME_S), 6)


def written(*columns, sign=",", comma=False, end="") -> list[str]:
    rows = [sign.join(f"{value:.10g}" for value in row) + end for row in zip(*columns, strict=True)]
    return [row.replace(".", ",") for row in rows] if comma else rows


def short(values, count=40, word="") -> list[str]:
    return [f"{value}" if place < count else word for place, value in enumerate(values)]


def of_rows(*columns) -> list[str]:
    return [",".join(map(str, row)) for row in zip(*columns, strict=True)]


AS_CSV = {
    "a table saved with its label column": (
        ["Long Name\tTime\tAbs\tFluo", "Units\tms\tAU\tV", "Comments\t\t10 uM\t10 uM"]
        + ["\t" + row for row in written(TIME_S * 1e3, ONE, TWO, sign="\t")],
        [[ONE, TWO]],
    ),
    "names, units and comments": (
        [
            "Time\tA\tB",
            "us\tAU\tAU",
            "shot\t10 uM\t20 uM",
            *written(TIME_S * 1e6, ONE, TWO, sign="\t"),
        ],
        [[ONE, TWO]],
    ),
    "shots above units": (
        ["Time;shot 1;shot 2", "s;AU;AU", *written(TIME_S, ONE, TWO, sign=";", comma=True)],
        [[ONE], [TWO]],
    ),
    "signals above wavelengths and units": (
        ["Wavelength,350,360", "Time (ms),AU,AU", *written(TIME_S * 1e3, ONE, TWO)],
        [[ONE, TWO]],
    ),
    "a first pair of columns that ends early": (
        ["Time (s),A1,Time (s),A2", *of_rows(short(TIME_S), short(ONE), TIME_S, TWO)],
        [[ONE[:40]], [TWO]],
    ),
    "a second pair of columns that ends early": (
        ["Time (s),A1,Time (s),A2", *of_rows(TIME_S, ONE, short(TIME_S), short(TWO))],
        [[ONE], [TWO[:40]]],
    ),
    "NaN at the end of a shorter column": (
        ["Time (s),shot 1,shot 2", *of_rows(TIME_S, ONE, short(TWO, word="NaN"))],
        [[ONE], [TWO[:40]]],
    ),
    "temperatures beside the signal": (
        ["Time(s)\tTemperature(C)\tA1", *written(TIME_S, TIME_S * 0 + 25, ONE, sign="\t")],
        [[ONE]],
    ),
    "thirty lines of settings": (
        [
            *[f"Setting {i},{i * 3.5}" for i in range(30)],
            "",
            "Time (min),V",
            *written(TIME_S / 60, ONE),
        ],
        [[ONE]],
    ),
    "settings that are numbers": (
        [
            "Time,21:26:13",
            *[f"{i},{i * 3.5}" for i in range(9)],
            "",
            "Time (s),V",
            *written(TIME_S, ONE),
        ],
        [[ONE]],
    ),
    "a row of units alone": (["t,V", "[s],[V]", *written(TIME_S, ONE)], [[ONE]]),
    "a delimiter at the end of every row": (
        ["Time (s);Abs", *written(TIME_S, ONE, sign=";", end=";;")],
        [[ONE]],
    ),
    "point numbers": (
        [";Time (s);Abs", *written(np.arange(60), TIME_S, ONE, sign=";")],
        [[ONE]],
    ),
    "a mark of the spreadsheet": (
        ["sep=;", "Time (ms);V", *written(TIME_S * 1e3, ONE, sign=";")],
        [[ONE]],
    ),
    "pushes of three dimensions": (
        [
            "ProDataCSV",
            "Data:",
            "Abs",
            "Repeat,1",
            "Time,Wavelength",
            ",350,360,",
            *written(TIME_S, ONE, TWO, end=","),
            "",
            "Repeat,2",
            "Time,Wavelength",
            ",350,360,",
            *written(TIME_S, TWO, ONE, end=","),
            "",
            "History:",
        ],
        [[ONE, TWO], [TWO, ONE]],
    ),
    "a blank line below the axis": (
        ["ProDataCSV", "Data:", "Absorbance", "Time", "", *written(TIME_S, ONE), "", "History:"],
        [[ONE]],
    ),
    "settings above a matrix": (
        [
            "File Info: x,",
            "Temperature,25",
            "Shot,3",
            "," + ",".join(map(str, TIME_S)),
            "350," + ",".join(map(str, ONE)),
            "360," + ",".join(map(str, TWO)),
            "end,",
        ],
        [[ONE, TWO]],
    ),
    "a matrix of one wavelength": (
        ["OLIS-3D-ASCII," + ",".join(map(str, TIME_S)), "350," + ",".join(map(str, ONE))],
        [[ONE]],
    ),
    "an array of one wavelength": (["SPECTRA", ",350", *written(TIME_S, ONE)], [[ONE]]),
    "a scan that states its unit": (
        ["TITLE\tx", "XUNITS\tNANOMETERS", "ZUNITS\tsec", "XYDATA"]
        + ["\t" + "\t".join(map(str, TIME_S))]
        + [f"{nm}\t" + "\t".join(map(str, row)) for nm, row in ((360, ONE), (350, TWO))],
        [[ONE, TWO]],
    ),
    "a 3-D file that states its unit": (
        [
            '"BIO-KINE 3D ASCII FILE"',
            '"_UNITX"\t"nm"',
            '"_UNITY"\t"ms"',
            '"_FORMAT"\t"WTV"',
            '"_DATA"',
        ]
        + [f"350\t{t * 1e3:.10g}\t{y}" for t, y in zip(TIME_S, ONE, strict=True)],
        [[ONE]],
    ),
}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("case", AS_CSV)
def test_an_export_is_read_to_its_numbers(case, ending, tmp_path):
    rows, shots = AS_CSV[case]
    path = tmp_path / "shot.csv"
    path.write_bytes((ending.join(rows) + ending).encode())
    require_shots(read_recordings(path), shots)


def require_shots(found, shots) -> None:
    assert len(found) == len(shots)
    for recording, signals in zip(found, shots, strict=True):
        assert len(recording.signals) == len(signals)
        for read, true in zip(recording.signals, signals, strict=True):
            count = len(true)
            np.testing.assert_allclose(recording.time_s[:count], TIME_S[:count], rtol=1e-9)
            np.testing.assert_array_equal(read[:count], true)
            assert not np.isfinite(read[count:]).any()


def test_points_over_the_range_at_the_beginning_hide_no_header(tmp_path):
    path = tmp_path / "shot.csv"
    values = ["OVRFLW"] * 6 + [f"{value}" for value in ONE[6:]]
    path.write_text("\n".join(["Time (ms),V", *of_rows(TIME_S * 1e3, values)]), encoding="utf-8")
    (recording,) = read_recordings(path)
    np.testing.assert_allclose(recording.time_s, TIME_S, rtol=1e-9)
    assert recording.trace(1).signal.tolist() == ONE[6:].tolist()
    assert any("6 of 60 values" in note.found for note in recording.notes)


@pytest.mark.parametrize("header", [["Time (ms),V"], []])
def test_commas_in_both_roles_are_never_guessed(header, tmp_path):
    """Whole milliseconds and decimal commas: three columns, of which the first rises."""
    rows = [f"{place},{value:.6f}".replace(".", ",") for place, value in enumerate(ONE)]
    path = tmp_path / "shot.csv"
    path.write_text("\n".join([*header, *rows]), encoding="utf-8")
    with pytest.raises(FormatError, match="it seems, as decimal signs; expected another sign"):
        read_recordings(path, time_unit="ms")


def test_rows_without_a_time_are_mentioned(tmp_path):
    path = tmp_path / "shot.csv"
    rows = of_rows(short(TIME_S), short(ONE), TWO)
    path.write_text("\n".join(["Time (s),V,W", *rows]), encoding="utf-8")
    (recording,) = read_recordings(path)
    assert len(recording.time_s) == 40
    assert any("20 rows without a number in the first" in note.found for note in recording.notes)


SHEETS = {
    "shots above units": (
        [["Time", "shot 1", "shot 2"], ["ms", "AU", "AU"]],
        [TIME_S * 1e3, ONE, TWO],
        [[ONE], [TWO]],
    ),
    "names, units and comments": (
        [["Time", "Absorbance", "Volt"], ["ms", "AU", "V"], ["shot", "10 uM", "10 uM"]],
        [TIME_S * 1e3, ONE, TWO],
        [[ONE, TWO]],
    ),
    "a label column": (
        [["Long Name", "Time", "Absorbance"], ["Units", "ms", "AU"], ["Comments", None, "10 uM"]],
        [[None] * 60, TIME_S * 1e3, ONE],
        [[ONE]],
    ),
    "a time that stands last": ([["Absorbance", "Time (s)"]], [ONE, TIME_S], [[ONE]]),
    "a gap": (
        [["Time (s)", "V"]],
        [[*TIME_S[:30], None, *TIME_S[30:]], [*ONE[:30], None, *ONE[30:]]],
        [[ONE]],
    ),
    "settings above": (
        [["Operator", "me"], ["Temp", 25.0], [], ["Time (min)", "V"]],
        [TIME_S / 60, ONE],
        [[ONE]],
    ),
    "numbers as text": (
        [["Zeit (ms)", "Extinktion"]],
        [
            [f"{t * 1e3:.3f}".replace(".", ",") for t in TIME_S],
            [f"{y}".replace(".", ",") for y in ONE],
        ],
        [[ONE]],
    ),
}


@pytest.mark.parametrize("case", SHEETS)
def test_a_sheet_is_read_to_its_numbers(case, tmp_path):
    head, columns, shots = SHEETS[case]
    book = openpyxl.Workbook()
    for row in [*head, *zip(*columns, strict=True)]:
        book.active.append(
            [value.item() if isinstance(value, np.floating) else value for value in row]
        )
    raw = io.BytesIO()
    book.save(raw)
    (tmp_path / "book.xlsx").write_bytes(raw.getvalue())
    require_shots(read_recordings(tmp_path / "book.xlsx"), shots)
