"""From sentences to a bundle and back; each setting has its effect; what is wrong with data is said."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import recurra
from recurra.errors import BundleError, DataError, SettingsError
from recurra.nn.crf import path_score
from recurra.tasks.tagging.examples import Batch
from recurra.tasks.tagging.schemes import breaks
from recurra.tasks.tagging.split import divide
from recurra.tasks.tagging.task import TaggingTask
from recurra.training.loop import Interrupted
from recurra.training.progress import Silent

FEW = recurra.TrainingOptions(steps=60, batch_size=16, learning_rate=0.02, threads=1)
SMALL = recurra.Encoder(hidden_size=12, bidirectional=True)


def tagging(**settings) -> recurra.Tagging:
    small = {"encoder": SMALL, "embedding_size": 12, "character_size": 8, "refit": False}
    small |= {"embedding_dropout": 0.0, "word_dropout": 0.1}
    return recurra.Tagging(**{**small, **settings})


def rows(count: int = 120, seed: int = 0) -> list[dict]:
    """A name is one or two capitals after "Mr"; a capital elsewhere is a place."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        tokens: list[str] = []
        tags: list[str] = []
        for _ in range(int(random.integers(1, 4))):
            name = [f"{random.choice(list('ABCDEFG'))}{random.choice(['an', 'ob', 'ill'])}" for _ in range(2)]
            kind = int(random.integers(3))
            tokens += [["Mr", name[0], name[1]], ["in", name[0]], ["he", "said"]][kind]
            tags += [["O", "B-PER", "I-PER"], ["O", "B-LOC"], ["O", "O"]][kind]
        made.append({"tokens": tokens, "tags": tags})
    return made


def kinds(count: int = 120) -> list[dict]:
    """Plain tags, told by the ending of a word that is made up anew each time."""
    random = np.random.default_rng(0)
    letters = list("bcdfgklmnprst")
    made = []
    for _ in range(count):
        ends = random.integers(2, size=int(random.integers(2, 7)))
        tokens = ["".join(random.choice(letters, 3)) + ("ing", "ed")[end] for end in ends]
        made.append({"tokens": tokens, "tags": [("ING", "ED")[end] for end in ends]})
    return made


@pytest.mark.parametrize("head", ["linear", "crf"])
def test_spans_are_learned_and_always_legal(head):
    bundle = recurra.train(tagging(head=head), rows(240), options=replace(FEW, steps=160))
    assert bundle.scores["scheme"] == "BIO"
    assert bundle.scores["model"]["span_f1"] > 0.9 > bundle.scores["naive"]["span_f1"]
    said = bundle.predict([["Mr", "Ban", "Cob", "said"], ["in", "Dill"], ["Mr"]])
    assert said.columns == ["sentence", "token", "tag", "probability"]
    assert said["sentence"].to_list() == [1, 1, 1, 1, 2, 2, 3]
    assert said["tag"].to_list() == ["O", "B-PER", "I-PER", "O", "O", "B-LOC", "O"]
    untrained = recurra.train(tagging(head=head, test=0.0, validation=0.0), rows(), options=replace(FEW, steps=1))
    for tags in untrained.task.predict_sentences(untrained.model, tagging().read(rows(30, seed=1))).tags:
        assert breaks(tags, "BIO") == 0


@pytest.mark.parametrize("characters", ["lstm", "cnn", "none"])
def test_unknown_words_are_told_by_their_letters(characters):
    settings = tagging(characters=characters, word_dropout=0.3)
    bundle = recurra.train(settings, kinds(), options=replace(FEW, steps=100))
    assert bundle.scores["scheme"] is None
    accuracy = bundle.scores["model"]["unknown_accuracy"]
    assert accuracy > 0.95 if characters != "none" else accuracy < 0.8


