"""A file of no known format: the message names the nearest one and what is missing from it.

The examples of the readers are damaged, each in the ways that its own marks allow, so that a reader
that is added to the table is held to the same law.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from trace_files import example as example_of

from stopflow.errors import FormatError
from stopflow.io.readers.content import Head
from stopflow.io.readers.marks import OWN, nearness
from stopflow.io.readers.reading import parse_recordings, read_recordings
from stopflow.io.readers.recognise import find_reader, unknown_format
from stopflow.io.readers.table import READERS
from stopflow.io.sorting import sort_file

TEXTS = [key for key, reader in READERS.items() if reader.parse]
NUMBERS = re.compile(r"\s*[-+\d.]+[,;\t]")


def head_of(text: str) -> Head:
    return Head(name="shot.dat", data=text.encode())


def without_each_needed_mark(key: str):
    """Yield an example without the one line that a needed mark stands on, and the mark."""
    lines = example_of(key).splitlines(keepends=True)
    for mark in READERS[key].marks:
        for place in range(len(lines)):
            text = "".join(lines[:place] + lines[place + 1 :])
            if not mark.has(head_of(text)):
                yield mark, text


DAMAGED = [
    pytest.param(key, mark, text, id=f"{key}-{mark.what[:30]}-{number}")
    for key in TEXTS
    for number, (mark, text) in enumerate(without_each_needed_mark(key))
]


def outcome(key: str, text: str) -> tuple[str, str]:
    """Return "read" for the same numbers as those of the example, else "refused"; and what is said.

    Numbers other than those of the example are what must never happen.
    """
    (whole,) = parse_recordings(example_of(key).encode(), name="shot.dat", time_unit="s", key=key)
    try:
        (found,) = parse_recordings(text.encode(), name="shot.dat", time_unit="s")
    except FormatError as error:
        return "refused", str(error)
    np.testing.assert_array_equal(found.time_s, whole.time_s)
    np.testing.assert_array_equal(found.signals, whole.signals)
    return "read", " ".join(f"{note.found}; {note.expected}" for note in found.notes)


@pytest.mark.parametrize("key", TEXTS)
def test_every_reader_has_a_mark_that_a_lost_line_takes_away(key: str) -> None:
    assert list(without_each_needed_mark(key)), "no single line is needed to know this format"


@pytest.mark.parametrize(("key", "mark", "text"), DAMAGED)
def test_without_a_mark_the_format_is_named_with_what_is_missing(key, mark, text) -> None:
    reader = READERS[key]
    left = nearness(reader.marks, head_of(text))
    happened, said = outcome(key, text)
    if happened == "read" and (find_reader(head_of(text)) == key or left < OWN):
        return
    if left < OWN:
        # Nothing of its own is left: what remains are numbers in columns.
        assert "plain columns of text" in said or "no unit of time" in said or "8 rows" in said
        return
    assert reader.short in said
    assert mark.what in said or find_reader(head_of(text)) == key
    assert len(said) < 320


@pytest.mark.parametrize("sign", [";", "\t", "~", " "])
@pytest.mark.parametrize("key", TEXTS)
def test_another_delimiter_is_read_or_refused_by_the_format_s_name(key: str, sign: str) -> None:
    example = example_of(key)
    # Commas beside semicolons are decimal signs.
    text = re.sub("[\t;]" if ";" in example else "[\t,]", sign, example)
    happened, said = outcome(key, text)
    if happened == "refused":
        assert READERS[key].short in said or nearness(READERS[key].marks, head_of(text)) < OWN


@pytest.mark.parametrize("key", TEXTS)
def test_a_cut_row_of_names_is_read_or_refused_by_the_format_s_name(key: str) -> None:
    lines = example_of(key).splitlines(keepends=True)
    first = next(place for place, line in enumerate(lines) if NUMBERS.match(line))
    text = "".join(lines[: first - 1] + lines[first:])
    happened, said = outcome(key, text)
    if happened == "refused" and nearness(READERS[key].marks, head_of(text)) >= OWN:
        assert READERS[key].short in said


@pytest.mark.parametrize("key", TEXTS)
def test_a_misspelt_beginning_is_recognised_as_such(key: str, tmp_path: Path) -> None:
    begins = [word for mark in READERS[key].marks for word in mark.begins if mark.needed]
    for word in begins:
        text = f"{word[:-2]}{word[-1]}{word[-2]}\nnothing else\n"
        said = str(unknown_format(head_of(text)))
        assert f"nearest to {READERS[key].short}" in said
        assert "expected its " in said


def test_a_damaged_file_is_no_table_of_conditions(tmp_path: Path) -> None:
    text = example_of("pro-data-csv").replace("ProDataCSV", "ProDataCVS").replace("Data:", "")
    path = tmp_path / "shot.csv"
    path.write_text(text.replace("0.", "x."), encoding="utf-8")
    assert sort_file(path).kind == "trace"
    with pytest.raises(FormatError, match=r'nearest to Pro-Data CSV; expected its first line "Pro'):
        read_recordings(path)


def test_a_matrix_without_its_wavelengths_is_said_to_lack_them(tmp_path: Path) -> None:
    path = tmp_path / "shot.csv"
    rows = "".join(f"{place / 100},{0.7 - place / 100},0.5\n" for place in range(40))
    path.write_text(f"SPECTRA\n{rows}", encoding="utf-8")
    with pytest.raises(FormatError, match=r"without its row of wavelengths \(nm\); expected that"):
        read_recordings(path)
    (recording,) = read_recordings(path, time_unit="s")
    assert any("row of wavelengths" in note.found for note in recording.notes)


@pytest.mark.parametrize("text", ["", "a note\nand more\n", "1 and\n2\n"])
def test_what_is_near_to_nothing_says_where_the_formats_are_listed(text: str) -> None:
    said = str(unknown_format(head_of(text)))
    assert "nearest" not in said
    assert said.endswith(f"one of the {len(READERS)} formats that stopflow formats lists")


def test_what_a_named_format_lacks_is_said_as_a_sentence():
    """By its name it is a Bio-Kine file: "expected its first line", not "its a Bio-Kine file"."""
    said = str(unknown_format(Head(name="notes.bka", data=b"not a trace\n")))
    assert 'expected its first line "BIO-KINE ASCII FILE" or "BIO-KINE MULTI-Y' in said
