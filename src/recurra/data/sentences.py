"""What is tagged: sentences of tokens, each token with its tag and perhaps a mark, as the user gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recurra.data.grid import count_of
from recurra.errors import DataError

Ints = NDArray[np.int64]
Words = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sentences:
    """N sentences, before anything is learned from them.

    >>> some = Sentences("demo", ["line 1"], [("I", "see")], tags=[("PRON", "VERB")])
    >>> some.size, some.where(0)
    ('1 sentence, 2 tokens', 'demo, line 1')
    """

    source: str
    """Where they come from, for people."""
    names: Sequence[str]
    """[N] where each begins: ``"line 17"``."""
    tokens: Sequence[Words]
    """[N] of one token or more each."""
    tags: Sequence[Words] | None = None
    """[N] one for each token; None where they are not known."""
    marks: Sequence[tuple[bool, ...]] | None = None
    """[N] which tokens are marked, such as the predicate whose roles are wanted; None where none ever is."""
    groups: Sequence[int] | None = None
    """[N] the number of the sentence in the source, where one comes several times with other marks."""
    notices: tuple[str, ...] = ()
    """What was accepted but should be said."""
    sha256: str = ""
    """Of the bytes of the file, or of the contents."""
    rows: str = ""
    """What was in memory, as JSON lines; nothing for a file."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def token_count(self) -> int:
        """S, the tokens of all sentences."""
        return sum(map(len, self.tokens))

    @property
    def size(self) -> str:
        """How much it is, for people."""
        return f"{count_of(len(self), 'sentence')}, {count_of(self.token_count, 'token')}"

    def keep(self, folder: Path) -> list[Path]:
        """Return the file to read again; what is in memory is first written to ``folder`` as JSON lines."""
        if Path(self.source).is_file():
            return [Path(self.source)]
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / "data.jsonl"
        copy.write_text(self.rows, encoding="utf-8")
        return [copy]

    def where(self, number: int) -> str:
        """The place of an error."""
        return f"{self.source}, {self.names[number]}"

    def take(self, chosen: Ints) -> Sentences:
        """The chosen sentences only."""
        return replace(
            self,
            names=[self.names[i] for i in chosen],
            tokens=[self.tokens[i] for i in chosen],
            tags=None if self.tags is None else [self.tags[i] for i in chosen],
            marks=None if self.marks is None else [self.marks[i] for i in chosen],
            groups=None if self.groups is None else [self.groups[i] for i in chosen],
        )

    def noticing(self, *notices: str) -> Sentences:
        """The same with more notices."""
        return replace(self, notices=(*self.notices, *notices))


@dataclass
class Draft:
    """Sentences that are read token by token."""

    names: list[str] = field(default_factory=list)
    rows: list[list[tuple[str, str, bool]]] = field(default_factory=list)
    """Token, tag and mark of each token of each sentence."""
    open: bool = False
    """Whether the last sentence goes on."""

    @property
    def count(self) -> int:
        """The tokens of the open sentence."""
        return len(self.rows[-1]) if self.open else 0

    def add(self, token: str, tag: str, mark: bool, line: int) -> None:
        """Add a token to the open sentence, or begin one with it."""
        if not self.open:
            self.names.append(f"line {line}")
            self.rows.append([])
            self.open = True
        self.rows[-1].append((token, tag, mark))

    def end(self) -> None:
        """End the open sentence, if there is one."""
        self.open = False

    def finish(self, source: str, tagged: bool, marked: bool, notices: tuple[str, ...]) -> Sentences:
        """All that was read; tags and marks only where they were."""
        if not self.rows:
            raise DataError(source, "there must be tokens in the file, none came. Check how it was written.")
        return Sentences(
            source,
            self.names,
            tokens=[tuple(token for token, _, _ in row) for row in self.rows],
            tags=[tuple(tag for _, tag, _ in row) for row in self.rows] if tagged else None,
            marks=[tuple(mark for _, _, mark in row) for row in self.rows] if marked else None,
            notices=notices,
        )
