"""The embedded demo domain as a workspace: its settings, terms and labeled texts."""

from dataclasses import dataclass

from engines.corpus.formats import examples_of, open_records
from engines.corpus.sources import BadLine
from engines.corpus.store import Corpus
from engines.workspace import Workspace, assets
from glossary.errors import FailedError
from glossary.exchange import read_terms
from glossary.i18n import _
from glossary.store import Glossary

SPLITS = ("train", "dev", "test", "wild")
UNLABELED = "unlabeled"
AUTHOR = "demo"


@dataclass(frozen=True, slots=True)
class Filled:
    """What came into a workspace."""

    terms: int
    texts: int


def fill(space: Workspace) -> Filled:
    """Import the demo's glossary and texts into `space`; FailedError if its data is damaged."""
    terms = Glossary.open(space.glossary_path, create=True).upsert(
        read_terms(assets() / "demo" / "glossary.jsonl").terms, author=AUTHOR
    )
    texts = 0
    with Corpus.open(space.corpus_path, create=True) as corpus:
        for name in (*SPLITS, UNLABELED):
            records = open_records(assets() / "demo" / f"{name}.jsonl")
            split = name if name in SPLITS else ""
            added = corpus.add(
                examples_of(records, _refuse), split=split, annotator=AUTHOR, source=AUTHOR
            )
            texts += added.new
    return Filled(terms, texts)


def _refuse(bad: BadLine) -> None:
    raise FailedError(
        _("The demo's data is damaged (line {line}: {reason}); install kwtui again.").format(
            line=bad.line, reason=bad.reason
        )
    )
