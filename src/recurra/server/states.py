"""Where a stream is, as bytes: for a store, and signed for clients, who go on with it at any server of the same key."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurra.errors import DataError, SettingsError

_log = logging.getLogger("recurra.server")
_SHORTEST_KEY = 32  # bytes
_SIGNED = hashlib.sha256().digest_size
_CONTEXT = b"recurra state 1\n"  # what is signed is nothing else, should the key be used elsewhere


@dataclass(frozen=True)
class State:
    """A stream after one of its chunks."""

    sequence: int
    """The number of the chunk; 0 before the first."""
    outputs: list[Any]
    """What was answered to it, for the case that it is sent again."""
    session: bytes
    """What :meth:`recurra.Session.save` gave."""

    def pack(self) -> bytes:
        """As bytes.

        >>> State.unpack(State(3, [0.5], b"...").pack())
        State(sequence=3, outputs=[0.5], session=b'...')
        """
        head = json.dumps([self.sequence, self.outputs]).encode()
        return len(head).to_bytes(4, "little") + head + self.session

    @classmethod
    def unpack(cls, data: bytes) -> State:
        """What :meth:`pack` gave; anything else is a ValueError."""
        end = 4 + int.from_bytes(data[:4], "little")
        sequence, outputs = json.loads(data[4:end])
        return cls(int(sequence), list(outputs), data[end:])


class Signer:
    """Signs states with HMAC-SHA256 (RFC 2104), so that only those that a server handed out are taken back.

    >>> signer = Signer(b"k" * 32)
    >>> signer.open(signer.sign(State(1, [], b"")))
    State(sequence=1, outputs=[], session=b'')
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def read(cls, path: Path | None) -> Signer:
        """With the key of a file, or with a new one, which ends with this process."""
        if path is None:
            _log.info("no --key: states of streams can be gone on with until this server ends, and nowhere else")
            return cls(os.urandom(_SHORTEST_KEY))
        try:
            key = path.read_bytes().strip()
        except OSError as error:
            raise SettingsError(f"--key {path}", f"a file with a key must be there: {error.strerror}.") from None
        if len(key) < _SHORTEST_KEY:
            raise SettingsError(f"--key {path}", f"a key has {_SHORTEST_KEY} bytes or more, this one {len(key)}.")
        return cls(key)

    def sign(self, state: State) -> str:
        """A token of letters, digits, ``-`` and ``_``."""
        content = state.pack()
        return urlsafe_b64encode(self._signature(content) + content).decode()

    def open(self, token: str) -> State:
        """The state of a token; a :class:`DataError` if it was not handed out with this key."""
        try:
            signed = urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            raise _refused() from None
        content = signed[_SIGNED:]
        if not hmac.compare_digest(signed[:_SIGNED], self._signature(content)):
            raise _refused()
        return State.unpack(content)

    def _signature(self, content: bytes) -> bytes:
        return hmac.digest(self._key, _CONTEXT + content, "sha256")


def _refused() -> DataError:
    return DataError("state", "it must be as a server with this key handed it out, it is not. Begin a new stream.")
