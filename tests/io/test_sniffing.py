"""What a file is, told from its content: a mix of 500 files of every kind, none mistaken.

Run as a program (``python tests/io/test_sniffing.py``, with `tests` on PYTHONPATH), it prints how
long the slowest file took and how much memory it needed, for the mix and for large files.
"""

import io
import json
import os
import stat
import tempfile
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from trace_files import BUILDERS

from stopflow.io.pushes import read_files
from stopflow.io.readers.content import LOOKED_AT, MOST_BYTES
from stopflow.io.sorting import sort_file

pytestmark = pytest.mark.whole

NAMES = ["shot_{0}", "{0} H2O2 25C", "Messung {0} µ", "run.{0}", "{0}"]


def mixed_files(folder: Path, rng: np.random.Generator, count: int) -> dict[str, str]:
    """Write `count` files with endings that mean nothing; return what each of them is."""
    made = {}
    kinds = [*BUILDERS, *TABLES, *OTHERS]
    for place in range(count):
        kind = kinds[place % len(kinds)]
        stem = NAMES[place % len(NAMES)].format(place)
        if kind in BUILDERS:
            data, what = trace(kind, rng), "workbook" if kind == "workbook" else "trace"
            ending = rng.choice(["csv", "txt", "dat", "bka", "dsa", "xyz"])
        elif kind in TABLES:
            data, what = TABLES[kind](rng), "workbook" if kind.endswith("xlsx") else "table"
            ending = "xlsx" if kind.endswith("xlsx") else rng.choice(["csv", "tsv"])
        else:
            made_of = OTHERS[kind]
            data, what = made_of if isinstance(made_of, bytes) else made_of(rng), "other"
            ending = rng.choice(["txt", "dat", "png", "pdf", "docx", "zip"])
        (folder / f"{stem}.{ending}").write_bytes(data)
        made[f"{stem}.{ending}"] = what
    return made


def trace(kind: str, rng: np.random.Generator) -> bytes:
    _, build, signals = BUILDERS[kind]
    points = int(rng.integers(30, 400))
    times = np.cumsum(rng.uniform(0.5e-3, 2e-3, points)) - 0.5e-3
    if rng.random() < 0.3:
        times = np.geomspace(1e-3, rng.uniform(0.2, 5.0), points)
    decay = np.exp(-times * rng.uniform(5, 50))
    rows = rng.uniform(-2, 2, (signals, 1)) * decay + rng.uniform(-1, 8, (signals, 1))
    return build(times, rows + rng.normal(0, 1e-3, rows.shape))


def table(rng: np.random.Generator, header: list[str], first, sign: str = ",") -> bytes:
    rows = [
        header,
        *(
            [first(place), *(f"{rng.uniform(1, 100):.4g}" for _ in header[1:])]
            for place in range(1, int(rng.integers(4, 60)))
        ),
    ]
    return "\r\n".join(sign.join(map(str, cells)) for cells in rows).encode()


def book(rng: np.random.Generator) -> bytes:
    made = openpyxl.Workbook()
    made.active.append(["Filename", "Concentration (µM)", "Rate (s-1)"])
    for place in range(20):
        made.active.append([f"shot_{place}.bka", 10.0 * place, float(rng.uniform(1, 90))])
    raw = io.BytesIO()
    made.save(raw)
    return raw.getvalue()


TABLES = {
    "start values": lambda rng: table(rng, ["Filename", "x_start"], "shot_{0}.bka".format),
    "numbered": lambda rng: table(rng, ["Shot", "[S] (µM)", "Rate (s-1)"], int),
    "semicolons": lambda rng: table(rng, ["Datei", "Konz. (mM)"], "s{0}".format, ";"),
    "k against concentration": lambda rng: table(rng, ["Conc. (mM)", "kobs (s-1)"], float),
    "file numbers": lambda rng: table(rng, ["File", "x_start", "Temp (°C)"], int, "\t"),
    "rates xlsx": book,
}
"""Tables of conditions, many with nothing but numbers below their header."""