def test_a_mark_tells_which_of_two_questions_is_asked():
    random = np.random.default_rng(0)
    data = []
    for _ in range(150):
        tokens = [str(random.choice(["a", "b", "c"])) for _ in range(4)]
        first, second = (["LEFT" if n < at else "V" if n == at else "RIGHT" for n in range(4)] for at in (1, 2))
        data.append({"tokens": tokens, "preds": [{"i": 1, "tags": first}, {"i": 2, "tags": second}]})
    bundle = recurra.train(tagging(marker_column="preds"), data, options=FEW)
    assert bundle.scores["model"]["accuracy"] > 0.95
    assert bundle.scores["naive"]["accuracy"] < 0.85
    said = bundle.predict([{"tokens": ["a", "b", "c", "a"], "preds": [{"i": 2}]}])
    assert said["marked"].to_list() == [False, False, True, False]
    assert said["tag"].to_list() == ["LEFT", "LEFT", "V", "RIGHT"]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_cell_in_one_direction_or_two(cell):
    encoder = recurra.Encoder(cell=cell, hidden_size=12, layers=2, dropout=0.1)
    bundle = recurra.train(tagging(encoder=encoder), kinds(), options=FEW)
    assert bundle.scores["model"]["accuracy"] > 0.8


def test_members_are_averaged():
    bundle = recurra.train(tagging(members=2), rows(), options=FEW)
    task, sentences = bundle.task, tagging().read(rows(10, seed=1))
    batch = Batch.of(task.inputs(sentences).cut(np.arange(len(sentences))))
    with torch.no_grad():
        scores = torch.stack([member(batch) for member in bundle.model]).double().mean(dim=0)
        parts = zip(*(member.crf.transitions() for member in bundle.model), strict=True)
        between = type(task.legal)(*(torch.stack(part).double().mean(dim=0) for part in parts))
        said = task.predict_sentences(bundle.model, sentences).tags
        best = torch.zeros_like(batch.words)
        for row, tags in enumerate(said):
            best[row, : len(tags)] = torch.tensor([task.classes.names.index(tag) for tag in tags])
        top = path_score(scores, batch.lengths, best, between)
        for _ in range(200):  # no other tags are better
            other = torch.where(torch.rand(best.shape) < 0.3, torch.randint(len(task.classes), best.shape), best)
            assert (path_score(scores, batch.lengths, other, between) <= top + 1e-4).all()


def test_words_start_from_vectors(tmp_path):
    (tmp_path / "vectors.txt").write_text("mr 1 2 3\nhe 4 5 6\n")
    settings = tagging(vectors=str(tmp_path / "vectors.txt"), embedding_size=None)
    task, divided = settings.learn(settings.read(rows()))
    member = task.build_model()[0]
    assert member.embedding.table.weight[task.words.number("mr")].tolist() == [1, 2, 3]
    assert "2 of" in divided.sentences.notices[0]
    broken = replace(settings, embedding_size=4)
    with pytest.raises(SettingsError, match="must be 3"):
        broken.learn(broken.read(rows()))


def test_words_are_looked_up_in_small_letters_and_without_their_digits():
    settings = tagging(min_count=2, validation=0.0, test=0.0)
    data = [{"tokens": ["May", "may", "Rare", "1998", "2001"], "tags": ["A", "B", "A", "B", "A"]}]
    task, _ = settings.learn(settings.read(data))
    assert [task.words.symbol(number) for number in range(2, len(task.words))] == ["0000", "may"]
    exact, _ = replace(settings, lowercase=False, min_count=1).learn(settings.read(data))
    assert exact.words.number("May") != exact.words.number("may")


def test_probabilities_are_those_of_the_tags_said():
    bundle = recurra.train(tagging(head="linear"), kinds(), options=FEW)
    sentences = tagging().read(kinds(5))
    batch = Batch.of(bundle.task.inputs(sentences).cut(np.arange(len(sentences))))
    with torch.no_grad():
        expected = torch.softmax(bundle.model[0](batch), dim=-1).amax(dim=-1)[batch.mask]
    said = bundle.predict(kinds(5))["probability"].to_numpy()
    np.testing.assert_allclose(said, expected.numpy(), rtol=1e-5)


def test_a_bundle_says_the_same_after_loading(tmp_path):
    bundle = recurra.train(tagging(), rows(), out=tmp_path / "m", options=FEW)
    again = recurra.load(tmp_path / "m")
    assert again.task == bundle.task
    assert again.predict(rows(5)).equals(bundle.predict(rows(5)))
    assert again.evaluate(rows(9)).to_dict() == bundle.evaluate(rows(9)).to_dict()
    assert again.task.restore_scores(again.scores).to_dict() == bundle.scores


