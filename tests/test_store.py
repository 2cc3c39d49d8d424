"""The dataset on disk: what goes in comes out, and a broken run never harms an older dataset."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stopflow import store
from stopflow.columns import FITTED, foreign_name
from stopflow.errors import SettingsError, StoreError
from stopflow.frames import StoredTable, TableWriter, build_columns, further_names
from stopflow.io.switch import replacing_folder
from stopflow.schema import COLUMNS, TABLES
from stopflow.store import FORMAT_VERSION, REPLACEABLE, load_dataset, writing_into
from stopflow.trace import Trace

pytestmark = pytest.mark.whole
NOW = f'"format": {FORMAT_VERSION}'


@contextmanager
def writing_dataset(folder):
    with replacing_folder(folder, owned=REPLACEABLE) as partial, writing_into(partial) as writer:
        yield writer


def traces(rng):
    grid = np.linspace(0, 1, 50)
    uneven = np.sort(rng.random(30))
    return [
        Trace(time_s=grid, signal=rng.normal(size=50)),
        None,
        Trace(time_s=uneven, signal=rng.normal(size=30)),
        Trace(time_s=grid, signal=rng.normal(size=50)),
    ]


def row_of(table):
    """A row with a value of the right kind in every column."""
    values = {"text": "a", "number": 1.5, "count": 1, "flag": True}
    kinds = {name: COLUMNS[name] for name in TABLES[table]}
    return {
        name: column.choices[0] if column.choices else values[column.kind]
        for name, column in kinds.items()
    }


def write(folder, recorded):
    with writing_dataset(folder) as writer:
        rows = [
            row_of("shots") | {"file": f"{i}.bka", "start_s": 0.4} for i in range(len(recorded))
        ]
        tables = {name: build_columns(name, [row_of(name)]) for name in TABLES}
        tables["shots"] = build_columns("shots", rows) | writer.add_traces(recorded)
        for name, columns in tables.items():
            with writer.table(name) as written:
                written.write(columns)
        writer.describe({"version": "x", "settings": {"law": "single"}})
    return load_dataset(folder)


def test_traces_come_back_to_the_last_bit(tmp_path, rng):
    recorded = traces(rng)
    dataset = write(tmp_path / "ingested", recorded)
    for row, trace in enumerate(recorded):
        if trace is None:
            assert dataset.trace(row) is None
            assert dataset.trimmed(row) is None
            continue
        time_s, signal = dataset.trace(row)
        np.testing.assert_array_equal(time_s, trace.time_s)
        np.testing.assert_array_equal(signal, trace.signal)
        kept_time, kept_signal = dataset.trimmed(row)
        np.testing.assert_array_equal(kept_time, trace.time_s[trace.time_s >= 0.4])
        np.testing.assert_array_equal(kept_signal, trace.signal[trace.time_s >= 0.4])


def test_equal_time_grids_are_stored_once(tmp_path, rng):
    dataset = write(tmp_path / "ingested", traces(rng))
    assert len(dataset.time_s) == 80
    assert len(dataset.signal) == 130


def test_an_interrupted_run_leaves_the_old_dataset(tmp_path, rng):
    folder = tmp_path / "ingested"
    before = write(folder, traces(rng))

    def interrupted():
        with writing_dataset(folder) as writer:
            writer.add_trace(traces(rng)[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    after = load_dataset(folder)
    pd.testing.assert_frame_equal(after.shots, before.shots)
    assert [path.name for path in tmp_path.iterdir()] == ["ingested"]


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path, rng):
    (tmp_path / ".ingested.partial-abc").mkdir()
    write(tmp_path / "ingested", traces(rng))
    assert [path.name for path in tmp_path.iterdir()] == ["ingested"]


@pytest.mark.parametrize("name", ["notes.txt", "ingest.json", "shots.parquet"])
def test_a_folder_of_somebody_elses_is_refused(tmp_path, rng, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(SettingsError, match=rf"--out = .*holds {name}.*an earlier dataset"):
        write(tmp_path, traces(rng))
    assert (tmp_path / name).read_text() == "mine"


def test_a_dataset_with_something_added_is_refused_and_a_damaged_one_replaced(tmp_path, rng):
    folder = tmp_path / "ingested"
    write(folder, traces(rng))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match=r"notes\.txt"):
        write(folder, traces(rng))
    (folder / "notes.txt").unlink()
    (folder / "ingest.json").write_text("{")
    (folder / "shots.parquet").unlink()
    write(folder, traces(rng))


@pytest.mark.parametrize("name", ["ingest.json", "shots.parquet", "signal.f64", "time.f64"])
def test_a_dataset_with_a_missing_file_is_refused(tmp_path, rng, name):
    dataset = write(tmp_path / "ingested", traces(rng))
    (dataset.folder / name).unlink()
    with pytest.raises(StoreError, match="stopflow ingest"):
        load_dataset(dataset.folder)


@pytest.mark.parametrize("name", ["ingest.json", "shots.parquet", "signal.f64", "time.f64"])
def test_a_dataset_that_was_cut_off_is_refused(tmp_path, rng, name):
    dataset = write(tmp_path / "ingested", traces(rng))
    whole = (dataset.folder / name).read_bytes()
    for length in (0, len(whole) // 2, len(whole) - 3):
        (dataset.folder / name).write_bytes(whole[:length])
        with pytest.raises(StoreError, match="stopflow ingest"):
            load_dataset(dataset.folder)


@pytest.mark.parametrize("text", ["[]", "null", "5"])
def test_a_description_that_is_no_table_is_refused(tmp_path, rng, text):
    dataset = write(tmp_path / "ingested", traces(rng))
    (dataset.folder / "ingest.json").write_text(text)
    with pytest.raises(StoreError, match=r"ingest\.json.*stopflow ingest"):
        load_dataset(dataset.folder)


def test_shots_that_do_not_say_where_their_traces_lie_are_refused(tmp_path, rng):
    dataset = write(tmp_path / "ingested", traces(rng))
    lost = dataset.shots.drop(columns="trace_first")
    lost.to_parquet(dataset.folder / "shots.parquet")
    with pytest.raises(StoreError, match=r"trace_first.*stopflow ingest"):
        load_dataset(dataset.folder)


def test_another_format_version_is_refused(tmp_path, rng):
    dataset = write(tmp_path / "ingested", traces(rng))
    described = (dataset.folder / "ingest.json").read_text().replace(NOW, '"format": 99')
    (dataset.folder / "ingest.json").write_text(described)
    with pytest.raises(StoreError, match="99"):
        load_dataset(dataset.folder)


SPOILED = {
    "text": [1.5, None],
    "number": ["1.5", 3],
    "count": [-1, 1.5, None, "1"],
    "flag": ["yes", 1],
}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_checked_for_presence_and_kind(tmp_path, rng, table):
    folder = write(tmp_path / "ingested", traces(rng)).folder
    path = folder / f"{table}.parquet"
    good = pd.read_parquet(path)
    for name in TABLES[table]:
        spoiled = [good.drop(columns=name)]
        for value in SPOILED[COLUMNS[name].kind]:
            spoiled.append(good.assign(**{name: [value] * len(good)}))
        if COLUMNS[name].choices:
            spoiled.append(good.assign(**{name: ["=1+1"] * len(good)}))
        for frame in spoiled:
            frame.to_parquet(path)
            with pytest.raises(StoreError, match=rf"{table}\.parquet.*{name}.*stopflow ingest"):
                load_dataset(folder)
    good.assign(further=[1] * len(good)).to_parquet(path)
    with pytest.raises(StoreError, match="unknown further"):
        load_dataset(folder)
    good.to_parquet(path)
    load_dataset(folder)


@pytest.mark.parametrize("column", ["trace_first", "trace_points", "time_first"])
def test_places_beyond_the_stored_values_are_refused(tmp_path, rng, column):
    folder = write(tmp_path / "ingested", traces(rng)).folder
    shots = pd.read_parquet(folder / "shots.parquet")
    for value in (10**6, 2**63 - 1):
        shots.assign(**{column: value}).to_parquet(folder / "shots.parquet")
        with pytest.raises(StoreError, match="cut off"):
            load_dataset(folder)


def test_stored_values_that_are_no_numbers_are_no_trace(tmp_path, rng):
    folder = write(tmp_path / "ingested", traces(rng)).folder
    np.full(130, np.nan).tofile(folder / "signal.f64")
    with pytest.raises(StoreError, match=r"a/0\.bka holds no numbers"):
        load_dataset(folder).trace(0)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{" + NOW + ', "digest": "a", "version": "x", "settings": ' + "[" * 100_000 + "}",
        "{" + NOW + ', "digest": "a", "version": "x", "settings": {"a": NaN}}',
        "{" + NOW + ', "digest": 7, "version": "x", "settings": {}}',
        '{"format": ' + "2" * 5000 + "}",
        "{" + NOW + ', "digest": "a", "version": "x", "settings": {}, "libraries": []}',
        " " * 17_000_000,
    ],
)
def test_a_hostile_description_is_refused(tmp_path, rng, text):
    folder = write(tmp_path / "ingested", traces(rng)).folder
    (folder / "ingest.json").write_text(text)
    with pytest.raises(StoreError, match=r"ingest\.json.*stopflow ingest"):
        load_dataset(folder)


def test_a_row_that_the_schema_does_not_know_is_a_fault_of_the_program(rng):
    with pytest.raises(ValueError, match="further"):
        build_columns("cuts", [row_of("cuts") | {"further": 1}])
    lacking = row_of("cuts")
    del lacking["cut_s"]
    with pytest.raises(ValueError, match="cut_s"):
        build_columns("cuts", [lacking])


def test_columns_of_workbooks_stand_apart_and_bytes_that_are_no_text_become_visible():
    first = row_of("cuts") | {"workbook: verdict": "\udcff", "workbook: pH": "7"}
    columns = build_columns("cuts", [first, row_of("cuts")])
    assert columns["workbook: verdict"] == ("\\udcff", "")
    assert further_names("cuts", columns) == ["workbook: verdict", "workbook: pH"]


def test_a_dataset_that_was_replaced_is_told_from_the_one_that_was_asked_for(tmp_path, rng):
    folder = tmp_path / "ingested"
    first = write(folder, traces(rng))
    assert load_dataset(folder, digest=first.digest).digest == first.digest
    second = write(folder, traces(rng)[::-1])
    assert second.digest != first.digest
    with pytest.raises(StoreError, match="replaced by another run"):
        load_dataset(folder, digest=first.digest)


def test_a_dataset_that_is_replaced_while_it_is_opened_is_opened_again(tmp_path, rng, monkeypatch):
    folder = tmp_path / "ingested"
    write(folder, traces(rng))
    left = [1]

    def meanwhile(path, table):
        stored = StoredTable(path, table)
        if table == "cuts" and left:
            left.pop()
            write(folder, traces(rng)[:1])
        return stored

    monkeypatch.setattr(store, "StoredTable", meanwhile)
    dataset = load_dataset(folder)
    assert not left
    assert len(dataset.shots) == 1
    assert len(dataset.signal) == 50


def test_a_dataset_holds_no_table_that_nobody_asked_for(tmp_path, rng, monkeypatch):
    write(tmp_path / "ingested", traces(rng))
    wanted = []
    read = StoredTable.frame
    monkeypatch.setattr(StoredTable, "frame", lambda table: wanted.append(table) or read(table))
    dataset = load_dataset(tmp_path / "ingested")
    assert dataset.trace(0) is not None
    assert not wanted
    few = dataset.tables["shots"].columns(["file", "k_per_s"])
    assert not wanted
    pd.testing.assert_frame_equal(few, dataset.shots[["file", "k_per_s"]])
    assert dataset.tables["shots"].columns(["file"])["file"].tolist() == few["file"].tolist()


def test_a_table_of_a_dataset_stays_readable_when_another_takes_its_place(tmp_path, rng):
    folder = tmp_path / "ingested"
    first = write(folder, traces(rng))
    write(folder, traces(rng)[:1])
    assert first.cuts["file"].tolist() == ["a"]


@pytest.mark.parametrize("parts", [(3,), (1, 2), (2, 0, 1), (1, 1, 1)])
def test_a_table_written_in_parts_is_the_table_written_at_once(tmp_path, parts, monkeypatch):
    more = [
        {foreign_name("pH"): "7"},
        {f"{FITTED}k2": 2.0},
        {foreign_name("pH"): "8", foreign_name("note"): "b"},
    ]
    rows = [row_of("shots") | {"file": str(i)} | added for i, added in enumerate(more)]
    whole = build_columns("shots", rows)
    further = further_names("shots", whole)

    def written(sizes, at_once):
        monkeypatch.setattr("stopflow.frames.ROWS_AT_ONCE", at_once)
        first = 0
        with TableWriter(tmp_path / "made", "shots", further=further) as writer:
            for size in sizes:
                writer.write(build_columns("shots", rows[first : first + size]))
                first += size
        return (tmp_path / "made").read_bytes(), StoredTable(tmp_path / "made", "shots").frame()

    together, frame = written((3,), 100)
    assert frame["file"].tolist() == ["0", "1", "2"]
    assert frame[foreign_name("pH")].tolist() == ["7", "", "8"]
    assert np.isnan(frame[f"{FITTED}k2"]).tolist() == [True, False, True]
    for at_once in (1, 2, 100):
        divided, found = written(parts, at_once)
        pd.testing.assert_frame_equal(found, frame)
        assert divided == together or at_once < 3


def test_a_table_without_rows_has_its_columns(tmp_path):
    with TableWriter(tmp_path / "made", "cuts") as writer:
        writer.write(build_columns("cuts", []))
    frame = StoredTable(tmp_path / "made", "cuts").frame()
    assert list(frame.columns) == list(TABLES["cuts"])
    assert not len(frame)


def test_a_lab_of_many_files_can_be_opened_again(tmp_path, rng):
    files = tuple(f"shot_{number}.bka" for number in range(200_000))
    listed = {"experiment": ("a",) * len(files), "file": files, "sha256": ("0" * 64,) * len(files)}
    with writing_dataset(tmp_path / "ingested") as writer:
        tables = {name: build_columns(name, [row_of(name)]) for name in TABLES}
        tables["shots"] |= writer.add_traces(traces(rng)[:1])
        for name, columns in (tables | {"inputs": listed}).items():
            with writer.table(name) as written:
                written.write(columns)
        writer.describe({"version": "x", "settings": {}})
    assert list(load_dataset(tmp_path / "ingested").inputs["file"]) == list(files)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux alone")
def test_a_table_lies_in_a_folder_whose_name_is_no_utf8(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe4ta"))
    folder.mkdir()
    path = folder / "cuts.parquet"
    row = {name: "x" if COLUMNS[name].kind == "text" else 1 for name in TABLES["cuts"]}
    with TableWriter(path, "cuts") as table:
        table.write(build_columns("cuts", [row]))
    assert len(StoredTable(path, "cuts").frame()) == 1
