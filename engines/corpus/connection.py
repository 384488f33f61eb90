"""The SQLite file of a corpus: opened durable, migrated, refused when it is another program's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engines.corpus.schema import APPLICATION_ID, MIGRATIONS, VERSION
from glossary.errors import FailedError, UserError
from glossary.i18n import _

_BUSY_SECONDS = 10.0
_PRIMARY = 0xFF  # mask of a primary result code (https://sqlite.org/rescode.html)


def connect(path: Path, *, create: bool, readonly: bool) -> sqlite3.Connection:
    """Open `path` with write-ahead log, full synchronisation and foreign keys, brought up to date.

    Raises UserError for a missing file, a file that is no corpus and one of a newer version,
    FailedError for a full disk, a read-only folder and a lock that another process holds.
    """
    if not path.exists() and not create:
        sentence = _("There is no corpus at {path} yet: kwtui data import makes it.")
        raise UserError(sentence.format(path=path))
    with sentences(path):
        if readonly:
            connection = _open_readonly(path)
        else:
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            version = _version(connection, path)
            if not readonly:
                _prepare(connection)
                _migrate(connection)
            elif version < VERSION:
                sentence = _("{path} is of an older version and cannot be changed here: copy it.")
                raise FailedError(sentence.format(path=path))
        except BaseException:
            connection.close()
            raise
    return connection


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
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        known = _known(code)
        if known is None:
            raise
        family = UserError if code == sqlite3.SQLITE_NOTADB else FailedError
        raise family(known.format(path=path)) from error


def _known(code: int) -> str | None:
    return {
        sqlite3.SQLITE_FULL: _("No space left to write {path}: free some and do it again."),
        sqlite3.SQLITE_READONLY: _(
            "{path} cannot be changed: the file or its folder is read-only."
        ),
        sqlite3.SQLITE_CANTOPEN: _("{path} cannot be opened: check its folder and permissions."),
        sqlite3.SQLITE_PERM: _("{path} cannot be opened: you have no permission for it."),
        sqlite3.SQLITE_BUSY: _("Another process is writing {path}: wait and do it again."),
        sqlite3.SQLITE_LOCKED: _("Another process is writing {path}: wait and do it again."),
        sqlite3.SQLITE_NOTADB: _("{path} is no kwtui corpus: it is not an SQLite file."),
        sqlite3.SQLITE_CORRUPT: _("{path} is damaged: put a backup copy in its place."),
        sqlite3.SQLITE_IOERR: _("{path} cannot be read or written: the disk reports an error."),
    }.get(code)


def _open_readonly(path: Path) -> sqlite3.Connection:
    """Read without changing a byte, also in a folder where no log may be made beside the file."""
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        code = error.sqlite_errorcode & _PRIMARY
        log = path.with_name(path.name + "-wal")
        pending = log.exists() and log.stat().st_size > 0
        if pending or code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True)
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the file before anything is changed; 0 for a new one."""
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if mark != APPLICATION_ID and (tables or mark):
        sentence = _("{path} is no kwtui corpus: it is the SQLite file of another program.")
        raise UserError(sentence.format(path=path))
    if version > VERSION:
        sentence = _(
            "{path} was made by a newer kwtui (version {found}, this one knows {known}): "
            "update kwtui."
        )
        raise UserError(sentence.format(path=path, found=version, known=VERSION))
    return version


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _migrate(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
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
