"""The way back from a mistake: a text to labeling, a word to the glossary, texts to training.

A dev text may be labeled again and stays in dev. Whatever is learnt from a text of test, wild or
unseen moves it to train, and so does training on a text of any held-out split; earlier results
of that split are stale from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engines.corpus.gold import gold_of
from engines.corpus.moving import Moved, move_to_train, propose_term, record_look, would_move
from engines.corpus.splits import HELD_OUT
from engines.corpus.store import Corpus
from engines.evaluation.comparing import Answer, ComparedText
from engines.evaluation.errors import GROUPS
from engines.evaluation.measured import mark_stale
from engines.workspace import Workspace
from glossary.i18n import _

DEV = "dev"
# Splits whose single texts are not shown without being put on record.
TEST = "test"
SEALED = tuple(name for name in HELD_OUT if name != DEV)


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, and how many texts left which held-out split for it."""

    count: int
    moved: dict[str, int] = field(default_factory=dict)


def to_labeling(
    space: Workspace, corpus: Corpus, ids: Sequence[str], annotator: str, note: str
) -> Sent:
    """Flag texts for the labeling view with `note`; their labels are there to be changed.

    The flagged labeling is the annotator's own: until it is approved, what others said counts on.
    """
    moved = _leave(space, corpus, ids, annotator, note, SEALED)
    gold = gold_of(corpus, ids)
    for text_id in ids:
        own = corpus.labelings(text_id).get(annotator)
        keywords = own.keywords if own is not None else gold[text_id].keywords
        corpus.set_labels(text_id, annotator, keywords, status="flagged", note=note)
    return Sent(len(ids), moved.splits)


def to_glossary(
    space: Workspace, corpus: Corpus, word: str, ids: Sequence[str], annotator: str
) -> Sent:
    """Put a missed word among the candidates of the glossary; `ids`: texts in which it stands."""
    reason = _("'{word}' was sent to the glossary").format(word=word)
    moved = _leave(space, corpus, ids, annotator, reason, SEALED)
    propose_term(corpus, word, ids, annotator)
    return Sent(1, moved.splits)


def to_training(
    space: Workspace, corpus: Corpus, ids: Sequence[str], annotator: str, reason: str
) -> Sent:
    """Move held-out texts, with their near-duplicates, to train; results of their split go stale.

    The next run trains on them with everything else of the split train.
    """
    moved = _leave(space, corpus, ids, annotator, reason, HELD_OUT)
    return Sent(len(ids), moved.splits)


def look(corpus: Corpus, text_id: str, annotator: str) -> bool:
    """Record that a person reads one text of a held-out split; False where none need be."""
    return record_look(corpus, text_id, annotator)


def note_of(text: ComparedText) -> str:
    """What both strategies got wrong, in a line for whoever labels the text."""
    return "; ".join(_said(answer) for answer in (text.first, text.second) if answer.errors)


def _said(answer: Answer) -> str:
    names = group_names()
    words = []
    for error in answer.errors:
        found = error.found.surface if error.found is not None else error.absent
        shown = f"{error.word} -> {found}" if found and found != error.word else error.word
        words.append(f"{names[error.group]} {shown}")
    return f"{answer.strategy}: {', '.join(words)}"


def group_names() -> dict[str, str]:
    """The groups of mistakes as a person reads them."""
    words = (
        _("missed term"),
        _("unseen term"),
        _("boundary"),
        _("josa attached"),
        _("compound"),
        _("extra word"),
        _("not in the text"),
    )
    return dict(zip(GROUPS, words, strict=True))


def _leave(
    space: Workspace,
    corpus: Corpus,
    ids: Sequence[str],
    annotator: str,
    reason: str,
    splits: Sequence[str],
) -> Moved:
    """Move those of the texts that stand in `splits`, and mark what was measured there."""
    gold = gold_of(corpus, ids)
    mine = [text_id for text_id in ids if text_id in gold and gold[text_id].split in splits]
    if not mine:
        return Moved()
    # Marked first: a result must never look good beside texts that have left.
    for split in would_move(corpus, mine):
        mark_stale(space, split)
    return move_to_train(corpus, mine, annotator, reason)
