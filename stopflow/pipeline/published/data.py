"""What published rows are trained on: a folder of images, an ingested lab; loaded when needed."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from stopflow.features import FeatureSpec
from stopflow.learn.classify.data import ClassData
from stopflow.learn.data import LabData
from stopflow.learn.training.augment import TraceOf
from stopflow.pipeline.lab.ingest import ingest, ingest_settings
from stopflow.pipeline.networks.classify import load_images
from stopflow.pipeline.networks.rows import build_lab_data
from stopflow.pipeline.networks.train import trace_of
from stopflow.pipeline.published.rows import SHOTS, Row
from stopflow.pipeline.simulate import simulate
from stopflow.store import Dataset, is_dataset, load_dataset

QUICK_ROWS: Final = 600
QUICK_TEST: Final = 200
QUICK_FOLDERS: Final = 3
QUICK_POINTS: Final = 400


@dataclass(slots=True, kw_only=True)
class Sources:
    """Data for rows of either kind.

    Attributes
    ----------
    quick
        A few of the images; a small simulated lab in place of the dataset.
    """

    images_folder: Path
    dataset_folder: Path
    quick: bool
    _images: ClassData | None = None
    _dataset: Dataset | None = None
    _labs: dict[FeatureSpec, LabData] = field(default_factory=dict)

    def missing(self, row: Row) -> str:
        """Say what a row lacks to be run; empty where there is all."""
        if row.data != SHOTS or self.quick or is_dataset(self.dataset_folder):
            return ""
        return (
            f"{row.name} was left out: it needs an ingested lab, and {self.dataset_folder} holds "
            "none (stopflow ingest, --dataset)"
        )

    def images(self) -> ClassData:
        """Return the images, a few of them where it is to be quick."""
        if self._images is None:
            whole = load_images(self.images_folder)
            self._images = _few(whole) if self.quick else whole
        return self._images

    def lab(self, spec: FeatureSpec) -> tuple[LabData, TraceOf]:
        """Return the lab as rows of features, and its traces."""
        dataset = self._dataset or load_dataset(self.dataset_folder)
        self._dataset = dataset
        if spec not in self._labs:
            self._labs[spec] = build_lab_data(dataset, spec)
        return self._labs[spec], trace_of(dataset)

    def fingerprint(self, spec: FeatureSpec | None) -> str:
        """Hash of the images, or of the lab as rows of features."""
        if spec is None:
            images = self.images()
            return _hash(images.inputs, images.labels)
        lab, _ = self.lab(spec)
        return _hash(lab.inputs, lab.k_label_per_s)


@contextmanager
def open_sources(images: Path, dataset: Path, *, quick: bool) -> Iterator[Sources]:
    """Yield the sources; a simulated lab for a quick look is removed afterwards."""
    if not quick:
        yield Sources(images_folder=images, dataset_folder=dataset, quick=False)
        return
    with tempfile.TemporaryDirectory(prefix="stopflow-") as scratch:
        shots, ingested = Path(scratch) / "shots", Path(scratch) / "ingested"
        simulate(shots, folders=QUICK_FOLDERS, points=QUICK_POINTS)
        ingest(shots, out=ingested, settings=ingest_settings())
        yield Sources(images_folder=images, dataset_folder=ingested, quick=True)


def _few(images: ClassData) -> ClassData:
    """Keep the first images of each part."""
    train, test = min(QUICK_ROWS, images.first_test), images.first_test
    chosen = np.r_[:train, test : min(test + QUICK_TEST, len(images))]
    return replace(
        images, inputs=images.inputs[chosen], labels=images.labels[chosen], first_test=train
    )


def _hash(*arrays: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
