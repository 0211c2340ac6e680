"""Language models end to end: what they learn, how they are scored, what is refused, and the way to disk and back."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from nonsense import options, sentences, small
from torch import nn

import recurra
from recurra.data.text import read_text
from recurra.data.vocabulary import UNKNOWN
from recurra.errors import BundleError, DataError, SettingsError
from recurra.settings import from_dict
from recurra.tasks.generation.parts import Part, TextStreams, divide
from recurra.tasks.generation.position import START
from recurra.tasks.generation.scores import mean_loss, score_part


def test_it_learns_and_says_so(bundle):
    scores = bundle.task.restore_scores(bundle.scores)
    assert scores.nats["model"] < scores.nats["bigrams"] < scores.nats["frequencies"]
    assert "fewer than guessing by bigrams" in scores.summary()
    assert scores.perplexity() == pytest.approx(math.exp(scores.nats["model"]))
    assert scores.bits_per_character() == pytest.approx(scores.nats["model"] / math.log(2))


def test_a_model_that_loses_says_so(text):
    bundle = recurra.train(small(), text, options=options(steps=1))
    scores = bundle.task.restore_scores(bundle.scores)
    assert "LOSES to guessing by bigrams" in scores.summary()


def test_a_bundle_comes_back_as_it_was(bundle, folder, text, tmp_path):
    bundle.save(tmp_path / "again")
    again = recurra.load(tmp_path / "again")
    assert again.task.to_dict() == bundle.task.to_dict()
    assert again.generate("the", length=30).text == bundle.generate("the", length=30).text
    assert again.evaluate(text).to_dict() == bundle.evaluate(text).to_dict()
    assert json.loads((folder / "bundle.json").read_text())["task"] == "generation"


def torch_losses(bundle, ids):
    """The same model by hand: torch's embedding, LSTM and cross-entropy, over the whole text at once."""
    member = bundle.model[0]
    encoder, head, H = member.encoder, member.head, 24
    lstm = nn.LSTM(8, H, batch_first=True)
    lstm.load_state_dict(encoder.layers[0].layer.state_dict())
    with torch.no_grad():
        inputs = torch.tensor([[START, *ids[:-1]]])
        features, _ = lstm(encoder.embedding[inputs])
        logits = features[0] @ head.weight.t() + head.bias
        return nn.functional.cross_entropy(logits, torch.tensor(ids), reduction="none").double().numpy()


def test_scores_are_those_of_one_pass_by_hand_from_the_first_symbol_to_the_last(bundle, tmp_path):
    path = tmp_path / "new.txt"
    path.write_text(sentences(60, seed=9))  # longer than a chunk of the scoring
    ids = bundle.task.vocabulary.encode(path.read_text()).tolist()
    expected = torch_losses(bundle, ids)
    scores = bundle.evaluate(path)
    assert scores.symbols == scores.characters == len(ids) > 1000
    assert scores.nats["model"] == pytest.approx(expected.mean(), abs=1e-5)
    part = Part(np.array(ids, dtype=np.uint8), len(ids))
    np.testing.assert_allclose(score_part(bundle.model[0], part), expected, atol=2e-4)
    counts = np.array(bundle.task.counts) + 1.0
    counts[START] = 0
    assert scores.nats["frequencies"] == pytest.approx(-np.log((counts / counts.sum())[ids]).mean())


def test_a_validation_of_one_stream_is_the_score(bundle, text):
    part = Part.encode(read_text(text), bundle.task.vocabulary, 0, 1500)
    with torch.no_grad():
        assert mean_loss(bundle.model[0], part) == pytest.approx(score_part(bundle.model[0], part).mean(), abs=1e-6)


def test_several_files_are_scored_as_one_text(bundle, tmp_path):
    whole, first, second = (tmp_path / name for name in ("whole", "1", "2"))
    first.write_text(sentences(5, 1))
    second.write_text(sentences(7, 2))
    whole.write_text(first.read_text() + second.read_text())
    assert bundle.evaluate([first, second]).to_dict() == bundle.evaluate(whole).to_dict()


