"""Copies of the corpus file: consistent while others write, complete or not there at all."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from engines.corpus.connection import connect, sentences
from glossary.errors import FailedError, UserError
from glossary.i18n import _

# All pages in one step: between two steps any change by others would begin the copy anew, so that
# it never ended while somebody labels. Writers are not held up (write-ahead log).
_STEP_PAGES = -1
_DAILY = re.compile(r"corpus-(\d{8})\.sqlite")
_DRAFT = re.compile(r"\..+\.(\d+)\.tmp")


def backup(source: Path, target: Path) -> int:
    """Copy the corpus at `source` to a new file and check the copy; returns its bytes.

    Uses SQLite's online backup (https://sqlite.org/backup.html), so that others may go on
    writing. Raises UserError when `target` exists, FailedError when it cannot be written.
    """
    if target.is_dir():
        sentence = _("{path} is a folder: name a file in it.")
        raise UserError(sentence.format(path=target))
    if target.exists():
        raise UserError(_("{path} exists already: name a new file.").format(path=target))
    if not target.parent.is_dir():
        sentence = _("The folder of {path} does not exist: make it first.")
        raise UserError(sentence.format(path=target))
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        _copy(source, draft, target)
        draft.replace(target)
    except OSError as error:
        sentence = _("{path} cannot be written: {reason}.")
        raise FailedError(sentence.format(path=target, reason=error.strerror)) from None
    finally:
        draft.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(source: Path, draft: Path, target: Path) -> None:
    with closing(connect(source, create=False, readonly=True)) as origin, sentences(target):
        draft.touch(0o600)
        draft.chmod(source.stat().st_mode & 0o777)
        with closing(sqlite3.connect(draft)) as copy:
            origin.backup(copy, pages=_STEP_PAGES)
            copy.execute("PRAGMA journal_mode = DELETE")
            # quick_check of SQLite 3.40 finds a NULL in the key of `changes` where there is none.
            verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        sentence = _("The copy of {path} is damaged ({reason}): the corpus itself may be.")
        raise FailedError(sentence.format(path=source, reason=verdict))
    with draft.open("rb") as file:
        os.fsync(file.fileno())


def daily_copy(source: Path, folder: Path, keep: int, *, today: str = "") -> Path | None:
    """Make today's copy unless there is one, and drop older ones until `keep` are left.

    Returns the new copy, None when there is nothing to do: one of today, no corpus, `keep` 0.
    `today`: the date as YYYYMMDD; "" for the clock's. Raises as `backup` does.
    """
    if keep <= 0 or not source.exists():
        return None
    date = today or datetime.now().strftime("%Y%m%d")
    target = folder / f"corpus-{date}.sqlite"
    if target.exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    _clear(folder)
    try:
        backup(source, target)
    except UserError:
        if target.exists():  # another program made it a moment ago
            return None
        raise
    for old in copies(folder)[keep:]:
        old.unlink(missing_ok=True)
    return target


def _clear(folder: Path) -> None:
    """Remove the unfinished copies of programs that were killed."""
    import psutil

    for path in folder.glob(".corpus-*.tmp"):
        found = _DRAFT.fullmatch(path.name)
        if found and not psutil.pid_exists(int(found[1])):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def copies(folder: Path) -> list[Path]:
    """The daily copies in `folder`, newest first."""
    found = [path for path in folder.glob("corpus-*.sqlite") if _DAILY.fullmatch(path.name)]
    return sorted(found, reverse=True)
