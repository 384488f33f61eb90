"""A lock between processes, held for one write; who waits is told who holds it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from glossary.errors import FailedError
from glossary.i18n import _
from glossary.text import printable

_PATIENCE = 1.0
_STEP = 0.005
_TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR)


@contextmanager
def held(
    path: Path,
    *,
    author: str,
    what: str,
    timeout: float = 60.0,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock file `path` (fcntl, freed by the system when the process dies).

    `on_wait` gets a sentence after one second of waiting. Raises FailedError after `timeout`
    seconds, naming the holder, and where the file cannot be written.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        _acquire(handle, path, timeout, on_wait)
        try:
            _sign(handle, author, what)
        except OSError as error:
            raise _unwritable(path, error) from error
        yield
    finally:
        os.close(handle)


@contextmanager
def attempted(path: Path, *, author: str, what: str) -> Iterator[bool]:
    """Hold the lock file if nobody does; whether it is held. Never waits.

    Raises FailedError where the file cannot be written.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise _unwritable(path, error) from error
            yield False
            return
        _sign(handle, author, what)
        yield True
    finally:
        os.close(handle)


def holder(path: Path) -> str:
    """Who wrote the lock file last: author, process and since when, as text for a person."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        author, what = printable(str(record["author"])), printable(str(record["what"]))
        text = _("{author} (process {pid} on {host}, {what}, since {since})")
        return text.format(
            author=author, pid=record["pid"], host=record["host"], what=what, since=record["since"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return _("another process")


def _acquire(
    handle: int, path: Path, timeout: float, on_wait: Callable[[str], None] | None
) -> None:
    start, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in _TAKEN:
                raise _unwritable(path, error) from error
        waited = time.monotonic() - start
        if waited > timeout:
            sentence = _("The glossary stayed locked for {seconds} s by {holder}: try again later.")
            raise FailedError(sentence.format(seconds=round(waited), holder=holder(path)))
        if on_wait and not told and waited > _PATIENCE:
            on_wait(_("Waiting for the glossary: {holder} is writing.").format(holder=holder(path)))
            told = True
        time.sleep(_STEP)


def _sign(handle: int, author: str, what: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    record = {"pid": os.getpid(), "host": os.uname().nodename, "author": author}
    data = json.dumps({**record, "what": what, "since": since}, ensure_ascii=False).encode()
    os.ftruncate(handle, 0)
    os.pwrite(handle, data, 0)


def _unwritable(path: Path, error: OSError) -> FailedError:
    sentence = _("The glossary {path} cannot be written ({reason}): nothing was changed.")
    return FailedError(sentence.format(path=path.parent, reason=error.strerror or error))
