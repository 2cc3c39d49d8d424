"""A small set of labelled images, made here: noisy copies of a few pictures."""

import struct
from pathlib import Path

import numpy as np

from stopflow.io.idx import ImageSet
from stopflow.learn.classify.data import ClassData, class_data

PIXELS = 6
CLASSES = 4


def make_images(
    rng: np.random.Generator,
    *,
    train: int = 240,
    test: int = 80,
    noise: float = 40.0,
    pixels: int = PIXELS,
    classes: int = CLASSES,
) -> ImageSet:
    pictures = rng.integers(60, 196, (classes, pixels, pixels))

    def part(count):
        labels = rng.integers(0, classes, count)
        noisy = pictures[labels] + noise * rng.standard_normal((count, pixels, pixels))
        return noisy.clip(0, 255).astype(np.uint8), labels.astype(np.uint8)

    (images, labels), (test_images, test_labels) = part(train), part(test)
    return ImageSet(
        name="pictures",
        train_images=images,
        train_labels=labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def make_class_data(rng: np.random.Generator) -> ClassData:
    return class_data(make_images(rng))


def write_images(folder: Path, images: ImageSet) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, prefix in (("train", "train"), ("test", "t10k")):
        for kind, name in (("images", "images-idx3-ubyte"), ("labels", "labels-idx1-ubyte")):
            values = getattr(images, f"{part}_{kind}")
            header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            (folder / f"{prefix}-{name}").write_bytes(header + values.tobytes())
    return folder
