"""What our SQLite files share: one transaction, the machine's faults as sentences, migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from glossary.errors import FailedError, UserError
from glossary.i18n import _

_PRIMARY = 0xFF  # mask of a primary result code (https://sqlite.org/rescode.html)


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """One write transaction: on disk when the block has ended, nothing of it when it raised."""
    with sentences(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """Turn what SQLite says about the machine into sentences; programming errors pass through."""
    try:
        yield
    except sqlite3.Error as error:
        code = primary(error)
        known = _known(code)
        if known is None:
            raise
        family = UserError if code == sqlite3.SQLITE_NOTADB else FailedError
        raise family(known.format(path=path)) from error


def primary(error: sqlite3.Error) -> int:
    """The primary result code of an error, 0 for one that is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY


def _known(code: int) -> str | None:
    return {
        sqlite3.SQLITE_FULL: _("No space left to write {path}: free some and do it again."),
        sqlite3.SQLITE_READONLY: _(
            "{path} cannot be changed, the file or its folder is read-only: nothing was changed."
        ),
        sqlite3.SQLITE_CANTOPEN: _("{path} cannot be opened: check its folder and permissions."),
        sqlite3.SQLITE_PERM: _("{path} cannot be opened: you have no permission for it."),
        sqlite3.SQLITE_BUSY: _("Another process is writing {path}: wait and do it again."),
        sqlite3.SQLITE_LOCKED: _("Another process is writing {path}: wait and do it again."),
        sqlite3.SQLITE_NOTADB: _("{path} is no SQLite file: put a backup copy in its place."),
        sqlite3.SQLITE_CORRUPT: _("{path} is damaged: put a backup copy in its place."),
        sqlite3.SQLITE_IOERR: _("{path} cannot be read or written: the disk is full or faulty."),
    }.get(code)


def migrate(connection: sqlite3.Connection, application_id: int, migrations: Sequence[str]) -> None:
    """Bring a file up to date in one transaction; nothing of it when it is killed.

    `migrations[n]` is the script that brings `user_version` n to n + 1.
    """
    if connection.execute("PRAGMA user_version").fetchone()[0] == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for script in migrations[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, as a transaction of our own needs them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
