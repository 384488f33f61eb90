"""One process of a service, seen from the side that started it."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engines.children import python_command, python_environment
from engines.workspace import state_folder
from glossary.i18n import _
from glossary.text import printable
from kwtui.services import messages as m

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LOG_BYTES = 1_000_000
REAP_SECONDS = 2.0


def log_file(service: str) -> Path:
    """Where the process of `service` prints to; stdout and stderr belong to the screen."""
    return state_folder() / f"{service}.log"


class Child:
    """A fresh interpreter that runs one service at the other end of a duplex pipe.

    multiprocessing's own `Process` is not used: its spawn imports from the working directory
    (`python -c`), imports the caller's main module again, and fails under Textual, whose stderr
    has no file number. The write end of a second pipe is this process's life: the system kills
    the child when it closes, even when no thread of the child gets to run.
    """

    def __init__(self, service: str, hello: m.Hello) -> None:
        from multiprocessing.connection import Pipe

        self.service = service
        self.ready = False
        self.left = False
        self._gone: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._sending = threading.Lock()
        self._pipe: Connection
        self._pipe, theirs = Pipe(duplex=True)
        life, self._life = os.pipe()
        try:
            with _log(service) as log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    python_command("kwtui.services", service, str(theirs.fileno()), str(life)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(), life),
                    env=python_environment() | {"PYTHONUNBUFFERED": "1"},
                    start_new_session=True,
                )
        except OSError:
            self._pipe.close()
            os.close(self._life)
            raise
        finally:
            theirs.close()
            os.close(life)
        self.send(hello)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def send(self, message: Any) -> None:
        """Send, and wait for room in the pipe; a process that is gone takes nothing."""
        with self._sending:
            try:
                self._pipe.send(message)
            except OSError:
                return

    def messages(self) -> Iterator[Any]:
        """What the process says, until it ends; sets `ready` and `left` on the way."""
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                return
            except Exception:  # not what this side knows: another version was installed meanwhile
                self.kill()
                return
            self.ready |= isinstance(message, m.Ready)
            self.left |= isinstance(message, m.Bye)
            yield message

    def kill(self) -> None:
        """End the process by force."""
        self._process.kill()

    def reap(self) -> int:
        """Wait for the end of a process whose pipe is closed, and return its exit code."""
        try:
            code = self._process.wait(REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        with self._sending:
            self._pipe.close()
        os.close(self._life)
        return code

    def when_gone(self, future: concurrent.futures.Future[None]) -> None:
        """Have `future` done when the process has ended and its requests are dealt with."""
        self._gone.add_done_callback(lambda _done: future.set_result(None))

    def gone(self) -> None:
        """Tell everyone who waits for the end."""
        self._gone.set_result(None)

    def obituary(self, code: int) -> str:
        """What a person is told about a process that ended with `code` out of turn."""
        if code == -signal.SIGKILL:
            how = _("killed, perhaps for want of memory")
        elif code < 0:
            how = _("signal {name}").format(name=_signal_name(-code))
        else:
            how = _("exit code {code}").format(code=code)
        last = self._last_words()
        sentence = _(
            "The {service} process has ended ({how}); the next request starts it again. "
            "Its log is {path}."
        )
        text = sentence.format(service=self.service, how=how, path=log_file(self.service))
        return f"{text} {last}" if last and not self.ready else text

    def _last_words(self) -> str:
        """The error that the process printed last, or its last line."""
        try:
            with log_file(self.service).open("rb") as log:
                log.seek(self._log_start)
                text = log.read()[-4000:].decode("utf-8", "replace")
        except OSError:
            return ""
        lines = [printable(line)[:300] for line in reversed(text.split("\n")) if line.strip()]
        return next((line for line in lines if "Error" in line), next(iter(lines), ""))


def _log(service: str) -> IO[bytes]:
    """The log, open for appending; a large one is put aside first, an unwritable one is dropped."""
    path = log_file(service)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".old.log"))
        log = path.open("ab")
        head = (
            time.strftime("%Y-%m-%dT%H:%M:%S%z") + f" {service}, asked by process {os.getpid()}\n"
        )
        log.write(head.encode())
        log.flush()
    except OSError:
        return Path(os.devnull).open("ab")
    return log


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
