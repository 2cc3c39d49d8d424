"""Sets of labelled images in IDX files: MNIST, Fashion-MNIST, EMNIST.

An IDX file is, big-endian and perhaps gzipped:

    bytes 0, 1      zero
    byte 2          type of the values; 0x08: unsigned bytes, the only one that is read here
    byte 3          number of dimensions D
    4 D bytes       the sizes, 32 bits each, the first one counting the items
    the rest        the values, the last dimension running fastest

A set is a folder of four such files: images of three dimensions and labels of one, for training
(``train`` in their names) and for the test (``t10k`` or ``test``).
"""

import gzip
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from stopflow.errors import FormatError, SettingsError

Bytes = NDArray[np.uint8]

UNSIGNED_BYTES: Final = 0x08
LARGEST: Final = 2**30
"""Largest number of values that a file may claim to hold."""
GZIP: Final = b"\x1f\x8b"
PARTS: Final = {"train": ("train",), "test": ("t10k", "test")}
KINDS: Final = {"images": 3, "labels": 1}
USUAL_NAMES: Final = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte, gzipped (.gz) or not"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet:
    """Labelled images.

    Attributes
    ----------
    train_images, test_images
        (N, rows, columns) values 0 to 255.
    train_labels, test_labels
        (N,) numbers of the classes, from 0.
    """

    name: str
    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes

    @property
    def classes(self) -> int:
        """Number of classes: the largest label and one more."""
        return 1 + int(max(self.train_labels.max(), self.test_labels.max()))


def read_image_set(folder: Path) -> ImageSet:
    """Read the four IDX files of a folder.

    Raises
    ------
    SettingsError
        The folder is not there, or one of the four files is not in it, or is in it twice.
    FormatError
        A file that is cut off, is not an IDX file, has images where labels should be (or the other
        way round), has another number of labels than of images, or images of another size than
        those of the other part.
    """
    if not folder.is_dir():
        raise SettingsError("--data", str(folder), valid=f"a folder with {USUAL_NAMES}")
    paths = {(part, kind): _find(folder, part, kind) for part in PARTS for kind in KINDS}
    read = {key: read_idx(path, dimensions=KINDS[key[1]]) for key, path in paths.items()}
    for part in PARTS:
        images, labels = read[part, "images"], read[part, "labels"]
        if len(images) != len(labels):
            raise FormatError(
                paths[part, "labels"].name,
                found=f"{len(labels)} labels",
                expected=f"{len(images)}, one for each image of {paths[part, 'images'].name}",
            )
    train, test = read["train", "images"], read["test", "images"]
    if train.shape[1:] != test.shape[1:]:
        raise FormatError(
            paths["test", "images"].name,
            found=f"images of {test.shape[1]} x {test.shape[2]} pixels",
            expected=f"{train.shape[1]} x {train.shape[2]}, as in {paths['train', 'images'].name}",
        )
    return ImageSet(
        name=folder.resolve().name,
        train_images=train,
        train_labels=read["train", "labels"],
        test_images=test,
        test_labels=read["test", "labels"],
    )


def read_idx(path: Path, *, dimensions: int) -> Bytes:
    """Read an IDX file of unsigned bytes, gzipped or not.

    Parameters
    ----------
    dimensions
        The number it must have: 1 for labels, 3 for images.

    Raises
    ------
    FormatError
        As `read_image_set`.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == GZIP
        raw.seek(0)
        try:
            if packed:
                with gzip.GzipFile(fileobj=raw) as stream:
                    return _read(stream, path.name, dimensions)  # type: ignore[arg-type]
            return _read(raw, path.name, dimensions)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FormatError(
                path.name, found=f"damaged gzip data ({error})", expected="the whole file"
            ) from error


def _read(stream: BinaryIO, name: str, dimensions: int) -> Bytes:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != UNSIGNED_BYTES:
        raise FormatError(
            name,
            where="bytes 0 to 3",
            found=magic.hex(" ") or "an empty file",
            expected=f"00 00 08 {dimensions:02x}: an IDX file of unsigned bytes",
        )
    if magic[3] != dimensions:
        kinds = {count: kind for kind, count in KINDS.items()}
        found = kinds.get(magic[3], "values")
        raise FormatError(
            name,
            where="byte 3",
            found=f"{found} of {magic[3]} dimensions",
            expected=f"{kinds.get(dimensions, 'values')} of {dimensions}; are two files swapped?",
        )
    header = stream.read(4 * dimensions)
    sizes = np.frombuffer(header, dtype=">u4").tolist() if len(header) == 4 * dimensions else []
    count = math.prod(sizes) if sizes else 0
    if not 0 < count <= LARGEST:
        raise FormatError(
            name,
            where=f"bytes 4 to {3 + 4 * dimensions}",
            found=f"sizes {' x '.join(map(str, sizes)) or 'that are cut off'}",
            expected=f"{dimensions} positive sizes, {LARGEST} values at most",
        )
    values = stream.read(count + 1)
    if len(values) != count:
        length = f"{len(values)}" if len(values) < count else f"more than {count}"
        raise FormatError(
            name,
            found=f"{length} values",
            expected=f"{count} ({' x '.join(map(str, sizes))}); is the file cut off?",
        )
    return np.frombuffer(values, dtype=np.uint8).reshape(sizes)


def _find(folder: Path, part: str, kind: str) -> Path:
    """Return the only file of the folder whose name says that it is this one."""
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and _is_named(path.name.lower(), PARTS[part], kind)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise SettingsError(
            f"{part} {kind} in --data", str(folder), valid=f"a folder with {USUAL_NAMES}"
        )
    names = " and ".join(path.name for path in found)
    raise SettingsError(
        f"{part} {kind} in --data", names, valid="one file of each kind; move the other away"
    )


def _is_named(name: str, parts: Sequence[str], kind: str) -> bool:
    return "idx" in name and kind in name and any(part in name for part in parts)