def archive(names: list[str]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as made:
        for name in names:
            made.writestr(name, b"x" * 100)
    return raw.getvalue()


NOTES = """Protocol of 3 May, 25 °C
1. degas both buffers
2. fill syringe A with 10 uM enzyme, syringe B with 1 mM H2O2
3. 5 pushes at 1:1, then flush
shots 3 and 7 had a bubble
"""
OTHERS = {
    "notes": NOTES.encode(),
    "numbered notes": "".join(f"{i} {NOTES[i : i + 9]!r}\n" for i in range(40)).encode(),
    "png": lambda rng: b"\x89PNG\r\n\x1a\n" + rng.bytes(5000),
    "jpeg": lambda rng: b"\xff\xd8\xff\xe0" + rng.bytes(5000),
    "pdf": lambda rng: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + zlib.compress(rng.bytes(3000)),
    "zip": archive(["a.txt", "b.csv"]),
    "docx": archive(["word/document.xml", "[Content_Types].xml"]),
    "random": lambda rng: rng.bytes(20_000),
    "json": json.dumps({"a": list(range(50)), "b": "x"}, indent=1).encode(),
    "script": b"import os\nfor i in range(10):\n    print(i, i**2)\n" * 20,
    "log": "".join(f"12:0{i}:00 INFO shot {i} saved\n" for i in range(10)).encode(),
    "html": b"<!doctype html><html><body><p>1 2 3</p></body></html>",
    "empty": b"",
    "one number": b"42\n",
}


def test_a_mix_of_500_files_is_told_apart(tmp_path: Path, rng: np.random.Generator) -> None:
    made = mixed_files(tmp_path, rng, 500)
    assert len(made) == 500
    found = {path.name: sort_file(path).kind for path in tmp_path.iterdir()}
    what = {"trace", "workbook", "table"}
    wrong = {
        name: (kind, found[name])
        for name, kind in made.items()
        if (found[name] if found[name] in what else "other") != kind
    }
    assert wrong == {}


def test_every_trace_of_the_mix_is_read_and_no_table(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    made = mixed_files(tmp_path, rng, 86)
    files = [sort_file(path) for path in sorted(tmp_path.iterdir())]
    content = read_files(files, time_unit="s")
    assert [push.refusal for push in content.pushes if push.recording is None] == []
    traces = {
        name
        for place, name in enumerate(made)
        if [*BUILDERS, *TABLES, *OTHERS][place % (len(BUILDERS) + len(TABLES) + len(OTHERS))]
        in BUILDERS
    }
    assert {push.source for push in content.pushes} == traces


def test_looking_at_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """Only the beginning is read, whatever the size; nothing larger than the bound is opened."""
    path = tmp_path / "large.csv"
    with path.open("wb") as handle:
        handle.write(b"Time (s),V\n" + b"0.001,1.5\n0.002,1.4\n0.003,1.3\n" * 1000)
        handle.truncate(4 * MOST_BYTES)
    tracemalloc.start()
    begun = time.process_time()
    assert sort_file(path).kind == "trace"
    spent = time.process_time() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6
    assert spent < 5
    (push,) = read_files([sort_file(path)], time_unit=None).pushes
    assert "at most 134 MB" in push.refusal


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.bka")
    assert stat.S_ISFIFO((tmp_path / "x.bka").stat().st_mode)
    assert sort_file(tmp_path / "x.bka").kind == "unreadable"


WIDE = ["diode-array turned", "olis", "kinetic-studio", "jasco scan", "pro-data-csv turned"]


def wide(kind: str, points: int) -> bytes:
    """Return a file whose rows are the time courses, so that its lines are long."""
    _, build, signals = BUILDERS[kind]
    times = np.round(np.cumsum(np.full(points, 1.234567e-4)), 9)
    return build(times, np.exp(-20 * times)[None] * np.arange(1, signals + 1)[:, None])


@pytest.mark.parametrize("kind", WIDE)
def test_lines_longer_than_what_is_usually_looked_at_are_told(kind: str, tmp_path: Path) -> None:
    data = wide(kind, 8_000)
    assert data.index(b"\n", 400) > LOOKED_AT
    (tmp_path / "scan.dat").write_bytes(data)
    assert sort_file(tmp_path / "scan.dat").reader == BUILDERS[kind][0]
    (push,) = read_files([sort_file(tmp_path / "scan.dat")], time_unit=None).pushes
    assert push.recording is not None
    assert len(push.recording.time_s) == 8_000


LARGE = {
    "random bytes": np.random.default_rng(0).bytes(5_000_000),
    "a line of numbers": b"1,2," * 2_000_000,
    "a line of words": b"word " * 1_000_000,
    "rows without times": b"1.5 2.5\n" * 600_000,
    "rows of 60,000": (b",".join([b"1.5"] * 60_000) + b"\n") * 20,
    "json": b"[1,2,3," * 1_000_000,
    "zeros": bytes(5_000_000),
}


@pytest.mark.parametrize("kind", LARGE)
def test_no_large_file_takes_much_memory(kind: str, tmp_path: Path) -> None:
    (tmp_path / "large.dat").write_bytes(LARGE[kind])
    tracemalloc.start()
    assert sort_file(tmp_path / "large.dat").kind == "other"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6


def test_numbers_inside_a_text_are_no_trace(tmp_path: Path) -> None:
    text = "def table():\n    '''\n" + "".join(f"    {i} {i}.5\n" for i in range(12))
    path = tmp_path / "program.txt"
    path.write_text(
        text + "    '''\n" + "    return compute(more, things)\n" * 30, encoding="utf-8"
    )
    assert sort_file(path).kind == "other"


def main() -> None:
    """Print the slowest file and the largest memory, for the mix and for large files."""
    with tempfile.TemporaryDirectory() as place:
        mix, large = Path(place) / "mix", Path(place) / "large"
        mix.mkdir()
        large.mkdir()
        mixed_files(mix, np.random.default_rng(20240611), 500)
        sizes = {kind: wide(kind, 19_000) for kind in WIDE} | LARGE
        sizes |= {
            kind: wide(kind, 200_000 // count)
            for kind, (_, _, count) in BUILDERS.items()
            if kind not in WIDE and kind != "workbook"
        }
        for number, data in enumerate(sizes.values()):
            (large / f"{number}.dat").write_bytes(data)
        for folder in (mix, large):
            took = []
            for path in sorted(folder.iterdir()):
                begun = time.process_time()
                sort_file(path)
                spent = time.process_time() - begun
                tracemalloc.start()
                sort_file(path)
                took.append((spent, tracemalloc.get_traced_memory()[1], path.stat().st_size))
                tracemalloc.stop()
            print(  # noqa: T201
                f"{folder.name}: {len(took)} files to {max(took, key=lambda t: t[2])[2] / 1e6:.1f} "
                f"MB, slowest {max(took)[0] * 1e3:.1f} ms of processor time, largest memory "
                f"{max(t[1] for t in took) / 1e6:.1f} MB"
            )


if __name__ == "__main__":
    main()
