"""Word vectors: the formats of GloVe and fastText, and where a file is damaged."""

from __future__ import annotations

import gzip

import pytest

from recurra.data.vectors import read_vectors
from recurra.errors import DataError

LINES = "cat 1 2 3\ndog 4 5 6\nnew york 7 8 9\n"


def test_glove_and_fasttext(tmp_path):
    (tmp_path / "glove.txt").write_text(LINES)
    (tmp_path / "fast.vec").write_text("3 3\n" + LINES)
    (tmp_path / "fast.vec.gz").write_bytes(gzip.compress(("3 3\n" + LINES).encode()))
    for name in ("glove.txt", "fast.vec", "fast.vec.gz"):
        size, vectors = read_vectors(tmp_path / name, ["Dog", "dog", "bird", "new york"])
        assert size == 3
        assert {word: vector.tolist() for word, vector in vectors.items()} == {
            "Dog": [4, 5, 6],
            "dog": [4, 5, 6],
            "new york": [7, 8, 9],
        }


def test_a_words_own_vector_goes_before_that_of_its_small_letters(tmp_path):
    (tmp_path / "v.txt").write_text("dog 1 2\nDog 3 4\n")
    assert read_vectors(tmp_path / "v.txt", ["Dog"])[1]["Dog"].tolist() == [3, 4]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cat 1 2 3\ndog 4 5\n", "line 2] a word and 3 numbers must come, got 3 fields"),
        ("cat 1 2\ndog x y\n", "line 2] a word must be followed by numbers"),
        ("cat 1 2\ndog nan 3\n", "line 2] all numbers of a vector must be finite"),
        ("", "it is empty"),
        ("cat\n", "line 1] a word and 2 numbers must come"),
    ],
)
def test_damaged_files_name_their_line(tmp_path, text, sentence):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(DataError) as error:
        read_vectors(tmp_path / "v.txt", ["dog", "cat"])
    assert sentence in str(error.value)


def test_no_file_and_no_utf8(tmp_path):
    with pytest.raises(DataError, match="none is"):
        read_vectors(tmp_path / "v.txt", ["dog"])
    (tmp_path / "v.txt").write_bytes(b"caf\xe9 1 2\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_vectors(tmp_path / "v.txt", ["dog"])
