"""Services in processes of their own: asked from the screen or from a script, never waited for.

    hosts = Hosts(settings, workspace, on_state=show)          # no process starts yet
    answer = await hosts["extractor"].request("extract", texts=[text], strategy="rag")
    request = hosts["extractor"].submit("extract", {"texts": texts, "strategy": "rag"},
                                        background=True, on_partial=row)
    hosts["extractor"].cancel(request)
    await hosts.close()

`kwtui.services` says what each service can be asked. In a running event loop callbacks are called
in that loop, with the context of whoever asked; without one (a script) in a thread of the host,
and `submit(...).result()` waits. A service starts with the first request, ends when it was idle
for `[hosts] idle_unload_s` seconds (the learner sooner: IDLE_SECONDS of `kwtui.services`) or by
`unload()`, which frees everything it held, and starts again with the next request; so it does after
it died, which `on_state` and an error say.

The corpus is no service: its tables are plain SQLite, and a pane reads them in a thread worker of
its own (`engines.corpus.store.Corpus.open(path, readonly=True)`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import queue
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from engines.workspace import Workspace
from glossary import i18n
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from kwtui.services import IDLE_SECONDS, SERVICES
from kwtui.services import messages as m
from kwtui.services.child import Child
from kwtui.services.request import Caller, OnPartial, OnProgress, Request, RequestCancelled

if TYPE_CHECKING:
    from engines.settings import Settings

__all__ = ["Host", "HostDied", "Hosts", "Request", "RequestCancelled", "State"]


class State(StrEnum):
    """What a host is doing; `unloaded`: there is no process, the next request starts one."""

    UNLOADED = "unloaded"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    DEAD = "dead"


class HostDied(FailedError):  # noqa: N818
    """The process of a service ended in the middle of a request; the next one starts it again."""


class Host:
    """One service in a process of its own, as seen from the asking side.

    `on_state` is called with the host whenever `state` changes; `error` then says, for a dead
    one, what happened. No method blocks except `close` and a request's `result`.
    """

    def __init__(
        self,
        service: str,
        settings: Settings,
        workspace: Workspace | None = None,
        *,
        on_state: Callable[[Host], object] | None = None,
    ) -> None:
        if service not in SERVICES:
            raise ValueError(f"no service {service!r}")
        self.service = service
        self.state = State.UNLOADED
        self.error = ""
        self._settings = settings
        self._workspace = workspace
        self._on_state = on_state
        self._deliver = Caller()
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._orders: queue.SimpleQueue[m.Call | m.Cancel | _Leave | None] = queue.SimpleQueue()
        self._pending: dict[int, Request] = {}
        self._child: Child | None = None
        self._writer: threading.Thread | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The number of the process, None when there is none."""
        child = self._child
        return child.pid if child else None

    def submit(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        background: bool = False,
        on_progress: OnProgress | None = None,
        on_partial: OnPartial | None = None,
    ) -> Request:
        """Ask for `method`; returns at once. Work in the `background` lets other requests pass."""
        streamed = on_partial is not None
        with self._lock:
            call = m.Call(next(self._ids), method, params or {}, background, streamed)
            request = Request(call, self.cancel, on_progress, on_partial)
            if self._closed:
                # Who asks while the app leaves is not there for an answer.
                request.fail(RequestCancelled())
                return request
            if self._child is None:
                self.error = ""
            self._pending[request.id] = request
            self._deliver.adopt_loop()
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, daemon=True)
                self._writer.start()
            self._look()
        self._orders.put(call)
        return request

    async def request(
        self,
        method: str,
        *,
        background: bool = False,
        on_progress: OnProgress | None = None,
        on_partial: OnPartial | None = None,
        **params: Any,
    ) -> Any:
        """The result of `method`; raises what `Request` says."""
        return await self.submit(
            method,
            params,
            background=background,
            on_progress=on_progress,
            on_partial=on_partial,
        )

    def use(self, settings: Settings) -> None:
        """Let the next requests be done with other settings; for services with a request `use`.

        A model that is loaded stays so, unless the settings say how to load it otherwise.
        """
        self._settings = settings
        if self._child is not None:
            self.submit("use", {"settings": settings})

    def cancel(self, request: Request) -> None:
        """Stop a request, wherever it is; nothing happens when it has its result."""
        request.unwanted = True
        self._orders.put(m.Cancel(request.id))

    async def unload(self, *, cancel: bool = False) -> None:
        """End the process, and with it free every memory and GPU it held, for a training run say.

        What is asked already is done first, or stopped with `cancel`. The host stays usable.
        """
        await asyncio.wrap_future(self._leave(cancel))

    def close(self, timeout: float = 2.0) -> None:
        """End the process for good, by force after `timeout` seconds; blocks until then."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self._leave(cancel=True).result(timeout)
        except TimeoutError:
            child = self._child
            if child:
                child.kill()
        self._orders.put(None)

    def _leave(self, cancel: bool) -> concurrent.futures.Future[None]:
        order = _Leave(cancel)
        if self._writer is None:
            order.gone.set_result(None)
        else:
            self._orders.put(order)
        return order.gone

    def _write(self) -> None:
        """The thread that starts the process and sends to it: neither may hold up the screen."""
        while (order := self._orders.get()) is not None:
            if isinstance(order, m.Call):
                self._send_call(order)
            elif isinstance(order, m.Cancel):
                request = self._pending.get(order.id)
                if request is not None and request.child is not None:
                    request.child.send(order)
            elif (child := self._child) is None:
                order.gone.set_result(None)
            else:
                child.when_gone(order.gone)
                child.send(m.Leave(order.cancel))

    def _send_call(self, call: m.Call) -> None:
        request = self._pending.get(call.id)
        if request is None:
            return
        if request.unwanted or self._closed:
            self._settle(request, RequestCancelled())
            return
        with self._lock:
            child = self._child
            if child is None:
                try:
                    child = self._start()
                except OSError as error:
                    self._not_started(request, error)
                    return
            request.child = child
        try:
            # A child that is gone takes nothing; its reader then deals with the request.
            child.send(call)
        except Exception as error:  # parameters that cannot be pickled
            self._settle(request, error)

    def _start(self) -> Child:
        idle = self._settings.hosts.idle_unload_s
        hello = m.Hello(
            self._settings,
            self._workspace.root if self._workspace else None,
            i18n.language(),
            min(idle, IDLE_SECONDS.get(self.service, idle)),
        )
        self.error = ""
        self._child = child = Child(self.service, hello)
        self._look()
        threading.Thread(target=self._read, args=(child,), daemon=True).start()
        return child

    def _not_started(self, request: Request, error: OSError) -> None:
        sentence = _("The {service} process cannot be started: {reason}.")
        self.error = sentence.format(service=self.service, reason=error.strerror or error)
        self._settle(request, HostDied(self.error))

    def _read(self, child: Child) -> None:
        """The thread that listens to one process until it ends."""
        for message in child.messages():
            if isinstance(message, m.Progress | m.Partial):
                request = self._pending.get(message.id)
                if request is not None:
                    request.heard(message)
            elif isinstance(message, m.Done | m.Failed):
                self._settled(message)
            else:
                with self._lock:
                    self._look()
        self._ended(child)

    def _settled(self, message: m.Done | m.Failed) -> None:
        request = self._pending.get(message.id)
        if request is None:
            return
        if isinstance(message, m.Done):
            self._settle(request, None, message.value)
        elif message.cancelled:
            self._settle(request, RequestCancelled())
        else:
            kind = FailedError if message.exit_code == FailedError.exit_code else UserError
            self._settle(request, kind(message.sentence))

    def _settle(self, request: Request, error: BaseException | None, value: Any = None) -> None:
        with self._lock:
            self._pending.pop(request.id, None)
            self._look()
        if error is None:
            request.finish(value)
        else:
            request.fail(error)

    def _ended(self, child: Child) -> None:
        """A process is gone: its requests fail, or go to the next one if it left in good order."""
        code = child.reap()
        with self._lock:
            if self._child is child:
                self._child = None
            mine = [r for r in self._pending.values() if r.child is child]
            if child.left:
                for request in mine:
                    request.child = None
                    self._orders.put(request.call)
            else:
                self.error = "" if self._closed else child.obituary(code)
                for request in mine:
                    del self._pending[request.id]
            self._look()
        if not child.left:
            for request in mine:
                request.fail(RequestCancelled() if self._closed else HostDied(self.error))
        child.gone()

    def _look(self) -> None:
        """Bring `state` up to what is known; called with the lock held."""
        child = self._child
        if child is None:
            state = State.DEAD if self.error else State.UNLOADED
            if self._pending:
                state = State.STARTING
        elif not child.ready:
            state = State.STARTING
        else:
            state = State.BUSY if self._pending else State.READY
        if state is not self.state:
            self.state = state
            if self._on_state is not None:
                self._deliver(self._on_state, self)


class Hosts:
    """The hosts of one workspace, each made when it is first asked for."""

    def __init__(
        self,
        settings: Settings,
        workspace: Workspace | None = None,
        *,
        on_state: Callable[[Host], object] | None = None,
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._on_state = on_state
        self._hosts: dict[str, Host] = {}

    def __getitem__(self, service: str) -> Host:
        if service not in self._hosts:
            self._hosts[service] = Host(
                service, self._settings, self._workspace, on_state=self._on_state
            )
        return self._hosts[service]

    async def unload(self, *, cancel: bool = False) -> None:
        """End every process, so that a training run has the machine to itself."""
        await asyncio.gather(*(host.unload(cancel=cancel) for host in self._hosts.values()))

    async def close(self) -> None:
        """End every process for good; within about two seconds, whatever they are doing."""
        await asyncio.gather(*(asyncio.to_thread(host.close) for host in self._hosts.values()))


class _Leave:
    """An order to end the process; `gone` is done when it has ended."""

    def __init__(self, cancel: bool) -> None:
        self.cancel = cancel
        self.gone: concurrent.futures.Future[None] = concurrent.futures.Future()