def test_the_parts_follow_one_another_and_end_where_lines_end(text):
    read = read_text(text)
    first, second = divide(read, 0.1, 0.2)
    content = text.read_text()
    assert content[first - 1] == content[second - 1] == "\n"
    assert first == pytest.approx(0.7 * len(content), abs=30)
    assert second == pytest.approx(0.8 * len(content), abs=30)
    assert divide(read, 0.0, 0.0) == (len(content), len(content))
    assert divide(read, 0.1, 0.0)[1] == len(content)
    _, parts = small(validation=0.1, test=0.2).learn(read)
    joined = np.concatenate([parts.training.ids, parts.validation.ids, parts.test.ids])
    task, _ = small(validation=0.1, test=0.2).learn(read)
    assert task.vocabulary.decode(joined) == content


def test_a_part_without_lines_is_cut_where_its_share_begins(tmp_path):
    path = tmp_path / "line.txt"
    path.write_text("a" * 500 + "\n" + "b" * 499)
    assert divide(read_text(path), 0.1, 0.1) == (800, 900)
    path.write_text("b" * 999 + "\n")
    assert divide(read_text(path), 0.1, 0.1) == (800, 900)


def test_the_vocabulary_is_that_of_the_training_part(tmp_path):
    path = tmp_path / "late.txt"
    path.write_text(sentences(40) + "émile\n" * 5)
    with pytest.warns(RuntimeWarning, match="5 of the .* characters of the test part are not in the vocabulary"):
        bundle = recurra.train(small(test=0.1, validation=0.0), path, options=options(steps=2))
    assert bundle.scores["unknown"] == 5
    scores = bundle.task.restore_scores(bundle.scores)
    assert "5 of them" in scores.summary()
    assert "look better than they are" in scores.summary()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("unit", ["word", "byte", "subword"])
def test_every_unit_is_trained_scored_and_written(unit, text):
    if unit == "subword":
        pytest.importorskip("tokenizers")
    settings = small(tokens=recurra.Tokens(unit=unit, vocabulary_size=300))
    bundle = recurra.train(settings, text, options=options(steps=80))
    scores = bundle.task.restore_scores(bundle.scores)
    assert scores.unit == unit
    assert scores.nats["model"] < scores.nats["frequencies"]
    total = scores.nats["model"] * scores.symbols
    assert scores.bits_per_character() == pytest.approx(total / math.log(2) / scores.characters)
    written = bundle.generate("the cat ", length=40)
    assert written.text
    assert "\ufffd" not in written.text
    assert "<unk>" not in written.text


@pytest.mark.parametrize(
    "changes",
    [
        {"one_hot": True, "embedding_size": None},
        {"tied": True},
        {"tied": True, "embedding_size": 24},
        {"adaptive": True},
        {"encoder": recurra.Encoder(hidden_size=12, layers=2, dropout=0.2, weight_drop=0.2)},
        {"encoder": recurra.Encoder(cell="gru", hidden_size=12), "embedding_dropout": 0.1, "symbol_dropout": 0.1},
    ],
    ids=["one_hot", "tied", "tied of equal size", "adaptive", "dropouts", "gru"],
)
def test_every_form_of_model_learns_and_comes_back(changes, text, tmp_path):
    bundle = recurra.train(small(**changes), text, out=tmp_path / "model", options=options())
    again = recurra.load(tmp_path / "model")
    assert bundle.scores["nats"]["model"] < bundle.scores["nats"]["frequencies"]
    assert again.evaluate(text).to_dict() == bundle.evaluate(text).to_dict()


def test_the_choices_depend_on_the_vocabulary(text):
    task, _ = small(embedding_size=None).learn(read_text(text))
    assert (task.embedding_size, task.tied, task.adaptive) == (64, False, False)
    big = type(task)(task.settings, _Sized(5000), (0,) * 5000)
    assert (big.embedding_size, big.tied, big.adaptive) == (24, True, False)
    huge = type(task)(task.settings, _Sized(50_000), (0,) * 50_000)
    assert (huge.tied, huge.adaptive) == (False, True)


