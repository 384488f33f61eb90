"""The corpus behind the dataset pane: one connection in one thread, so that the screen never waits.

Every method that changes something has it on disk when its result is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from engines.records import Keyword
from engines.workspace import Workspace, state_folder
from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.corpus.connection import Note
    from engines.corpus.queue import Filter, Queue
    from engines.corpus.ranking import Answer
    from engines.corpus.statistics import Progress
    from engines.corpus.store import Corpus, Undone, View
    from engines.extraction.candidates import Prepared
    from engines.settings import Settings

T = TypeVar("T")


@dataclass(slots=True)
class Loaded:
    """A text as it is labeled: `base` is the event of the labeling that was seen, 0 for none.

    `suggested`: keywords by the strategy that found them, drafts under "draft". `withheld`:
    strategies that may know what somebody else said, from whom the annotator is to be blind.
    """

    view: View
    suggested: dict[str, tuple[Keyword, ...]] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    prepared: Prepared | None = None
    base: int = 0

    @property
    def id(self) -> str:
        """The id of the text."""
        return self.view.id

    @property
    def text(self) -> str:
        """The text."""
        return self.view.text


class Store:
    """What the views of the pane read and change, for one annotator.

    `on_note` hears, in another thread, what a person should know. Raises UserError for a name
    that no annotator may have.
    """

    def __init__(self, space: Workspace, settings: Settings, *, on_note: Note) -> None:
        from engines.corpus.session import annotator_name

        curation = settings.curation

        self.path = space.corpus_path
        self.annotator = annotator_name("", curation)
        self._space, self._settings, self._on_note = space, settings, on_note
        self._session, self._held = _session(space.root, self.annotator)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="corpus")
        self._corpus: Corpus | None = None
        self._queue: Queue | None = None
        self._choice: tuple[str, str, Filter | None] = ("imported", "", None)

    @property
    def exists(self) -> bool:
        """Whether there is a corpus yet."""
        return self.path.exists()

    async def run(self, function: Callable[[Corpus], T]) -> T:
        """The result of `function(corpus)` in the thread of the connection."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: function(self._open()))

    def close(self) -> None:
        """Let the claims go and close the file; waits for what is being written."""

        def leave() -> None:
            if self._corpus is not None:
                with contextlib.suppress(Exception):
                    self._release()
                self._corpus.close()

        with contextlib.suppress(RuntimeError):
            self._thread.submit(leave)
        self._thread.shutdown(wait=True)
        if self._held is not None:
            self._held.close()

    # Order of work

    async def choose(self, order: str, ranking: str, wanted: Filter | None) -> None:
        """Take another order of work or filter; the claims of the old one are let go."""

        def change(corpus: Corpus) -> None:
            self._queue_of(corpus, (order, ranking, wanted)).peek(1)
            self._release()
            self._choice, self._queue = (order, ranking, wanted), None

        await self.run(change)

    async def rank(self, order: str, strategy: str) -> str:
        """The ranking that an order goes by, made first where it has to be; "" for most.

        "uncertain" goes by the quick model where no `strategy` is given; "disagreement" is between
        the two. Raises UserError without one.
        """
        from engines.corpus.ranking import QUICK, disagreement_name, rank_disagreement

        if order == "disagreement":
            if not strategy:
                sentence = _("Choose a strategy that suggests first: it is compared with the CRF.")
                raise UserError(sentence)
            await self.run(lambda corpus: rank_disagreement(corpus, QUICK, strategy))
            return disagreement_name(QUICK, strategy)
        return (strategy or QUICK) if order == "uncertain" else ""

    async def uncertain(self) -> list[str]:
        """Strategies whose uncertainty the texts can be sorted by, the quick model always."""
        from engines.corpus.ranking import QUICK, uncertain_strategies

        found = await self.run(uncertain_strategies)
        return [QUICK, *(name for name in found if name != QUICK)]

    async def take(self, count: int, known: Sequence[str]) -> list[Loaded]:
        """The next `count` texts, claimed, those with `known` ids left out of the result."""

        def next_texts(corpus: Corpus) -> list[Loaded]:
            if self._queue is None:
                self._queue = self._queue_of(corpus, self._choice)
            held = set(known)
            return [
                self._load(corpus, item.id)
                for item in self._queue.take(count)
                if item.id not in held
            ]

        return await self.run(next_texts)

    async def load(self, text_id: str) -> Loaded:
        """One text by its id."""
        return await self.run(lambda corpus: self._load(corpus, text_id))

    async def heartbeat(self) -> None:
        """Keep the claims."""

        def renew(_corpus: Corpus) -> None:
            if self._queue is not None:
                self._queue.heartbeat()

        await self.run(renew)

    def _queue_of(self, corpus: Corpus, choice: tuple[str, str, Filter | None]) -> Queue:
        from engines.corpus.queue import Queue

        order, ranking, wanted = choice
        return Queue(
            corpus,
            self.annotator,
            order=order,
            ranking=ranking,
            wanted=wanted,
            session=self._session,
        )

    def _release(self) -> None:
        if self._queue is not None:
            self._queue.release()

    def _load(self, corpus: Corpus, text_id: str) -> Loaded:
        from engines.corpus.ranking import predictions
        from engines.extraction.blindness import withheld
        from engines.settings import load

        view = corpus.view(text_id, self.annotator)
        answers = predictions(corpus, text_id)
        apart = frozenset[str]()
        if view.blind:
            root = self._space.root
            now = load(root)  # strategies may have been added since
            names = {*answers, *now.strategies}
            apart = withheld(corpus, view, self.annotator, names, now, root)
        suggested = {
            name: answer.keywords
            for name, answer in answers.items()
            if name != "crf" and name not in apart
        }
        if view.drafts:
            suggested["draft"] = list(view.drafts.values())[-1].keywords
        return Loaded(view, suggested, apart, base=view.own.event if view.own else 0)

    # What a key changes

    async def label(
        self, text: Loaded, keywords: Sequence[Keyword], status: str, note: str | None = None
    ) -> int:
        """Keep labels; returns the event."""
        save = partial(_label, text.id, self.annotator, keywords, status, note, text.base)
        return await self.run(save)

    async def adjudicate(self, text_id: str, keywords: Sequence[Keyword]) -> int:
        """Settle a text that people labeled differently; returns the event."""
        return await self.run(lambda corpus: corpus.adjudicate(text_id, self.annotator, keywords))

    async def undo(self) -> Undone | None:
        """Take back this annotator's latest change."""
        return await self.run(lambda corpus: corpus.undo(self.annotator))

    async def redo(self) -> Undone | None:
        """Do again what was taken back last."""
        return await self.run(lambda corpus: corpus.redo(self.annotator))

    async def keep_answers(self, strategy: str, answers: Sequence[Answer]) -> None:
        """Keep what a strategy found, for the queue and as candidates."""
        from engines.corpus.ranking import save_predictions

        await self.run(lambda corpus: save_predictions(corpus, strategy, answers))

    async def progress(self, goal: int) -> Progress:
        """How far the work is."""
        from engines.corpus.statistics import progress

        return await self.run(lambda corpus: progress(corpus, self.annotator, goal))

    def _open(self) -> Corpus:
        if self._corpus is None:
            from engines.corpus.session import open_corpus

            # The day's copy may take long and is made beside the work: see `copy`.
            now = self._settings.curation.model_copy(update={"daily_copies": 0})
            self._corpus = open_corpus(self._space, now, self.annotator, self._on_note)
        return self._corpus

    def copy(self) -> None:
        """Make the day's copy of the corpus unless there is one; for a thread of its own."""
        from engines.corpus.backup import daily_copy
        from engines.corpus.session import BACKUPS

        try:
            daily_copy(self.path, self._space.root / BACKUPS, self._settings.curation.daily_copies)
        except (UserError, OSError) as error:
            sentence = _("No copy of the corpus was made today: {reason}")
            self._on_note(sentence.format(reason=getattr(error, "sentence", str(error))))


def _label(
    text_id: str,
    annotator: str,
    keywords: Sequence[Keyword],
    status: str,
    note: str | None,
    base: int,
    corpus: Corpus,
) -> int:
    return corpus.set_labels(text_id, annotator, keywords, status=status, note=note, base=base)


def _session(root: Path, annotator: str) -> tuple[str, IO[bytes] | None]:
    """A name for this program among those of one annotator on this machine, and its lock.

    The name is free again when the program has ended, however it did, so that the texts that it
    had claimed come first at the next start.
    """
    host = socket.gethostname()
    mark = hashlib.sha256(f"{root}\n{annotator}".encode()).hexdigest()[:16]
    folder = state_folder() / "labeling"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(100):
            lock = (folder / f"{mark}-{number}.lock").open("ab")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            return f"{host}-{number}", lock
    except OSError:
        pass
    return f"{host}-{id(root)}", None
