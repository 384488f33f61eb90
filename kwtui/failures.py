"""What a person sees when something goes wrong: one sentence and an exit code."""

import contextlib
import errno
import os
import sys
import time
import traceback
from pathlib import Path

from engines.workspace import state_folder
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import usage

INTERRUPTED = 130
BROKEN_PIPE = 141


def report(error: BaseException) -> int:
    """Say on stderr what `error` means and return the exit code."""
    if isinstance(error, BrokenPipeError):
        return _reader_left()
    if isinstance(error, KeyboardInterrupt):
        _say(_("Interrupted; what was written so far stays."))
        return INTERRUPTED
    if hasattr(error, "format_message"):
        _say(usage.sentence(error))
        return 2
    if isinstance(error, UserError):
        _say(error.sentence)
        return error.exit_code
    if isinstance(error, MemoryError):
        _say(_("Not enough memory; use a smaller model or a smaller batch_size."))
        return 1
    if isinstance(error, OSError) and (sentence := _system_sentence(error)):
        _say(sentence)
        return 1
    _say(unexpected(error))
    return 1


def _say(sentence: str) -> None:
    with contextlib.suppress(OSError):
        print(printable(sentence), file=sys.stderr)


def _reader_left() -> int:
    """Whoever read stdout closed it: leave quietly, like `cat`, and without a word at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    return BROKEN_PIPE


def _system_sentence(error: OSError) -> str:
    """The sentence for what a file system or a person's path can cause; "" for the rest."""
    sentences = {
        errno.ENOSPC: _("No space left on the device of {path}; free some and try again."),
        errno.EDQUOT: _("The disk quota for {path} is used up; free some space and try again."),
        errno.EROFS: _("{path} lies on a read-only file system; choose another place."),
        errno.EACCES: _("No permission for {path}."),
        errno.EPERM: _("No permission for {path}."),
        errno.ENOENT: _("{path} does not exist."),
        errno.EISDIR: _("{path} is a folder, not a file."),
        errno.ENOTDIR: _("{path} is not a folder."),
        errno.EEXIST: _("{path} exists already."),
        errno.ENAMETOOLONG: _("The name {path} is too long."),
        errno.EMFILE: _("Too many open files; raise the limit with `ulimit -n` and try again."),
    }
    sentence = sentences.get(error.errno or 0, "")
    path = error.filename if error.filename is not None else _("the output")
    return sentence.format(path=path)


def unexpected(error: BaseException) -> str:
    """The sentence for a fault of ours; the whole report goes into the log."""
    what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    log = _write_log(error)
    if log is None:
        traceback.print_exception(error)
        return _("Unexpected error in kwtui: {what}.").format(what=what)
    return _("Unexpected error in kwtui: {what}. The full report is in {path}.").format(
        what=what, path=log
    )


def _write_log(error: BaseException) -> Path | None:
    """Append the traceback to the log; None when no log can be written."""
    path = state_folder() / "kwtui.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(time.strftime("%Y-%m-%dT%H:%M:%S%z ") + " ".join(sys.argv) + "\n")
            log.writelines(traceback.format_exception(error))
    except OSError:
        return None
    return path
