"""Drafts: a strategy labels texts in bulk, and people approve or correct them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engines.corpus.connection import sentences
from engines.corpus.ranking import Answer, save_predictions
from engines.corpus.splits import EXCLUDED, HELD_OUT
from engines.corpus.store import Corpus
from engines.extraction.extractor import Extractor
from engines.records import Example, Prediction

_KEPT = 64
Doubt = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Drafted:
    """Texts that got a draft, and texts that somebody labeled meanwhile.

    `errors`: a sentence for each text that a server gave no answer about; it has no draft.
    """

    texts: int
    left: int
    errors: tuple[str, ...] = ()


def waiting(corpus: Corpus, strategy: str, limit: int, *, again: bool = False) -> list[Example]:
    """Texts nobody has labeled, not in a held-out split, without a draft of the strategy.

    `again` takes those that have one too. `limit` 0: all of them.
    """
    apart = (*HELD_OUT, EXCLUDED)
    marks = ", ".join("?" for _name in apart)
    drafted = (
        " AND NOT EXISTS (SELECT 1 FROM labelings m WHERE m.text_key = t.key AND m.annotator = ?)"
    )
    values = [*apart, *([] if again else [f"strategy:{strategy}"]), limit or -1]
    with sentences(corpus.path):
        rows = corpus.db.execute(
            "SELECT t.id, t.text FROM texts t WHERE t.wants > 0 AND t.labelers = 0"
            f" AND t.split NOT IN ({marks}){'' if again else drafted} ORDER BY t.key LIMIT ?",
            values,
        ).fetchall()
    return [Example(name, text, labeled=False) for name, text in rows]


def uncertainty(prediction: Prediction) -> float | None:
    """How unsure the model was of its answer, 0 to 1, where it told."""
    return None if prediction.confidence is None else 1.0 - prediction.confidence


def draft(
    corpus: Corpus,
    extractor: Extractor,
    texts: list[Example],
    *,
    doubt: Doubt | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Drafted:
    """Save the strategy's answers as drafts, on disk as they come.

    `doubt`: the uncertainty of the strategy about a text, 0 to 1; without it, what the language
    model gave its own tokens. It becomes the draft's confidence and an order of the queue.
    """
    done = left = 0
    answers, errors = list[Answer](), list[str]()
    for prediction in extractor.extract(texts, on_progress=on_progress):
        if prediction.error:
            errors.append(prediction.error)
            continue
        unsure = doubt(prediction.text) if doubt is not None else uncertainty(prediction)
        confidence = None if unsure is None else 1.0 - unsure
        kept = corpus.save_draft(
            prediction.id, extractor.name, prediction.keywords, confidence=confidence
        )
        done += kept
        left += not kept
        answers.append(Answer(prediction.id, prediction.keywords, unsure))
        if len(answers) >= _KEPT:
            save_predictions(corpus, extractor.name, answers)
            answers.clear()
    if answers:
        save_predictions(corpus, extractor.name, answers)
    return Drafted(done, left, tuple(errors))
