"""Which scheme the tags of a user's sentences follow, and what is done where they do not."""

from __future__ import annotations

from dataclasses import replace

from recurra.data.grid import count_of
from recurra.data.sentences import Sentences
from recurra.errors import SettingsError
from recurra.tasks.tagging.schemes import Scheme, breaks, recognise, rewrite
from recurra.tasks.tagging.settings import Tagging


def agree_on_scheme(sentences: Sentences, settings: Tagging) -> tuple[Sentences, Scheme | None]:
    """The sentences, their tags written by the rules of one scheme, and that scheme; None for plain tags.

    Tags that break the rules are read as conlleval does, counted and said.

    Raises:
        SettingsError: a scheme is asked for that the tags cannot be of.
    """
    assert sentences.tags is not None
    if settings.scheme == "none":
        return sentences, None
    scheme = recognise(sentences.tags)
    if settings.scheme != "auto":
        if scheme is None:
            raise SettingsError(
                "Tagging.scheme",
                f"tags must be spans (B-…, I-…, O) for {settings.scheme}, others came. Leave it out.",
            )
        scheme = settings.scheme
    if scheme is None:
        return sentences, None
    faults = [breaks(tags, scheme) for tags in sentences.tags]
    if not any(faults):
        return sentences, scheme
    first = next(number for number, count in enumerate(faults) if count)
    notice = (
        f"{count_of(sum(faults), 'tag')} not as {scheme} has them, written anew by its rules "
        f"(the spans stay the same), the first in {sentences.names[first]}"
    )
    mended = replace(sentences, tags=[rewrite(tags, scheme) for tags in sentences.tags])
    return mended.noticing(notice), scheme
