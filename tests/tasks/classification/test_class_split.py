"""Which samples are held out: each class in its share, groups whole, nothing twice."""

from __future__ import annotations

import numpy as np
import pytest

from recurra.data.samples import Samples
from recurra.errors import DataError
from recurra.tasks.classification.split import Divided, divide, repetitions, require_frequent


def samples(answers, groups=None) -> Samples:
    names = [f"line {i + 2}" for i in range(len(answers))]
    return Samples("d.csv", names, texts=["x"] * len(answers), answers=answers, groups=groups)


def test_every_class_is_held_out_in_its_share():
    divided = divide(samples(["a"] * 700 + ["b"] * 200 + ["c"] * 100), 0.1, 0.2, seed=0)
    answers = np.array(divided.samples.answers)
    for kind, count in (("a", 700), ("b", 200), ("c", 100)):
        assert abs((answers[divided.test] == kind).sum() - 0.2 * count) <= 1
        assert abs((answers[divided.validation] == kind).sum() - 0.1 * count) <= 1
    everything = np.concatenate([divided.training, divided.validation, divided.test])
    assert sorted(everything.tolist()) == list(range(1000))


def test_small_classes_are_held_out_in_their_share_all_together_and_never_whole():
    answers = [f"kind {i // 2}" for i in range(600)]  # two rows each
    divided = divide(samples(answers), 0.0, 0.1, seed=0)
    assert 30 < len(divided.test) < 90
    assert set(np.array(answers)[divided.training]) == set(answers)


def test_the_seed_chooses_the_rows():
    some = samples(["a", "b"] * 100)
    first, again, other = (divide(some, 0.1, 0.1, seed).test.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_groups_are_never_divided():
    groups = [f"p{i % 7}" for i in range(140)]
    divided = divide(samples(["a", "b"] * 70, groups), 0.1, 0.1, seed=0)
    of = [{groups[i] for i in part} for part in (divided.training, divided.validation, divided.test)]
    assert [len(one) for one in of] == [5, 1, 1]
    assert sum(len(one) for one in of) == len(of[0] | of[1] | of[2])


def test_a_class_that_only_a_held_out_group_has_is_refused():
    groups = [f"p{i % 3}" for i in range(30)]
    answers = [f"only {group}" for group in groups]
    with pytest.raises(DataError, match="every class must be in the training part, 'only p"):
        divide(samples(answers, groups), 0.1, 0.1, seed=0)
    with pytest.raises(DataError, match="each part needs a group of its own, only 2 came"):
        divide(samples(["a", "b"] * 5, ["p", "q"] * 5), 0.1, 0.1, seed=0)


def test_numbers_are_divided_by_their_size():
    numbers = [float(i) for i in range(1000)]
    held = np.array(numbers)[divide(samples(numbers), 0.0, 0.1, seed=0).test]
    for low in range(0, 1000, 100):
        assert 8 <= ((held >= low) & (held < low + 100)).sum() <= 12


def test_a_label_that_comes_once_is_refused_or_counted():
    some = samples(["spam", "ham", "sapm", "ham", "spam"])
    with pytest.raises(DataError) as error:
        require_frequent(some, skip=False)
    assert "[d.csv, line 4] a label must come 2 times or more" in str(error.value)
    assert "'sapm' comes once. Did you mean 'spam'?" in str(error.value)
    kept = require_frequent(some, skip=True)
    assert len(kept) == 4
    assert kept.notices == ("1 row left out whose label comes once: 'sapm'",)
    with pytest.raises(DataError, match="every label comes once only"):
        require_frequent(samples(["a", "b"]), skip=True)


def test_rows_of_several_labels_go_by_their_rarest():
    answers = [("a", "rare") if i % 20 == 0 else ("a",) for i in range(400)]
    held = divide(samples(answers), 0.0, 0.25, seed=0).test
    assert 4 <= sum("rare" in answers[i] for i in held) <= 6
    assert require_frequent(samples([("a", "b"), ("a",), ("b",)]), skip=False).answers == [("a", "b"), ("a",), ("b",)]


def test_texts_that_are_learned_and_tested_are_told():
    some = Samples("d.csv", ["1", "2", "3", "4"], texts=["a", "b", "a", "c"], answers=["x"] * 4)
    first, second = np.array([0, 1]), np.array([2, 3])
    nothing = np.array([], dtype=np.int64)
    assert repetitions(Divided(some, first, nothing, second)) == (
        "1 of the 2 texts held out for the score stand among the others too, word for word",
    )
    assert repetitions(Divided(some, np.array([1]), nothing, second)) == ()
