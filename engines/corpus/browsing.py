"""The texts that pass a filter, as a list of any length: keys first, rows as they are looked at."""

from __future__ import annotations

import sqlite3
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines.corpus.connection import connect, sentences
from engines.corpus.listing import TextRow
from engines.corpus.queue import PATTERN_SECONDS, Filter
from glossary.errors import UserError
from glossary.i18n import _

_TEXT_SECONDS = 0.2


def matching_keys(path: Path, wanted: Filter) -> tuple[array[int], bool]:
    """Keys of the texts that pass, in the order of import, and whether that is all of them.

    A search for a regular expression ends after `PATTERN_SECONDS` with what it has. Opens and
    closes the file. Raises UserError for what is no regular expression and for one that takes
    too long on a single text.
    """
    connection = connect(path, create=False, readonly=True)
    try:
        with sentences(path):
            where, values = _conditions(wanted)
            if not wanted.pattern:
                rows = connection.execute(f"SELECT key FROM texts t {where} ORDER BY key", values)
                return array("q", (row[0] for row in rows)), True
            found = connection.execute(
                f"SELECT key, text FROM texts t {where} ORDER BY key", values
            )
            return _searched(found, wanted.pattern)
    finally:
        connection.close()


def _conditions(wanted: Filter) -> tuple[str, dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    if wanted.statuses:
        names = {f"status{n}": status for n, status in enumerate(wanted.statuses)}
        conditions.append(f"t.status IN ({', '.join(f':{name}' for name in names)})")
        values |= names
    for column in ("source", "split"):
        value = getattr(wanted, column)
        if value or (column == "split" and value is not None):
            conditions.append(f"t.{column} = :{column}")
            values[column] = value
    if wanted.annotator:
        conditions.append(
            "EXISTS (SELECT 1 FROM labelings m WHERE m.text_key = t.key"
            " AND m.annotator = :annotator AND m.status != 'draft')"
        )
        values["annotator"] = wanted.annotator
    if wanted.surfaces:
        terms = {f"term{n}": surface for n, surface in enumerate(wanted.surfaces)}
        holds = [f"instr(t.text, :{name})" for name in terms]
        ids = [f"t.id = :{name}" for name in terms]
        conditions.append(f"({' OR '.join([*holds, *ids])})")
        values |= terms
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values


def _searched(rows: Iterator[Any], pattern: str) -> tuple[array[int], bool]:
    import regex

    try:
        wanted = regex.compile(pattern)
    except regex.error as error:
        sentence = _("'{pattern}' is no regular expression: {reason}.")
        raise UserError(sentence.format(pattern=pattern, reason=error)) from None
    keys, end = array("q"), time.monotonic() + PATTERN_SECONDS
    for key, text in rows:
        if time.monotonic() > end:
            return keys, False
        try:
            if wanted.search(text, timeout=_TEXT_SECONDS):
                keys.append(key)
        except TimeoutError:
            sentence = _("The pattern '{pattern}' takes too long on one text: write a simpler one.")
            raise UserError(sentence.format(pattern=pattern)) from None
    return keys, True


# A text that waits for this annotator after another one looks as if nobody had labeled it.
_ROWS = """
SELECT key, id, text, split, CASE WHEN blind THEN 'new' ELSE status END,
    CASE WHEN blind THEN 0 ELSE coalesce(keywords, 0) END
FROM (SELECT *, wants > 0 AND labelers > 0 AND NOT EXISTS (SELECT 1 FROM labelings m
    WHERE m.text_key = key AND m.annotator = ? AND m.status != 'draft') AS blind
    FROM texts WHERE key IN (%s))
"""


class Rows:
    """Rows of texts by their keys, as `annotator` may see them; open, read, close in one thread."""

    def __init__(self, path: Path, annotator: str) -> None:
        self.path = path
        self._annotator = annotator
        self._db: sqlite3.Connection = connect(path, create=False, readonly=True)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def read(self, keys: array[int]) -> list[TextRow]:
        """The texts with these keys, in their order; `keywords` are those that count."""
        with sentences(self.path):
            found = {
                key: TextRow(*row)
                for key, *row in self._db.execute(
                    _ROWS % ", ".join("?" * len(keys)), (self._annotator, *keys.tolist())
                )
            }
        return [found[key] for key in keys if key in found]


def choices(path: Path) -> dict[str, list[str]]:
    """The values that a filter can name: sources, splits and annotators."""
    connection = connect(path, create=False, readonly=True)
    try:
        with sentences(path):
            return {
                "source": _column(connection, "SELECT DISTINCT source FROM texts ORDER BY 1"),
                "split": _column(connection, "SELECT DISTINCT split FROM tallies WHERE texts > 0"),
                "annotator": _column(
                    connection, "SELECT DISTINCT annotator FROM labelings WHERE status != 'draft'"
                ),
            }
    finally:
        connection.close()


def _column(connection: sqlite3.Connection, query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query) if row[0]]
