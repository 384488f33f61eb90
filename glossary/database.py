"""An SQLite file of ours: opened durable, migrated, refused when it is another program's."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.sqlite import migrate, sentences, transaction

__all__ = ["Schema", "connect", "sentences", "transaction"]

_BUSY_SECONDS = 30.0
# The write-ahead log shrinks to this after a big change.
_LOG_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Schema:
    """What marks a file as ours (PRAGMA application_id), and its steps of migration.

    `migrations[n]` is the script that brings `user_version` n to n + 1.
    """

    application_id: int
    migrations: Sequence[str]

    @property
    def version(self) -> int:
        """The version that this code reads and writes."""
        return len(self.migrations)


def connect(path: Path, schema: Schema, *, create: bool) -> tuple[sqlite3.Connection, bool]:
    """Open `path` with write-ahead log and full synchronisation; also whether it is read-only.

    Where the folder cannot be written the file is read as it is. Raises UserError for a missing
    file, one of another program and one of a newer version, FailedError for what the disk says.
    """
    if not path.exists() and not create:
        raise UserError(_("{path} does not exist.").format(path=path))
    with sentences(path):
        connection, readonly = _open(path)
        try:
            version = _checked_version(connection, schema, path)
            if not readonly:
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
                migrate(connection, schema.application_id, schema.migrations)
            elif version < schema.version:
                sentence = _("{path} is of an older version and cannot be changed here: copy it.")
                raise FailedError(sentence.format(path=path))
        except BaseException:
            connection.close()
            raise
    return connection, readonly


def _open(path: Path) -> tuple[sqlite3.Connection, bool]:
    readonly = path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    if readonly:
        return _open_readonly(path), True
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        connection.close()
        raise
    return connection, False


def _open_readonly(path: Path) -> sqlite3.Connection:
    """Read without changing a byte, also in a folder where no log may be made beside the file."""
    uri = path.resolve().as_uri()
    log = path.with_name(path.name + "-wal")
    pending = log.exists() and log.stat().st_size > 0
    mode = "mode=ro" if pending else "immutable=1"
    connection = sqlite3.connect(f"{uri}?{mode}", uri=True, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _checked_version(connection: sqlite3.Connection, schema: Schema, path: Path) -> int:
    """The version of the file before anything is changed; 0 for a new one."""
    mark = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if mark != schema.application_id and (tables or mark):
        raise UserError(_("{path} is the SQLite file of another program.").format(path=path))
    if version > schema.version:
        sentence = _(
            "{path} was made by a newer kwtui (version {found}, this one knows {known}): "
            "update kwtui."
        )
        raise UserError(sentence.format(path=path, found=version, known=schema.version))
    return version
