"""Where the texts and terms come from by which vocabularies are measured and made."""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

from engines.workspace import Workspace, assets
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

GENERAL = "general/ko.txt.xz"


def general_path() -> Path:
    """The embedded general text: Korean news and reviews, CC BY-SA 4.0."""
    return assets() / GENERAL


def general_texts(path: Path | None = None, limit: int = 0) -> list[str]:
    """Sentences of the general text, or of the user's own; the first `limit` unless 0.

    Raises UserError for a file that cannot be read or holds no text.
    """
    path = path or general_path()
    if path.suffix != ".xz":
        return _first(file_texts(path), limit, path)
    try:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            return _first((line.rstrip("\n") for line in file), limit, path)
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        message = _("Cannot read {path}: {error}.")
        raise UserError(message.format(path=path, error=error)) from None


def file_texts(path: Path) -> Iterator[str]:
    """The texts of a file in any format that `kwtui data import` reads; broken lines are left out.

    Raises UserError for a file that cannot be used as a whole.
    """
    from engines.corpus.formats import examples_of, open_records

    for example in examples_of(open_records(path), lambda _bad: None):
        yield example.text


def corpus_texts(space: Workspace, *, held_out: bool = False) -> Iterator[str]:
    """The texts of a workspace; those that scores are measured on only with `held_out`.

    Raises UserError when there is no corpus.
    """
    from engines.corpus.splits import HELD_OUT
    from engines.corpus.store import Corpus

    left_out = () if held_out else HELD_OUT
    marks = ", ".join("?" * len(left_out))
    query = (
        f"SELECT key, text FROM texts WHERE split NOT IN ({marks}) AND key > ? ORDER BY key LIMIT ?"
    )
    last, page = 0, 5000
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        while rows := corpus.db.execute(query, (*left_out, last, page)).fetchall():
            last = rows[-1][0]
            for _key, text in rows:
                yield text


def glossary_terms(space: Workspace) -> list[str]:
    """Every spelling of the workspace's keywords; UserError when there is no glossary."""
    from glossary.store import Glossary

    with Glossary.open(space.glossary_path) as glossary:
        return surfaces(s for t in glossary.in_order() if t.keyword for s in t.surfaces)


def file_terms(path: Path) -> list[str]:
    """Every spelling of a file of terms, in any format of `kwtui glossary import`."""
    from glossary.exchange import read_terms

    return surfaces(s for t in read_terms(path).terms if t.keyword for s in t.surfaces)


def surfaces(words: Iterable[str]) -> list[str]:
    """The words normalised, without blanks and repetitions, in their order."""
    return list(dict.fromkeys(w for word in words if (w := normalise(word).strip())))


def _first(texts: Iterable[str], limit: int, path: Path) -> list[str]:
    found: list[str] = []
    for text in texts:
        if text := normalise(text).strip():
            found.append(text)
        if limit and len(found) >= limit:
            break
    if not found:
        raise UserError(_("{path} holds no text.").format(path=path))
    return found
