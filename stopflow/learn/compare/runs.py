"""One run of a comparison, and the store of finished runs of an interrupted comparison."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stopflow import __version__
from stopflow.io.atomic import write_text
from stopflow.learn.data import LabData
from stopflow.learn.settings import TrainSettings
from stopflow.learn.split import Split
from stopflow.learn.training.run import TrainStatus
from stopflow.trace import FloatArray, frozen_array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComparedRun:
    """One method, one split, one seed.

    Attributes
    ----------
    fold
        Number of the split, from 0.
    k_per_s
        (N,) rates of all shots, NaN where there is none.
    history
        Rows as in `Trained.history`; empty without a network trained here.
    features, epochs, inputs_used
        What the network was trained with.
    seconds, peak_bytes
        Duration and peak memory; NaN for the fit, whose rates exist already.
    """

    way: str
    seed: int
    fold: int
    split: Split
    k_per_s: FloatArray
    features: str = ""
    history: tuple[dict[str, float], ...] = ()
    epochs: int = 0
    inputs_used: str = ""
    parameters: int = 0
    seconds: float = float("nan")
    peak_bytes: float = float("nan")
    status: str = str(TrainStatus.FINISHED)


class UnfinishedComparison:
    """Finished runs of an unfinished comparison, one file each in a folder.

    Parameters
    ----------
    folder
        Created when the first run is kept.
    salt
        Whatever else determines the results, e.g. hashes of the models that take part.
    """

    def __init__(self, folder: Path, *, salt: Sequence[str] = ()) -> None:
        self._folder, self._salt = folder, [__version__, *salt]
        self._labs: dict[int, str] = {}
        self._keys: set[str] = set()

    def key(
        self, way: str, data: LabData, split: Split, *, fold: int, settings: TrainSettings
    ) -> str:
        """Return a hash of everything that determines a run."""
        if id(data) not in self._labs:
            self._labs[id(data)] = _lab_hash(data)
        described = [
            self._salt,
            way,
            fold,
            self._labs[id(data)],
            split.test_experiments,
            split.validation_experiments,
            asdict(settings),
        ]
        key = _hash(json.dumps(described, sort_keys=True).encode())
        self._keys.add(key)
        return key

    def find(self, key: str, split: Split) -> ComparedRun | None:
        """Return a kept run; None where there is none or its file is incomplete."""
        try:
            values = json.loads(self._place(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        rates = frozen_array(values.pop("k_per_s"))
        history = tuple(values.pop("history"))
        return ComparedRun(split=split, k_per_s=rates, history=history, **values)

    def keep(self, key: str, run: ComparedRun) -> None:
        """Write a run."""
        values: dict[str, Any] = {
            name: getattr(run, name) for name in run.__slots__ if name != "split"
        }
        values["k_per_s"] = run.k_per_s.tolist()
        write_text(self._place(key), json.dumps(values))

    def remove(self) -> None:
        """Remove the runs whose keys were asked for, once the comparison has finished.

        Runs that another comparison keeps in the same folder stay.
        """
        for key in self._keys:
            self._place(key).unlink(missing_ok=True)
        with suppress(OSError):  # there is none, or others keep theirs in it
            self._folder.rmdir()

    def _place(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def _lab_hash(data: LabData) -> str:
    arrays = [getattr(data, name) for name in data.__slots__ if name != "features"]
    return _hash(
        json.dumps(data.features.to_dict()).encode(),
        *(np.ascontiguousarray(array).tobytes() for array in arrays),
    )


def _hash(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
