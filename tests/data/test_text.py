"""Text files: read whole in blocks of any size, refused with file, line and byte, repaired with a notice."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from recurra.data import text as module
from recurra.data.ids import encode_blocks
from recurra.data.text import read_text
from recurra.data.tokens import Tokens
from recurra.data.vocabulary import Vocabulary
from recurra.errors import DataError


@pytest.fixture
def file(tmp_path):
    def write(content, name="text.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(params=[1, 5, 2**20])
def block(request, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", request.param)


WHOLE = "Grüße, 北京\nline two 🙂\n\nlong line without an end to it"


def test_all_characters_come_back_in_any_blocks(file, block):
    text = read_text(file(WHOLE))
    assert "".join(text.blocks()) == WHOLE
    assert text.characters == len(WHOLE)
    assert text.notices == ()
    for start in range(0, len(WHOLE), 7):
        for stop in range(start, len(WHOLE) + 1, 5):
            assert "".join(text.blocks(start, stop)) == WHOLE[start:stop]


def test_blocks_end_where_lines_end(file, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 12)
    blocks = list(read_text(file("one\ntwo\nthree\nfour five six seven eight\nnine\n")).blocks())
    assert all(one.endswith("\n") or two.startswith(" ") for one, two in itertools.pairwise(blocks))


def test_windows_line_ends_and_marks_are_repaired_and_counted(file, block):
    text = read_text(file(b"\xef\xbb\xbfa\r\nb\r\n\r\nlone \r stays\r"))
    assert "".join(text.blocks()) == "a\nb\n\nlone \r stays\r"
    assert text.notices == (
        "line ends of Windows, read as plain ones: 3",
        "byte order marks at the start of a file, left out: 1",
    )


def test_files_are_one_text(file, block):
    first, second, third = file("one", "1.txt"), file("two\n", "2.txt"), file("three", "3.txt")
    text = read_text([first, second, third])
    assert "".join(text.blocks()) == "one\ntwo\nthree"
    assert text.notices == ("line breaks put after files that end within a line: 1",)
    assert text.source == f"{first}, {second}, {third}"
    assert read_text([second, first]).sha256 != read_text([first, second]).sha256
    assert read_text([first]).sha256 == hashlib.sha256(b"one").hexdigest()
    more = [file("x", f"more{number}.txt") for number in range(5)]
    assert read_text(more).source.endswith("and 2 more")
    with pytest.raises(DataError, match="named twice"):
        read_text([first, second, first])


def test_gzip_is_unpacked(file, block):
    text = read_text(file(gzip.compress(WHOLE.encode()), "text.txt.gz"))
    assert "".join(text.blocks()) == WHOLE


def test_the_end_of_a_line_is_found(file):
    text = read_text(file("one\ntwo\nthree"))
    assert [text.line_end(place) for place in (0, 1, 3, 4, 8)] == [0, 4, 4, 8, 8]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"must hold text, it is empty"),
        (b"fine\nna\xefve text\n", r"line 2, byte 3\] .* the byte 0xef came; .* WINDOWS-1252.*iconv"),
        (
            "grün\n".encode() + "grün\n".encode("latin-1"),
            r"line 2, byte 3\] .*if other parts are UTF-8, repair the lines",
        ),
        ("ok\nü".encode()[:-1], r"line 2, byte 1\] .*ends within a character"),
        ("text".encode("utf-16"), r"this is UTF-16"),
        ("text".encode("utf-16-le") * 9, r"this is UTF-16LE"),
        (b"one\nt\0wo", r"line 2, byte 2\] .*no NUL bytes.*not a file of text"),
    ],
)
def test_what_is_no_text_is_refused(file, content, message, block):
    path = file(content)
    with pytest.raises(DataError, match=message) as caught:
        read_text([file("good\n", "good.txt"), path])
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none is\. Check the path"):
        read_text(tmp_path / "nothing.txt")
    with pytest.raises(DataError, match=r"this is a folder. Name its files: .*/\*\.txt"):
        read_text(tmp_path)
    with pytest.raises(DataError, match="none was named"):
        read_text([])


def test_torn_gzip_is_refused(file):
    torn = gzip.compress(WHOLE.encode())[:-9]
    with pytest.raises(DataError, match="whole gzip data"):
        read_text(file(torn, "text.txt.gz"))


@pytest.mark.parametrize("size", [200, 70_000])
def test_ids_take_the_smallest_type_and_cannot_be_written(size):
    characters = "".join(chr(code) for code in range(0x4E00, 0x4E00 + min(size, 20_000)))
    vocabulary = Vocabulary.learn([characters], Tokens(unit="character", vocabulary_size=size))
    ids = encode_blocks([characters[:50], "", characters[50:]], vocabulary)
    assert np.array_equal(ids, vocabulary.encode(characters))
    assert ids.dtype == (np.uint8 if size == 200 else np.uint16)
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 1


def test_no_text_gives_no_ids():
    assert encode_blocks([], Vocabulary.learn(["a"], Tokens(unit="character"))).tolist() == []


def test_a_long_text_takes_no_memory(tmp_path):
    """The ids of 60 MB of text are made and looked at in a process whose memory hardly grows."""
    path = tmp_path / "long.txt"
    line = "the quick brown fox jumps over the lazy dog and does so again and again\n"
    with open(path, "w") as out:
        for _ in range(60):
            out.write(line * (10**6 // len(line)))
    code = (
        "import resource, sys; from recurra.data.text import read_text; from recurra.data.ids import encode_blocks\n"
        "from recurra.data.vocabulary import Vocabulary; from recurra.data.tokens import Tokens\n"
        f"vocabulary = Vocabulary.learn([{line!r}], Tokens(unit='character'))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"text = read_text({str(path)!r}); ids = encode_blocks(text.blocks(), vocabulary)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(ids))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    grown, symbols = map(int, done.stdout.split())
    assert symbols > 59 * 10**6
    unit = 1024 if sys.platform == "darwin" else 1
    assert grown / unit < 45_000  # kB; a block of 2**20 characters is held several times, the text never
