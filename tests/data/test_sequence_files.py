"""Files of whole sequences: what is read from good ones, and where a damaged one is damaged."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from recurra.data.sequence_files import read_sequence_file
from recurra.data.sequence_set import SequenceSet
from recurra.errors import DataError

TS = "@problemName demo\n@timeStamps false\n@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7,8:9,?:b\n"


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def read_text(folder: Path, text: str):
    path = folder / "demo.ts"
    path.write_text(text)
    return read_sequence_file(path).samples


def test_a_ts_file(tmp_path):
    samples = read_text(tmp_path, TS)
    assert samples.answers == ["a", "b"]
    assert samples.names == ["line 5", "line 6"]
    np.testing.assert_array_equal(samples.numbers[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(samples.numbers[1], [[7, 9], [8, np.nan]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TS.replace("7,8:9,?:b", "7,8:9:b"), "line 6] the dimensions of a case must be equally long, got 2, 1 steps"),
        (TS.replace("7,8:9,?:b", "7,8:b"), "line 6] all cases must have 2 dimensions, this has 1"),
        (TS.replace(":b", ":c"), "line 6] the class must be one of the head's, a, b, got 'c'"),
        (TS.replace("7,8", "7,x"), "line 6, dimension 1] values must be numbers"),
        (TS.replace("@timeStamps false", "@timeStamps true"), "line 2] cases with time stamps cannot be read"),
        (TS.split("@data")[0], "there must be cases after a line '@data'"),
        ("x\n" + TS, "line 1] the head must be lines that begin with '@'"),
    ],
)
def test_damaged_ts_files_are_refused_with_their_line(tmp_path, text, sentence):
    with pytest.raises(DataError) as error:
        read_text(tmp_path, text)
    assert sentence in str(error.value)


def test_an_npz_file(tmp_path):
    x = np.arange(24.0).reshape(2, 4, 3)
    np.savez(tmp_path / "a.npz", x=x, kind=np.array(["u", "v"]), lengths=np.array([4, 2]))
    read = read_sequence_file(tmp_path / "a.npz", "kind")
    assert read.samples.answers == ["u", "v"]
    np.testing.assert_array_equal(read.samples.numbers[1], x[1, :2])
    assert read.size == "2 sequences"
    assert read.keep(tmp_path / "run") == [tmp_path / "a.npz"]


def test_arrays_are_kept_for_a_resumed_run(tmp_path):
    read = read_sequence_file({"x": np.ones((3, 5), np.float32), "y": np.array([1, 2, 1])})
    assert read.samples.numbers.values.shape == (15, 1)
    (copy,) = read.keep(tmp_path / "run")
    again = read_sequence_file(copy)
    np.testing.assert_array_equal(again.samples.numbers.values, read.samples.numbers.values)
    assert again.samples.answers == ["1", "2", "1"]


def test_images_are_sequences_of_rows_and_bytes_stay_bytes():
    images = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    numbers = read_sequence_file({"x": images}).samples.numbers
    assert numbers.values.dtype == np.uint8
    np.testing.assert_array_equal(numbers[1], images[1].reshape(3, 12))


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"z": np.ones((2, 3))}, "must be in an array 'x', there is none"),
        ({"x": np.ones(3)}, "must be [N, T], [N, T, D] or images"),
        ({"x": np.ones((2, 3), complex)}, "must hold real numbers"),
        ({"x": np.ones((2, 3)), "y": np.ones(3)}, "one answer for each of the 2 sequences"),
        ({"x": np.ones((2, 3)), "lengths": np.array([4, 1])}, "sequence 1] must lie between 0 and T = 3, got 4"),
        ({"x": np.ones((2, 3)), "lengths": np.array([1.5, 1])}, "must be 2 whole numbers"),
        ({"x": np.ones((2, 3)), "y": np.array([[0, 2], [1, 1]])}, "must be 0 or 1 for each class"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, sentence):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as error:
        read_sequence_file(tmp_path / "a.npz")
    assert sentence in str(error.value)


def test_an_npz_file_is_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([[1], [1, 2]], dtype=object))
    with pytest.raises(DataError, match="not of objects"):
        read_sequence_file(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="Get the file anew"):
        read_sequence_file(tmp_path / "a.npz")


def test_idx_images_find_their_labels(tmp_path):
    images = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx(images)))
    assert read_sequence_file(path).samples.answers is None
    alone = read_sequence_file(path).sha256
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.array([7, 1]))))
    read = read_sequence_file(path)
    assert read.samples.answers == ["7", "1"]
    assert read.sha256 != alone
    np.testing.assert_array_equal(read.samples.numbers[1], images[1])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (idx(np.ones((2, 3, 4)))[:-1], "must have 40 bytes for [2, 3, 4], got 39"),
        (b"\0\0\x08\x03\xff\xff\xff\xff", "got 8"),
        (b"PNG", "magic number"),
        (idx(np.ones(4)), "images must be [N, H, W]"),
        (gzip.compress(idx(np.ones((2, 3, 4))), mtime=0)[:-4], "whole gzip data"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, content, sentence):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_sequence_file(path)
    assert sentence in str(error.value)


def test_the_archives_files_have_the_published_sizes(shared_data):
    train = read_sequence_file(shared_data / "uea_small" / "JapaneseVowels_TRAIN.ts").samples
    assert (len(train), len(train.features), len(set(train.answers))) == (270, 12, 9)
    assert (train.numbers.lengths.min(), train.numbers.lengths.max()) == (7, 26)
    test = read_sequence_file(shared_data / "fashion_mnist" / "t10k-images-idx3-ubyte.gz").samples
    assert len(test) == 10_000
    assert {test.answers.count(str(kind)) for kind in range(10)} == {1000}


def test_sequences_are_cut_as_by_a_loop():
    random = np.random.default_rng(0)
    parts = [random.normal(size=(length, 3)) for length in (4, 0, 1, 7)]
    some = SequenceSet.join(parts)
    chosen = np.array([3, 1, 0, 3])
    batch, lengths = some.pad(chosen)
    assert batch.shape == (4, 7, 3)
    for row, length, number in zip(batch, lengths, chosen, strict=True):
        np.testing.assert_array_equal(row[:length], parts[number])
        assert not row[length:].any()
    for mine, number in zip(range(4), chosen, strict=True):
        np.testing.assert_array_equal(some.take(chosen)[mine], parts[number])
    assert some.pad(np.array([1]))[0].shape == (1, 1, 3)
