"""What stands ready before the annotator comes to it: the next texts with their candidates."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from engines.corpus.splits import HELD_OUT
from engines.records import Example, Keyword, Prediction
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.panes.dataset_store import Loaded, Store

if TYPE_CHECKING:
    from engines.extraction.candidates import Prepared
    from kwtui.panes.dataset import DatasetPane

DEPTH = 8
_KEPT = 64
# The quick model learns again after so many labeled texts, or a tenth of all, if that is more.
LEARN_EVERY = 10


class Ahead:
    """The queue of one pane; `arrived` hears of each text whose candidates have come."""

    def __init__(
        self, pane: DatasetPane, store: Store, arrived: Callable[[Loaded], object]
    ) -> None:
        self._pane, self._store, self._arrived = pane, store, arrived
        self._next: deque[Loaded] = deque()
        self._current: Loaded | None = None
        self._prepared: dict[str, Prepared] = {}
        self._asked: set[tuple[str, str]] = set()
        self._filling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet: set[asyncio.Task[None]] = set()
        self._fresh = 0
        self._labeled = 0
        self._learning = False
        self.strategy = ""
        self.depth = DEPTH

    @property
    def working(self) -> bool:
        """Whether texts, candidates or predictions are on their way."""
        return bool(self._tasks)

    @property
    def learning(self) -> bool:
        """Whether something is being done that nobody waits for: the quick model is trained."""
        return bool(self._quiet)

    async def first(self) -> Loaded | None:
        """The next text; waits for the disk when none is ready."""
        if not self._next:
            await self._take()
        return self._next.popleft() if self._next else None

    def use(self, text: Loaded | None) -> None:
        """Tell which text is on the screen; the ones after it are fetched in the background."""
        self._current = text
        if text is not None and text.prepared is None:
            text.prepared = self._prepared.get(text.id)
        self.start(self._fill())

    def push_front(self, text: Loaded) -> None:
        """Come back to this text after the one on the screen."""
        self._next.appendleft(text)

    def forget(self) -> None:
        """Drop what is ready, since order or filter have changed."""
        self._next.clear()

    def refresh(self) -> None:
        """Find the candidates anew, since the glossary or the quick model have changed."""
        self._prepared.clear()
        self.start(self._fill())

    def start(self, work: Coroutine[Any, Any, None], *, shown: bool = True) -> None:
        """Do something in the background; what goes wrong is said on the status line.

        `shown` False: nobody waits for it.
        """

        async def guarded() -> None:
            from kwtui.hosts import RequestCancelled

            try:
                await work
            except UserError as error:
                self._pane.bench.warn(error.sentence, "error")
            except RequestCancelled:
                pass

        task = asyncio.create_task(guarded())
        tasks = self._tasks if shown else self._quiet
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def stop(self) -> None:
        """End everything in the background."""
        for task in (*self._tasks, *self._quiet):
            task.cancel()

    # Texts and candidates

    async def _take(self) -> None:
        known = [text.id for text in self._next]
        if self._current is not None:
            known.append(self._current.id)
        found = await self._store.take(self.depth + len(known), known)
        held = {text.id for text in self._next}
        if self._current is not None:
            held.add(self._current.id)
        room = self.depth - len(self._next)
        self._next.extend([text for text in found if text.id not in held][: max(room, 0)])

    async def _fill(self) -> None:
        if self._filling.locked():
            return
        async with self._filling:
            if len(self._next) < self.depth:
                await self._take()
            await self._prepare()
        await self._predict()

    async def _prepare(self) -> None:
        """Candidates of the text on the screen first, then of the next ones, always the newest."""
        current = self._current
        texts = list(self._next)
        if current is not None and current.id not in self._prepared:
            texts.insert(0, current)
        if not texts:
            return
        await self._pane.bench.settings()
        asked = {text.id: text for text in texts}

        def came(prepared: Prepared) -> None:
            text = asked[prepared.text_id]
            self._keep(prepared)
            text.prepared = prepared
            self._arrived(text)

        await self._pane.bench.host("quick").request(
            "prepare",
            texts=[(text.id, text.text, text.suggested) for text in texts],
            on_partial=came,
        )

    def _keep(self, prepared: Prepared) -> None:
        self._prepared[prepared.text_id] = prepared
        while len(self._prepared) > _KEPT:
            del self._prepared[next(iter(self._prepared))]

    async def _predict(self) -> None:
        """What the chosen strategy finds in the texts that wait, from its own process."""
        strategy = self.strategy
        if not strategy:
            return
        waiting = [self._current, *self._next] if self._current else list(self._next)
        texts = [
            text
            for text in waiting
            if strategy not in text.suggested
            and strategy not in text.withheld
            and (strategy, text.id) not in self._asked
        ]
        if not texts:
            return
        self._asked |= {(strategy, text.id) for text in texts}
        by_id = {text.id: text for text in texts}
        found: list[Prediction] = []

        def came(prediction: Prediction) -> None:
            if prediction.error:
                return
            by_id[prediction.id].suggested[strategy] = prediction.keywords
            self._prepared.pop(prediction.id, None)
            found.append(prediction)

        await self._pane.bench.host("extractor").request(
            "extract",
            texts=[Example(text.id, text.text, labeled=False) for text in texts],
            strategy=strategy,
            background=True,
            on_partial=came,
        )
        await self._keep_answers(strategy, found)
        async with self._filling:
            await self._prepare()

    async def _keep_answers(self, strategy: str, found: Sequence[Prediction]) -> None:
        from engines.corpus.ranking import Answer

        await self._store.keep_answers(
            strategy,
            [
                Answer(p.id, p.keywords, None if p.confidence is None else 1.0 - p.confidence)
                for p in found
            ],
        )

    # Learning

    def observe(self, text: Loaded, keywords: Sequence[Keyword]) -> None:
        """A text is labeled: candidates learn from it at once, the quick model after some more."""
        self._fresh += 1
        if text.view.split in HELD_OUT:
            return
        self.start(self._observe(text, [keyword.surface for keyword in keywords]))

    async def _observe(self, text: Loaded, surfaces: list[str]) -> None:
        await self._pane.bench.settings()
        await self._pane.bench.host("quick").request(
            "observe", text=text.text, labeled=surfaces, suggested=text.suggested
        )
        await self._learn_in_turn()

    def begin(self, labeled: int) -> None:
        """Learn once from what was labeled before."""
        self._labeled = labeled
        self.start(self._recall())

    async def _recall(self) -> None:
        await self._pane.bench.settings()
        if await self._pane.bench.host("quick").request("recall", background=True):
            self.refresh()
        if self._labeled >= LEARN_EVERY:
            self.start(self.learn(), shown=False)

    async def _learn_in_turn(self) -> None:
        if self._fresh >= max(LEARN_EVERY, (self._labeled + self._fresh) // 10):
            self.start(self.learn(), shown=False)

    async def learn(self) -> None:
        """Train the quick model in its process; one training at a time."""
        if self._learning:
            return
        self._learning = True
        self._labeled, self._fresh = self._labeled + self._fresh, 0
        try:
            texts, _ranked = await self._pane.bench.host("learner").request("learn")
        finally:
            self._learning = False
        if texts:
            self._pane.bench.say(
                _("The quick model has learnt from {count} texts.").format(count=f"{texts:,}")
            )
            self.refresh()
