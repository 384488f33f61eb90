"""What the export service and the models pane hand each other; nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("gguf", "ollama", "merge", "bundle")


@dataclass(frozen=True, slots=True)
class Found:
    """A model that lies in one of the folders, with its card; `refusal`: why it cannot be used."""

    name: str
    path: str
    kind: str
    architecture: str
    parameters: int
    size: int
    dtype: str
    template: str
    base: str
    context: int
    refusal: str
    card: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """An export that is asked for: `what` is one of `KINDS`, `name` that of the new folder."""

    what: str
    model: str
    name: str
    types: tuple[str, ...]
    strategy: str
    wrapped: bool
    proven: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: the folder, and lines for a person."""

    folder: str
    lines: tuple[str, ...]
