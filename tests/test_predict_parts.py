"""Predicting a lab part by part gives the numbers of predicting it at once."""

import numpy as np
import pandas as pd
import pytest

from stopflow.features import FeatureSpec
from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.networks import predict, rows
from stopflow.pipeline.networks.predict import predict_dataset, whole_experiments
from stopflow.simulate.plan import LabSpec
from stopflow.simulate.writer import write_lab

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 5, 100])
def test_no_experiment_is_parted(at_once):
    names = pd.Series(list("aaabbcdd"))
    parts = list(whole_experiments(names, at_once=at_once))
    assert [row for part in parts for row in part] == list(range(8))
    of_parts = [set(names[part]) for part in parts]
    assert sum(map(len, of_parts)) == 4
    assert all(len(part) >= at_once for part in parts[:-1])


def test_parts_change_no_number(tmp_path, monkeypatch):
    write_lab(tmp_path / "lab", spec=LabSpec(folders=4, traces=(4, 6), points=600), seed=2)
    settings = IngestSettings(workers=1)
    dataset = ingest(tmp_path / "lab", out=tmp_path / "out", settings=settings)
    (tmp_path / "reports").mkdir()
    whole = predict_dataset(dataset, model="shape", reports=tmp_path / "reports").frame
    monkeypatch.setattr(predict, "TRACES_AT_ONCE", 5)
    parted = predict_dataset(dataset, model="shape", reports=tmp_path / "reports").frame
    pd.testing.assert_frame_equal(parted, whole, rtol=1e-6)


@pytest.mark.parametrize("kind", ["shape", "blocks"])
def test_features_built_part_by_part_are_those_built_at_once(tmp_path, monkeypatch, kind):
    write_lab(tmp_path / "lab", spec=LabSpec(folders=2, traces=(9, 9), points=600), seed=2)
    settings = IngestSettings(workers=1)
    dataset = ingest(tmp_path / "lab", out=tmp_path / "out", settings=settings)
    wanted = np.ones(len(dataset.shots), dtype=bool)
    spec = FeatureSpec(kind, 64)
    whole = rows.build_feature_rows(dataset, spec, wanted=wanted)
    monkeypatch.setattr(rows, "TRACES_AT_ONCE", 4)
    held = []
    fill = rows.fill_rows
    monkeypatch.setattr(
        rows,
        "fill_rows",
        lambda time_s, signals, **k: held.append(len(signals)) or fill(time_s, signals, **k),
    )
    parted = rows.build_feature_rows(dataset, spec, wanted=wanted)
    assert max(held) == 4
    assert parted.row.tolist() == whole.row.tolist() == list(range(18))
    np.testing.assert_allclose(parted.inputs, whole.inputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(parted.window_s, whole.window_s)


def test_rows_in_a_file_are_those_in_memory_without_the_refused_ones(tmp_path, monkeypatch):
    write_lab(tmp_path / "lab", spec=LabSpec(folders=2, traces=(9, 9), points=600), seed=2)
    settings = IngestSettings(workers=1)
    dataset = ingest(tmp_path / "lab", out=tmp_path / "out", settings=settings)
    wanted = np.ones(len(dataset.shots), dtype=bool)
    spec = FeatureSpec("shape", 64)
    usual = rows.build_feature_rows(dataset, spec, wanted=wanted)
    fill = rows.fill_rows

    def refuse_the_second(time_s, signals, *, spec, out):
        reasons = ["refused" if place == 1 else "" for place in range(len(signals))]
        good = [place for place, why in enumerate(reasons) if not why]
        fill(time_s, signals[good], spec=spec, out=out)
        return reasons

    monkeypatch.setattr(rows, "TRACES_AT_ONCE", 4)
    monkeypatch.setattr(rows, "fill_rows", refuse_the_second)
    monkeypatch.setattr(rows, "MOST_IN_MEMORY", 0)
    filed = rows.build_feature_rows(dataset, spec, wanted=wanted)
    assert isinstance(rows.empty_rows(1, 1).base, np.memmap)
    assert 0 < len(filed.refused) < 9
    assert sorted([*filed.row, *filed.refused]) == list(range(18))
    np.testing.assert_allclose(filed.inputs, usual.inputs[filed.row], rtol=1e-5, atol=1e-6)
