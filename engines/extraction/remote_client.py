"""One OpenAI-compatible server over HTTP: bounded, patient, and clear about what went wrong.

Requests run on an event loop in a thread of its own, so that any thread may ask and a cancelled
request ends at once. Waiting between attempts grows with full jitter
(https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as Waiting
from typing import TYPE_CHECKING, Any

from engines.extraction.decoding import Cancelled
from engines.settings import ServerSettings
from glossary.errors import FailedError, UserError
from glossary.i18n import _

if TYPE_CHECKING:
    import httpx2

# Answers are short; whatever is longer than this is none.
ANSWER_LIMIT = 8 * 2**20
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
# How often one request is tried when the server is there but fails on it.
FAULTS = 4
POLL = 0.1


class Refused(Exception):  # noqa: N818
    """The server is there and will not do this one request; `reason` in its own words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Unusable(Exception):  # noqa: N818
    """What a caller's check says of an answer that came and is none."""


class _Away(Exception):  # noqa: N818
    """No usable answer this time; `fault`: the request itself may be the cause."""

    def __init__(self, reason: str, *, fault: bool = False, after: float = 0.0) -> None:
        super().__init__(reason)
        self.fault = fault
        self.after = after


class Client:
    """Asks the server at `place.address`; any thread may.

    Raises UserError for an address or a key that cannot work.
    """

    def __init__(self, place: ServerSettings, environ: Mapping[str, str] = os.environ) -> None:
        import httpx2

        self.address = place.address.rstrip("/")
        self._place = place
        try:
            url = httpx2.URL(self.address)
        except httpx2.InvalidURL:
            url = httpx2.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            message = _("The server's address {address} is no http:// or https:// URL.")
            raise UserError(message.format(address=place.address))
        self.root = self.address.removesuffix("/v1")
        self._headers = _headers(place, environ)
        self._good = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._slots = asyncio.Semaphore(place.concurrency)
        self._http: httpx2.AsyncClient | None = None

    @property
    def concurrency(self) -> int:
        """Requests at the same time."""
        return self._place.concurrency

    def get(self, url: str, *, patience: float) -> Any:
        """The JSON at `url`; Refused when there is none, FailedError when the server is away."""
        return self._wait(self._patiently("GET", url, None, None, patience), None)

    def post(
        self,
        url: str,
        body: Mapping[str, Any],
        *,
        check: Callable[[Any], object] | None = None,
        cancelled: Callable[[], bool] | None = None,
        patience: float | None = None,
    ) -> Any:
        """The JSON that the server answers `body` with; asked again while `check` raises Unusable.

        Raises Refused for this one request, UserError for a wrong key or address, FailedError
        when the server stays away, and decoding.Cancelled.
        """
        patience = self._place.patience_s if patience is None else patience
        return self._wait(self._patiently("POST", url, body, check, patience), cancelled)

    def close(self) -> None:
        """End all requests and the thread."""
        if self._loop.is_running():
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=10)

    def _wait(self, work: Coroutine[Any, Any, Any], cancelled: Callable[[], bool] | None) -> Any:
        """Wait for `work` in the calling thread."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                try:
                    return future.result(timeout=POLL if cancelled else None)
                except Waiting:
                    if future.done():
                        raise
                    if cancelled is not None and cancelled():
                        raise Cancelled from None
        except CancelledError:
            raise Cancelled from None
        finally:
            future.cancel()

    async def _end(self) -> None:
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    async def _patiently(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        check: Callable[[Any], object] | None,
        patience: float,
    ) -> Any:
        """Try until there is an answer, or nobody got one for `patience` seconds."""
        started, attempt, faults = time.monotonic(), 0, 0
        while True:
            try:
                async with self._slots:
                    answer = await self._once(method, url, body)
                self._good = time.monotonic()
                if check is not None:
                    _checked(answer, check)
                return answer
            except _Away as away:
                faults += away.fault
                if faults >= FAULTS:
                    raise Refused(500, str(away)) from None
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt)
                pause = max(random.uniform(0, longest), min(away.after, patience))
                now = time.monotonic()
                if now + pause > max(self._good, started) + patience:
                    raise FailedError(self._gone(str(away))) from None
                attempt += 1
                await asyncio.sleep(pause)

    async def _once(self, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
        import httpx2

        if self._http is None:
            self._http = self._open()
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        try:
            async with asyncio.timeout(self._place.timeout_s):
                async with self._http.stream(method, url, content=content) as response:
                    data = await _limited(response)
        except TimeoutError:
            seconds = f"{self._place.timeout_s:g}"
            raise _Away(_("no answer within {n} s").format(n=seconds), fault=True) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise _Away(_words(error)) from None
        except httpx2.HTTPError as error:
            # The connection broke: the server went away, or this request brought it down.
            raise _Away(_words(error), fault=True) from None
        return self._judged(response.status_code, dict(response.headers), data)

    def _judged(self, status: int, headers: Mapping[str, str], data: bytes) -> Any:
        """The JSON of a good answer; an exception for every other."""
        if 300 <= status < 400:
            message = _("{address} sends its callers elsewhere ({place}); name that address.")
            place = headers.get("location", "?")
            raise UserError(message.format(address=self.address, place=place[:200]))
        if status in (401, 403):
            raise UserError(self._no_entry(status))
        if status in (408, 425, 429, 502, 503, 504):
            raise _Away(_reason(status, data), after=_seconds(headers.get("retry-after", "")))
        if status >= 500:
            raise _Away(_reason(status, data), fault=True)
        if status >= 400:
            raise Refused(status, _reason(status, data))
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise _Away(_("the answer is no JSON"), fault=True) from None

    def _open(self) -> httpx2.AsyncClient:
        import httpx2

        count = self._place.concurrency + 4
        return httpx2.AsyncClient(
            headers=self._headers,
            timeout=httpx2.Timeout(self._place.timeout_s, connect=min(10, self._place.timeout_s)),
            limits=httpx2.Limits(max_connections=count, max_keepalive_connections=count),
            verify=ssl.create_default_context(),
            # No proxy, no .netrc: only the server that was named hears of the texts.
            trust_env=False,
            follow_redirects=False,
        )

    def _gone(self, reason: str) -> str:
        message = _(
            "The server {address} does not answer ({reason}). Start it, or correct its address; "
            "what was done so far stays."
        )
        return message.format(address=self.address, reason=reason)

    def _no_entry(self, status: int) -> str:
        name = self._place.key_env
        if name:
            message = _("{address} refuses the key in the environment variable {name} ({status}).")
            return message.format(address=self.address, name=name, status=status)
        message = _(
            "{address} wants a key ({status}). Put it into an environment variable and name that "
            'variable: [servers.NAME] key_env = "...".'
        )
        return message.format(address=self.address, status=status)


def _headers(place: ServerSettings, environ: Mapping[str, str]) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "application/json"}
    if place.key_env:
        key = environ.get(place.key_env, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            message = _(
                "The key for {address} is expected in the environment variable {name}, which is "
                "empty or holds no key."
            )
            raise UserError(message.format(address=place.address, name=place.key_env))
        headers["authorization"] = f"Bearer {key}"
    return headers


async def _limited(response: httpx2.Response) -> bytes:
    data = bytearray()
    async for piece in response.aiter_bytes():
        data += piece
        if len(data) > ANSWER_LIMIT:
            raise _Away(_("the answer does not end"), fault=True)
    return bytes(data)


def _checked(answer: Any, check: Callable[[Any], object]) -> None:
    try:
        check(answer)
    except Unusable as error:
        raise _Away(str(error), fault=True) from None


def _reason(status: int, data: bytes) -> str:
    """What the server says about its refusal, in one line."""
    try:
        values = json.loads(data)
        error = values.get("error", values)
        said = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError, RecursionError):
        said = data.decode("utf-8", "replace")
    line = " ".join(str(said).split())[:300]
    return f"{status}: {line}" if line else str(status)


def _seconds(text: str) -> float:
    return min(float(text), 3600.0) if text.isdecimal() else 0.0


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
