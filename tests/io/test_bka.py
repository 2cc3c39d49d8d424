"""The Bio-Kine reader against files typed by hand, its writer against the reader, and fuzz."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stopflow.errors import FormatError, SettingsError
from stopflow.io.bka.format import parse_bka, write_bka
from stopflow.io.bka.numbers import _parse_block, _parse_lines
from stopflow.io.readers.reading import read_push

SINGLE = (
    b'"BIO-KINE ASCII FILE"\r\n"_UNITX"\t"ms"\r\n"_UNITY"\t"Volt"\r\n'
    b'"_COMMENT"\t"free text"\r\n"_DELTAX"\t0\r\n"_DATA"\r\n'
)
ROWS = b"0\t8.58948\r\n0.02\t8.58337\r\n0.05\t-1.5e-3\r\n"
TIME_S = [0.0, 2e-5, 5e-5]
SIGNAL = [8.58948, 8.58337, -1.5e-3]


def multi(count: int, comments: int) -> bytes:
    lines = ['"BIO-KINE MULTI-Y ASCII FILE"', '"_UNITX"\t"s"', f'"_NBY"\t{count}']
    lines += [f'"_UNITY{n}"\t"unit {n}"' for n in range(1, count + 1)]
    lines += [f'"_COMMENT1"\t"remark {n}"' for n in range(comments)]
    lines += ['"_DELTAX"\t0', '"_DATA"']
    return "".join(line + "\r\n" for line in lines).encode()


def test_single_channel_by_hand() -> None:
    recorded = parse_bka(SINGLE + ROWS, name="a.bka")
    assert recorded.time_s.tolist() == TIME_S
    assert recorded.signals.tolist() == [SIGNAL]
    assert recorded.signal_units == ("Volt",)
    assert recorded.records == (
        ("_UNITX", "ms"),
        ("_UNITY", "Volt"),
        ("_COMMENT", "free text"),
        ("_DELTAX", "0"),
    )
    assert recorded.notes == ()


@pytest.mark.parametrize(("channels", "comments", "lines"), [(2, 11, 18), (3, 17, 25)])
def test_several_channels_by_hand(channels: int, comments: int, lines: int) -> None:
    head = multi(channels, comments)
    assert head.count(b"\n") == lines
    cells = b"".join(b"\t%-8d" % (100 * n) for n in range(1, channels + 1))
    data = head + b"0" + cells + b"\r\n1.5" + cells + b"\r\n"
    recorded = parse_bka(data, name="m.bka")
    for channel in range(1, channels + 1):
        trace = recorded.trace(channel)
        assert trace.time_s.tolist() == [0.0, 1.5]
        assert trace.signal.tolist() == [100.0 * channel] * 2
        assert trace.signal_unit == f"unit {channel}"
    assert [value for key, value in trace.records if key == "_COMMENT1"] == [
        f"remark {n}" for n in range(comments)
    ]
    with pytest.raises(FormatError, match=f"channel {channels + 1}"):
        recorded.trace(channels + 1)
    with pytest.raises(FormatError, match="channel 0"):
        recorded.trace(0)


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("tail", [b"", b"END", b"ENDEND   ENDEND"])
def test_any_line_end_and_blank_lines(end: bytes, tail: bytes) -> None:
    data = (SINGLE + ROWS).replace(b"\r\n", end) + tail.replace(b"END", end)
    recorded = parse_bka(data, name="a.bka")
    assert (recorded.time_s.tolist(), recorded.signals[0].tolist()) == (TIME_S, SIGNAL)
    assert recorded.notes == ()


@pytest.mark.parametrize(
    "encoding", ["cp1252", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_encodings(encoding: str) -> None:
    text = (SINGLE + ROWS).decode().replace('"ms"', '"µs"').replace("free text", "café 5 µM")
    recorded = parse_bka(text.encode(encoding), name="a.bka")
    assert dict(recorded.records)["_COMMENT"] == "café 5 µM"
    assert recorded.time_s.tolist() == pytest.approx([0.0, 2e-8, 5e-8], rel=1e-15)
    assert recorded.signals[0].tolist() == SIGNAL


@pytest.mark.parametrize("separator", ["\t", " ", "   ", " \t "])
@pytest.mark.parametrize("sign", [".", ","])
def test_separators_and_decimal_signs(separator: str, sign: str) -> None:
    rows = ROWS.decode().replace("\t", separator).replace(".", sign)
    recorded = parse_bka(SINGLE + rows.encode(), name="a.bka")
    assert (recorded.time_s.tolist(), recorded.signals[0].tolist()) == (TIME_S, SIGNAL)


@pytest.mark.parametrize(
    ("unit", "second"),
    [("s", 1), ("sec", 1), ("ms", 1e-3), ("msec", 1e-3), ("µs", 1e-6), ("us", 1e-6), ("min", 60)],
)
def test_time_units(unit: str, second: float) -> None:
    data = (SINGLE + b"0\t1\r\n7\t1\r\n").decode().replace('"ms"', f'"{unit}"').encode()
    assert parse_bka(data, name="a.bka").time_s[1] == pytest.approx(7 * second, rel=1e-15)


def test_blank_separated_header_and_unquoted_values() -> None:
    data = SINGLE.replace(b"\t", b"  ").replace(b'"Volt"', b"Volt") + ROWS
    assert parse_bka(data, name="a.bka").signal_units == ("Volt",)


def test_other_header_length_and_data_word_in_a_comment() -> None:
    extra = b'"_COMMENT"\t"then came "_DATA" here"\r\n"_COMMENT"\t"0\t1"\r\n' * 6
    data = SINGLE.replace(b'"_DELTAX"', extra + b'"_DELTAX"') + ROWS
    recorded = parse_bka(data, name="a.bka")
    assert recorded.signals[0].tolist() == SIGNAL
    assert [key for key, _ in recorded.records].count("_COMMENT") == 13


def test_unknown_header_lines_are_kept_and_reported() -> None:
    data = SINGLE.replace(b'"_DELTAX"', b'stray line\r\n"_GAIN"\t3\r\n"_DELTAX"') + ROWS
    recorded = parse_bka(data, name="a.bka")
    assert ("", "stray line") in recorded.records
    assert ("_GAIN", "3") in recorded.records
    (note,) = recorded.notes
    assert note.level == "note"
    assert "line 5 'stray line', line 6 '\"_GAIN\"\\t3'; kept" in note.found


@pytest.mark.parametrize("header", [b'"_UNITX"\t"ms"\r\n', b'"_UNITX"\t""\r\n'])
def test_missing_time_unit_is_said_and_given(header: bytes) -> None:
    data = SINGLE.replace(b'"_UNITX"\t"ms"\r\n', header.replace(b'"ms"', b'""')) + ROWS
    assumed = parse_bka(data, name="a.bka")
    assert assumed.time_s.tolist() == TIME_S
    assert [note.level for note in assumed.notes] == ["warning"]
    assert "ms" in assumed.notes[0].found
    given = parse_bka(data, name="a.bka", time_unit="s")
    assert given.time_s.tolist() == [0.0, 0.02, 0.05]
    gone = parse_bka(SINGLE.replace(b'"_UNITX"\t"ms"\r\n', b"") + ROWS, name="a.bka")
    assert gone.time_s.tolist() == TIME_S
    assert len(gone.notes) == 1


def test_the_file_has_the_last_word_on_its_unit() -> None:
    assert parse_bka(SINGLE + ROWS, name="a.bka", time_unit="s").time_s.tolist() == TIME_S
    with pytest.raises(SettingsError, match="furlong"):
        parse_bka(SINGLE + ROWS, name="a.bka", time_unit="furlong")


@pytest.mark.parametrize(
    "last",
    [b"0.07", b"0.07\t", b"0.07\t8.5", b"0.07\t-", b"0.07\t1.2e", b"0.07\r\n", b"0.07\t8\0\0"],
)
def test_unfinished_last_row_is_left_out_with_a_warning(last: bytes) -> None:
    recorded = parse_bka(SINGLE + ROWS + last, name="a.bka")
    assert recorded.signals[0].tolist() == SIGNAL
    (note,) = recorded.notes
    assert (note.where, note.level) == ("line 10", "warning")
    assert "0.07" in note.found


@pytest.mark.parametrize(
    ("data", "where", "found"),
    [
        (b"", "", "empty"),
        (b" \r\n\r\n", "", "empty"),
        (b"\xff\xfe", "", "empty"),
        (b"time;volt\r\n1;2\r\n", "line 1", "time;volt"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00", "line 1", "PK"),
        (SINGLE.replace(b"ASCII FILE", b"3D ASCII FILE") + ROWS, "line 1", "3D"),
        (SINGLE.replace(b'"_DATA"\r\n', b"") + ROWS, "", "_DATA"),
        (SINGLE, "line 7", "no data"),
        (SINGLE + b"\r\n\r\n", "line 7", "no data"),
        (SINGLE + b"0.02\t8.5", "line 7", "a single row that ends early"),
        (SINGLE.replace(b'"ms"', b'"nm"') + ROWS, "_UNITX", "nm"),
        (SINGLE + ROWS + b"inf\t1\r\n", "line 10, column 1", "inf"),
        (SINGLE + ROWS + b"1e999\t1\r\n", "line 10, column 1", "1e999"),
        (SINGLE + ROWS + b"0.07\tOOPS\r\n0.08\t1\r\n", "line 10, column 2", "OOPS"),
        (SINGLE + ROWS + b"\r\n0.07\t1.234,5\r\n", "line 11, column 2", "1.234,5"),
        (SINGLE + b"0,8.58948\r\n" + ROWS, "line 7", "1 column "),
        (SINGLE + ROWS + b"0.07\r\n0.08\t1\r\n", "line 10", "1 column "),
        (SINGLE + ROWS + b"0.07\t1\t2\r\n", "line 10", "3 columns"),
        (SINGLE + ROWS + b"0.07\t0x1F\r\n", "line 10, column 2", "0x1F"),
        (SINGLE + ROWS + b"0.07\t1_0\r\n", "line 10, column 2", "1_0"),
        (multi(2, 0) + b"0\t1\r\n", "line 8", "a single row that ends early"),
        (multi(2, 0) + b"0\t1\r\n1\t1\r\n", "line 8", "2 columns"),
    ],
)
def test_bad_files_are_refused_by_place(data: bytes, where: str, found: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_bka(data, name="bad.bka")
    assert caught.value.file == "bad.bka"
    assert where in caught.value.where
    assert found in caught.value.found
    assert caught.value.expected


@pytest.mark.parametrize("word", [b"INF", b"-INF", b"nan", b"OVER", b"1.#INF", b"1e999"])
def test_a_point_that_overflowed_is_left_out_alone(word: bytes) -> None:
    recorded = parse_bka(SINGLE + ROWS + b"0.07\t" + word + b"\r\n0.08\t1\r\n", name="a.bka")
    whole = parse_bka(SINGLE + ROWS + b"0.08\t1\r\n", name="a.bka")
    np.testing.assert_array_equal(recorded.trace().time_s, whole.trace().time_s)
    np.testing.assert_array_equal(recorded.trace().signal, whole.trace().signal)
    (note,) = recorded.notes
    assert note.level == "warning"
    assert str(note).startswith("a.bka: ")
    assert "1 of 5 signals" in note.found
    assert "x = 0.07" in note.found


def test_an_overflow_of_one_signal_leaves_the_other_signals_whole() -> None:
    recorded = parse_bka(multi(2, 0) + b"0\t1\t2\r\n1\tOVER\t4\r\n2\t5\t6\r\n", name="m.bka")
    assert recorded.trace(1).signal.tolist() == [1, 5]
    assert recorded.trace(2).signal.tolist() == [2, 4, 6]


def test_number_of_signals_missing_from_the_header() -> None:
    data = multi(2, 0).replace(b'"_NBY"\t2\r\n', b"") + b"0\t1\t2\r\n1\t3\t4\r\n"
    recorded = parse_bka(data, name="m.bka")
    assert recorded.signals.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert [note.level for note in recorded.notes] == ["warning"]


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        read_push(tmp_path / "gone.bka")


def test_written_single_file_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.bka"
    write_bka(path, time=[0, 0.02, 0.05], signals=SIGNAL, comments=["free text"])
    assert path.read_bytes() == SINGLE + b"0\t8.58948\r\n0.02\t8.58337\r\n0.05\t-0.0015\r\n"


def test_written_multi_file_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "m.bka"
    signals = [[8.58948, 8.5], [687, 688]]
    write_bka(path, time=[0, 1], signals=signals, signal_units=("Volt", "HV"), comments=["a", "b"])
    assert path.read_bytes() == (
        b'"BIO-KINE MULTI-Y ASCII FILE"\r\n"_UNITX"\t"ms"\r\n"_NBY"\t2\r\n"_UNITY1"\t"Volt"\r\n'
        b'"_UNITY2"\t"HV"\r\n"_COMMENT1"\t"a"\r\n"_COMMENT1"\t"b"\r\n"_DELTAX"\t0\r\n"_DATA"\r\n'
        b"0\t8.58948 \t687     \r\n1\t8.5     \t688     \r\n"
    )


def test_writer_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NaN"):
        write_bka(tmp_path / "a.bka", time=[0, 1], signals=[1, np.nan])
    with pytest.raises(ValueError, match="units"):
        write_bka(tmp_path / "a.bka", time=[0, 1], signals=[[1, 2], [3, 4]])
    assert not list(tmp_path.iterdir())


numbers = st.floats(-1e12, 1e12, allow_nan=False).map(lambda value: float(f"{value:g}"))
comment = st.text(st.characters(codec="utf-8", exclude_characters='"\r\n\0'), max_size=20)


@settings(max_examples=40, deadline=None)
@given(
    table=st.integers(1, 4).flatmap(
        lambda count: st.lists(
            st.lists(numbers, min_size=count + 1, max_size=count + 1), min_size=1, max_size=20
        )
    ),
    comments=st.lists(comment, max_size=3),
)
def test_what_is_written_is_read(
    table: list[list[float]], comments: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.bka"
    time, *signals = np.array(table).T
    units = tuple(f"unit {n}" for n in range(len(signals)))
    write_bka(
        path, time=time, signals=signals, time_unit="s", signal_units=units, comments=comments
    )
    recorded = parse_bka(path.read_bytes(), name=path.name)
    assert recorded.notes == ()
    assert np.array_equal(recorded.time_s, time)
    assert np.array_equal(recorded.signals, signals)
    assert recorded.signal_units == units
    kept = [value for key, value in recorded.records if key.startswith("_COMMENT")]
    assert kept == comments


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=10),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    pad=st.sampled_from(["", " ", "   "]),
    separator=st.sampled_from(["\t", " ", "  "]),
    sign=st.sampled_from(".,"),
)
def test_fast_path_agrees_with_the_careful_one(
    rows: list[tuple[float, float]], end: str, pad: str, separator: str, sign: str
) -> None:
    text = "".join(f"{pad}{time!r}{separator}{signal!r}{pad}{end}" for time, signal in rows)
    text = text.replace(".", sign)
    fast = _parse_block(text.encode(), columns=2)
    careful = _parse_lines(text.encode(), columns=2, name="a.bka", first_line=1)
    assert fast is not None
    assert np.array_equal(fast, careful)
    assert np.array_equal(careful, np.array(rows).T)


@settings(max_examples=150, deadline=None)
@given(
    position=st.integers(0, len(SINGLE + ROWS) - 1),
    removed=st.integers(0, 12),
    inserted=st.one_of(
        st.binary(max_size=4),
        st.sampled_from([b",", b"\t", b"\r", b"\n", b"nan", b'"', b"_DATA", b"\0", b"\xff\xfe"]),
    ),
)
def test_damaged_files_give_finite_numbers_or_a_format_error(
    position: int, removed: int, inserted: bytes
) -> None:
    whole = SINGLE + ROWS
    data = whole[:position] + inserted + whole[position + removed :]
    try:
        recorded = parse_bka(data, name="a.bka")
    except FormatError:
        return
    assert np.isfinite(recorded.signals).all()
    assert len(recorded.time_s) == recorded.signals.shape[1] > 0


def test_binary_data_are_not_printed():
    data = bytes(range(1, 32)) + bytes(range(127, 256))
    with pytest.raises(FormatError, match=r"binary data.*Bio-Kine"):
        parse_bka(data, name="picture.bka")


def test_times_are_those_of_the_file_whatever_was_read_before() -> None:
    """Of equal letters in other cells, of other times, and of a file that was read before."""
    blocks = [
        (b"1\t5\n23\t6\n", [1, 23], [5, 6]),
        (b"12\t5\n3\t6\n", [12, 3], [5, 6]),
        (b"12\t7\n3\t8\n", [12, 3], [7, 8]),
        (b"12\t7\n3\t8\n4\t9\n", [12, 3, 4], [7, 8, 9]),
        (b"1\t5\n23\t6\n", [1, 23], [5, 6]),
    ]
    found = [_parse_block(block, columns=2) for block, _, _ in blocks]
    found[2][0] *= 0.5  # as a reader does that scales its times
    for numbers, (block, times, signals) in zip(found[3:], blocks[3:], strict=True):
        np.testing.assert_array_equal(numbers, [times, signals], err_msg=str(block))
    again = _parse_block(blocks[2][0], columns=2)
    np.testing.assert_array_equal(again, [[12, 3], [7, 8]])
    assert _parse_block(b"12\t7\nx\t8\n", columns=2) is None
    np.testing.assert_array_equal(_parse_block(b" 12 \t7\n 3\t8\n", columns=2), [[12, 3], [7, 8]])
