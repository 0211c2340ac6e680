"""Changes of a sealed JSON file as somebody would make them who knows how to seal it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurra.sealed import seal

Attack = Callable[[Path], None]
"""What is done to a folder."""
Fields = dict[str, Any]


@dataclass(frozen=True)
class SealedFile:
    """A file of this name in the folder that is attacked."""

    name: str

    def fields(self, folder: Path) -> Fields:
        """Those of a good one, without the hash."""
        fields: Fields = json.loads((folder / self.name).read_text())
        del fields["sha256"]
        return fields

    def text(self, content: str) -> Attack:
        """Put any text, sealed, in its place."""
        return lambda folder: (folder / self.name).write_bytes(seal(content)) and None

    def forge(self, change: Callable[[Fields], object]) -> Attack:
        """Change its fields."""

        def attack(folder: Path) -> None:
            fields = self.fields(folder)
            change(fields)
            self.text(json.dumps(fields, indent=2))(folder)

        return attack

    def within(self, old: str, new: str) -> Attack:
        """Replace a piece of its text."""

        def attack(folder: Path) -> None:
            whole = json.dumps(self.fields(folder), indent=2)
            assert old in whole
            self.text(whole.replace(old, new, 1))(folder)

        return attack
