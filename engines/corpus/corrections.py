"""One text with the keywords that a person gave it, from wherever it was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.corpus.store import Corpus
from engines.records import Example, Keyword
from glossary.errors import UserError
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Saved:
    """The text in the corpus: its id, and whether it was new there."""

    id: str
    new: bool


def save_correction(
    path: Path, text: str, keywords: Sequence[Keyword], *, annotator: str, source: str = ""
) -> Saved:
    """Add the normalised text to the corpus at `path` if it is not there, and label it.

    On disk when this returns. Replaces what the same annotator said about the text before; the
    history keeps that. Raises UserError for an empty text and what `Corpus` raises.
    """
    if not text.strip():
        raise UserError(_("There is no text to send to the corpus."))
    with Corpus.open(path, create=True) as corpus:
        added = corpus.add([Example("", text, labeled=False)], annotator=annotator, source=source)
        name = corpus.id_of(text)
        assert name is not None
        corpus.set_labels(name, annotator, keywords)
    return Saved(name, bool(added.new))
