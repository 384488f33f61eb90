"""What is wrong with the texts that everything is measured by, said before any figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engines.corpus.connection import sentences
from engines.corpus.core import Core
from engines.corpus.splits import HELD_OUT, TRAIN, group_key
from engines.records import Example
from glossary.i18n import _, ngettext_

FEW = 100
_SHOWN = 3


def gold_problems(corpus: Core, split: str, texts: Sequence[Example]) -> tuple[str, ...]:
    """Sentences on gold words outside their text, duplicates, leaks, missing labels, few texts.

    Ids are named, never texts: the split may be the test.
    """
    found = [
        _outside(texts),
        _twice(texts),
        _leaked(corpus, split, texts),
        _unlabeled(corpus, split),
        _synthetic(texts),
        _few(split, texts),
    ]
    return tuple(sentence for sentence in found if sentence)


def _outside(texts: Sequence[Example]) -> str:
    bad = [example.id for example in texts if example.meta.get("ungrounded")]
    sentence = ngettext_(
        "{count} text has a gold keyword that does not stand in it: {ids}.",
        "{count} texts have gold keywords that do not stand in them: {ids}.",
        len(bad),
    )
    return _said(sentence, bad)


def _twice(texts: Sequence[Example]) -> str:
    groups = Counter(group_key(example.text) for example in texts)
    seen: set[str] = set()
    bad = []
    for example in texts:
        group = group_key(example.text)
        if groups[group] > 1 and group in seen:
            bad.append(example.id)
        seen.add(group)
    sentence = ngettext_(
        "{count} text equals another one of the split but for spaces and case: {ids}.",
        "{count} texts equal another one of the split but for spaces and case: {ids}.",
        len(bad),
    )
    return _said(sentence, bad)


def _leaked(corpus: Core, split: str, texts: Sequence[Example]) -> str:
    if split == TRAIN:
        return _("These texts are trained on: the scores say nothing about new ones.")
    with sentences(corpus.path):
        rows = corpus.db.execute("SELECT text FROM texts WHERE split = ?", (TRAIN,))
        train = {group_key(text) for (text,) in rows}
    bad = [example.id for example in texts if group_key(example.text) in train]
    sentence = ngettext_(
        "{count} text also stands in the training split: {ids}.",
        "{count} texts also stand in the training split: {ids}.",
        len(bad),
    )
    return _said(sentence, bad)


def _unlabeled(corpus: Core, split: str) -> str:
    with sentences(corpus.path):
        row = corpus.db.execute(
            "SELECT count(*) FROM texts WHERE split = ? AND chosen IS NULL", (split,)
        ).fetchone()
    count = int(row[0])
    if not count:
        return ""
    sentence = ngettext_(
        "{count} text of {split} has no label yet and is not scored.",
        "{count} texts of {split} have no labels yet and are not scored.",
        count,
    )
    return sentence.format(count=count, split=split)


def _synthetic(texts: Sequence[Example]) -> str:
    bad = [example.id for example in texts if example.meta.get("origin") == "synthetic"]
    sentence = ngettext_(
        "{count} text is marked as synthetic: {ids}.",
        "{count} texts are marked as synthetic: {ids}.",
        len(bad),
    )
    return _said(sentence, bad)


def _few(split: str, texts: Sequence[Example]) -> str:
    if len(texts) >= FEW or split not in HELD_OUT:
        return ""
    sentence = ngettext_(
        "There is only {count} text to measure by: intervals are wide.",
        "There are only {count} texts to measure by: intervals are wide.",
        len(texts),
    )
    return sentence.format(count=len(texts))


def _said(sentence: str, ids: Sequence[str]) -> str:
    if not ids:
        return ""
    shown = ", ".join(ids[:_SHOWN]) + (f" (+{len(ids) - _SHOWN})" if len(ids) > _SHOWN else "")
    return sentence.format(count=len(ids), ids=shown)
