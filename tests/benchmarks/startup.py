"""How long kwtui takes to answer, each figure beside a peer measured in the same run.

1. `kwtui --help` against `python -c "import typer"` (target: at most 1.5 times).
2. First paint of the app in a pty against a Textual app with one line (target: at most 1.3 times),
   and the Extract pane ready to type into.
3. Key to paint in the Extract pane while the extractor loads PyTorch and a model (target: p95 of
   50 ms), and when nothing loads.

What is compared is started in turn, so that a busy machine slows all of it; medians are compared.
CPU seconds of the process are given too: they do not depend on what else the machine does.
"""

import fcntl
import os
import pty
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engines.children import python_command, python_environment
from engines.workspace import Workspace

ROUNDS = 25
PAINTS = 15
KEYS = 150
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("ready")
Bare().run()
"""
CONFIG = '\n[extraction]\nstrategy = "tiny"\n\n[strategies.tiny]\nmodel = "tiny"\n'


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=python_environment())
    return time.perf_counter() - start


def help_against_typer() -> None:
    ours = python_command("kwtui", "--help")
    peer = [ours[0], "-P", "-c", "import typer"]
    for command in (ours, peer):
        seconds(command)
    pairs = [(seconds(ours), seconds(peer)) for _round in range(ROUNDS)]
    help_time, typer_time = (statistics.median(times) for times in zip(*pairs, strict=True))
    say(
        f"kwtui --help {help_time * 1000:.0f} ms, import typer {typer_time * 1000:.0f} ms: "
        f"{help_time / typer_time:.2f} times (target 1.5)"
    )


class Screen:
    """A program in a pty; what it writes is read until some bytes have come."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = python_environment() | {
            "TERM": "xterm-256color",
            "XDG_STATE_HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
        }
        self.start = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)

    def until(self, mark: bytes, patience: float = 60) -> float:
        """Seconds from the start of the program until `mark` was written."""
        seen, end = b"", time.perf_counter() + patience
        while mark not in seen:
            if time.perf_counter() > end:
                raise TimeoutError(f"{mark!r} is not in {seen[-2000:]!r}")
            if select.select([self.master], [], [], 1)[0]:
                seen += os.read(self.master, 65536)
        return time.perf_counter() - self.start

    def cpu(self) -> float:
        """CPU seconds of the process so far, to a hundredth."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def drain(self) -> None:
        """Read what is there."""
        while select.select([self.master], [], [], 0)[0]:
            os.read(self.master, 65536)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def first_paint(space: Workspace, home: Path) -> None:
    programs = {
        "bare": ([sys.executable, "-P", "-c", BARE], b"ready"),
        "frame": (python_command("kwtui", "-w", str(space.root)), b"F2"),
        "pane": (python_command("kwtui", "-w", str(space.root)), b"Nothing extracted"),
    }
    wall: dict[str, list[float]] = {name: [] for name in programs}
    cpu: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(PAINTS + 1):
        for name, (command, mark) in programs.items():
            screen = Screen(command, home)
            took, used = screen.until(mark), screen.cpu()
            screen.close()
            if number:
                wall[name].append(took)
                cpu[name].append(used)
    times = {name: statistics.median(values) for name, values in wall.items()}
    used_ = {name: statistics.median(values) for name, values in cpu.items()}
    say(
        f"first paint {times['frame'] * 1000:.0f} ms, bare Textual app "
        f"{times['bare'] * 1000:.0f} ms: {times['frame'] / times['bare']:.2f} times (target 1.3); "
        f"CPU {used_['frame']:.2f} s, {used_['bare']:.2f} s: "
        f"{used_['frame'] / used_['bare']:.2f} times"
    )
    say(
        f"text area ready {times['pane'] * 1000:.0f} ms: "
        f"{times['pane'] / times['bare']:.2f} times; CPU {used_['pane']:.2f} s"
    )


def keys(screen: Screen, count: int, gap: float) -> list[float]:
    """Milliseconds from each letter sent until the app wrote something with it."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    took = []
    for number in range(count):
        screen.drain()
        letter = letters[number % 26].encode()
        start = time.perf_counter()
        os.write(screen.master, letter)
        seen = b""
        while letter not in seen and time.perf_counter() - start < 5:
            if select.select([screen.master], [], [], 1)[0]:
                seen += text_of(os.read(screen.master, 65536))
        took.append((time.perf_counter() - start) * 1000)
        time.sleep(gap)
    return took


def text_of(output: bytes) -> bytes:
    """What is painted, without the letters of escape sequences."""
    return re.sub(rb"\x1b(\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78])", b"", output)


def key_to_paint(space: Workspace, home: Path) -> None:
    screen = Screen(python_command("kwtui", "-w", str(space.root)), home)
    screen.until(b"Nothing extracted")
    time.sleep(1)
    # The first letter starts the loading; it goes on while the others are typed.
    loading = keys(screen, KEYS, 0.03)
    time.sleep(12)
    quiet = keys(screen, KEYS, 0.03)
    screen.close()
    for what, took in (("while a host loads", loading), ("at rest", quiet)):
        took.sort()
        p95 = took[int(len(took) * 0.95)]
        say(
            f"key to paint {what}: median {statistics.median(took):.0f} ms, p95 {p95:.0f} ms, "
            f"longest {took[-1]:.0f} ms (target: p95 50)"
        )


@contextmanager
def workspace() -> Iterator[tuple[Workspace, Path]]:
    """A workspace with a tiny model, and an empty home."""
    sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
    from tests import tiny

    with tempfile.TemporaryDirectory() as folder:
        space = Workspace.create(Path(folder) / "space")
        with space.config.open("a", encoding="utf-8") as config:
            config.write(CONFIG)
        tiny.write_model(space.models / "tiny")
        yield space, Path(folder) / "home"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    help_against_typer()
    with workspace() as (space, home):
        first_paint(space, home)
        key_to_paint(space, home)


if __name__ == "__main__":
    main()
