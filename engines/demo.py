"""The embedded demo domain as a workspace: its settings, terms and labeled texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engines.corpus.formats import examples_of, open_records
from engines.corpus.session import GUIDELINE
from engines.corpus.sources import BadLine
from engines.corpus.store import Corpus
from engines.workspace import Workspace, assets
from glossary.errors import FailedError
from glossary.exchange import read_terms
from glossary.i18n import _
from glossary.store import Glossary
from glossary.text import normalise

SPLITS = ("train", "dev", "test", "wild")
UNLABELED = "unlabeled"
AUTHOR = "demo"


@dataclass(frozen=True, slots=True)
class Filled:
    """What came into a workspace."""

    terms: int
    texts: int


def fill(space: Workspace) -> Filled:
    """Bring the demo's glossary, texts and guideline into `space`.

    Raises FailedError if its data is damaged.
    """
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
        guideline = normalise((assets() / "demo" / GUIDELINE).read_text(encoding="utf-8"))
        (space.root / GUIDELINE).write_text(guideline, encoding="utf-8")
        corpus.use_guideline(guideline, AUTHOR)
    return Filled(terms, texts)


def _refuse(bad: BadLine) -> None:
    raise FailedError(
        _("The demo's data is damaged (line {line}: {reason}); install kwtui again.").format(
            line=bad.line, reason=bad.reason
        )
    )


# What the demo's rungs learn with: sized so that all of them take minutes on two cores.
EPOCHS = 2.0
RUNGS = ("dictionary", "crf", "prompt", "rag", "lora", "qlora", "sft", "tokenizer")


def train(
    space: Workspace,
    names: Sequence[str] = RUNGS,
    *,
    epochs: float = EPOCHS,
    on_progress: Callable[[str, int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> None:
    """Train what is missing of these rungs and put them into the workspace's config.toml.

    Cut off, it goes on where it was.
    """
    from engines.evaluation.climbing import Training, register, train_missing
    from engines.settings import load

    settings = load(space.root)
    changes = {"optimisation": {"epochs": epochs}, "evaluation": {"per_epoch": 0.0}}
    training = Training(changes=changes)
    train_missing(space, settings, names, training, on_progress=on_progress, on_note=on_note)
    register(space, settings, names, training.base)
