"""A file, a pipe or standard input as bytes and as strictly decoded text, refused in a sentence."""

from __future__ import annotations

import io
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from glossary.encoding import decode, detect
from glossary.errors import FailedError, UserError
from glossary.i18n import _

STDIN = "-"
CHUNK = 1 << 20
LINE_LIMIT = 64 << 20  # characters; a longer line is refused, not read into memory
# A longer text is a whole book in one record: nobody can label it, and a model answers at its end.
TEXT_LIMIT = 1_000_000
_SPOOL_IN_MEMORY = 16 << 20

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BadLine:
    """One line that is no record: its number from 1 and the reason as a sentence."""

    line: int
    reason: str

    def sentence(self, path: Path | str) -> str:
        """What to show on stderr."""
        shown = _("{where}, line {line}: {reason}")
        return shown.format(where=place(path), line=self.line, reason=self.reason)


def no_note(_sentence: str) -> None:
    """Say nothing."""


def place(path: Path | str) -> str:
    """How a sentence names the input."""
    return _("Standard input") if str(path) == STDIN else str(path)


def open_binary(path: Path | str) -> IO[bytes]:
    """Open a file, or "-" for standard input, for reading bytes.

    Pipes are copied to a temporary file so that they can be read twice. Raises UserError for a
    missing, unreadable or empty file and for a directory.
    """
    if str(path) == STDIN:
        return _spooled(sys.stdin.buffer, path)
    with reading(path):
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            sentence = _("{path} is a folder: give a file, or - for standard input.")
            raise UserError(sentence.format(path=path))
        file = Path(path).open("rb")  # noqa: SIM115 (the caller closes it)
        if stat.S_ISREG(mode):
            return _not_empty(file, path)
        with file:
            return _spooled(file, path)


def as_text(
    file: IO[bytes],
    path: Path | str,
    encoding: str | None = None,
    *,
    on_note: Note = no_note,
    newline: str | None = None,
) -> io.TextIOWrapper:
    """`file` as text in the encoding that reads the whole of it without an error.

    UTF-8 and UTF-16 by byte order mark, UTF-8, cp949; `encoding` overrides. An encoding other
    than UTF-8 is told to `on_note`. Raises UserError for bytes that do not fit and binary data.
    """
    with reading(path):
        used = detect(_chunks(file), encoding, where=place(path))
        file.seek(0)
    if used not in ("utf-8", "utf-8-sig"):
        on_note(_("{where}: read as {encoding}.").format(where=place(path), encoding=used))
    return io.TextIOWrapper(file, encoding=used, newline=newline)


def stream_text(encoding: str, *, newline: str | None = None) -> io.TextIOWrapper:
    """Standard input as text of a known encoding, readable before it has ended."""
    used = detect([], encoding)
    return io.TextIOWrapper(sys.stdin.buffer, encoding=used, newline=newline)


def read_text_strict(path: Path | str, encoding: str | None = None) -> tuple[str, str]:
    """The whole text of a file and the encoding that fitted; line ends are kept.

    Raises UserError as `open_binary` and `as_text` do.
    """
    with open_binary(path) as file, reading(path):
        data = file.read()
    return decode(data, encoding, where=place(path))


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn the errors of opening and reading `path` into sentences."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(_("{path} does not exist.").format(path=path)) from None
    except PermissionError:
        sentence = _("{path} cannot be read: you have no permission for it.")
        raise UserError(sentence.format(path=path)) from None
    except UnicodeDecodeError as error:
        sentence = _("{where} is not valid {encoding}: {reason}.")
        shown = sentence.format(where=place(path), encoding=error.encoding, reason=error.reason)
        raise UserError(shown) from None
    except OSError as error:
        reason = error.strerror or str(error)
        sentence = _("{where} cannot be read: {reason}.")
        raise UserError(sentence.format(where=place(path), reason=reason)) from None


def broken(path: Path | str, error: Exception) -> UserError:
    """The sentence for a file that its library cannot read."""
    sentence = _("{where} cannot be read: {reason}.")
    return UserError(sentence.format(where=place(path), reason=str(error).rstrip(".")))


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _not_empty(file: IO[bytes], path: Path | str) -> IO[bytes]:
    if file.read(1):
        file.seek(0)
        return file
    file.close()
    raise UserError(_("{where} is empty: there is nothing to read.").format(where=place(path)))


def _spooled(pipe: IO[bytes], path: Path | str) -> IO[bytes]:
    copy = tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)  # noqa: SIM115
    try:
        while chunk := pipe.read(CHUNK):
            copy.write(chunk)
    except OSError as error:
        copy.close()
        sentence = _("{where} could not be kept in a temporary file: {reason}.")
        shown = sentence.format(where=place(path), reason=error.strerror)
        raise FailedError(shown) from None
    copy.seek(0)
    return _not_empty(copy, path)
