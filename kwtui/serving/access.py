"""Who may ask: the token, kept in a file that only its owner reads."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path

from engines.workspace import state_folder
from glossary.errors import FailedError, UserError
from glossary.i18n import _

LEAST = 16


def token_path() -> Path:
    """Where the token lies unless another file is named."""
    return state_folder() / "serve.token"


def read_token(path: Path) -> str:
    """The token in `path`; a new one is made, mode 0600, where there is none.

    Raises UserError for a file that others may read or that holds no token, FailedError when it
    cannot be written.
    """
    try:
        return _known(path)
    except FileNotFoundError:
        pass
    token = secrets.token_urlsafe(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return _known(path)
    except OSError as error:
        message = _("Cannot write {path}: {error}.")
        raise FailedError(message.format(path=path, error=error.strerror)) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return token


def _known(path: Path) -> str:
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise UserError(_("{path} is no file with a token.").format(path=path))
        if found.st_mode & 0o077 or found.st_uid != os.geteuid():
            message = _(
                "Others may read the token in {path}, or it is not yours. Delete it (a new one is "
                "made), or run `chmod 600 {path}`."
            )
            raise UserError(message.format(path=path))
        token = file.read(1024).strip()
    if len(token) < LEAST or not all(0x21 <= byte < 0x7F for byte in token):
        message = _("{path} holds no token of at least {count} characters; delete it.")
        raise UserError(message.format(path=path, count=LEAST))
    return token.decode("ascii")


def matches(header: bytes, token: str) -> bool:
    """Whether an Authorization header carries `token`; takes as long for a wrong one."""
    kind, _space, given = header.partition(b" ")
    return kind.lower() == b"bearer" and hmac.compare_digest(given.strip(), token.encode())