class _Sized:
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size


def test_streams_cut_what_follows(text):
    part = Part(np.arange(10, 30, dtype=np.uint8), 20)
    streams = TextStreams(part, 4)
    chunk = streams.batch(torch.tensor([0, 9]))
    assert chunk.ids.tolist() == [[START, 10, 11, 12], [18, 19, 20, 21]]
    assert chunk.targets.tolist() == [[10, 11, 12, 13], [19, 20, 21, 22]]
    assert streams.name(9) == "symbols 10 to 13 of the text"


def test_where_streams_begin_nothing_is_known_of_before(bundle):
    part = Part(bundle.task.vocabulary.encode(sentences(3)), 60)
    streams, member = TextStreams(part, 8), bundle.model[0]
    chunk = streams.batch(torch.tensor([20]))
    loss, state = streams.loss(member, chunk, None)
    begun = torch.tensor([[START, *chunk.ids[0, 1:].tolist()]])
    expected, _ = member.losses(begun, chunk.targets, None)
    assert loss.item() == pytest.approx(expected.mean().item())
    after, _ = streams.loss(member, streams.batch(torch.tensor([28])), state)
    expected, _ = member.losses(streams.batch(torch.tensor([28])).ids, streams.batch(torch.tensor([28])).targets, state)
    assert after.item() == pytest.approx(expected.mean().item())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"validation": 0.6, "test": 0.5}, "must leave text to learn from"),
        ({"one_hot": True, "tied": True}, "needs embeddings"),
        ({"one_hot": True, "embedding_size": 4}, "needs embeddings"),
        ({"one_hot": True, "embedding_dropout": 0.1}, "needs embeddings"),
        ({"tied": True, "adaptive": True}, "Drop one of them"),
        ({"encoder": {"bidirectional": True}}, "forwards only"),
        ({"chunk": 0}, "chunk"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        from_dict(recurra.Generation, values)


def test_what_is_not_given_within_is_the_tasks_own_default():
    settings = from_dict(recurra.Generation, {"encoder": {"layers": 2}, "tokens": {"min_count": 2}})
    assert (settings.encoder.hidden_size, settings.encoder.layers) == (512, 2)
    assert (settings.tokens.unit, settings.tokens.min_count) == ("character", 2)


def test_too_little_text_is_refused(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("too short")
    with pytest.raises(DataError, match="16 symbols to learn from"):
        recurra.train(small(), path, out=tmp_path / "model", options=options())
    assert not (tmp_path / "model").exists()


def test_a_text_a_little_longer_is_enough(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("just long enough\n")
    bundle = recurra.train(small(validation=0, test=0), path, options=options(steps=3))
    assert bundle.scores == {}
    assert bundle.generate("j", length=3).symbols == 3


def test_a_tampered_vocabulary_is_refused(bundle):
    values = bundle.task.to_dict()
    with pytest.raises(BundleError, match="a whole number for each symbol"):
        type(bundle.task).from_dict({**values, "counts": values["counts"][:-1]})


def test_a_language_model_predicts_no_table(bundle, text):
    with pytest.raises(SettingsError, match="can predict is needed, this one is for generation"):
        bundle.predict(text)
    with pytest.raises(SettingsError, match="can be backtested is needed"):
        bundle.backtest(text, 3)


def test_unknown_symbols_of_an_evaluation_are_counted(bundle, tmp_path):
    path = tmp_path / "odd.txt"
    path.write_text("the cat sees ξ and ψ\n")
    assert bundle.task.vocabulary.encode("ξ").tolist() == [UNKNOWN]
    assert bundle.evaluate(path).unknown == 2


def test_the_report_shows_samples_scores_and_surprises(folder):
    html = (folder / "report.html").read_text()
    for said in ("Written by the model", "Temperature 0.5", "bits per character", "Most surprising", "What costs most"):
        assert said in html
