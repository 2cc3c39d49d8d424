"""Labelled images as rows of a network, and the split into training, validation and test."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stopflow.errors import SettingsError
from stopflow.io.idx import ImageSet
from stopflow.learn.split import Split

Rows = NDArray[np.float32]
Numbers = NDArray[np.intp]

WHITE: Final = 255.0
"""The largest value of a pixel."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassData:
    """N labelled rows; made by `class_data`.

    Attributes
    ----------
    name
        Of the set, e.g. ``"mnist"``.
    inputs
        (N, n) float32 rows, pixels from 0 to 1; the training rows first, then the test rows.
    labels
        (N,) numbers of the classes.
    classes
        How many there are.
    first_test
        Number of the first row of the test.
    size
        Rows and columns of an image.
    """

    name: str
    inputs: Rows
    labels: Numbers
    classes: int
    first_test: int
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def n_inputs(self) -> int:
        """Length of a row."""
        return self.inputs.shape[1]


def class_data(images: ImageSet) -> ClassData:
    """Turn images into rows.

    Raises
    ------
    SettingsError
        When the set has fewer than two classes or no test row.
    """
    if images.classes < 2:
        raise SettingsError("classes", images.classes, valid="2 or more different labels")
    both = np.concatenate([images.train_images, images.test_images])
    rows = both.reshape(len(both), -1).astype(np.float32)
    rows /= np.float32(WHITE)
    labels = np.concatenate([images.train_labels, images.test_labels]).astype(np.intp)
    return ClassData(
        name=images.name,
        inputs=rows,
        labels=labels,
        classes=images.classes,
        first_test=len(images.train_images),
        size=(images.train_images.shape[1], images.train_images.shape[2]),
    )


def split_rows(data: ClassData, *, validation_count: int, generator: np.random.Generator) -> Split:
    """Set rows chosen by the generator aside for validation; the test rows of the set are kept.

    At least half of the rows for training stay for training.
    """
    count = min(validation_count, data.first_test // 2)
    shuffled = generator.permutation(data.first_test)
    return Split(
        train=np.sort(shuffled[count:]),
        validation=np.sort(shuffled[:count]),
        test=np.arange(data.first_test, len(data)),
        test_experiments=(),
        validation_experiments=(),
    )
