"""IDX files built byte by byte, and what is wrong with damaged ones."""

import gzip
import struct

import numpy as np
import pytest

from stopflow.errors import FormatError, SettingsError
from stopflow.io.idx import read_idx, read_image_set

NAMES = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}


def idx_bytes(values):
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return header + bytes(values.ravel().tolist())


@pytest.fixture
def parts(rng):
    return {
        "train images": rng.integers(0, 256, (6, 3, 4)),
        "train labels": np.array([0, 1, 2, 0, 1, 2]),
        "test images": rng.integers(0, 256, (2, 3, 4)),
        "test labels": np.array([2, 1]),
    }


@pytest.fixture
def folder(tmp_path, parts):
    for name, values in parts.items():
        (tmp_path / NAMES[name]).write_bytes(idx_bytes(values))
    return tmp_path


def test_hand_built_files_are_read_value_by_value(folder, parts):
    found = read_image_set(folder)
    assert np.array_equal(found.train_images, parts["train images"])
    assert np.array_equal(found.test_images, parts["test images"])
    assert found.train_labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.test_labels.tolist() == [2, 1]
    assert found.classes == 3


def test_gzipped_files_and_other_names_are_the_same_set(folder, parts):
    for path in list(folder.iterdir()):
        name = path.name.replace("t10k", "emnist-digits-test")
        (folder / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert np.array_equal(read_image_set(folder).test_images, parts["test images"])


def test_a_folder_without_the_files_says_which_is_missing(folder, tmp_path):
    (folder / NAMES["test labels"]).unlink()
    with pytest.raises(SettingsError, match=r"test labels in --data.*t10k-labels-idx1-ubyte"):
        read_image_set(folder)
    with pytest.raises(SettingsError, match="a folder with train-images"):
        read_image_set(tmp_path / "nowhere")


def test_the_same_file_twice_is_not_chosen_from(folder):
    path = folder / NAMES["train labels"]
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(SettingsError, match="one file of each kind"):
        read_image_set(folder)


@pytest.mark.parametrize("packed", [False, True])
def test_every_cut_is_noticed(folder, packed):
    path = folder / NAMES["train images"]
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(gzip.compress(whole[:length]) if packed else whole[:length])
        with pytest.raises(FormatError, match="train-images-idx3-ubyte"):
            read_idx(path, dimensions=3)


def test_a_cut_gzip_stream_is_noticed(folder):
    path = folder / NAMES["train images"]
    packed = gzip.compress(path.read_bytes())
    for length in range(2, len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(FormatError, match="gzip"):
            read_idx(path, dimensions=3)


def test_values_behind_the_end_are_noticed(folder):
    path = folder / NAMES["test labels"]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(FormatError, match="more than 2 values; expected 2"):
        read_image_set(folder)


def test_swapped_images_and_labels_are_named(folder):
    images, labels = (folder / NAMES[f"train {kind}"] for kind in ("images", "labels"))
    contents = images.read_bytes(), labels.read_bytes()
    labels.write_bytes(contents[0])
    images.write_bytes(contents[1])
    with pytest.raises(FormatError, match=r"found labels of 1 dimensions.*swapped"):
        read_image_set(folder)


def test_labels_of_another_set_do_not_match(folder):
    (folder / NAMES["train labels"]).write_bytes(idx_bytes(np.array([0, 1])))
    with pytest.raises(FormatError, match="2 labels; expected 6"):
        read_image_set(folder)


def test_images_of_another_size_do_not_match(folder):
    (folder / NAMES["test images"]).write_bytes(idx_bytes(np.zeros((2, 4, 4), dtype=int)))
    with pytest.raises(FormatError, match="4 x 4 pixels; expected 3 x 4"):
        read_image_set(folder)


def test_sizes_that_cannot_be_are_not_believed(folder):
    path = folder / NAMES["test labels"]
    path.write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 2**32 - 1))
    with pytest.raises(FormatError, match="sizes 4294967295"):
        read_image_set(folder)
