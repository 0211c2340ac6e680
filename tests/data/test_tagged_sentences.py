"""Files of tagged sentences: what is read of each kind, and what is said of each fault, with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from recurra.data.tagged import read_sentences
from recurra.data.token_roles import Roles
from recurra.errors import DataError

CONLLU = """# sent_id = 1
# text = I don't
1\tI\tI\tPRON\tPRP\tNumber=Sing\t2\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t0\troot\t_\tMark=Yes
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t_\t_
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_

# sent_id = 2
1\tGo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
"""
COLUMNS = "-DOCSTART- -X- O\n\n# a comment of several words\nEU NNP B-ORG\n# NN O\nrejects VBZ O\n\n\nNo DT O\n"
ROWS = """{"tokens": ["I", "see"], "tags": ["PRON", "VERB"], "flags": [0, 1]}
{"tokens": ["Go"], "tags": ["VERB"], "flags": [1]}
"""


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_conllu_has_its_words_without_ranges_and_empty_nodes(tmp_path):
    read = read_sentences(write(tmp_path, "a.conllu", CONLLU), Roles())
    assert read.tokens == [("I", "do", "n't"), ("Go",)]
    assert read.tags == [("PRON", "AUX", "PART"), ("VERB",)]
    assert read.names == ["line 3", "line 10"]
    assert read.notices == (
        "1 multiword token left out (its words are read), such as 2-3 in line 4",
        "1 empty node left out (no word is there), such as 3.1 in line 7",
    )


@pytest.mark.parametrize(
    ("column", "tags"),
    [
        ("xpos", ("PRP", "VBP", "RB")),
        ("FEATS", ("Number=Sing", "_", "_")),
        ("DepRel", ("nsubj", "root", "advmod")),
        ("3", ("I", "do", "not")),
    ],
)
def test_conllu_has_its_columns_by_name_or_number(tmp_path, column, tags):
    assert read_sentences(write(tmp_path, "a.conllu", CONLLU), Roles(tag=column)).tags[0] == tags


def test_conllu_is_recognised_by_its_columns_also_in_another_file(tmp_path):
    assert read_sentences(write(tmp_path, "a.txt", CONLLU), Roles()).tags[1] == ("VERB",)


def test_a_column_marks_tokens_with_whatever_is_no_dash(tmp_path):
    read = read_sentences(write(tmp_path, "a.conllu", CONLLU), Roles(mark="misc"))
    assert read.marks == [(False, True, False), (False,)]


def test_columns_have_comments_documents_and_a_token_that_is_a_hash(tmp_path):
    read = read_sentences(write(tmp_path, "a.conll", COLUMNS), Roles())
    assert read.tokens == [("EU", "#", "rejects"), ("No",)]
    assert read.tags == [("B-ORG", "O", "O"), ("O",)]
    assert read.notices == ("1 line of -DOCSTART- left out",)
    assert read_sentences(write(tmp_path, "a.conll", COLUMNS), Roles(tag="2")).tags[1] == ("DT",)


def test_a_document_line_may_have_columns_of_its_own(tmp_path):
    read = read_sentences(write(tmp_path, "a.conll", "-DOCSTART-\n\na\tX\n"), Roles())
    assert (read.tokens, read.tags) == ([("a",)], [("X",)])


def test_columns_between_tabs_may_hold_spaces(tmp_path):
    read = read_sentences(write(tmp_path, "a.bio", "New York\tB-LOC\n\t\n.\tO\n"), Roles())
    assert read.tokens == [("New York",), (".",)]  # a line of a tab only ends a sentence


def test_json_lines_hold_lists(tmp_path):
    read = read_sentences(write(tmp_path, "a.jsonl.gz", gzip.compress(ROWS.encode())), Roles(mark="flags"))
    assert read.tokens == [("I", "see"), ("Go",)]
    assert read.tags == [("PRON", "VERB"), ("VERB",)]
    assert read.marks == [(False, True), (True,)]


def test_a_sentence_comes_once_for_each_of_its_predicates():
    rows = [
        {"words": ["I", "see", "it"], "preds": [{"i": 1, "tags": ["A", "V", "B"]}, {"i": 2, "tags": ["C", "C", "V"]}]},
        {"words": ["Oh"], "preds": []},
    ]
    read = read_sentences(rows, Roles("words", None, "preds"))
    assert read.marks == [(False, True, False), (False, False, True)]
    assert read.tags == [("A", "V", "B"), ("C", "C", "V")]
    assert list(read.groups) == [1, 1]
    assert read.notices == ("1 sentence without anything in 'preds' left out, the first in sentence 2",)


def test_what_was_in_memory_is_kept_as_json_lines_and_read_again(tmp_path):
    rows = [json.loads(line) for line in ROWS.splitlines()]
    read = read_sentences(rows, Roles())
    (kept,) = read.keep(tmp_path / "run")
    again = read_sentences(kept, Roles())
    assert (again.tokens, again.tags) == (read.tokens, read.tags)
    assert again.keep(tmp_path) == [kept]


def test_without_need_tags_may_be_missing(tmp_path):
    assert read_sentences([["a", "b"], ["c"]], Roles(), tagged=False).tokens == [("a", "b"), ("c",)]
    assert read_sentences(write(tmp_path, "a.txt", "a\nb\n\nc\n"), Roles(), tagged=False).tokens == [("a", "b"), ("c",)]
    assert read_sentences([{"tokens": ["a"]}], Roles(), tagged=False).tags is None


def test_a_tag_column_is_not_looked_for_where_tags_are_not_needed(tmp_path):
    path = write(tmp_path, "a.txt", "1 a\n2 b\n")
    assert read_sentences(path, Roles(token="2", tag="4"), tagged=False).tokens == [("a", "b")]


def test_windows_files_are_read_and_said(tmp_path):
    content = b"\xef\xbb\xbf" + b"a X\r\n\r\nb Y\r\n"
    read = read_sentences(write(tmp_path, "a.conll", content), Roles())
    assert read.tokens == [("a",), ("b",)]
    assert "byte order mark" in read.notices[0]
    assert "3 lines" in read.notices[1]


FAULTS = {
    "empty": ("a.conll", b"", "", "it is empty"),
    "blank": ("a.conll", b"\n \n", "", "it is empty"),
    "latin": ("a.conll", "é X\n".encode("latin-1"), "line 1", "must be UTF-8"),
    "utf16": ("a.conll", "a X\n\nb X\n".encode("utf-16"), "line 1", "UTF-16"),
    "nul": ("a.conll", b"a X\nb\0 X\n", "line 2", "NUL"),
    "carriage": ("a.conll", b"a X\nb X\rc X\n", "line 2", "carriage return"),
    "no tag": ("a.conll", b"a X\n\nb\n", "line 3", "2 columns as line 1 has, 1 came"),
    "empty tag": ("a.conll", b"a\tX\nb\t\n", "line 2", "'b' has none in column 2"),
    "empty token": ("a.conll", b"a\tX\n\tX\n", "line 2", "token must come in column 1"),
    "unequal": ("a.conll", b"a X\nb X Y\n", "line 2", "3 came"),
    "one column": ("a.conll", b"a\nb\n", "line 1", "columns of their own"),
    "numbered": ("a.iob2", b"1\tthe\tO\n2\tcat\tB-X\n\n1\ta\tO\n", "", "--token-column 2"),
    "comments only": ("a.conllu", b"# a\n# b\n", "", "none came"),
    "columns": ("a.conllu", b"1\ta\ta\tX\n", "line 1", "10 columns"),
    "numbering": ("a.conllu", CONLLU.replace("\n3\t", "\n4\t").encode(), "line 6", "'4' came for 3"),
    "no empty line": ("a.conllu", CONLLU.replace("\n\n# sent_id = 2", "").encode(), "line 8", "'1' came for 4"),
    "comment within": ("a.conllu", CONLLU.replace("\n2\t", "\n# x\n2\t").encode(), "line 5", "comment"),
    "underscore": ("a.conllu", CONLLU.replace("AUX", "_").encode(), "line 5", "'do' has none in UPOS"),
    "no form": ("a.conllu", CONLLU.replace("\tGo\t", "\t \t").encode(), "line 10", "form"),
    "not json": ("a.jsonl", b'{"tokens": ["a"], "tags": ["X"]}\n{"tokens": \n', "line 2", "JSON"),
    "short": ("a.jsonl", b'{"tokens": ["a", "b"], "tags": ["X"]}\n', "line 1", "1 tags came for 2 tokens"),
    "no key": ("a.jsonl", b'{"words": ["a"], "tags": ["X"]}\n', "line 1", "key 'tokens'"),
    "text": ("a.jsonl", b'{"tokens": "a b", "tags": ["X"]}\n', "line 1", "must be a list"),
    "number": ("a.jsonl", b'{"tokens": ["a", 1], "tags": ["X", "X"]}\n', "line 1", "got 1"),
    "null tag": ("a.jsonl", b'{"tokens": ["a"], "tags": [null]}\n', "line 1", "got None"),
    "no tokens": ("a.jsonl", b'{"tokens": [], "tags": []}\n', "", "none came"),
    "table": ("a.csv", b"token,tag\na,X\n", "", "a table (.csv) came"),
    "cut gzip": ("a.conll.gz", gzip.compress(b"a X\n" * 99)[:-9], "", "whole gzip data"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_with_its_line(tmp_path, fault):
    name, content, line, says = FAULTS[fault]
    path = write(tmp_path, name, content)
    with pytest.raises(DataError) as error:
        read_sentences(path, Roles())
    assert error.value.where.startswith(str(path))
    assert line in error.value.where
    assert says in error.value.message


@pytest.mark.parametrize(
    ("roles", "says"),
    [
        (Roles(tag="upoos"), "Did you mean 'UPOS'"),
        (Roles(tag="11"), "1 to 10"),
        (Roles(mark="0"), "1 to 10"),
    ],
)
def test_a_column_that_is_not_there_is_named(tmp_path, roles, says):
    with pytest.raises(DataError, match=says):
        read_sentences(write(tmp_path, "a.conllu", CONLLU), roles)


@pytest.mark.parametrize("place", [2, -1, "1", None, True])
def test_a_predicate_must_be_one_of_the_tokens(place):
    rows = [{"tokens": ["a", "b"], "preds": [{"i": place, "tags": ["X", "Y"]}]}]
    with pytest.raises(DataError, match="0 to 1"):
        read_sentences(rows, Roles(mark="preds"))


def test_flags_must_be_one_for_each_token():
    with pytest.raises(DataError, match="1 came"):
        read_sentences([{"tokens": ["a", "b"], "tags": ["X", "Y"], "m": [1]}], Roles(mark="m"))


@pytest.mark.parametrize(
    "data", [7, "no-such-file.conll", {"tokens": ["a"]}, [], ["a b"], [{"tokens": {1}}], [["\ud800"]], None]
)
def test_other_things_are_no_sentences(data):
    with pytest.raises(DataError):
        read_sentences(data, Roles())
