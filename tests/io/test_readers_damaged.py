"""Damaged files of every format, and the rates of one lab in every format."""

from pathlib import Path

import numpy as np
import pytest
from fuzz import attack
from trace_files import BUILDERS
from trace_files import example as example_of

from stopflow.io.folder import read_experiment
from stopflow.io.readers.content import head_of
from stopflow.io.readers.reading import parse_recordings
from stopflow.io.readers.recognise import find_reader
from stopflow.io.readers.table import READERS
from stopflow.kinetics.analysis import AnalysisSettings, analyse_experiment

REAL = Path(__file__).parent / "files" / "prodata"
TEXTS = sorted({key for key, reader in READERS.items() if reader.parse is not None})


def signal_of(k_per_s: float, seed: int, signals: int) -> tuple[np.ndarray, np.ndarray]:
    time = np.round(np.linspace(0.0, 0.5, 301), 6)
    noise = np.random.default_rng(seed).normal(0, 2e-3, time.size)
    one = 0.3 + 0.8 * np.exp(-k_per_s * time) + noise
    return time, np.array([one * (1 + 0.1 * place) for place in range(signals)])


@pytest.mark.parametrize("kind", BUILDERS)
def test_rates_are_those_of_bio_kine_files(kind: str, tmp_path: Path) -> None:
    """The same shots in each format, ten digits a number: the same rates to 1e-6."""
    _, build, signals = BUILDERS[kind]
    _, reference, _ = BUILDERS["bio-kine"]
    rates = []
    for name, make, count in (("reference", reference, 1), ("other", build, signals)):
        folder = tmp_path / name
        folder.mkdir()
        for place, k in enumerate((8.0, 21.0)):
            data = make(*signal_of(k, place, count))
            (folder / f"shot {place}.csv").write_bytes(data)
        experiment = read_experiment(folder, channel=1, time_unit="s")
        analysis = analyse_experiment(experiment, AnalysisSettings())
        rates.append([judged.shot.result.fit.k_per_s for judged in analysis.shots])
    # The last of a descending scan is another multiple of the same signal: the rate is the same.
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("key", TEXTS)
def test_damaged_files_are_read_or_refused(key: str, *, full_proof: bool) -> None:
    """Nothing but a typed error, whatever is damaged; the reader itself, not what chooses it."""
    rng = np.random.default_rng(5)
    time = np.round(np.cumsum(rng.uniform(1e-3, 2e-3, 24)), 6)
    seeds = [example_of(key).encode()]
    seeds += [
        build(time, rng.normal(1, 0.3, (count, time.size)).round(5))
        for own, build, count in BUILDERS.values()
        if own == key
    ]
    if key == "pro-data-csv":
        seeds.append((REAL / "pro-data-cut.csv").read_bytes())
    parse = READERS[key].parse
    assert parse is not None

    def read(data: bytes) -> object:
        return parse(data, name="damaged", time_unit="s")

    found = attack(read, seeds, count=20_000 if full_proof else 150, seed=7)
    assert found.foreign == []
    assert found.read > 0
    assert found.refused > 0
    assert found.slowest_s < 10


@pytest.mark.slow
def test_damaged_files_are_told_apart_or_refused(*, full_proof: bool) -> None:
    """The choice of a reader never raises, and what it chooses only raises typed errors."""
    rng = np.random.default_rng(6)
    time = np.round(np.cumsum(rng.uniform(1e-3, 2e-3, 24)), 6)
    seeds = [
        build(time, rng.normal(1, 0.3, (count, time.size)).round(5))
        for own, build, count in BUILDERS.values()
        if own != "workbook"
    ]
    seeds.append(b"Filename,x_start\n" + b"a.bka,3\n" * 10)

    def read(data: bytes) -> object:
        key = find_reader(head_of(data, name="damaged.csv"))
        return key and READERS[key].parse and parse_recordings(data, name="x", key=key)

    found = attack(read, seeds, count=20_000 if full_proof else 1_000, seed=8)
    assert found.foreign == []
    assert found.slowest_s < 10
