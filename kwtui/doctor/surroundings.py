"""The terminal, tmux, the locale, what a logout ends, the switches that keep libraries offline."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from engines import OFFLINE
from engines.training.logout import warning
from glossary.i18n import _
from kwtui.doctor import Finding
from kwtui.doctor.asking import Terminal

SMALLEST = (80, 24)
# Milliseconds that tmux may wait after Esc before a person notices.
SLOW_ESCAPE = 50


def examine(environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """What a person sees and types through, then what libraries may reach."""
    yield from terminal(environ)
    if environ.get("TMUX"):
        yield from tmux()
    yield locale(environ)
    yield logout()
    yield offline(environ)


def terminal(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Size, colours, widths and keys; one note where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        found = _("none here: only commands can be used")
        yield Finding("terminal", "terminal", "note", found)
        return
    size = os.get_terminal_size(sys.stdin.fileno())
    found = f"{size.columns}x{size.lines}"
    if size.columns < SMALLEST[0] or size.lines < SMALLEST[1]:
        cure = _("The workbench is made for 80x24 and more: enlarge the window.")
        yield Finding("terminal", "size", "warning", found, cure)
    else:
        yield Finding("terminal", "size", "ok", found)
    yield _colours(environ)
    with Terminal() as asked:
        yield from _widths(asked)
        yield _keys(asked, environ)


def _colours(environ: Mapping[str, str]) -> Finding:
    kind = environ.get("TERM", "")
    if environ.get("NO_COLOR"):
        return Finding("terminal", "colours", "ok", _("off, by NO_COLOR"))
    if kind in ("", "dumb"):
        cure = _("Set TERM to what your terminal is, such as xterm-256color.")
        return Finding("terminal", "colours", "error", f"TERM={kind or '-'}", cure)
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return Finding("terminal", "colours", "ok", _("16 million"))
    if "256color" in kind or "direct" in kind:
        found = _("256 ({kind})").format(kind=kind)
        cure = _("More are possible with COLORTERM=truecolor; over SSH: SendEnv COLORTERM.")
        return Finding("terminal", "colours", "note", found, cure)
    cure = _('Sixteen colours are sure: [screen] colors = "16" in config.toml.')
    return Finding("terminal", "colours", "warning", f"TERM={kind}", cure)


def _widths(asked: Terminal) -> Iterator[Finding]:
    """Cells that the terminal gives a syllable and a line, by where the cursor went."""
    syllable, line = asked.width("가"), asked.width("─")
    if syllable is None or line is None:
        found = _("the terminal does not tell")
        yield Finding("terminal", "width", "note", found)
        return
    if syllable != 2:
        cure = _("Its font or locale counts Korean wrong: set LC_ALL=C.UTF-8, or use another.")
        found = _("a syllable takes {n} cells").format(n=syllable)
        yield Finding("terminal", "width", "error", found, cure)
    elif line != 1:
        cure = _('Lines are two cells wide here: [screen] borders = "ascii" in config.toml.')
        found = _("a line takes {n} cells").format(n=line)
        yield Finding("terminal", "width", "warning", found, cure)
    else:
        yield Finding("terminal", "width", "ok", _("Korean two cells, lines one"))


def _keys(asked: Terminal, environ: Mapping[str, str]) -> Finding:
    """In Kitty's key mode a Korean commit of several syllables arrives as junk."""
    if environ.get("TEXTUAL_DISABLE_KITTY_KEY", "1") == "1":
        return Finding("terminal", "keys", "ok", _("plain"))
    if asked.has_kitty_keys():
        cure = _("Korean may arrive as junk: unset TEXTUAL_DISABLE_KITTY_KEY.")
        return Finding("terminal", "keys", "warning", _("Kitty's key mode"), cure)
    return Finding("terminal", "keys", "ok", _("plain; Kitty's mode is not known here"))


def tmux() -> Iterator[Finding]:
    """The version, how long Esc takes, and what programs in it take the terminal for."""
    version = re.search(r"(\d+)\.(\d+)", _output("tmux", "-V"))
    if version is None:
        yield Finding("terminal", "tmux", "note", _("inside one that is not installed here"))
        return
    number = (int(version[1]), int(version[2]))
    if number < (3, 2):
        cure = _("Older than 3.2: wide characters and colours go wrong; install a newer one.")
        yield Finding("terminal", "tmux", "warning", version[0], cure)
    else:
        yield Finding("terminal", "tmux", "ok", version[0])
    wait = _output("tmux", "show", "-sv", "escape-time").strip()
    if wait.isdigit() and int(wait) > SLOW_ESCAPE:
        cure = _("Esc is felt only then: `set -s escape-time 20` in ~/.tmux.conf.")
        found = _("waits {n} ms after Esc").format(n=wait)
        yield Finding("terminal", "tmux escape-time", "warning", found, cure)
    kind = _output("tmux", "show", "-gv", "default-terminal").strip()
    if kind and "256color" not in kind:
        cure = _('`set -g default-terminal "tmux-256color"` in ~/.tmux.conf gives it colours.')
        yield Finding("terminal", "tmux colours", "warning", kind, cure)


def locale(environ: Mapping[str, str]) -> Finding:
    """Whether programs take the terminal for a UTF-8 one."""
    name = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    if re.search(r"utf-?8", name, re.IGNORECASE):
        return Finding("machine", "locale", "ok", name)
    cure = _("Korean may be shown as question marks: export LC_ALL=C.UTF-8.")
    return Finding("machine", "locale", "warning", name or _("none"), cure)


def logout(root: Path = Path("/")) -> Finding:
    """Whether a training run outlives the session. `root`: where the system's files lie."""
    if cure := warning(root=root):
        found = _("ends all of a user's processes")
        return Finding("machine", "logout", "warning", found, cure)
    return Finding("machine", "logout", "ok", _("runs go on after it"))


def offline(environ: Mapping[str, str]) -> Finding:
    """Whether the libraries are kept from asking the network."""
    open_ = [n for n, v in OFFLINE.items() if "OFFLINE" in n and environ.get(n, v) != v]
    if not open_:
        return Finding("machine", "offline", "ok", _("libraries ask nothing of the network"))
    found = ", ".join(f"{name}={environ[name]}" for name in open_)
    cure = _("Libraries may wait for a network that is not there: unset them.")
    return Finding("machine", "offline", "warning", found, cure)


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
