"""Texts of many requests in one call of the model.

One thread asks the model. What arrives while it is busy waits and goes together into the next
call, up to a limit. A text alone costs the model as much as five in company, and clients that were
answered together ask again together: so a call waits for as many texts as the one before it had,
but no longer than a tenth of what that one took. A single client never waits.
"""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engines.extraction.extractor import Extractor
from engines.records import Example, Prediction
from glossary.errors import FailedError, UserError
from kwtui import failures
from kwtui.serving.metrics import Metrics

# Of the seconds of the call before, and at most, that a call waits for company.
SHARE, LONGEST = 0.1, 0.05


class Full(Exception):  # noqa: N818
    """As many texts are waiting as may wait."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text has no answer; `status` is that of the response."""

    sentence: str
    status: int


Outcome = Prediction | Fault


@dataclass(slots=True)
class _Waiting:
    example: Example
    future: asyncio.Future[Outcome]
    loop: asyncio.AbstractEventLoop

    def settle(self, outcome: Outcome) -> None:
        def settle() -> None:
            if not self.future.done():
                self.future.set_result(outcome)

        self.loop.call_soon_threadsafe(settle)


class Batcher:
    """Gives texts to the extractor, at most `most` in a call and `room` waiting.

    `extractor` is asked for before each call, so that it may follow a glossary that changes.
    """

    def __init__(
        self, extractor: Callable[[], Extractor], metrics: Metrics, *, most: int, room: int
    ) -> None:
        self._extractor = extractor
        self._metrics = metrics
        self._most = most
        self._room = room
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="kwtui-model", daemon=True)
        self._thread.start()

    async def extract(self, texts: Sequence[str]) -> list[Outcome]:
        """The outcome for each of `texts`; raises Full when they cannot wait here.

        When the caller is cancelled, those of its texts that still wait are not asked about.
        """
        loop = asyncio.get_running_loop()
        jobs = [
            _Waiting(Example(str(number), text), loop.create_future(), loop)
            for number, text in enumerate(texts, start=1)
        ]
        with self._changed:
            if self._ended or len(self._queue) + len(jobs) > self._room:
                raise Full
            self._queue.extend(jobs)
            self._metrics.waiting = len(self._queue)
            self._changed.notify()
        try:
            outcomes = await asyncio.gather(*(job.future for job in jobs))
        except asyncio.CancelledError:
            self._forget(jobs)
            raise
        self._metrics.texts += len(outcomes)
        found = (o.keywords for o in outcomes if isinstance(o, Prediction))
        self._metrics.keywords += sum(len(keywords) for keywords in found)
        return list(outcomes)

    def close(self) -> None:
        """Answer what waits, then end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _forget(self, jobs: Sequence[_Waiting]) -> None:
        gone = {id(job) for job in jobs}
        with self._changed:
            self._queue = deque(job for job in self._queue if id(job) not in gone)
            self._metrics.waiting = len(self._queue)

    def _work(self) -> None:
        before, took = 0, 0.0
        while True:
            with self._changed:
                while not self._queue and not self._ended:
                    self._changed.wait()
                if not self._queue:
                    return
                self._wait_for_company(before, min(LONGEST, SHARE * took))
                batch = [self._queue.popleft() for _n in range(min(self._most, len(self._queue)))]
                self._metrics.waiting = len(self._queue)
                # Who left meanwhile took the texts along.
                self._metrics.batches += bool(batch)
                self._metrics.batched += len(batch)
            started = time.monotonic()
            self._answer(batch)
            before, took = len(batch), time.monotonic() - started

    def _wait_for_company(self, count: int, seconds: float) -> None:
        """Wait until `count` texts are there, or the seconds are over; holds the lock."""
        end = time.monotonic() + seconds
        while len(self._queue) < min(count, self._most) and not self._ended:
            left = end - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        """Have a batch answered; where that fails, one text at a time, so that one fails alone."""
        try:
            extractor = self._extractor()
        except Exception as error:
            _settle(batch, _fault(error))
            return
        try:
            found = list(extractor.extract([job.example for job in batch]))
            if len(found) != len(batch):
                raise RuntimeError("answers are missing")
        except FailedError as error:
            # The machine or a server fails, whatever the text.
            _settle(batch, _fault(error))
        except Exception as error:
            if len(batch) == 1:
                _settle(batch, _fault(error))
                return
            for job in batch:
                self._answer([job])
        else:
            for job, prediction in zip(batch, found, strict=True):
                lost = prediction.error
                job.settle(Fault(lost, 503) if lost else prediction)


def _settle(batch: Sequence[_Waiting], fault: Fault) -> None:
    for job in batch:
        job.settle(fault)


def _fault(error: Exception) -> Fault:
    if isinstance(error, FailedError):
        return Fault(error.sentence, 503)
    if isinstance(error, UserError):
        return Fault(error.sentence, 422)
    traceback.print_exception(error)
    return Fault(failures.unexpected(error), 500)
