"""One request to a service: what is waited for, and where its callbacks are called."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from kwtui.services import messages as m

if TYPE_CHECKING:
    from kwtui.services.child import Child

OnProgress = Callable[[m.Progress], object]
OnPartial = Callable[[Any], object]


class RequestCancelled(Exception):  # noqa: N818
    """The request was cancelled before it had a result."""


class Request:
    """One request: awaitable in an event loop, `result()` waits in a script.

    Raises UserError or FailedError with the service's sentence, HostDied, RequestCancelled.
    A task that is cancelled while it awaits a request cancels the request.
    """

    def __init__(
        self,
        call: m.Call,
        stop: Callable[[Request], None],
        on_progress: OnProgress | None,
        on_partial: OnPartial | None,
    ) -> None:
        self.id = call.id
        self.call = call
        self.background = call.background
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.child: Child | None = None
        self.unwanted = False
        self._stop = stop
        self._deliver = Caller()
        self._on_progress = on_progress
        self._on_partial = on_partial
        self.future.add_done_callback(self._abandoned)

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.wrap_future(self.future).__await__()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the result; TimeoutError after `timeout` seconds. Not for an event loop."""
        return self.future.result(timeout)

    def done(self) -> bool:
        """Whether there is a result or an error."""
        return self.future.done()

    def cancel(self) -> None:
        """Stop it; who waits for it gets RequestCancelled once the service has stopped."""
        self._stop(self)

    def heard(self, message: m.Progress | m.Partial) -> None:
        """Pass on what the service said about this request before its end."""
        try:
            if isinstance(message, m.Progress) and self._on_progress is not None:
                self._deliver(self._on_progress, message)
            elif isinstance(message, m.Partial) and self._on_partial is not None:
                self._deliver(self._on_partial, message.value)
        except Exception as error:  # a script's own callback, called in the reading thread
            self.fail(error)
            self.cancel()

    def finish(self, value: Any) -> None:
        """Give the result to whoever waits."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Give an error to whoever waits."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.future.set_exception(error)

    def _abandoned(self, future: concurrent.futures.Future[Any]) -> None:
        if future.cancelled():
            self.cancel()


class Caller:
    """Calls a callback where its owner lives: in the event loop it was made in, or right here."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = contextvars.copy_context()
        self.adopt_loop()

    def adopt_loop(self) -> None:
        """Take the running event loop, where there is none yet."""
        if self._loop is None:
            with contextlib.suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
                self._context = contextvars.copy_context()

    def __call__(self, callback: Callable[..., object], *args: Any) -> None:
        """Call `callback(*args)`, now or in the loop's next turn."""
        if self._loop is None:
            callback(*args)
            return
        # The loop is closed when the app has left; nobody is there to hear it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args, context=self._context)
