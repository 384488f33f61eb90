"""The character CRF as a strategy: trained from the workspace's labels when they have changed."""

from __future__ import annotations

from engines.corpus.splits import EXCLUDED, HELD_OUT, TRAIN
from engines.corpus.store import Corpus
from engines.extraction.cases import corpus_key
from engines.extraction.crf import CharacterCRF
from engines.records import Example
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

_FOLDER = "crf"


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
    path = space.models / _FOLDER / f"{corpus_key(examples)[:16]}.crf"
    if path.exists():
        return CharacterCRF.load(path), ""
    model = CharacterCRF.train(examples)
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob("*.crf"):
        old.unlink(missing_ok=True)
    model.save(path)
    message = _("The strategy '{name}' was trained on {count} labeled texts.")
    return model, message.format(name=name, count=len(examples))


def training_examples(corpus: Corpus) -> list[Example]:
    """The labeled texts of the train split; before anything is split, all of them."""
    found = list(corpus.examples(TRAIN, settled=True))
    if found:
        return found
    apart = {*HELD_OUT, EXCLUDED}
    return [e for e in corpus.examples(settled=True) if e.split not in apart]
