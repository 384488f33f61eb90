"""What stands before every request: the right host, the token, limits of rate, size and time.

On a shared machine the loopback is public, and a browser there may be sent to it by any page
(DNS rebinding): so the Host header is checked and a token is always wanted.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from glossary.i18n import _
from kwtui.serving.access import matches
from kwtui.serving.metrics import Metrics

# Paths that tell nothing and need no token.
OPEN = frozenset({"/health", "/docs", "/openapi.json"})
KNOWN = OPEN | {"/extract", "/metrics"}
TAKES_BODY = ("POST", "/extract")
# What a sender of too much may still send before it is answered, so that it hears the answer.
DRAIN_BYTES, DRAIN_SECONDS = 64 * 2**20, 2.0
ADDRESSES = 10_000
WRONG_TOKENS = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may do: bytes of a body, seconds that it may take, requests a second."""

    body_bytes: int = 8 * 2**20
    body_seconds: float = 20.0
    rate: float = 200.0


class Buckets:
    """Token buckets by client address: `rate` requests a second, twice as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """0 when the request may go on, else the seconds until one may."""
        if not self._rate:
            return 0.0
        now, most = time.monotonic(), 2 * self._rate
        left, before = self._left.pop(address, (most, now))
        left = min(most, left + (now - before) * self._rate)
        allowed = left >= 1
        self._left[address] = (left - 1 if allowed else left, now)
        if len(self._left) > ADDRESSES:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate


class Turned(Exception):  # noqa: N818
    """A request that is answered here, with this status and sentence."""

    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Guard:
    """ASGI middleware around `app`; `hosts` are the names (with port) it answers to.

    `close()` ends what stands behind it, after the last request.
    """

    def __init__(
        self,
        app: Any,
        *,
        token: str,
        hosts: frozenset[str],
        limits: Limits,
        metrics: Metrics,
        close: Callable[[], None],
    ) -> None:
        self._app = app
        self._token = token
        self._hosts = hosts
        self._limits = limits
        self._metrics = metrics
        self._rate = Buckets(limits.rate)
        # Who has no token must not use up what those with one may do.
        self._open = Buckets(limits.rate)
        self._wrong = Buckets(WRONG_TOKENS)
        self.close = close

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        started, path = time.perf_counter(), scope["path"]
        # Who has left hears no answer: 499, as nginx counts them.
        status = 499

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_ALWAYS]
            await send(message)

        try:
            await self._pass(scope, receive, sending)
        except Exception:
            status = 500
            raise
        finally:
            name = path if path in KNOWN else "other"
            self._metrics.responded(name, status, time.perf_counter() - started)

    async def _pass(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(reversed(scope["headers"]))
        try:
            self._check(scope, headers)
            if (scope["method"], scope["path"]) == TAKES_BODY:
                receive = await self._whole(headers, receive)
        except Turned as turned:
            await _respond(send, turned)
            return
        except _Gone:
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Any, headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if host not in self._hosts:
            raise Turned(421, _("This server does not answer to that Host header."))
        address = str((scope.get("client") or ("socket",))[0])
        if scope["path"] in OPEN and scope["method"] in ("GET", "HEAD"):
            bucket = self._open
        elif matches(headers.get(b"authorization", b""), self._token):
            bucket = self._rate
        else:
            if pause := self._wrong.wait(address):
                raise _too_many(pause)
            sentence = _("The token is missing or wrong: Authorization: Bearer TOKEN.")
            raise Turned(401, sentence, www_authenticate="Bearer")
        if pause := bucket.wait(address):
            raise _too_many(pause)

    async def _whole(self, headers: Mapping[bytes, bytes], receive: Any) -> Any:
        """The body, read within its limits, as a `receive` that gives it at once."""
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        length = headers.get(b"content-length", b"")
        sentence = _("The body has more than {limit} bytes.").format(limit=self._limits.body_bytes)
        too_large = Turned(413, sentence, connection="close")
        if length.isdigit() and int(length) > self._limits.body_bytes:
            await _drain(receive, headers)
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for piece in _pieces(receive):
                    body += piece
                    if len(body) > self._limits.body_bytes:
                        await _drain(receive, headers)
                        raise too_large
        except TimeoutError:
            sentence = _("The body did not arrive within {seconds} s.")
            seconds = f"{self._limits.body_seconds:g}"
            raise Turned(408, sentence.format(seconds=seconds), connection="close") from None
        if kind != b"application/json":
            raise Turned(415, _("The body must be application/json."))
        given = False

        async def receive_whole() -> Any:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return receive_whole


class _Gone(Exception):  # noqa: N818
    """The client left before its request was whole."""


async def _pieces(receive: Any) -> Any:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _drain(receive: Any, headers: Mapping[bytes, bytes]) -> None:
    """Read on for a moment: who is still writing would not hear the answer."""
    if headers.get(b"expect", b"").lower() == b"100-continue":
        return
    read = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for piece in _pieces(receive):
                read += len(piece)
                if read > DRAIN_BYTES:
                    return
    except TimeoutError:
        return


def _too_many(pause: float) -> Turned:
    return Turned(429, _("Too many requests; wait."), retry_after=str(max(1, round(pause + 0.5))))


# Answers hold texts: they are for the asker alone and never a page.
_ALWAYS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


async def _respond(send: Any, turned: Turned) -> None:
    body = json.dumps({"detail": str(turned)}, ensure_ascii=False).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    pairs = [(n.encode(), v.encode()) for n, v in (headers | turned.headers).items()]
    await send({"type": "http.response.start", "status": turned.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
