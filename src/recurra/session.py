"""A session: a model that is fed one observation after the other, and can be put away and gone on with."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from recurra.bundle import Bundle
from recurra.errors import BundleError, SettingsError
from recurra.task import GoesLive

_MAGIC, _FORMAT = b"recurra session\n", 1
_HEAD = struct.Struct("<16sI32s")  # magic, format, SHA-256 of all that follows
_WHERE = "session"


class Session:
    """A stream through a model of a bundle: each observation changes what the model says.

    The answers are those of the whole sequence so far, at the cost of one step; what is kept does not grow. A session
    is for one stream and one thread at a time; any number of them share a bundle.

    Raises:
        SettingsError: the model needs to see what comes later, such as one that reads in both directions.

    >>> import recurra
    >>> data = {"text": ["good film", "bad film", "good", "bad"] * 3, "label": ["+", "-", "+", "-"] * 3}
    >>> settings = recurra.Classification(text="text", label="label", encoder=recurra.Encoder(hidden_size=8))
    >>> bundle = recurra.train(settings, data, options=recurra.TrainingOptions(steps=40))
    >>> session = recurra.Session(bundle)
    >>> session.feed("a")["label"] in ("+", "-"), session.steps
    (True, 1)
    >>> later = recurra.Session.restore(bundle, session.save())
    >>> later.feed("film") == session.feed("film")
    True
    """

    def __init__(self, bundle: Bundle) -> None:
        task = bundle.task
        if not isinstance(task, GoesLive):
            raise SettingsError(_WHERE, f"a model for {task.name} cannot be fed step by step. Use predict.")
        self._bundle, self._live, self._steps = bundle, task.go_live(bundle.model), 0

    @property
    def steps(self) -> int:
        """How many observations were fed."""
        return self._steps

    def feed(self, observation: Any) -> dict[str, Any]:
        """What the model says after one more observation; both are plain JSON values.

        What an observation is and what is said depends on the task: docs/how-to/stream.md.

        Raises:
            DataError: the observation cannot be used; the session is as it was before.
        """
        answer = self._live.feed(observation)
        self._steps += 1
        return answer

    def save(self) -> bytes:
        """All that is needed to go on, in this process or another one with the same model; no code, never pickle."""
        about = {"model": self._bundle.fingerprint, "steps": self._steps}
        tensors = {name: part.contiguous() for name, part in self._live.state.items()}
        body = safetensors.torch.save(tensors, {_WHERE: json.dumps(about)})
        return _HEAD.pack(_MAGIC, _FORMAT, hashlib.sha256(body).digest()) + body

    @classmethod
    def restore(cls, bundle: Bundle, data: bytes | bytearray) -> Session:
        """Go on from what :meth:`save` gave.

        Raises:
            BundleError: it is damaged, of another model, or of another format.
        """
        if not isinstance(data, (bytes, bytearray)):
            raise BundleError(_WHERE, f"a saved session is bytes, got {type(data).__name__}. Give what save returned.")
        about, tensors = _open(bytes(data))
        if about["model"] != bundle.fingerprint:
            raise BundleError(_WHERE, "it must be of this very model, it is of another one. Begin a new session.")
        session = cls(bundle)
        _check(tensors, session._live.state)
        try:
            session._live.restore(tensors)
        except ValueError as error:
            raise BundleError(_WHERE, f"its state must be one that a stream can be in: {error}.") from None
        session._steps = about["steps"]
        return session


def _open(data: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What is said of a saved session, and its tensors."""
    if len(data) < _HEAD.size or not data.startswith(_MAGIC):
        raise BundleError(_WHERE, f"a saved session must begin with {_MAGIC!r}, got {data[:16]!r}.")
    _, version, sha256 = _HEAD.unpack_from(data)
    if version != _FORMAT:
        raise BundleError(_WHERE, f"format {_FORMAT} can be read, got {version}. Use the recurra that saved it.")
    body = data[_HEAD.size :]
    if hashlib.sha256(body).digest() != sha256:
        raise BundleError(_WHERE, "it must be as it was saved (its SHA-256 differs), it has changed. Save it anew.")
    try:
        size = int.from_bytes(body[:8], "little")
        about = json.loads(json.loads(body[8 : 8 + size])["__metadata__"][_WHERE])
        if not isinstance(about["model"], str) or type(about["steps"]) is not int or about["steps"] < 0:
            raise ValueError("the model and the number of steps must be told")
        return about, safetensors.torch.load(body)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(_WHERE, f"it must be made by save: {error!s:.100}. Save it anew.") from None


def _check(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse a state of other names, types or shapes, or that is not finite: it may come from a stranger."""
    shapes, wanted = ({name: (part.dtype, part.shape) for name, part in one.items()} for one in (found, expected))
    if shapes != wanted:
        raise BundleError(_WHERE, "its state must have the parts of the model's, it has others. Begin a new session.")
    for name, part in found.items():
        if not bool(torch.isfinite(part).all()):
            raise BundleError(_WHERE, f"its state must be finite, {name} is not. Begin a new session.")
