"""Notes of a strategy, written into the config.toml of a workspace without touching the rest."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from engines.settings import load
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import normalise

_ITEM = re.compile(r"(?:[-*+]|\d+[.)]) +")
_EMPHASIS = re.compile(r"\*\*(.+?)\*\*")
_SENTENCES = {
    "ko": {"missed": "'{word}' 키워드입니다.", "wrong": "'{word}' 키워드가 아닙니다."},
    "en": {"missed": "'{word}' is a keyword.", "wrong": "'{word}' is not a keyword."},
}


def note_on(word: str, said: Literal["missed", "wrong"], language: str) -> str:
    """What a prompt in `language` says about a word that a person judged."""
    return _SENTENCES[language][said].format(word=word)


def guideline_rules(text: str) -> list[str]:
    """The items of the lists of a Markdown guideline, each a sentence for a prompt."""
    rules: list[str] = []
    inside = False
    for line in normalise(text).split("\n"):
        item = _ITEM.match(line)
        if item:
            rules.append(line[item.end() :].strip())
        elif inside and line[:1] == " " and line.strip():
            rules[-1] += " " + line.strip()
        inside = bool(item) or (inside and line[:1] == " ")
    return [_EMPHASIS.sub(r"\1", rule) for rule in rules]


def keep_notes(workspace: Workspace, strategy: str, notes: Sequence[str]) -> list[str]:
    """Add sentences to `strategies.NAME.notes` and return those that were new.

    Comments and order of the file stay; it is replaced whole, after the new one was read back.
    Raises UserError for an unknown strategy or a file that cannot be read, FailedError when the
    disk refuses or the file changed meanwhile.
    """
    settings = load(workspace.root)
    if strategy not in settings.strategies:
        raise UserError(_("There is no strategy '{name}'.").format(name=strategy))
    known = list(settings.strategies[strategy].notes)
    clean = (" ".join(normalise(note).split()) for note in notes)
    fresh = [note for note in dict.fromkeys(clean) if note and note not in known]
    if fresh:
        _rewrite(workspace.config.resolve(), strategy, [*known, *fresh])
    return fresh


def _rewrite(path: Path, strategy: str, notes: list[str]) -> None:
    import tomlkit

    before = path.read_bytes()
    document: Any = tomlkit.parse(before.decode("utf-8-sig"))
    section = _table(_table(document, "strategies", super_table=True), strategy)
    listed = tomlkit.array()
    listed.extend(notes)
    section["notes"] = listed.multiline(len(notes) > 1)
    text = tomlkit.dumps(document)
    if tomllib.loads(text)["strategies"][strategy]["notes"] != notes:
        raise FailedError(_("{path} could not be changed safely; it stays.").format(path=path))
    _replace(path, before, text.encode("utf-8"))


def _table(parent: Any, name: str, *, super_table: bool = False) -> Any:
    import tomlkit

    if name not in parent:
        parent[name] = tomlkit.table(is_super_table=super_table)
    return parent[name]


def _replace(path: Path, before: bytes, after: bytes) -> None:
    """Put the new content in place at once, unless somebody else has changed the file."""
    fresh: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=".config-", suffix=".toml", delete=False
        ) as file:
            fresh = Path(file.name)
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(path.stat().st_mode & 0o777)
        if path.read_bytes() != before:
            raise FailedError(_("{path} was changed meanwhile; try again.").format(path=path))
        fresh.replace(path)
        fresh = None
    except OSError as error:
        sentence = _("Cannot write {path}: {error}.")
        raise FailedError(sentence.format(path=path, error=error.strerror)) from None
    finally:
        if fresh is not None:
            with suppress(OSError):
                fresh.unlink()
