"""The SQLite file of a corpus: opened durable, migrated, refused when it is another program's."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from engines.corpus.schema import APPLICATION_ID, MIGRATIONS, VERSION
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.sqlite import migrate, primary, sentences, transaction

__all__ = ["Note", "connect", "file_system", "sentences", "transaction"]

_BUSY_SECONDS = 10.0
# File systems of other machines, where the shared memory of a write-ahead log does not work
# (https://sqlite.org/wal.html); names as the kernel and psutil give them.
_NETWORK = ("nfs", "cifs", "smb", "afs", "9p", "ceph", "lustre", "gpfs", "beegfs", "gluster")
_NETWORK_PARTS = ("sshfs", "glusterfs", "s3fs", "gcsfuse", "rclone")
_GROUP_WRITE = 0o060


Note = Callable[[str], None]


def connect(
    path: Path, *, create: bool, readonly: bool, on_note: Note | None = None
) -> sqlite3.Connection:
    """Open `path` with write-ahead log, full synchronisation and foreign keys, brought up to date.

    On a network file system the rollback journal takes the place of the write-ahead log, which
    `on_note` hears as a sentence. In a folder that its group may write, so may it the file.
    Raises UserError for a missing file, a file that is no corpus and one of a newer version,
    FailedError for a full disk, a read-only folder and a lock that another process holds.
    """
    if not path.exists() and not create:
        sentence = _("There is no corpus at {path} yet: kwtui data import makes it.")
        raise UserError(sentence.format(path=path))
    with sentences(path):
        return _read_only(path) if readonly else _writable(path, on_note)


def _writable(path: Path, on_note: Note | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        _version(connection, path)
        _prepare(connection, path, on_note)
        if connection.execute("PRAGMA user_version").fetchone()[0] < VERSION:
            migrate(connection, APPLICATION_ID, MIGRATIONS)
            _share(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; a file of an older version is brought up to date first."""
    connection = _open_readonly(path)
    try:
        if _version(connection, path) == VERSION:
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        sentence = _("{path} is of an older version and cannot be changed here: copy it.")
        raise FailedError(sentence.format(path=path))
    _writable(path, None).close()
    return _open_readonly(path)


def _open_readonly(path: Path) -> sqlite3.Connection:
    """Read without changing a byte, also in a folder where no log may be made beside the file."""
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        code = primary(error)
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


def _prepare(connection: sqlite3.Connection, path: Path, on_note: Note | None) -> None:
    kind = file_system(path)
    remote = kind.startswith(_NETWORK) or any(part in kind for part in _NETWORK_PARTS)
    wanted = "DELETE" if remote else "WAL"
    mode = connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0]
    if mode != "wal" and on_note is not None:
        sentence = _(
            "{path} lies on a network file system ({kind}): it is kept with a rollback journal, "
            "which is safe and slower. Let one machine write it at a time."
        )
        on_note(sentence.format(path=path, kind=kind or mode))
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def file_system(path: Path) -> str:
    """The kind of file system that `path` lies on, as the system names it; "" when unknown."""
    return _file_system(str(path.resolve().parent))


@lru_cache(maxsize=64)
def _file_system(place: str) -> str:
    import psutil

    mounts = [m for m in psutil.disk_partitions(all=True) if _inside(place, m.mountpoint)]
    return max(mounts, key=lambda m: len(m.mountpoint)).fstype.lower() if mounts else ""


def _inside(place: str, mount: str) -> bool:
    return place == mount or place.startswith(mount.rstrip("/") + "/")


def _share(path: Path) -> None:
    """Let the group of a group-writable folder write a new file; the log beside it follows."""
    folder = path.resolve().parent.stat()
    if not folder.st_mode & 0o020:
        return
    with contextlib.suppress(OSError):
        os.chown(path, -1, folder.st_gid)
    with contextlib.suppress(OSError):
        path.chmod(path.stat().st_mode | _GROUP_WRITE)
