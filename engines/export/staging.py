"""What is exported appears as a whole or not at all, whenever the writer is killed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glossary.errors import FailedError, UserError
from glossary.i18n import _

_MARK = ".partial-"


@contextmanager
def staged(target: Path, *, folder: bool, replace: bool = False) -> Iterator[Path]:
    """A fresh file or folder beside `target` that takes its name when the block ends well.

    What an export killed before left there is removed. UserError when `target` exists and may not
    be replaced; FailedError when the disk refuses.
    """
    refuse_taken(target, replace=replace)
    fresh = target.with_name(f".{target.name}{_MARK}{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        if folder:
            fresh.mkdir()
        yield fresh
        _settle(fresh)
        _take_place(fresh, target)
    except OSError as error:
        message = _("Cannot write {path}: {error}.")
        raise FailedError(
            message.format(path=target, error=error.strerror or str(error))
        ) from error
    finally:
        _remove(fresh)


def refuse_taken(target: Path, *, replace: bool) -> None:
    """UserError when something that must stay has the name `target`."""
    if not replace and (target.exists() or target.is_symlink()):
        message = _("{path} exists already; name another place, or give --force to replace it.")
        raise UserError(message.format(path=target))


def _sweep(target: Path) -> None:
    """Remove what killed writers left; a living one's work stays."""
    for left in target.parent.glob(f".{_escaped(target.name)}{_MARK}*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and not _alive(int(number)):
            _remove(left)


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _settle(fresh: Path) -> None:
    """Have everything on the disk before the name says that it is there."""
    files = [fresh] if fresh.is_file() else [p for p in fresh.rglob("*") if p.is_file()]
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _take_place(fresh: Path, target: Path) -> None:
    if fresh.is_dir() and target.is_dir() and not target.is_symlink():
        old = target.with_name(f".{target.name}{_MARK}old-{os.getpid()}")
        target.replace(old)
        fresh.replace(target)
        _remove(old)
        return
    if fresh.is_dir() and (target.exists() or target.is_symlink()):
        target.unlink()
    fresh.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
