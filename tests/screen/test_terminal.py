"""A real terminal (a pty): bytes in, bytes out, signals, and what is left afterwards."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engines.children import python_command, python_environment
from engines.workspace import Workspace

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")


class Terminal:
    """kwtui at one end of a pty; `read` and `send` are the other end."""

    def __init__(
        self, *arguments: str | Path, cwd: Path | None = None, own: bool = True, **env: str
    ) -> None:
        """`own`: the terminal is that of the process's session, which is told when it goes."""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = python_environment() | {"TERM": "xterm-256color", **env}
        self.process = subprocess.Popen(
            python_command("kwtui", *map(str, arguments)),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=environment,
            start_new_session=True,
            preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if own else None,
        )
        os.close(slave)
        self.raw = b""

    def wait(self, words: str, seconds: float = 60) -> None:
        """Until the words have been written, escape sequences left out."""
        end = time.monotonic() + seconds
        while words not in self.text:
            if time.monotonic() > end or not self._read(0.5):
                raise AssertionError(f"{words!r} is not in {self.text[-3000:]!r}")

    def _read(self, seconds: float) -> bool:
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.raw += os.read(self.master, 65536)
            except OSError:
                return False
        return True

    @property
    def text(self) -> str:
        return ESCAPES.sub("", self.raw.decode("utf-8", "replace"))

    def send(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self, seconds: float = 20) -> int:
        """The exit code, the output read meanwhile."""
        stop = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < stop:
            self._read(0.1)
        return self.process.wait(1)

    def hosts(self) -> list[psutil.Process]:
        """The processes of the services."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in found if "kwtui.services" in " ".join(child.cmdline())]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(space: Workspace) -> Iterator[Terminal]:
    made = Terminal("-w", space.root)
    yield made
    made.close()


def test_hangul_is_typed_extracted_and_ctrl_q_leaves_a_clean_terminal(terminal: Terminal) -> None:
    terminal.wait("Nothing extracted yet.")
    # In pieces, as slow connections cut them.
    whole = "진통과 해열".encode()
    for at in range(0, len(whole), 5):
        os.write(terminal.master, whole[at : at + 5])
        time.sleep(0.02)
    terminal.wait("진통과 해열")
    terminal.send("\x12")
    terminal.wait("Keywords: 2")
    # The kitty protocol would tear a Korean commit of several syllables.
    assert b"\x1b[>1u" not in terminal.raw
    terminal.send("\x11")
    assert terminal.end() == 0
    assert terminal.raw.rstrip().endswith((b"\x1b[?25h", b"\x1b[?1004l", b"\x1b[?2004l")) or (
        b"\x1b[?1049l" in terminal.raw
    )


def test_what_is_typed_before_the_pane_is_there_is_not_lost(terminal: Terminal) -> None:
    terminal.wait("F2")
    terminal.send("가나다")
    terminal.wait("가나다")


def test_sigkill_of_the_app_leaves_no_host(terminal: Terminal) -> None:
    terminal.wait("Nothing extracted yet.")
    terminal.send("해열")
    terminal.send("\x12")
    terminal.wait("Keywords: 1")
    hosts = terminal.hosts()
    assert len(hosts) == 1
    terminal.process.kill()
    _gone, alive = psutil.wait_procs(hosts, timeout=5)
    assert not alive


def test_a_killed_host_is_said_and_the_next_request_works(terminal: Terminal) -> None:
    terminal.wait("Nothing extracted yet.")
    terminal.send("해열")
    terminal.send("\x12")
    terminal.wait("Keywords: 1")
    terminal.hosts()[0].kill()
    terminal.wait("has ended")
    terminal.send("과 진통")
    terminal.send("\x12")
    terminal.wait("Keywords: 2")


@pytest.mark.parametrize("way", ["hangup", "unsaid", "term"])
def test_a_lost_connection_keeps_the_text(space: Workspace, way: str) -> None:
    first = Terminal("-w", space.root, own=way != "unsaid")
    first.wait("Nothing extracted yet.")
    first.send("두통약을 먹었다")
    first.wait("먹었다")
    hosts = first.hosts()
    if way != "term":
        os.close(first.master)
        assert first.process.wait(15) in (128 + signal.SIGHUP, -signal.SIGHUP, 1)
    else:
        first.process.terminate()
        assert first.end() == 128 + signal.SIGTERM
        first.close()
    assert not psutil.wait_procs(hosts, timeout=5)[1]
    second = Terminal("-w", space.root)
    try:
        second.wait("두통약을 먹었다")
    finally:
        second.close()


def test_no_color_sends_no_colour(space: Workspace) -> None:
    made = Terminal("-w", space.root, NO_COLOR="1", COLORTERM="truecolor")
    try:
        made.wait("Nothing extracted yet.")
        made.wait("─ words ─")
        styles = re.findall(rb"\x1b\[([\d;]*)m", made.raw)
        numbers = {int(part) for style in styles for part in style.split(b";") if part}
        assert 7 in numbers
        assert not numbers & {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}
    finally:
        made.close()


def test_without_a_workspace_the_demo_or_a_new_one_is_offered(tmp_path: Path) -> None:
    made = Terminal(cwd=tmp_path)
    try:
        made.wait("There is no workspace in")
        made.wait("Open the demo")
        made.send("i")
        made.wait("Folder of the new workspace")
        made.send("\r")
        made.wait("Nothing extracted yet.")
        assert (tmp_path / "my-domain" / "config.toml").is_file()
        made.send("\x11")
        assert made.end() == 0
    finally:
        made.close()


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    made = Terminal("-w", tmp_path)
    try:
        assert made.end() == 2
        assert "is no workspace" in made.text
        assert "\x1b[?1049h" not in made.raw.decode()
    finally:
        made.close()
