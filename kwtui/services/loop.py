"""The inside of a service's process: requests come in by a thread and are done one at a time.

Requests of a person go before background work, and into the middle of it: background work asks
`Task.cancelled()` between two steps, and there the waiting requests are done first.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn, Protocol

from glossary import i18n
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from kwtui.services import SERVICES
from kwtui.services import messages as m

PROGRESS_SECONDS = 0.05
_F_SETSIG = 10
_CATALOGUES = Path(__file__).resolve().parent.parent / "locale"


class Stopped(Exception):  # noqa: N818
    """A request ended because it was cancelled."""


class Service(Protocol):
    """What the loop needs of a service, whose constructor takes the `Hello`."""

    requests: frozenset[str]

    def nested(self) -> AbstractContextManager[object]:
        """What surrounds a request that is done in the middle of another one."""
        ...


class Task:
    """One request, for the method that does it."""

    def __init__(self, loop: Loop, call: m.Call) -> None:
        self.background = call.background
        self.stream = call.stream
        self._loop = loop
        self._id = call.id
        self._told = (0.0, "")

    def progress(self, stage: str, done: int = 0, total: int | None = None) -> None:
        """Say how far it is; what comes too fast for the eye is left out."""
        now, (before, last) = time.monotonic(), self._told
        if stage != last or done == total or now - before >= PROGRESS_SECONDS:
            self._told = (now, stage)
            self._loop.send(m.Progress(self._id, stage, done, total))

    def partial(self, value: Any) -> None:
        """Hand out one result before the end."""
        self._loop.send(m.Partial(self._id, value))

    def cancelled(self) -> bool:
        """Whether to stop; to be asked often, since background work lets others pass here."""
        if self.background:
            self._loop.let_others_pass()
        return self._loop.is_cancelled(self._id)

    def check(self) -> None:
        """Raise Stopped when the request was cancelled."""
        if self.cancelled():
            raise Stopped


class Loop:
    """Serves one pipe until told to leave, or idle for long, or alone."""

    def __init__(self, service: str, pipe: int) -> None:
        from multiprocessing.connection import Connection

        self._pipe: Connection = Connection(pipe)
        self._name = service
        self._service: Service
        self._sending = threading.Lock()
        self._news = threading.Condition()
        self._first: deque[m.Call] = deque()
        self._later: deque[m.Call] = deque()
        self._known: set[int] = set()
        self._cancelled: set[int] = set()
        self._leaving = False

    def run(self) -> NoReturn:
        """Do what is asked until the end of the process."""
        try:
            hello: m.Hello = self._pipe.recv()
        except (EOFError, OSError):
            os._exit(0)
        threading.Thread(target=self._listen, daemon=True).start()
        # A training run that wants the GPU asks so (engines.training.hosts_on_gpu).
        signal.signal(signal.SIGUSR1, lambda *_: self._asked_to_leave())
        i18n.use(hello.language, _CATALOGUES)
        module, name = SERVICES[self._name]
        self._service = getattr(importlib.import_module(module), name)(hello)
        self.send(m.Ready())
        while (call := self._next(hello.idle_seconds)) is not None:
            self._do(call)
        self.send(m.Bye())
        # Without the interpreter's own end: native threads may hang or crash in it.
        sys.stderr.flush()
        os._exit(0)

    def send(self, message: Any) -> None:
        """Send to the other side; when that is gone, so is this process."""
        with self._sending:
            try:
                self._pipe.send(message)
            except OSError:
                os._exit(0)

    def is_cancelled(self, number: int) -> bool:
        """Whether the request with this id is to stop."""
        return number in self._cancelled

    def let_others_pass(self) -> None:
        """Do the requests that go before background work."""
        while self._first:
            with self._news:
                call = self._first.popleft()
            with self._service.nested():
                self._do(call)

    def _listen(self) -> None:
        """The thread that reads the pipe; at its end the process ends, whatever it is doing."""
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                os._exit(0)
            with self._news:
                self._take(message)
                self._news.notify()

    def _take(self, message: m.Call | m.Cancel | m.Leave) -> None:
        if isinstance(message, m.Call):
            self._known.add(message.id)
            (self._later if message.background else self._first).append(message)
        elif isinstance(message, m.Cancel):
            if message.id in self._known:
                self._cancelled.add(message.id)
        else:
            self._leaving = True
            if message.cancel:
                self._cancelled |= self._known

    def _asked_to_leave(self) -> None:
        """End once what was asked is done; the next request starts another process."""
        with self._news:
            self._leaving = True
            self._news.notify()

    def _next(self, idle_seconds: float) -> m.Call | None:
        """The next request; None when it is time to leave."""
        with self._news:
            timeout = idle_seconds or None
            waiting = self._news.wait_for(
                lambda: self._first or self._later or self._leaving, timeout
            )
            if not waiting:
                return None
            if self._first:
                return self._first.popleft()
            return self._later.popleft() if self._later else None

    def _do(self, call: m.Call) -> None:
        try:
            answer = self._answer(call)
            self.send(answer)
        except OSError:
            os._exit(0)
        except Exception as error:  # what was answered cannot be sent
            self.send(self._failed(call, error))
        with self._news:
            self._known.discard(call.id)
            self._cancelled.discard(call.id)

    def _answer(self, call: m.Call) -> m.Done | m.Failed:
        task = Task(self, call)
        try:
            if self.is_cancelled(call.id):
                raise Stopped
            if call.method not in self._service.requests:
                raise LookupError(f"{self._name} has no request {call.method!r}")
            return m.Done(call.id, getattr(self._service, call.method)(task, **call.params))
        except Exception as error:
            return self._failed(call, error)

    def _failed(self, call: m.Call, error: Exception) -> m.Failed:
        if isinstance(error, Stopped):
            return m.Failed(call.id, "", 0, cancelled=True)
        if isinstance(error, UserError):
            return m.Failed(call.id, error.sentence, error.exit_code)
        traceback.print_exception(error)
        if isinstance(error, MemoryError):
            sentence = _("Not enough memory; use a smaller model or a smaller batch_size.")
            return m.Failed(call.id, sentence, FailedError.exit_code)
        what = (f"{type(error).__name__}: {error}".splitlines() or [""])[0][:200]
        sentence = _("Unexpected error in the {service} process: {what}. Its log says more.")
        return m.Failed(
            call.id, sentence.format(service=self._name, what=what), FailedError.exit_code
        )


def hold_life(descriptor: int) -> None:
    """Have the kernel kill this process when the other end of the pipe closes.

    The listening thread does the same, but gets no turn while native code holds the interpreter's
    lock. Linux only (F_SETSIG, fcntl(2)).
    """
    if sys.platform != "linux":
        return
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
