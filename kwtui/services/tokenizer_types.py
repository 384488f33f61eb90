"""What the tokenizer service and its pane hand each other; nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.tokenizer.audit import Audit


@dataclass(frozen=True, slots=True)
class TermRow:
    """A term: how often, tokens too many with the first tokenizer, its pieces with each."""

    term: str
    count: int
    lost: int
    pieces: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One tokenizer's audit or two, their terms with the costliest first, and what to do."""

    audits: tuple[Audit, ...]
    terms: tuple[TermRow, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """A vocabulary that is asked for; `change`: extend, replace or retrain."""

    change: str
    model: str
    name: str
    budget: int = 500
    method: str = "auto"
    rows: str = "scaled"
    size: int = 32_000
