"""`kwtui play`: the real app without a terminal, driven by a file of lines.

# a comment; blank lines are skipped
size 100x30                 the window, before or during the play
type "진통제"               text into the focused widget, a character a key
paste "a long text"         text as one paste
key ctrl+r                  keys by name, several with spaces between
wait "2 keywords" 30        until the screen shows it, at most so many seconds (20)
wait idle 60                until nothing that was asked for is still being done
wait_not "Loading"          until the screen does not show it
expect "진통제"             now, or the play fails
expect_not "error"
screenshot page.svg         relative to the script's folder
click 10 5                  the mouse at column 10, line 5, from 0
"""

from __future__ import annotations

import asyncio
import html
import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import printable

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from kwtui.app import Workbench

SECONDS = 20.0
SIZE = (80, 24)
_WORDS = {
    "size": 1,
    "type": 1,
    "paste": 1,
    "key": None,
    "wait": None,
    "wait_not": None,
    "expect": 1,
    "expect_not": 1,
    "screenshot": 1,
    "click": 2,
}
_POLL = 0.02
_FONTS = "D2Coding, 'Noto Sans Mono CJK KR', 'Noto Sans Mono', monospace"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a script."""

    line: int
    verb: str
    words: tuple[str, ...]
    source: str


def read_script(path: Path) -> list[Step]:
    """The steps of a script, all of them understood. Raises UserError with file and line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(_("{path} is not UTF-8 text.").format(path=path)) from None
    except OSError as error:
        sentence = _("Cannot read {path}: {error}.")
        raise UserError(sentence.format(path=path, error=error.strerror)) from None
    steps = []
    for number, source in enumerate(lines, start=1):
        if source.strip() and not source.lstrip().startswith("#"):
            steps.append(_step(path, number, source.strip()))
    return steps


def _step(path: Path, number: int, source: str) -> Step:
    try:
        verb, *words = shlex.split(source)
    except ValueError:
        sentence = _("{path}:{line}: a quotation mark is not closed: {source}")
        raise UserError(sentence.format(path=path, line=number, source=source)) from None
    step = Step(number, verb, tuple(words), source)
    if not _understood(step):
        sentence = _("{path}:{line}: this is no step of a play: {source}")
        raise UserError(sentence.format(path=path, line=number, source=source))
    return step


def _understood(step: Step) -> bool:
    words = step.words
    if step.verb not in _WORDS:
        return False
    if step.verb == "key":
        return bool(words)
    if step.verb in ("wait", "wait_not"):
        return len(words) == 1 or (len(words) == 2 and bool(re.fullmatch(r"[\d.]+", words[1])))
    if len(words) != _WORDS[step.verb]:
        return False
    if step.verb == "size":
        return bool(re.fullmatch(r"\d+x\d+", words[0]))
    return step.verb != "click" or all(word.isdigit() for word in words)


def first_size(steps: Sequence[Step]) -> tuple[int, int]:
    """The size the window starts with."""
    if steps and steps[0].verb == "size":
        return _size(steps[0].words[0])
    return SIZE


def _size(word: str) -> tuple[int, int]:
    width, height = word.split("x")
    return int(width), int(height)


async def play(app: Workbench, steps: Sequence[Step], folder: Path) -> None:
    """Run the steps on the app. Raises FailedError with the line that failed and the screen."""
    async with app.run_test(size=first_size(steps), notifications=True) as pilot:
        while app.is_running and not app.current:
            await pilot.pause(_POLL)
        for step in steps:
            if not app.is_running:
                break
            failed = await _Player(app, pilot, folder).do(step)
            if failed and not app.is_running and (app.wrong or app.failure):
                break
            if failed:
                sentence = _("Line {line}: {source}: {failed}").format(
                    line=step.line, source=step.source, failed=failed
                )
                raise FailedError(sentence + "\n" + shown(app))
        if app.is_running:
            await app.finish()


def shown(app: Workbench) -> str:
    """What the screen shows, as lines of text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(printable(strip.text).rstrip() for strip in strips)


def picture(app: Workbench) -> str:
    """The screen as SVG, Hangul as wide as on a terminal, with no font from the network."""
    from rich.cells import cell_len

    svg = re.sub(r"@font-face \{.*?\}", "", app.export_screenshot(title="kwtui"), flags=re.DOTALL)
    svg = re.sub(r"font-family: ?Fira Code[^;]*;", f"font-family: {_FONTS};", svg)

    def widened(found: re.Match[str]) -> str:
        head, length, tail, text = found.groups()
        plain = html.unescape(text)
        cells = float(length) / max(1, len(plain)) * cell_len(plain)
        return f'{head}textLength="{cells:.1f}"{tail}>{text}</text>'

    return re.sub(r'(<text [^>]*?)textLength="([\d.]+)"([^>]*)>([^<]*)</text>', widened, svg)


class _Player:
    """Does one step; every method returns "" or what went wrong."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], folder: Path) -> None:
        self.app, self.pilot, self.folder = app, pilot, folder

    async def do(self, step: Step) -> str:
        """Do a step, then let the screen come to rest."""
        action = getattr(self, f"_{step.verb}")
        failed: str = await action(*step.words)
        return failed

    async def _size(self, size: str) -> str:
        await self.pilot.resize_terminal(*_size(size))
        return ""

    async def _type(self, text: str) -> str:
        from textual.keys import _character_to_key

        await self.pilot.press(*(_character_to_key(character) for character in text))
        return ""

    async def _paste(self, text: str) -> str:
        from textual.events import Paste

        self.app.post_message(Paste(text))
        await self.pilot.pause()
        return ""

    async def _key(self, *keys: str) -> str:
        await self.pilot.press(*keys)
        return ""

    async def _click(self, x: str, y: str) -> str:
        await self.pilot.click(offset=(int(x), int(y)))
        return ""

    async def _wait(self, what: str, seconds: str = "") -> str:
        if what == "idle":
            return await self._until(lambda: not self.app.busy, seconds, _("still busy"))
        said = _("the screen does not show it after {seconds} s")
        return await self._until(lambda: self._shows(what), seconds, said)

    async def _wait_not(self, what: str, seconds: str = "") -> str:
        said = _("the screen still shows it after {seconds} s")
        return await self._until(lambda: not self._shows(what), seconds, said)

    async def _until(self, met: Any, given: str, said: str) -> str:
        seconds = float(given) if given else SECONDS
        end = time.monotonic() + seconds
        while not met():
            if time.monotonic() > end:
                return said.format(seconds=f"{seconds:g}")
            await asyncio.sleep(_POLL)
            await self.pilot.pause()
            if not self.app.is_running:
                return _("the app has ended")
        return ""

    async def _expect(self, what: str) -> str:
        await self.pilot.pause()
        return "" if self._shows(what) else _("the screen does not show it")

    async def _expect_not(self, what: str) -> str:
        await self.pilot.pause()
        return _("the screen shows it") if self._shows(what) else ""

    async def _screenshot(self, name: str) -> str:
        await self.pilot.pause()
        path = self.folder / name
        try:
            path.write_text(picture(self.app), encoding="utf-8")
        except OSError as error:
            return _("cannot write {path}: {error}").format(path=path, error=error.strerror)
        return ""

    def _shows(self, what: str) -> bool:
        """Whether the text stands on the screen; line breaks and runs of spaces count as one."""
        return " ".join(what.split()) in " ".join(shown(self.app).split())