def test_a_stopped_training_goes_on_bit_for_bit(tmp_path):
    class Stops(Silent):
        def update(self, step: int, loss: float) -> None:
            if step == 20:
                signal.raise_signal(signal.SIGINT)

    whole = recurra.train(tagging(), rows(), options=FEW)
    with pytest.raises(Interrupted):
        recurra.train(tagging(), rows(), out=tmp_path / "m", options=FEW, progress=Stops())
    resumed = recurra.resume(tmp_path / "m")
    assert resumed.scores == whole.scores
    for one, other in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_held_out_parts_keep_sentences_whole_and_tags_learnable():
    data = [{"tokens": ["a", "b"], "p": [{"i": i, "tags": ["X", "Y"]} for i in (0, 1)]} for _ in range(50)]
    sentences = tagging(marker_column="p").read(data)
    divided = divide(sentences, 0.2, 0.2, seed=0)
    parts = [{sentences.groups[i] for i in part} for part in (divided.training, divided.validation, divided.test)]
    assert [len(part) for part in parts] == [30, 10, 10]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert [len(part) for part in (divided.training, divided.test)] == [60, 20]
    rare = [{"tokens": ["a"], "tags": [f"T{n}" if n < 20 else "X"]} for n in range(60)]
    divided = divide(tagging().read(rare), 0.2, 0.2, seed=0)
    learned = {tag for i in divided.training for tag in divided.sentences.tags[i]}
    assert learned == {*(f"T{n}" for n in range(20)), "X"}
    assert "put to those to learn from" in divided.sentences.notices[0]


def test_a_tag_that_was_never_learned_counts_as_wrong_and_is_said():
    bundle = recurra.train(tagging(), kinds(), options=FEW)
    right = bundle.evaluate(kinds(10))
    data = kinds(10)
    data[0]["tags"][0] = "NEW"
    scores = bundle.evaluate(data)
    assert scores.strange == 1
    assert scores.model["accuracy"] < right.model["accuracy"]
    assert "1 token with a tag that was never learned" in scores.summary()


def test_the_commonest_tag_of_each_word_is_counted():
    data = [{"tokens": ["run", "the", "Run"], "tags": ["V", "D", "V"]}, {"tokens": ["run", "odd"], "tags": ["N", "N"]}]
    settings = tagging(validation=0.0, test=0.0)
    task, _ = settings.learn(settings.read(data))
    inputs = task.inputs(settings.read([{"tokens": ["RUN", "the", "new"], "tags": ["V", "D", "N"]}]))
    said = [task.classes.names[code] for code in task.commonest.predict(inputs)]
    assert said == ["V", "D", "D"]  # "the" and "odd" came once: D and N, the first of them


def test_one_tag_is_nothing_to_learn():
    with pytest.raises(DataError, match="two tags or more"):
        recurra.train(tagging(), [{"tokens": ["a"], "tags": ["X"]}] * 9)


def test_one_sentence_is_learned_if_nothing_is_held_out():
    data = [{"tokens": ["a", "b"], "tags": ["X", "Y"]}]
    bundle = recurra.train(tagging(), data, options=FEW)  # a tenth of one sentence is none
    assert bundle.scores == {}
    assert bundle.predict([["a", "b"]])["tag"].to_list() == ["X", "Y"]


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "BILBO"},
        {"tags": ["X", "X"]},
        {"commonest": [[0], [0]]},
        {"tags": ["X"]},
    ],
)
def test_a_task_that_cannot_be_is_refused(change):
    settings = tagging()
    task, _ = settings.learn(settings.read(kinds()))
    with pytest.raises((DataError, BundleError)):
        TaggingTask.from_dict({**task.to_dict(), **change})
    assert TaggingTask.from_dict(task.to_dict()) == task


def test_the_report_shows_spans_and_mistakes(tmp_path: Path):
    recurra.train(tagging(), rows(), out=tmp_path / "m", options=replace(FEW, steps=20))
    report = (tmp_path / "m" / "report.html").read_text()
    for title in ("Scores", "Spans by label", "Hardest sentences", "Training", "Data"):
        assert f"<h2>{title}</h2>" in report
    assert "not B-PER" in report
    recurra.train(tagging(), kinds(), out=tmp_path / "k", options=FEW)
    report = (tmp_path / "k" / "report.html").read_text()
    assert "<h2>Tags</h2>" in report
    assert "Confusion matrix" in report
