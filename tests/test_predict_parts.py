"""Predicting a lab part by part gives the numbers of predicting it at once."""

import pandas as pd
import pytest

from stopflow.pipeline.lab.ingest import IngestSettings, ingest
from stopflow.pipeline.networks import predict
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
