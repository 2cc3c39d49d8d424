"""The dataset on disk: what goes in comes out, and a broken run never harms an older dataset."""

import numpy as np
import pandas as pd
import pytest

from stopflow.errors import SettingsError, StoreError
from stopflow.store import TABLES, load_dataset, writing_dataset
from stopflow.trace import Trace


def traces(rng):
    grid = np.linspace(0, 1, 50)
    uneven = np.sort(rng.random(30))
    return [
        Trace(time_s=grid, signal=rng.normal(size=50)),
        None,
        Trace(time_s=uneven, signal=rng.normal(size=30)),
        Trace(time_s=grid, signal=rng.normal(size=50)),
    ]


def write(folder, recorded):
    with writing_dataset(folder) as writer:
        rows = [
            {"experiment": "a", "file": f"{i}.bka", "start_s": 0.4, **writer.add_trace(trace)}
            for i, trace in enumerate(recorded)
        ]
        tables = {name: pd.DataFrame({"experiment": ["a"]}) for name in TABLES}
        tables["shots"] = pd.DataFrame(rows)
        writer.write_tables(tables, provenance={"version": "x", "settings": {"law": "single"}})
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


def test_a_run_killed_between_the_two_renames_is_recovered(tmp_path, rng):
    folder = tmp_path / "ingested"
    before = write(folder, traces(rng))
    folder.rename(tmp_path / ".ingested.replaced")
    pd.testing.assert_frame_equal(load_dataset(folder).shots, before.shots)


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
    dataset.conditions.to_parquet(dataset.folder / "shots.parquet")
    with pytest.raises(StoreError, match=r"trace_first.*stopflow ingest"):
        load_dataset(dataset.folder)


def test_another_format_version_is_refused(tmp_path, rng):
    dataset = write(tmp_path / "ingested", traces(rng))
    described = (dataset.folder / "ingest.json").read_text().replace('"format": 1', '"format": 99')
    (dataset.folder / "ingest.json").write_text(described)
    with pytest.raises(StoreError, match="99"):
        load_dataset(dataset.folder)
