"""Listening: the socket, the deadline for a request's head, and a graceful end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from glossary.errors import FailedError, UserError
from glossary.i18n import _

HEAD_SECONDS = 10.0
IDLE_SECONDS = 15
CONNECTIONS = 512
STOP_SECONDS = 60
BACKLOG = 512


class Protocol(H11Protocol):
    """HTTP/1.1 whose clients must send the head of a request in HEAD_SECONDS."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Start the clock again with the first bytes of a later request."""
        if self._between() and self._deadline is None:
            self._await_head()
        super().data_received(data)
        if not self._between():
            self._head_is_there()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._head_is_there()
        super().connection_lost(exc)

    def _between(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)

    def _head_is_there(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._between():
            self.transport.close()


class Server(uvicorn.Server):
    """Ends after the requests that it has; a second signal ends at once."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the server and not the process."""
        kinds = (signal.SIGINT, signal.SIGTERM)
        before = {kind: signal.signal(kind, self._stop) for kind in kinds}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def _stop(self, _kind: int, _frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(app: Any, listener: socket.socket, on_start: Callable[[], None]) -> None:
    """Answer until a signal comes; what was asked before it is answered."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=BACKLOG,
    )
    Server(config, on_start).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; UserError when the address cannot be used."""
    try:
        family, kind, number, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        message = _("Cannot listen on {host}:{port}: {error}. Choose another --port or --host.")
        raise UserError(message.format(host=host, port=port, error=error.strerror)) from None
    return listener


@contextlib.contextmanager
def unix_socket(path: Path) -> Iterator[socket.socket]:
    """A listening Unix socket that only its owner may use; its file goes when the block ends."""
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        message = _("Cannot make the socket {path}: {error}.")
        reason = error.strerror or str(error)
        raise FailedError(message.format(path=path, error=reason)) from None
    finally:
        os.umask(mask)
    try:
        yield listener
    finally:
        path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Take away the file that a killed server left; UserError for anything else there."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            message = _("{path} is there and is no socket; name another path.")
            raise UserError(message.format(path=path))
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise UserError(_("Another server listens on {path}.").format(path=path))
