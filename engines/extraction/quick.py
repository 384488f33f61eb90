"""The quick model: the CRF that learns from the labels made so far, next to whoever labels."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from engines.corpus.ranking import Answer, save_predictions
from engines.corpus.splits import HELD_OUT
from engines.corpus.store import Corpus
from engines.extraction.candidates import CRF
from engines.extraction.crf import CharacterCRF
from engines.records import Example
from engines.workspace import Workspace

# Fewer labeled texts teach it nothing that the memory of surfaces does not know.
LEAST = 10
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Learned:
    """The outcome of a training: labeled texts it learned from, and waiting ones it ranked."""

    texts: int
    ranked: int


def model_path(space: Workspace, annotator: str) -> Path:
    """Where one annotator's quick model lies; it can be deleted and is made again.

    Each has an own one, because what one person's knows may not be known to another yet.
    """
    mark = hashlib.sha256(annotator.encode()).hexdigest()[:12]
    return space.root / f"quick-{mark}.crf"


def training_texts(corpus: Corpus, *, latest: int = 0) -> Iterable[Example]:
    """Labeled texts that no score is measured on; `latest`: only so many of the last imported.

    What a second annotator still has to label is left out, or the first one would show through.
    """
    found = (e for e in corpus.examples(settled=True) if e.split not in HELD_OUT)
    return deque(found, maxlen=latest) if latest else found


def learn(
    space: Workspace,
    annotator: str,
    *,
    rank: int = 2000,
    cancelled: Callable[[], bool] = lambda: False,
) -> Learned:
    """Train an annotator's quick model on what is labeled and rank `rank` waiting texts by it.

    Nothing is done with fewer than LEAST texts, or when none of them holds a keyword.
    """
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        texts = list(training_texts(corpus))
        waiting = corpus.db.execute(
            "SELECT id, text FROM texts WHERE wants > 0 ORDER BY key LIMIT ?", (rank,)
        ).fetchall()
    if len(texts) < LEAST or not any(example.keywords for example in texts):
        return Learned(0, 0)
    model = CharacterCRF.train(texts)
    model.save(model_path(space, annotator))
    ranked = 0
    for start in range(0, len(waiting), _BATCH):
        if cancelled():
            break
        answers = [
            Answer(name, model.keywords(text), model.uncertainty(text))
            for name, text in waiting[start : start + _BATCH]
        ]
        with Corpus.open(space.corpus_path) as corpus:
            ranked += save_predictions(corpus, CRF, answers)
    return Learned(len(texts), ranked)
