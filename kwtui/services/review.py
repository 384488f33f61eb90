"""The review service: agreement, disagreements, checks and their fixes over the whole corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from engines.corpus.agreement import Agreement, Dispute, agreement, disputes
from engines.corpus.checks import Known, Result, Uneven, run, uneven
from engines.corpus.fixing import label_everywhere, unlabel_everywhere
from engines.corpus.store import Corpus
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.services.loop import Task
from kwtui.services.messages import Hello

UNEVEN = 200
DISPUTES = 500


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks found; `uneven`: the likeliest errors of that kind, by surface."""

    results: tuple[Result, ...]
    uneven: tuple[Uneven, ...]


class ReviewService:
    """Reads every label of one workspace."""

    requests = frozenset({"agreement", "disputes", "check", "label", "unlabel"})

    def __init__(self, hello: Hello) -> None:
        self._workspace = Workspace(hello.workspace) if hello.workspace else None

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def agreement(self, task: Task) -> Agreement:
        """How far the annotators agree."""
        with Corpus.open(self._path, readonly=True) as corpus:
            return agreement(corpus)

    def disputes(self, task: Task, limit: int = DISPUTES) -> tuple[Dispute, ...]:
        """Texts that people labeled differently and nobody has settled."""
        with Corpus.open(self._path, readonly=True) as corpus:
            return tuple(islice(disputes(corpus), limit))

    def check(self, task: Task, names: Sequence[str] = (), limit: int = 200) -> Checked:
        """Run checks, all of them when none is named."""
        from engines.corpus.duplicates import sign

        task.progress(_("Comparing texts"))
        with Corpus.open(self._path) as corpus:
            sign(corpus)
        task.check()
        task.progress(_("Checking labels"))
        with Corpus.open(self._path, readonly=True) as corpus, self._known() as known:
            results = run(corpus, known, names, limit=limit)
            found = uneven(list(corpus.examples())) if not names or "uneven" in names else []
        return Checked(tuple(results), tuple(found[:UNEVEN]))

    def label(self, task: Task, surface: str, annotator: str) -> int:
        """Label a surface wherever it stands without a label; returns the texts changed."""
        with Corpus.open(self._path) as corpus:
            return label_everywhere(corpus, surface, annotator)[1]

    def unlabel(self, task: Task, surface: str, annotator: str) -> int:
        """Take the label off a surface everywhere; returns the texts changed."""
        with Corpus.open(self._path) as corpus:
            return unlabel_everywhere(corpus, surface, annotator)[1]

    @property
    def _path(self) -> Path:
        if self._workspace is None or not self._workspace.corpus_path.exists():
            raise UserError(_("The corpus has no texts yet: `kwtui data import FILE` adds some."))
        return self._workspace.corpus_path

    @contextmanager
    def _known(self) -> Iterator[Known]:
        """What the glossary says, while it is open: its terms stay on disk."""
        assert self._workspace is not None
        from glossary.store import Glossary, exists

        if not exists(self._workspace.glossary_path):
            yield Known()
            return
        with Glossary.open(self._workspace.glossary_path) as glossary:
            excluded = {
                s: term.notes or term.definition
                for term in glossary.excluded()
                for s in term.surfaces
            }
            yield Known(glossary.matcher(), excluded)
