"""Whether the system ends a user's processes at logout, and what to do about it."""

from __future__ import annotations

import configparser
import contextlib
import getpass
import os
import subprocess
from pathlib import Path

from glossary.i18n import _

_CONFIGS = ("/etc/systemd/logind.conf",)
_FOLDERS = ("/usr/lib/systemd/logind.conf.d", "/run/systemd/logind.conf.d")
_OWN = "/etc/systemd/logind.conf.d"


def warning(*, root: Path = Path("/")) -> str:
    """A sentence where logind kills what a user leaves behind and this user has no lingering.

    "" where a run survives the logout. `root`: where the system's files lie.
    """
    if not kills_at_logout(root) or lingers(root):
        return ""
    return _(
        "This system ends all processes of a user at logout (KillUserProcesses=yes in "
        "logind.conf), a training run too. Run `loginctl enable-linger` once, and start with "
        "`systemd-run --user --scope kwtui train ...`."
    )


def kills_at_logout(root: Path = Path("/")) -> bool:
    """Whether logind is configured to end a user's processes; later files go over earlier ones.

    https://www.freedesktop.org/software/systemd/man/latest/logind.conf.html
    """
    files = [root / name.lstrip("/") for name in _CONFIGS]
    for folder in (*_FOLDERS, _OWN):
        with contextlib.suppress(OSError):
            files += sorted((root / folder.lstrip("/")).glob("*.conf"))
    value = ""
    for file in files:
        # Keys may be repeated and the file may be anything.
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
            parser.read_string(file.read_text(encoding="utf-8"))
            value = parser.get("Login", "KillUserProcesses", fallback=value) or value
    return value.strip().lower() in {"yes", "true", "on", "1"}


def lingers(root: Path = Path("/")) -> bool:
    """Whether this user's processes may outlive the session, or this is in no session at all."""
    with contextlib.suppress(OSError, KeyError):
        if (root / "var/lib/systemd/linger" / getpass.getuser()).exists():
            return True
    if root != Path("/") or not os.environ.get("XDG_SESSION_ID"):
        return root == Path("/")
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value"],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
        return done.stdout.strip() == "yes"
    return False
