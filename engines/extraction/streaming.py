"""Many texts at the same time with one answer after the other: a window over the input."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Waiting
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")

# Texts in the window for each one that may run: a slow one holds up none but those far behind it.
DEPTH = 4
POLL = 0.1


def in_order(
    source: Iterable[Work],
    run: Callable[[Work, Callable[[], bool]], Result],
    width: int,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """`run(item, cancelled)` for each of `source`, `width` at a time, results in order.

    No more than `DEPTH * width` items are taken ahead of the next result. When `cancelled()`
    becomes true the iterator ends; when `run` raises, the results before it come first.
    """
    stop = threading.Event()

    def stopped() -> bool:
        return stop.is_set() or (cancelled is not None and cancelled())

    pool = ThreadPoolExecutor(width, thread_name_prefix="kwtui-ask")
    window: deque[Future[Result]] = deque()
    try:
        for item in source:
            if stopped():
                return
            window.append(pool.submit(run, item, stopped))
            while window and (window[0].done() or len(window) >= DEPTH * width):
                if not _settled(window[0], stopped):
                    return
                yield window.popleft().result()
        while window:
            if not _settled(window[0], stopped):
                return
            yield window.popleft().result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _settled(future: Future[Result], stopped: Callable[[], bool]) -> bool:
    """Wait for `future`; False when the caller wants no more."""
    while not stopped():
        try:
            future.exception(timeout=POLL)
        except Waiting:
            continue
        return True
    return future.done()
