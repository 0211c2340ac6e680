"""Labels and samples: what is refused says where, and what is repaired is counted."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.data.labels import Classes, read_label_lists, read_labels, require_classes
from recurra.data.repairs import Repairs
from recurra.data.sample_checks import repair
from recurra.data.samples import Samples
from recurra.data.sequence_set import SequenceSet
from recurra.data.tables import read_table
from recurra.errors import DataError


def test_classes_are_in_order_and_numbers_in_that_of_their_size():
    assert Classes.learn(["b", "a", "b"]).names == ("a", "b")
    assert Classes.learn(["10", "-2", "9"]).names == ("-2", "9", "10")


def test_a_label_that_was_never_learned_names_its_row_and_the_nearest():
    with pytest.raises(DataError) as error:
        Classes(("ham", "spam")).encode(["ham", "sapm", "x"], lambda place: f"mail.csv, line {place + 2}")
    assert "[mail.csv, line 3]" in str(error.value)
    assert "'sapm' came (2 such rows). Did you mean 'spam'?" in str(error.value)


def test_several_labels_of_a_row():
    table = read_table({"kinds": ["a; b", "", "b;b"]})
    rows = read_label_lists(table, "kinds", ";")
    assert rows == [("a", "b"), (), ("b",)]
    assert Classes.learn(["a", "b"]).encode_several(rows).tolist() == [[1, 1], [0, 0], [0, 1]]
    assert read_label_lists(read_table({"kinds": [["a", "b"], []]}), "kinds", ";") == [("a", "b"), ()]


def test_missing_labels_name_the_first_row():
    with pytest.raises(DataError, match=r"row 2, column 'kind'\] every row must have a label, none came \(2 such rows"):
        read_labels(read_table({"kind": ["a", "", " "]}), "kind")
    with pytest.raises(DataError, match="--multi-label"):
        read_labels(read_table({"kind": [["a"], ["b"]]}), "kind")


def test_what_is_no_choice_is_refused():
    with pytest.raises(DataError, match="only 'a' came"):
        require_classes(["a", "a"], "d.csv")
    with pytest.raises(DataError, match="use --target"):
        require_classes([f"{i / 7}" for i in range(50)], "d.csv")
    require_classes([f"word{i}" for i in range(50)], "d.csv")


TEXTS = Samples("d.csv", ["line 2", "line 3", "line 4"], texts=["a", " ", ""], answers=["x", "y", "x"])


def test_empty_texts_are_refused_or_counted():
    with pytest.raises(DataError, match=r"d.csv, line 3\] .*an empty text came \(2 in all\).*--skip-empty"):
        repair(TEXTS, Repairs())
    kept = repair(TEXTS, Repairs(skip_empty=True))
    assert (kept.names, kept.answers) == (["line 2"], ["x"])
    assert kept.notices == ("2 empty texts left out: line 3, line 4",)
    with pytest.raises(DataError, match="all of it is empty"):
        repair(TEXTS.take(np.array([1, 2])), Repairs(skip_empty=True))


def numbers(*parts) -> Samples:
    joined = SequenceSet.join([np.array(part, dtype=np.float32) for part in parts])
    return Samples("d.npz", [f"sequence {i + 1}" for i in range(len(parts))], numbers=joined, features=("u", "v"))


def test_sequences_of_length_0_are_refused_or_counted():
    samples = numbers([[1, 2]], np.zeros((0, 2)))
    with pytest.raises(DataError, match=r"sequence 2\] .*a sequence of length 0 came"):
        repair(samples, Repairs())
    assert repair(samples, Repairs(skip_empty=True)).notices == ("1 sequence of length 0 left out: sequence 2",)


def test_missing_numbers_are_refused_or_filled_and_counted():
    samples = numbers([[1, 2]], [[np.nan, 3], [4, np.inf], [np.nan, 5]])
    with pytest.raises(DataError, match=r"d.npz, sequence 2, step 1, 'u'\] a number must come, none did \(3 such"):
        repair(samples, Repairs())
    filled = repair(samples, Repairs(missing="forward"))
    np.testing.assert_array_equal(filled.numbers[1], [[4, 3], [4, 3], [4, 5]])
    assert "3 missing numbers replaced by the last one before, the first in d.npz, sequence 2" in filled.notices[0]
    assert np.isnan(repair(samples, Repairs(missing="mean")).numbers.values).sum() == 3  # until they are scaled
