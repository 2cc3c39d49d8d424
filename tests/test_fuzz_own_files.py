"""Our own files damaged at random: models, metrics, datasets and TOML raise typed errors only.

Bytes are damaged by `fuzz`; what is JSON or a table is damaged in its values as well, since a
mutation of bytes seldom leaves it one.
"""

import copy
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import attack, mutate
from test_store import traces, write

from stopflow.errors import StopflowError
from stopflow.learn.model import predict
from stopflow.learn.saved import load_model
from stopflow.pipeline.lab.ingest import ingest_settings
from stopflow.pipeline.lab.summarise import summarise
from stopflow.pipeline.model_reports import model_data, write_model_report
from stopflow.pipeline.networks.train import train_settings
from stopflow.store import load_dataset

pytestmark = pytest.mark.whole

SHAPE = Path(__file__).parent.parent / "models" / "shape"
ODD = (
    *(None, True, False, "", "x", "=1+1", "\ud800", "\x1b[31m", [], {}, [[]], {"a": 1}, -1, 0, 1),
    *(0.5, -0.0, 1e308, -1e308, 1e-308, float("nan"), float("inf"), 2**31, 2**63, 2**64, 10**400),
    *("1", "nan", "9" * 4000, [None] * 50, list(range(300))),
)
NAMES = ("", "x", "=1+1", "verdict", "workbook: x", "\x1b[31m", "\u202e", "trace_first", "file")
CONFIG = b"""
[ingest]
law = "auto"
channel = 1
robust = true
[quality]
low_signal_to_noise = 10
[train]
epochs = 300
hidden = [64, 32]
learning_rate = 1e-3
[[layer]]
type = "dlrt"
dim = 512
activation = "relu"
rank = 50
[[layer]]
type = "dense"
dim = 1
activation = "linear"
"""


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def damage_json(data, seeds, rng):
    """Put an odd value into one to three places, or take them out; at times damage the bytes."""
    if rng.random() < 0.3:
        return mutate(data, seeds, rng)
    value = json.loads(data)
    for _ in range(rng.integers(1, 4)):
        every = list(places(value))[1:]
        *above, key = every[rng.integers(len(every))]
        inner = value
        for step in above:
            inner = inner[step]
        if rng.random() < 0.2:
            del inner[key]
        else:
            inner[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
        if not value:
            break
    return json.dumps(value).encode()


def damage_table(data, seeds, rng):
    """Put odd values into a column, change its type, take it out, or damage the bytes."""
    if rng.random() < 0.3:
        return mutate(data, seeds, rng)
    frame = pd.read_parquet(io.BytesIO(data))
    name = frame.columns[rng.integers(len(frame.columns))]
    kind = rng.integers(5)
    if kind == 0:
        frame = frame.drop(columns=name)
    elif kind == 1:
        frame = frame.rename(columns={name: NAMES[rng.integers(len(NAMES))]})
    elif kind == 2:
        frame[name] = rng.choice([-1, 0, 7, 2**40, 2**63 - 1], size=len(frame))
    elif kind == 3:
        frame[name] = rng.choice([np.nan, np.inf, -np.inf, 1e308, -1e-308, 2.5], size=len(frame))
    else:
        frame[name] = rng.choice(np.array(["", "x", "=1", "PASS", "\u202e"], object), len(frame))
    frame = frame.loc[:, ~frame.columns.duplicated()]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    return buffer.getvalue()


def require_typed(found):
    assert found.foreign_count == 0, found.foreign
    assert found.slowest_s < 10
    assert found.peak_mb < 4000, "the process of all tests; alone an attack stays below 1 GB"
    assert found.refused > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.json", "model.safetensors"])
def test_models(tmp_path, full_proof, rng, name):
    shutil.copytree(SHAPE, tmp_path / "m")
    rows = rng.standard_normal((3, load_model(SHAPE).features.n_inputs))

    def read(data):
        (tmp_path / "m" / name).write_bytes(data)
        return predict(load_model(tmp_path / "m"), rows, window_s=np.ones(3))

    seed = (SHAPE / name).read_bytes()
    change = damage_json if name.endswith("json") else mutate
    count = 10_000 if full_proof else 250
    with np.errstate(all="ignore"):
        require_typed(attack(read, [seed], count=count, seed=1, change=change))


@pytest.mark.slow
def test_metrics(tmp_path, full_proof):
    shutil.copytree(SHAPE, tmp_path / "m")
    metrics = {
        **json.loads((SHAPE / "metrics.json").read_text()),
        "test": {
            "mae_per_s": 0.1,
            "median_relative_error": 0.01,
            "p95_relative_error": 0.1,
            "n": 9,
        },
        "parameters": 100,
        "layers": [{"layer": 1, "type": "dense", "inputs": 4, "outputs": 1, "rank": None}],
        "provenance": {"version": "0", "settings": {"epochs": 3}, "libraries": {}, "inputs": {}},
    }
    calls = [0]

    def read(data):
        (tmp_path / "m" / "metrics.json").write_bytes(data)
        calls[0] += 1
        if calls[0] % 100 == 0:
            return write_model_report(tmp_path / "m", tmp_path, dataset=None)
        return model_data(tmp_path / "m", dataset=None)

    seed = json.dumps(metrics).encode()
    count = 20_000 if full_proof else 500
    require_typed(attack(read, [seed], count=count, seed=2, change=damage_json))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ingest.json", "shots.parquet", "conditions.parquet"])
def test_datasets(tmp_path, full_proof, rng, name):
    folder = write(tmp_path / "ingested", traces(rng)).folder

    def read(data):
        (folder / name).write_bytes(data)
        dataset = load_dataset(folder)
        for row in range(len(dataset.shots)):
            dataset.trimmed(row)
        return summarise(dataset)

    seed = (folder / name).read_bytes()
    change = damage_json if name.endswith("json") else damage_table
    count = 7_000 if full_proof else 150
    require_typed(attack(read, [seed], count=count, seed=3, change=change))


@pytest.mark.slow
def test_settings(tmp_path, full_proof):
    path = tmp_path / "lab.toml"

    def read(data):
        path.write_bytes(data)
        return ingest_settings(path), train_settings(path)

    count = 20_000 if full_proof else 700
    require_typed(attack(read, [CONFIG], count=count, seed=4))


@pytest.mark.parametrize(
    "text",
    [
        "ingest = 3",
        "quality = []",
        "train = 'x'",
        "layer = 1",
        "layer = [1]",
        "[layer]\ntype = 'dense'",
        "[[layer]]\ntype = []\ndim = 1",
        "[train]\nepochs = " + "9" * 5000,
        "[train]\nepochs = " + "9" * 400,
        "a = " + "[" * 100_000,
        "[ingest]\nchannel = nan",
        "[train]\nlearning_rate = 1979-05-27",
    ],
)
def test_settings_of_the_wrong_shape_are_said_with_what_would_be_right(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)

    def read():
        return train_settings(path), ingest_settings(path)

    with pytest.raises(StopflowError) as caught:
        read()
    assert len(str(caught.value)) < 1500
