"""The character CRF as a strategy: trained from the workspace's labels when they have changed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engines.corpus.splits import EXCLUDED, HELD_OUT, TRAIN
from engines.corpus.store import Corpus
from engines.extraction.crf import CharacterCRF
from engines.records import Example
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

_FOLDER = "crf"


@dataclass(frozen=True, slots=True)
class Taught:
    """How a CRF was made: from so many labeled texts, in so many seconds."""

    examples: int = 0
    seconds: float = 0.0


def learned_crf(space: Workspace | None, name: str) -> tuple[CharacterCRF, str]:
    """The CRF of the training split as it is labeled now, and a sentence when it was trained anew.

    Kept in models/crf under a hash of what it learned from: equal labels, equal model. Seconds
    for a thousand texts. Raises UserError without a workspace and without labels.
    """
    if space is None or not space.corpus_path.exists():
        message = _(
            "The strategy '{name}' learns from the labeled texts of a workspace, and there are "
            "none: `kwtui data import FILE` brings them."
        )
        raise UserError(message.format(name=name))
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        examples = training_examples(corpus)
    path = _path(space, labels_digest(examples))
    if path.exists():
        return CharacterCRF.load(path), ""
    started = time.perf_counter()
    model = CharacterCRF.train(examples)
    seconds = time.perf_counter() - started
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in [*path.parent.glob("*.crf"), *path.parent.glob("*.json")]:
        old.unlink(missing_ok=True)
    about = {"examples": len(examples), "seconds": round(seconds, 3)}
    path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
    model.save(path)
    message = _("The strategy '{name}' was trained on {count} labeled texts.")
    return model, message.format(name=name, count=len(examples))


def how_taught(space: Workspace, digest: str) -> Taught:
    """How the CRF that learned from labels of this digest was made, if that is known."""
    try:
        values = json.loads(_path(space, digest).with_suffix(".json").read_text(encoding="utf-8"))
        return Taught(int(values["examples"]), float(values["seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Taught()


def _path(space: Workspace, digest: str) -> Path:
    return space.models / _FOLDER / f"{digest[:16]}.crf"


def labels_digest(examples: Iterable[Example]) -> str:
    """A hash of labeled texts: ids, texts, and each keyword with its place and category."""
    digest = hashlib.sha256()
    for example in examples:
        words = [[k.start, k.end, k.surface, k.category or ""] for k in example.keywords]
        row = [example.id, example.text, words]
        digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def training_examples(corpus: Corpus) -> list[Example]:
    """The labeled texts of the train split; before anything is split, all of them."""
    found = list(corpus.examples(TRAIN, settled=True))
    if found:
        return found
    apart = {*HELD_OUT, EXCLUDED}
    return [e for e in corpus.examples(settled=True) if e.split not in apart]
