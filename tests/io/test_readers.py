"""Every format, built by hand or real, to the right times and signals, chosen by content alone."""

from pathlib import Path

import numpy as np
import pytest
from books import save_book
from trace_files import BUILDERS, WAVELENGTHS, lines, number, pro_data_store, row
from trace_files import example as example_of

from stopflow.errors import FormatError
from stopflow.io.readers.content import Head
from stopflow.io.readers.reading import parse_recordings, read_push, read_recordings
from stopflow.io.readers.recognise import find_reader
from stopflow.io.readers.table import READERS
from stopflow.trace import Recording

REAL = Path(__file__).parent / "files" / "prodata"


def shot(signals: int, points: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Times and signals that ten digits hold exactly."""
    time = np.round(np.linspace(0.0, 0.6, points), 6)
    decay = np.exp(-12.0 * time)
    rows = [0.2 + (0.5 + 0.1 * place) * decay + 0.01 * place for place in range(signals)]
    return time, np.array([[float(number(value)) for value in item] for item in rows])


def write(folder: Path, data: bytes, name: str = "shot.dat") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def read_one(path: Path, time_unit: str | None = "s") -> Recording:
    (recording,) = read_recordings(path, time_unit=time_unit)
    return recording


@pytest.mark.parametrize("ending", ["dat", "bka", "csv", "txt"])
@pytest.mark.parametrize("kind", BUILDERS)
def test_every_format_gives_its_times_and_signals_whatever_its_ending(
    kind: str, ending: str, tmp_path: Path
) -> None:
    key, build, count = BUILDERS[kind]
    time, signals = shot(count)
    recording = read_one(write(tmp_path, build(time, signals), f"shot.{ending}"))
    assert recording.source_format == key
    order = slice(None, None, -1) if kind == "jasco scan" else slice(None)
    assert recording.channels == count
    np.testing.assert_allclose(recording.time_s, time, rtol=1e-9, atol=1e-12)
    if kind == "bio-kine-3d" or "scan" in kind:
        np.testing.assert_allclose(recording.signals, signals[order], rtol=1e-9)
    else:
        assert recording.signals.tolist() == signals[order].tolist()


@pytest.mark.parametrize(
    "kind",
    [
        "bio-kine-3d",
        "pro-data-csv",
        "pro-data-csv turned",
        "pro-data-store",
        "kinetic-studio",
        "olis",
        "diode-array",
        "diode-array turned",
    ],
)
def test_wavelengths_are_kept(kind: str, tmp_path: Path) -> None:
    _, build, count = BUILDERS[kind]
    recording = read_one(write(tmp_path, build(*shot(count))))
    assert recording.wavelengths_nm == WAVELENGTHS[:count]
    assert recording.channel_at(353) == 2
    with pytest.raises(FormatError, match="wavelengths from 350"):
        recording.channel_at(900)


@pytest.mark.parametrize("key", [key for key, reader in READERS.items() if reader.parse])
def test_the_example_of_a_reader_is_told_by_its_content_and_read(key: str) -> None:
    data = example_of(key).encode()
    assert find_reader(Head(name="shot.dat", data=data)) == key
    (recording,) = parse_recordings(data, name="shot.dat", key=key, time_unit="s")
    assert recording.source_format == key
    assert (np.diff(recording.time_s) > 0).all()
    # Every example shows decays.
    assert (np.diff(recording.signals, axis=1) < 0).all()


def test_a_real_pro_data_export() -> None:
    recording = read_one(REAL / "pro-data-cut.csv", None)
    assert recording.source_format == "pro-data-csv"
    assert (recording.channels, len(recording.time_s)) == (12, 84)
    assert recording.time_s[:3].tolist() == [0.001, 0.013, 0.025]
    at = recording.channel_at(271)
    text = (REAL / "pro-data-cut.csv").read_text(encoding="utf-8").splitlines()
    header = next(line for line in text if line.startswith(",")).split(",")
    first = next(line for line in text if line.startswith("0.001,")).split(",")
    column = header.index(f"{recording.wavelengths_nm[at - 1]:g}")
    assert recording.signals[at - 1][0] == float(first[column])
    told = " ".join(note.found for note in recording.notes)
    assert "Count: 0 throughout" in told
    assert "2 of 14 signals are 0 throughout" in told
    assert ("Title", "Thu Feb 15 21:26:13 2018") in recording.records


def test_real_kintek_files_ask_for_their_unit() -> None:
    with pytest.raises(FormatError, match="--time-unit"):
        read_recordings(REAL / "kintek-data-cut.txt")
    data = read_one(REAL / "kintek-data-cut.txt")
    assert data.source_format == "kintek"
    assert data.wavelengths_nm == (440.141,)
    assert (data.time_s[0], data.signals[0][0]) == (0.001, 0.128745)
    simulated = read_one(REAL / "kintek-sim.txt", "ms")
    assert len(simulated.time_s) == 201
    assert simulated.time_s[-1] == pytest.approx(10.0003e-3, rel=1e-12)
    assert simulated.signal_names == ("S2",)


def test_pro_data_repeats_are_a_push_each(tmp_path: Path) -> None:
    time, signals = shot(3)
    body = ["Absorbance", "Time,Repeat", ",1,2,3"]
    body += [row(line) for line in np.vstack([time, signals]).T]
    path = write(tmp_path, lines(["ProDataCSV", "Data:", *body]), "r.csv")
    found = read_recordings(path)
    assert [item.name for item in found] == [f"r.csv[repeat {place}]" for place in (1, 2, 3)]
    assert [item.signals[0].tolist() for item in found] == signals.tolist()
    assert read_push(path.with_name("r.csv[repeat 2]")).signals[0].tolist() == signals[1].tolist()
    with pytest.raises(FormatError, match=r"3 traces \(repeat 1"):
        read_push(path)


def test_pro_data_store_of_three_dimensions_without_what_was_not_recorded(tmp_path: Path) -> None:
    time, signals = shot(4, points=50)
    signals[:, 40:] = 0.0
    signals[3] = 0.0
    head = ["ProDataStore", "", "Remarks:", "0", "Properties:", "1", "Voltage", "Dimensions:", "3"]
    head += ["Time -ovs ", "50", row(time), "", "Channel", "2", "1,3", "", "Repeat", "2", "1,2", ""]
    body = [row(signals[0]), row(signals[1]), "", row(signals[2]), row(signals[3]), ""]
    found = read_recordings(write(tmp_path, lines([*head, *body, "History:", "0"])))
    assert [item.label for item in found] == ["repeat 1", "repeat 2"]
    assert found[0].signal_names == ("channel 1", "channel 3")
    assert found[0].signals.tolist() == signals[:2, :40].tolist()
    assert found[1].signals.tolist() == signals[2:3, :40].tolist()
    assert "1 of 2 signals were not recorded" in " ".join(n.found for n in found[1].notes)


def test_jasco_interval_scans_say_that_their_times_are_minutes(tmp_path: Path) -> None:
    recording = read_one(write(tmp_path, BUILDERS["jasco scan"][1](*shot(5))))
    assert recording.wavelengths_nm == WAVELENGTHS[4::-1]
    assert recording.time_unit_s == 60.0
    assert any("taken as minutes" in note.found for note in recording.notes)


@pytest.mark.parametrize("waves", [1, 2, 3])
def test_an_interval_scan_of_few_wavelengths_is_no_spectrum(tmp_path: Path, waves: int) -> None:
    time, signals = shot(5)
    scan = write(tmp_path, BUILDERS["jasco scan"][1](time, signals[:waves]))
    recording = read_one(scan)
    assert recording.wavelengths_nm == WAVELENGTHS[:waves][::-1]
    np.testing.assert_allclose(recording.signals[::-1], signals[:waves], atol=1e-6)


def test_late_frames_of_kinetic_studio_are_mentioned(tmp_path: Path) -> None:
    time, signals = shot(2)
    recording = read_one(write(tmp_path, BUILDERS["kinetic-studio"][1](time * 10, signals)))
    assert any("one step late" in note.found for note in recording.notes)
    assert not read_one(write(tmp_path, BUILDERS["kinetic-studio"][1](time, signals))).notes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Wavelength (nm),Absorbance (AU),Std.Dev.\n" + "500,0.1,0.01\n" * 20, "spectrum"),
        ("Time (furlong),V\n" + "1,2\n" * 20, "furlong"),
        ("Time,V\n" + "".join(f"{i},2\n" for i in range(20)), "no unit of time"),
        ("Time (s),V\n1,2\n2,3\n3,x\n4,5\n5,6\n", "line 4"),
        ("Time (s),V\n1,2\n2,3\n3\n4,5\n5,6\n", "line 4"),
        ("Time (s);V\n0,5,1,5\n0,6,1,5\n0,7,1,5\n", "commas"),
        ('"BIO-KINE 4D ASCII FILE"\n', "comes nearest"),
        ("ProDataCSV\nTitle: x\n", 'no line "Data:"'),
        ("ProDataCSV\nData:\nA\nTime,Wavelength\n,350,360\n0,1\n", "line"),
        ("ProDataStore\n", "the end of the file"),
        ("File Info: x\n", "no row of times"),
        ("File Info: x\n,0,1,2\n350,1,2\nend,\n", "line 3"),
        ("OLIS-3D-ASCII,0,1,2\n350,1,2\n360,1,2\n", "no such matrix"),
        ("TITLE\tx\nXUNITS\tNANOMETERS\nXYDATA\n700\t1\n699\t1\n", "spectrum"),
        ("TITLE\tx\nXYDATA\n0\t1\n1\t1\n", "no unit of time"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=found):
        read_recordings(write(tmp_path, text.encode()))


def test_missing_points_are_left_out_of_their_signal_alone(tmp_path: Path) -> None:
    text = "Time (s),Absorbance,Fluorescence\n0,1,5\n1,,6\n2,3,NaN\n3,4,8\n"
    recording = read_one(write(tmp_path, text.encode()))
    assert recording.trace(1).signal.tolist() == [1, 3, 4]
    assert recording.trace(2).time_s.tolist() == [0, 1, 3]
    assert any("2 of 8 values" in note.found for note in recording.notes)


def test_a_last_row_that_ends_early_is_left_out(tmp_path: Path) -> None:
    whole = "Time (s),V\n" + "".join(f"{i},0.12345\n" for i in range(20))
    for end, kept in (("20,", 20), ("20,0.1", 20), ("20,0.54321", 21), ("20", 20)):
        recording = read_one(write(tmp_path, (whole + end).encode()))
        assert len(recording.time_s) == kept, end


@pytest.mark.parametrize("at", [3, 40, 90, 118])
@pytest.mark.parametrize("broken", ["{0},{1},{1},7", "{0},{1}", "{0}", "{0},{1},lamp off"])
def test_a_row_unlike_the_others_is_refused_wherever_it_stands(
    broken: str, at: int, tmp_path: Path
) -> None:
    """Neither the rows above it nor those below are left out without a word."""
    time, (signal,) = shot(1)
    rows = [f"{number(t)},{number(y)},{number(y)}" for t, y in zip(time, signal, strict=True)]
    rows[at] = broken.format(number(time[at]), number(signal[at]))
    text = "\n".join(["Time (s),Absorbance,Volt", *rows, ""])
    with pytest.raises(FormatError, match=f"line {at + 2}: found '{rows[at]}'; expected 3 num"):
        read_one(write(tmp_path, text.encode()))


def test_numbers_of_any_size_may_stand_above_the_rows(tmp_path: Path) -> None:
    text = "Time\tA\n1\n0\t1\n1e200\t2\n"
    assert read_one(write(tmp_path, text.encode())).time_s.tolist() == [0, 1e200]


@pytest.mark.parametrize("at", [20, 118])
def test_words_among_the_times_of_a_sheet_lose_no_row_without_a_word(
    at: int, tmp_path: Path
) -> None:
    time, (signal,) = shot(1)
    rows = [["Time (s)", "A"], *zip(time.tolist(), signal.tolist(), strict=True)]
    rows[1 + at] = ["lamp off", ""]
    with pytest.raises(FormatError, match=f"row {at + 2}: found 'lamp off'"):
        read_one(save_book(tmp_path / "a.xlsx", {"s": rows}))
    again = [*rows[: 1 + at], ["again", ""], *rows[1:6]]
    recording = read_one(save_book(tmp_path / "b.xlsx", {"s": again}))
    assert len(recording.time_s) == at
    assert any(
        f"row {at + 2}" in item.where and "not read" in item.found for item in recording.notes
    )


@pytest.mark.parametrize(("at", "said"), [(3, "refused"), (90, "refused"), (118, "listed")])
def test_words_among_the_rows_lose_no_row_without_a_word(
    at: int, said: str, tmp_path: Path
) -> None:
    time, (signal,) = shot(1)
    rows = [f"{number(t)},{number(y)}" for t, y in zip(time, signal, strict=True)]
    rows[at] = "lamp off"
    path = write(tmp_path, "\n".join(["Time (s),Absorbance", *rows, ""]).encode())
    if said == "refused":
        with pytest.raises(FormatError, match=f"line {at + 2}: found 'lamp off'"):
            read_one(path)
    else:
        recording = read_one(path)
        assert len(recording.time_s) == at
        assert any(
            note.where == f"line {at + 2}" and note.level == "warning" for note in recording.notes
        )


@pytest.mark.parametrize("below", [["History: "], ["", "History: "]])
@pytest.mark.parametrize("kind", ["pro-data-csv", "jasco", "jasco scan"])
def test_a_last_row_of_fewer_digits_is_whole_where_the_file_goes_on(
    kind: str, below: list[str], tmp_path: Path
) -> None:
    """A last value such as 6.38 among 6.37451 has lost no digits."""
    key, build, signals = BUILDERS[kind]
    time, values = shot(1 if key == "pro-data-csv" else signals)
    values[..., -1] = 0.25
    values[-1, -1] = values[0, -1] = 0.5
    text = build(time, values).decode()
    if key == "jasco":
        below = ["##### Extended Information" if line else line for line in below]
        text = text.partition("##### ")[0].rstrip()
    else:
        text = text.partition("History")[0].rstrip()
    recording = read_one(write(tmp_path, "\n".join([text, *below, ""]).encode()))
    np.testing.assert_allclose(recording.time_s, time, rtol=1e-9)
    np.testing.assert_array_equal(np.sort(recording.signals, axis=0), np.sort(values, axis=0))


def test_columns_numbered_alike_or_with_own_times_are_pushes(tmp_path: Path) -> None:
    text = "Time (s),shot 1,shot 2\n" + "".join(f"{i},{i}.5,{i}.25\n" for i in range(12))
    found = read_recordings(write(tmp_path, text.encode(), "a.csv"))
    assert [item.name for item in found] == ["a.csv[shot 1]", "a.csv[shot 2]"]
    text = "Time (s),Absorbance,Time (ms),Absorbance\n"
    text += "".join(f"{i},{i}.5,{10 * i},7\n" for i in range(12))
    first, second = read_recordings(write(tmp_path, text.encode(), "b.csv"))
    assert (first.time_s[1], second.time_s[1]) == (1.0, 0.01)
    assert second.name == "b.csv[Absorbance (2)]"


def test_indices_and_deviations_are_no_signals(tmp_path: Path) -> None:
    text = "Index,Time (s),Absorbance,Std.Dev.\n"
    text += "".join(f"{i},{i / 10},{i}.5,0.01\n" for i in range(12))
    recording = read_one(write(tmp_path, text.encode()))
    assert recording.signal_names == ("Absorbance",)
    assert recording.time_s[1] == 0.1
    told = " ".join(note.found for note in recording.notes)
    assert "Index: left out" in told
    assert "Std.Dev." in told


def test_two_blocks_in_one_text_are_not_passed_over(tmp_path: Path) -> None:
    block = "Time (s),V\n" + "".join(f"{i},0.12345\n" for i in range(20))
    recording = read_one(write(tmp_path, (block + "\n" + block).encode()))
    assert len(recording.time_s) == 20
    assert any("another table" in note.found for note in recording.notes)


def test_the_unit_of_a_parsed_file_is_kept_for_start_times(tmp_path: Path) -> None:
    recording = read_one(write(tmp_path, BUILDERS["columns"][1](*shot(1))))
    assert recording.time_unit_s == 1e-3
    store = parse_recordings(pro_data_store(*shot(2)), name="x")
    assert store[0].time_unit_s == 1.0
