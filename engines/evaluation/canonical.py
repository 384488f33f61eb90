"""Canonical forms and categories of surfaces, from the workspace's glossary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.workspace import Workspace

if TYPE_CHECKING:
    from glossary.store import Glossary


class Canonical:
    """Canonical forms of surfaces, looked up in the workspace's glossary where there is one.

    `categories`: those of the surfaces that were looked up and whose terms have one.
    """

    def __init__(self, space: Workspace) -> None:
        self._known: dict[str, str] = {}
        self._asked: set[str] = set()
        self.categories: dict[str, str] = {}
        self._glossary: Glossary | None = None
        if space.glossary_path.exists():
            from glossary.store import Glossary

            self._glossary = Glossary.open(space.glossary_path)

    @property
    def is_there(self) -> bool:
        """Whether there is a glossary at all."""
        return self._glossary is not None

    def of(self, words: set[str]) -> dict[str, str]:
        """The canonical form of each of these words that the glossary has."""
        if self._glossary is None:
            return {}
        for word in words - self._asked:
            term = self._glossary.lookup(word)
            if term is not None:
                self._known[word] = term.canonical
                if term.category:
                    self.categories[word] = term.category
        self._asked |= words
        return self._known

    def lacks(self, words: set[str]) -> set[str]:
        """Those of the words that the glossary does not know."""
        return words - self.of(words).keys()
