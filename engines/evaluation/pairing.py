"""Which prediction answers which gold text: by id where ids agree, otherwise by order."""

from __future__ import annotations

from collections.abc import Sequence

from engines.records import Example, Prediction
from glossary.errors import UserError
from glossary.i18n import _, ngettext_

Pairs = list[tuple[Example, Prediction]]


def align(
    gold: Sequence[Example], pred: Sequence[Prediction], *, allow_missing: bool = False
) -> Pairs:
    """Pair each gold text with its prediction, in gold order.

    By id when the ids of each side are unique and gold knows every predicted id; otherwise by
    order, which needs the same number of records with the same texts. `allow_missing`: a gold
    text without prediction is paired with an empty answer. Raises UserError with what differs.
    """
    if not gold:
        raise UserError(_("The gold file holds no texts: there is nothing to score against."))
    answers = {p.id: p for p in pred}
    known = {e.id for e in gold}
    if len(answers) == len(pred) and len(known) == len(gold) and answers.keys() <= known:
        return _by_id(gold, answers, allow_missing)
    return _by_order(gold, pred)


def _by_id(gold: Sequence[Example], answers: dict[str, Prediction], allow_missing: bool) -> Pairs:
    missing = [e.id for e in gold if e.id not in answers]
    if missing and not allow_missing:
        sentence = ngettext_(
            "{count} gold text has no prediction (id '{first}'): "
            "finish the extraction, or count it as an empty answer with --allow-missing.",
            "{count} gold texts have no prediction (first: id '{first}'): "
            "finish the extraction, or count them as empty answers with --allow-missing.",
            len(missing),
        )
        raise UserError(sentence.format(count=len(missing), first=missing[0]))
    pairs = [(e, answers.get(e.id) or _empty(e)) for e in gold]
    for example, prediction in pairs:
        if prediction.text != example.text:
            sentence = _(
                "The prediction with id '{id}' was made for another text than the gold one: "
                "score predictions against the file that they were extracted from."
            )
            raise UserError(sentence.format(id=example.id))
    return pairs


def _by_order(gold: Sequence[Example], pred: Sequence[Prediction]) -> Pairs:
    if len(gold) != len(pred):
        sentence = _(
            "There are {pred} predictions for {gold} gold texts and their ids do not match: "
            "give both files the same ids, or the same texts in the same order."
        )
        raise UserError(sentence.format(pred=len(pred), gold=len(gold)))
    for number, (example, prediction) in enumerate(zip(gold, pred, strict=True), 1):
        if example.text != prediction.text:
            sentence = _(
                "Record {number} has another text in the predictions than in the gold file and "
                "the ids do not match: give both files the same ids or the same order."
            )
            raise UserError(sentence.format(number=number))
    return list(zip(gold, pred, strict=True))


def _empty(example: Example) -> Prediction:
    return Prediction(id=example.id, text=example.text, keywords=(), strategy="", model="")
