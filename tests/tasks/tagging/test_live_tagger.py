"""Tagging of streams: of each token what the whole-sentence call says of the last token of the sentence so far."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

import recurra
from recurra.bundle import Bundle
from recurra.errors import BundleError, DataError, SettingsError
from recurra.tasks.tagging.examples import Batch
from recurra.tasks.tagging.schemes import breaks
from tolerances import TOLERANCES

RTOL, ATOL = TOLERANCES["value"][torch.float32]
PLAIN = [{"tokens": ["Ann", "saw", "3", "films", "."], "tags": ["PROPN", "VERB", "NUM", "NOUN", "PUNCT"]}] * 4
SPANS = {
    "BIO": [["B-PER", "I-PER", "O", "B-LOC", "B-LOC"], ["O", "B-ORG", "I-ORG", "I-ORG", "O"]],
    "IOB1": [["I-PER", "I-PER", "O", "I-LOC", "B-LOC"], ["O", "I-ORG", "I-ORG", "I-ORG", "O"]],
    "BIOES": [["B-PER", "E-PER", "O", "S-LOC", "S-LOC"], ["O", "B-ORG", "I-ORG", "E-ORG", "O"]],
}
WORDS = ["Ann", "saw", "Saw", "3", "42", "films", "film", ".", "unseen", "wörter", "漢字", "a" * 90, "New York"]


def untrained(data: list[dict], **settings) -> Bundle:
    """A bundle of random weights, large enough that it does not say the same of every word."""
    torch.manual_seed(1)
    encoder = recurra.Encoder(**{"hidden_size": 8, **settings.pop("encoder", {})})
    small = {"head": "linear", "embedding_size": 6, "character_size": 6, "validation": 0.0, "test": 0.0}
    settings = recurra.Tagging(**{**small, **settings}, encoder=encoder)
    task, _ = settings.learn(settings.read(data))
    model = task.build_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return Bundle(task, model)


def of_spans(written: str, **settings) -> Bundle:
    rows = [{"tokens": ["Ann", "saw", "3", "films", "."], "tags": tags} for tags in SPANS[written]] * 2
    bundle = untrained(rows, **settings)
    letter = "B" if written == "IOB1" else "I"  # which may not stand everywhere
    with torch.no_grad():
        for member in bundle.model:
            member.output.bias += 2 * torch.tensor([tag[0] == letter for tag in bundle.task.classes.names])
    return bundle


def drawn(length: int, seed: int = 0) -> list[str]:
    return [str(word) for word in np.random.default_rng(seed).choice(WORDS, length)]


def close(got: list[float], want: list[float]) -> None:
    np.testing.assert_allclose(got, want, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"characters": "cnn", "members": 2},
        {"characters": "none", "lowercase": False, "encoder": {"cell": "gru", "layers": 2}},
        {"encoder": {"cell": "rnn", "layers": 3}},
        {"encoder": {"layer_norm": True, "proj_size": 5, "peephole": "diagonal"}},
    ],
    ids=str,
)
def test_plain_tags_are_those_of_the_whole_sentence(settings):
    bundle, tokens = untrained(PLAIN, **settings), drawn(12)
    session = recurra.Session(bundle)
    said = [session.feed(token) for token in tokens]
    whole = bundle.predict([tokens])
    assert [one["tag"] for one in said] == whole["tag"].to_list()
    close([one["probability"] for one in said], whole["probability"].to_list())
    sentences = bundle.task.settings.read([{"tokens": tokens, "tags": ["NUM"] * 12}])
    batch = Batch.of(bundle.task.inputs(sentences).cut(np.array([0])))
    with torch.no_grad():
        scores = sum(member(batch).log_softmax(-1) for member in bundle.model) / len(bundle.model)
    assert [*said[0]["probabilities"]] == [*bundle.task.classes.names]
    close([[*one["probabilities"].values()] for one in said], scores[0].softmax(-1).tolist())
    assert len(set(whole["tag"])) > 1
    assert session.steps == 12
    assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize("scheme", ["BIO", "IOB1"])
def test_tags_of_spans_are_those_of_the_sentence_so_far(scheme):
    bundle = of_spans(scheme, members=2)
    assert bundle.task.scheme == scheme
    for seed in range(8):
        tokens = drawn(10, seed)
        session = recurra.Session(bundle)
        for t, token in enumerate(tokens, start=1):
            said, expected = session.feed(token), bundle.predict([tokens[:t]]).row(-1, named=True)
            assert said["tag"] == expected["tag"]
            close([said["probability"], sum(said["probabilities"].values())], [expected["probability"], 1.0])


def test_words_to_come_make_other_tags_of_spans_but_not_of_plain_ones():
    def streamed_and_whole(bundle: Bundle) -> list[tuple[list[str], list[str]]]:
        pairs = []
        for tokens in (drawn(10, seed) for seed in range(20)):
            session = recurra.Session(bundle)
            streamed = [session.feed(token)["tag"] for token in tokens]
            pairs.append((streamed, bundle.predict([tokens])["tag"].to_list()))
        return pairs

    spans = streamed_and_whole(of_spans("BIO"))
    assert any(streamed != whole for streamed, whole in spans)
    assert any(breaks(streamed, "BIO") for streamed, _ in spans)
    assert not any(breaks(whole, "BIO") for _, whole in spans)
    assert all(streamed == whole for streamed, whole in streamed_and_whole(of_spans("BIO", scheme="none")))


def test_none_begins_a_new_sentence():
    bundle, tokens = of_spans("BIO", encoder={"layers": 2}), drawn(5)
    session = recurra.Session(bundle)
    first = [session.feed(token) for token in tokens]
    assert session.feed(None) == {}
    assert session.feed(None) == {}
    assert [session.feed(token) for token in tokens] == first
    assert [session.feed(token) for token in tokens] != first


def marked(**settings) -> Bundle:
    rows = [{**row, "mark": [False, True, False, False, False]} for row in PLAIN]
    return untrained(rows, marker_column="mark", **settings)


@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_marked_word_that_is_known_before_its_sentence_is_read_by_all_words(place):
    bundle, tokens = marked(members=2), drawn(8)
    session = recurra.Session(bundle)
    for _ in range(2):
        assert session.feed({"marked": tokens[place]}) == {}
        said = [session.feed([token, t == place]) for t, token in enumerate(tokens)]
        whole = bundle.predict([{"tokens": tokens, "mark": [t == place for t in range(8)]}])
        assert [one["tag"] for one in said] == whole["tag"].to_list()
        close([one["probability"] for one in said], whole["probability"].to_list())


def test_with_a_mark_tags_of_spans_are_those_of_the_sentence_so_far_once_it_has_come():
    rows = [{"tokens": list("abcde"), "tags": tags, "mark": [True] + 4 * [False]} for tags in SPANS["BIO"]]
    bundle, tokens = untrained(rows, marker_column="mark"), drawn(8)
    session = recurra.Session(bundle)
    session.feed({"marked": tokens[2]})
    said = [session.feed([token, t == 2]) for t, token in enumerate(tokens)]
    for length in range(3, 9):
        so_far = {"tokens": tokens[:length], "mark": [t == 2 for t in range(length)]}
        expected = bundle.predict([so_far]).row(-1, named=True)
        assert said[length - 1]["tag"] == expected["tag"]
        close([said[length - 1]["probability"]], [expected["probability"]])


def test_a_sentence_may_have_no_marked_word():
    bundle, tokens = marked(), drawn(8)
    session = recurra.Session(bundle)
    session.feed({"marked": "Ann"}), session.feed(("saw", False)), session.feed(None)
    said = [session.feed((token, False)) for token in tokens]
    whole = bundle.predict([{"tokens": tokens, "mark": [False] * 8}])
    assert [one["tag"] for one in said] == whole["tag"].to_list()
    close([one["probability"] for one in said], whole["probability"].to_list())


WRONG = {
    "empty": ("", "must not be empty"),
    "blank": (" \t", "must not be empty"),
    "a number": (7, "must be a text, 7 came"),
    "bytes": (b"Ann", "must be a text, b'Ann' came"),
    "several": (["Ann", "saw"], r"must be a text, \['Ann', 'saw'\] came"),
    "an object": ({"marked": "Ann"}, "must be a text, {'marked': 'Ann'} came"),
}
WRONG_WITH_MARKS = {
    "without its mark": ("Ann", "a token and its mark must come, 'Ann' came"),
    "three": (["Ann", True, True], r"mark must come, \['Ann', True, True\] came"),
    "a mark as a number": (["Ann", 1], "true or false, 1 came"),
    "a mark as a text": (["Ann", "true"], "true or false, 'true' came"),
    "empty": (["", False], "must not be empty"),
    "no text": ([None, False], "must be a text, None came"),
    "another word marked": (["Rome", True], "'Rome' was not"),
    "an odd object": ({"mark": "Ann"}, "mark must come, {'mark': 'Ann'} came"),
    "a question that is no text": ({"marked": ["Ann"]}, "must be a text"),
    "an empty question": ({"marked": ""}, "must not be empty"),
}


def refusal(bundle: Bundle, before: list, wrong: object) -> tuple[str, bool]:
    """What is said of an observation after others, and whether the session is as it was."""
    session = recurra.Session(bundle)
    for observation in before:
        session.feed(observation)
    saved = session.save()
    with pytest.raises(DataError) as caught:
        session.feed(wrong)
    return str(caught.value), session.save() == saved


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_token_is_refused_and_leaves_the_session_as_it_was(case):
    wrong, message = WRONG[case]
    said, unchanged = refusal(of_spans("BIO"), ["Ann", "saw"], wrong)
    assert re.search(message, said)
    assert unchanged


@pytest.mark.parametrize("case", WRONG_WITH_MARKS)
def test_what_is_no_token_with_its_mark_is_refused_and_leaves_the_session_as_it_was(case):
    wrong, message = WRONG_WITH_MARKS[case]
    said, unchanged = refusal(marked(), [{"marked": "saw"}, ["Ann", False]], wrong)
    assert re.search(message, said)
    assert unchanged


def test_a_word_is_marked_once():
    said, unchanged = refusal(marked(), [{"marked": "saw"}, ["saw", True]], ["saw", True])
    assert "mark that word once" in said
    assert unchanged


@pytest.mark.parametrize("bundle", [of_spans("BIO", members=2), marked()], ids=["spans", "marks"])
def test_a_restored_session_goes_on_in_the_midst_of_a_sentence(bundle):
    def observe(token: str, mark: bool = False) -> object:
        return [token, mark] if bundle.task.marked else token

    session = recurra.Session(bundle)
    session.feed({"marked": "films"} if bundle.task.marked else None)
    session.feed(observe("Ann"))
    again = recurra.Session.restore(bundle, session.save())
    rest = [observe("saw"), observe("films", True), None, observe("Ann")]
    assert [again.feed(one) for one in rest] == [session.feed(one) for one in rest]
    with pytest.raises(BundleError, match="of another one"):
        recurra.Session.restore(untrained(PLAIN), session.save())
    with pytest.raises(BundleError, match="as it was saved"):
        recurra.Session.restore(bundle, session.save()[:-1])


def test_a_model_that_runs_away_leaves_the_session_as_it_was():
    bundle = untrained(PLAIN, encoder={"cell": "rnn", "nonlinearity": "relu"})
    session = recurra.Session(bundle)
    session.feed("Ann")
    before = session.save()
    with torch.no_grad():
        bundle.model[0].embedding.table.weight.fill_(3e38)
    with pytest.raises(DataError, match="must be finite"):
        session.feed("saw")
    assert session.save() == before


def test_what_needs_the_rest_of_the_sentence_is_refused_with_the_flags_that_help():
    backwards = {"encoder": {"bidirectional": True}}
    with pytest.raises(SettingsError, match=r"reads backwards.*Train one with --no-bidirectional\."):
        recurra.Session(untrained(PLAIN, **backwards))
    with pytest.raises(SettingsError, match=r"the first by the last\. Train one with --head linear\."):
        recurra.Session(of_spans("IOB1", head="auto"))
    with pytest.raises(SettingsError, match=r"which the next word decides\. Train one with --scheme BIO\."):
        recurra.Session(of_spans("BIOES"))
    with pytest.raises(SettingsError, match="--no-bidirectional and --head linear and --scheme BIO"):
        recurra.Session(of_spans("BIOES", head="crf", **backwards))
    assert recurra.Session(of_spans("BIOES", scheme="BIO")).feed("Ann")["tag"] in {"O", "B-PER", "B-ORG", "B-LOC"}
