"""Vocabularies: what comes back from decoding, what is known, and what a stranger's JSON may not do."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurra.data.tokens import Tokens, choose_unit, lower, split_words
from recurra.data.vocabulary import PADDING, UNKNOWN, Vocabulary
from recurra.errors import DataError, MissingExtraError, SettingsError

TEXTS = ["The cat sat.\nThe mat!", "naïve 日本語 हिन्दी 😀", "the end"]
UNITS = ["word", "character", "byte", "subword"]
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def learn(unit: str, texts=TEXTS, **more) -> Vocabulary:
    return Vocabulary.learn(texts, Tokens(unit=unit, **more))


@pytest.mark.parametrize("unit", UNITS)
def test_json_brings_back_the_same_vocabulary(unit):
    vocabulary = learn(unit)
    again = Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert again == vocabulary
    for text in [*TEXTS, "never seen: Ω"]:
        assert again.encode(text).tolist() == vocabulary.encode(text).tolist()


@given(any_text)
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize("unit", ["byte", "subword"])
def test_bytes_and_subwords_lose_nothing_of_any_text(unit, text):
    vocabulary = LOSSLESS[unit]
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert not len(ids) or (ids.min() > UNKNOWN and ids.max() < len(vocabulary))


LOSSLESS = {unit: learn(unit) for unit in ("byte", "subword")}


def test_characters_lose_only_what_was_never_seen():
    vocabulary = learn("character")
    assert all(vocabulary.decode(vocabulary.encode(text)) == text for text in TEXTS)
    assert vocabulary.decode(vocabulary.encode("Ωcat")) == "\ufffdcat"
    assert vocabulary.encode("Ω\U0010ffff\0").tolist() == [UNKNOWN] * 3


def test_words_keep_line_breaks_and_drop_other_white_space():
    vocabulary = learn("word")
    assert vocabulary.decode(vocabulary.encode("the   cat\t.\r\nThe mat")) == "the cat .\nThe mat"
    assert vocabulary.decode(vocabulary.encode("the dog")) == "the <unk>"
    spaced = learn("word", ["a , b\nc"], split="spaces")
    assert spaced.decode(spaced.encode("a , b\nc")) == "a , b\nc"


def test_the_unknown_word_of_a_corpus_is_the_unknown_word():
    vocabulary = learn("word", ["<unk> a <unk> b"])
    assert vocabulary.encode("a <unk>").tolist() == [2, UNKNOWN]
    assert len(vocabulary) == 4


def test_padding_is_never_text():
    for unit in UNITS:
        vocabulary = learn(unit)
        assert PADDING not in vocabulary.encode("<pad> the cat")
        ids = vocabulary.encode("the cat")
        assert vocabulary.decode([PADDING, *ids, PADDING]) == vocabulary.decode(ids)


def test_frequent_words_come_first_and_rare_ones_not_at_all():
    texts = ["b a a", "c b a", "d"]
    assert [learn("word", texts).symbol(number) for number in range(2, 6)] == ["a", "b", "c", "d"]
    assert len(learn("word", texts, min_count=2)) == 2 + 2
    assert len(learn("word", texts, vocabulary_size=3)) == 3
    assert (
        len(learn("character", texts, min_count=2, vocabulary_size=4)) == 4
    )  # a, b and the space; the third is left out


def test_capitals_can_be_read_as_small_letters():
    for unit in UNITS:
        vocabulary = learn(unit, lowercase=True)
        assert vocabulary.encode("THE CAT").tolist() == vocabulary.encode("the cat").tolist(), unit
        assert vocabulary.decode(vocabulary.encode("THE CAT")) == "the cat"
    assert [len(lower(text)) for text in ("İstanbul", "ΑΣ")] == [8, 2]


def test_digits_can_be_read_as_zeros():
    for unit in UNITS:
        vocabulary = learn(unit, ["call 00, 000 or 0"], zero_digits=True)
        assert vocabulary.encode("call 12, 345 or ٣").tolist() == vocabulary.encode("call 00, 000 or 0").tolist(), unit
        assert vocabulary.encode("call").tolist() != vocabulary.encode("0000").tolist()


@given(any_text)
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("folded", [False, True])
def test_every_symbol_has_its_place_in_the_text(unit, folded, text):
    vocabulary = PLACED[unit, folded]
    spans = vocabulary.spans(text)
    assert len(spans) == len(vocabulary.encode(text))
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)


PLACED = {(unit, on): learn(unit, lowercase=on, zero_digits=on) for unit in UNITS for on in (False, True)}


def test_words_of_many_scripts():
    def words(text):
        return [text[start:end] for start, end in split_words(text)]

    assert words("Don’t pay $3.50, e-mail me…") == ["Don’t", "pay", "$", "3.50", ",", "e", "-", "mail", "me", "…"]
    assert words("हिन्दी में। שָׁלוֹם") == ["हिन्दी", "में", "।", "שָׁלוֹם"]
    assert words("ok😀😀") == ["ok", "😀", "😀"]


def test_a_script_without_spaces_is_read_by_characters():
    assert choose_unit(["今天天气很好", "iPhone 很贵"]) == "character"
    assert choose_unit(["안녕 세상", "hello 你"]) == "word"
    assert learn("auto", ["ภาษาไทย"]).tokens.unit == "character"


def test_learning_reads_a_stream_once_and_is_the_same_each_time():
    many = [f"low lower lowest new newer {i % 7}" for i in range(3000)]
    for unit in UNITS:
        assert learn(unit, iter(many), vocabulary_size=300) == learn(unit, many, vocabulary_size=300), unit


def test_subwords_are_pieces_of_frequent_words():
    vocabulary = learn("subword", ["hug pug hugs"] * 5, vocabulary_size=2 + 256 + 4)
    assert len(vocabulary) == 2 + 256 + 4
    assert [vocabulary.symbol(number) for number in vocabulary.encode("hugs")] == ["hug", "s"]


@pytest.mark.parametrize("unit", UNITS)
def test_nothing_to_learn_is_an_error(unit):
    with pytest.raises(DataError, match="there is none"):
        learn(unit, ["", ""])


@pytest.mark.parametrize("unit", ["byte", "subword"])
def test_half_a_character_is_refused(unit):
    with pytest.raises(DataError, match="half of a character"):
        learn(unit).encode("a\ud800")
    with pytest.raises(SettingsError, match="at least 258"):
        learn(unit, vocabulary_size=257)


@pytest.mark.parametrize(
    ("unit", "symbols"),
    [
        ("word", ["a", "a"]),
        ("word", "ab"),
        ("word", [1]),
        ("character", ["ab"]),
        ("character", ["b", "a"]),
        ("byte", ["a"]),
        ("subword", ["ab"]),
        ("subword", ["l q!"]),
        ("auto", []),
    ],
)
def test_what_cannot_be_a_vocabulary_is_refused(unit, symbols):
    with pytest.raises(DataError):
        Vocabulary.from_dict({"tokens": {"unit": unit}, "symbols": symbols})


def test_all_but_subwords_work_without_the_library_and_without_torch():
    code = (
        "import sys; sys.modules['tokenizers'] = None\n"
        "from recurra.data.tokens import Tokens\n"
        "assert not {'numpy', 'torch'} & set(sys.modules)\n"
        "from recurra.data.vocabulary import Vocabulary\n"
        "for unit in ('word', 'character', 'byte', 'subword'):\n"
        "    try: print(len(Vocabulary.learn(['a b'], Tokens(unit=unit))))\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
        "assert not {'torch', 'polars'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert lines[:3] == ["4", "5", "258"]
    assert lines[3].startswith(MissingExtraError.__name__)
    assert "pip install 'recurra[subword]'" in lines[3]
