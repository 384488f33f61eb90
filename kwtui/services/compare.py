"""The compare service: two strategies' answers text by text, and what is sent on from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from engines.corpus.gold import seen_surfaces
from engines.corpus.moving import looks, settled_position, would_move
from engines.corpus.session import annotator_name, open_corpus
from engines.corpus.store import Corpus
from engines.evaluation.comparing import ComparedText, Comparison, Summary, Wanted, compare
from engines.evaluation.measured import inside
from engines.evaluation.sending import (
    SEALED,
    Sent,
    look,
    note_of,
    to_glossary,
    to_labeling,
    to_training,
)
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.services.loop import Task
from kwtui.services.messages import Hello

_STEP = 5_000


@dataclass(frozen=True, slots=True)
class Pair:
    """Which comparison is asked for; predictions are paths relative to the workspace."""

    split: str
    first: str
    first_file: str
    second: str
    second_file: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A comparison that is open: its figures, whether single texts are sealed, looks so far."""

    pair: Pair
    summary: Summary
    sealed: bool
    looks: int


@dataclass(frozen=True, slots=True)
class Page:
    """Texts that pass a filter, in part; `count` is how many pass."""

    count: int
    texts: tuple[ComparedText, ...]


class CompareService:
    """Keeps the comparison that was opened last."""

    requests = frozenset(
        {
            "ready",
            "open",
            "page",
            "look",
            "would_move",
            "to_labeling",
            "to_glossary",
            "to_training",
            "report",
        }
    )

    def __init__(self, hello: Hello) -> None:
        self._settings = hello.settings
        self._workspace = Workspace(hello.workspace) if hello.workspace else None
        self._kept: tuple[Pair, int, Comparison] | None = None
        self._seen: tuple[int, set[str]] = (-1, set())

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def ready(self, task: Task) -> None:
        """Be there: what follows need not wait for the process to come up."""

    def open(self, task: Task, pair: Pair) -> Opened:
        """The figures of a comparison; read from disk unless it is open already."""
        with self._reading() as corpus:
            found = self._comparison(corpus, pair, task)
            summary, sealed = found.summary, pair.split in SEALED
            if sealed:
                summary = summary.without_words()
            return Opened(pair, summary, sealed, looks(corpus, pair.split))

    def page(self, task: Task, pair: Pair, wanted: Wanted, offset: int, limit: int) -> Page:
        """Some of the texts that pass; those of a sealed split without a word of them."""
        with self._reading() as corpus:
            found = self._comparison(corpus, pair, task)
            rows = found.select(wanted)
            texts = found.read(corpus, rows[offset : offset + limit], self._known(corpus))
        if pair.split in SEALED:
            texts = [_sealed(text) for text in texts]
        return Page(len(rows), tuple(texts))

    def look(self, task: Task, pair: Pair, wanted: Wanted, row: int) -> ComparedText:
        """One text of a sealed split; that it was looked at is on disk before it is handed out."""
        with self._changing() as (corpus, annotator):
            found = self._comparison(corpus, pair, task)
            (text,) = found.read(corpus, found.select(wanted)[row : row + 1], self._known(corpus))
            look(corpus, text.id, annotator)
            return text

    def would_move(self, task: Task, pair: Pair, wanted: Wanted) -> dict[str, int]:
        """How many texts of which held-out splits would leave for training with those that pass."""
        with self._reading() as corpus:
            found = self._comparison(corpus, pair, task)
            return would_move(corpus, found.ids(found.select(wanted)))

    def to_labeling(self, task: Task, text: ComparedText) -> Sent:
        """Flag a text for the labeling view, with what was answered wrongly as its note."""
        assert self._workspace is not None
        with self._changing() as (corpus, annotator):
            return to_labeling(self._workspace, corpus, [text.id], annotator, note_of(text))

    def to_glossary(self, task: Task, pair: Pair, word: str, wanted: Wanted) -> Sent:
        """Put a word that was missed in the texts that pass among the glossary's candidates."""
        assert self._workspace is not None
        with self._changing() as (corpus, annotator):
            found = self._comparison(corpus, pair, task)
            ids = found.ids(found.select(wanted))
            return to_glossary(self._workspace, corpus, word, ids, annotator)

    def to_training(self, task: Task, pair: Pair, wanted: Wanted, reason: str) -> Sent:
        """Move every text that passes to the training split."""
        assert self._workspace is not None
        with self._changing() as (corpus, annotator):
            found = self._comparison(corpus, pair, task)
            ids = found.ids(found.select(wanted))
            return to_training(self._workspace, corpus, ids, annotator, reason)

    def report(self, task: Task, split: str) -> tuple[str, ...]:
        """Write the report of a split's last ladder; the paths of the page and of the Markdown."""
        from engines.evaluation.report import write_report

        assert self._workspace is not None
        task.progress(_("Writing the report"))
        folders = self._settings.model_folders(self._workspace.root)
        return tuple(str(path) for path in write_report(self._workspace, split, folders))

    def _comparison(self, corpus: Corpus, pair: Pair, task: Task) -> Comparison:
        position = settled_position(corpus)
        if self._kept is not None and self._kept[:2] == (pair, position):
            return self._kept[2]
        assert self._workspace is not None
        space = self._workspace

        def progress(done: int, total: int) -> None:
            task.check()
            task.progress(_("Comparing texts"), done, total)

        files = (inside(space, pair.first_file), inside(space, pair.second_file))
        names = (pair.first, pair.second)
        found = compare(self._workspace, corpus, pair.split, names, files, on_progress=progress)
        self._kept = (pair, position, found)
        return found

    def _known(self, corpus: Corpus) -> set[str]:
        position = settled_position(corpus)
        if self._seen[0] != position:
            self._seen = (position, seen_surfaces(corpus))
        return self._seen[1]

    @contextmanager
    def _reading(self) -> Iterator[Corpus]:
        with Corpus.open(self._path, readonly=True) as corpus:
            yield corpus

    @contextmanager
    def _changing(self) -> Iterator[tuple[Corpus, str]]:
        assert self._path and self._workspace is not None
        name = annotator_name("", self._settings.curation)
        with open_corpus(self._workspace, self._settings.curation, name) as corpus:
            yield corpus, name

    @property
    def _path(self) -> Path:
        if self._workspace is None or not self._workspace.corpus_path.exists():
            raise UserError(_("The corpus has no texts yet: `kwtui data import FILE` adds some."))
        return self._workspace.corpus_path


def _sealed(text: ComparedText) -> ComparedText:
    """The verdict alone."""
    first, second = (
        replace(answer, keywords=(), absent=(), errors=()) for answer in (text.first, text.second)
    )
    return replace(text, id="", text="", gold=(), first=first, second=second)
