"""`kwtui score`: predictions against gold keywords."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.columns import table

if TYPE_CHECKING:
    from engines.corpus.formats import Record
    from engines.evaluation.metrics import Counts, Overlap, Scores, Share
    from engines.evaluation.significance import Difference, Interval
    from engines.records import Example, Prediction


def command(
    pred: str = typer.Argument(..., metavar="PRED", help=_("Predictions of kwtui extract.")),
    gold: str = typer.Argument(..., metavar="GOLD", help=_("The same texts with their keywords.")),
    against: str = typer.Option(
        "", "--against", metavar="PRED2", help=_("Other predictions: is PRED really better?")
    ),
    train: str = typer.Option(
        "", "--train", metavar="FILE", help=_("Training texts, for recall of seen and new terms.")
    ),
    allow_missing: bool = typer.Option(
        False, "--allow-missing", help=_("Count texts without prediction as empty answers.")
    ),
    encoding: str = typer.Option("", "--encoding", help=_("Encoding instead of a strict trial.")),
    seed: int = typer.Option(0, "--seed", help=_("Seed of the bootstrap.")),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object on stdout.")),
) -> None:
    """Compare predictions with gold: precision, recall and F1 over keyword sets, and more."""
    from engines.evaluation.metrics import score
    from engines.evaluation.significance import f1_difference, f1_interval

    examples = _gold(gold, encoding)
    seen = _surfaces(train, encoding) if train else None
    scores = score(examples, _predictions(pred, encoding), seen=seen, allow_missing=allow_missing)
    interval = f1_interval(scores.per_text, seed=seed)
    other = difference = None
    if against:
        second = _predictions(against, encoding)
        other = score(examples, second, seen=seen, allow_missing=allow_missing)
        difference = f1_difference(other.per_text, scores.per_text, seed=seed)
    if as_json:
        document = _document(scores, interval, other, difference)
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        return
    lines = _report(scores, interval)
    if other and difference:
        lines += ["", _compared(Path(against).name, other, difference)]
    sys.stdout.write(printable("\n".join(lines)) + "\n")


def _records(path: str, encoding: str) -> list[Record]:
    """All records of a file; a broken line would make the score a lie, so it is refused."""
    from engines.corpus.formats import BadLine, open_records

    records: list[Record] = []
    for item in open_records(path, encoding=encoding or None, on_note=_say):
        if isinstance(item, BadLine):
            raise UserError(item.sentence(path))
        records.append(item)
    return records


def _gold(path: str, encoding: str) -> list[Example]:
    examples = [record.example for record in _records(path, encoding)]
    silent = sum(not example.labeled for example in examples)
    if silent == len(examples):
        sentence = _("{path} says nothing about keywords: is it the gold file?")
        raise UserError(sentence.format(path=path))
    if silent:
        sentence = ngettext_(
            "{path}: {count} text has no list of keywords and counts as one without any.",
            "{path}: {count} texts have no list of keywords and count as texts without any.",
            silent,
        )
        _say(sentence.format(path=path, count=silent))
    return examples


def _predictions(path: str, encoding: str) -> list[Prediction]:
    from engines.records import Prediction

    found: list[Prediction] = []
    for record in _records(path, encoding):
        values = {**record.example.meta, **record.raw}
        try:
            found.append(Prediction.from_json(values, record.line))
        except (KeyError, TypeError, ValueError):
            sentence = _("{path}, line {line}: no prediction as kwtui extract writes them.")
            raise UserError(sentence.format(path=path, line=record.line)) from None
    return found


def _surfaces(path: str, encoding: str) -> set[str]:
    records = _records(path, encoding)
    return {keyword.surface for record in records for keyword in record.example.keywords}


def _document(
    scores: Scores, interval: Interval, other: Scores | None, difference: Difference | None
) -> dict[str, Any]:
    document = {**scores.to_json(), "f1_interval": interval.to_json()}
    if other and difference:
        document["against"] = other.to_json()
        document["f1_difference"] = difference.to_json()
    return document


def _report(scores: Scores, interval: Interval) -> list[str]:
    spans = scores.partial
    rows = [
        ["", _("precision"), _("recall"), "F1", _("right"), _("wrong"), _("missed")],
        [_("keywords"), *_rates(scores.keywords), *_counts(scores.keywords)],
        [_("exact spans"), *_rates(scores.span), *_counts(scores.span)],
        [_("overlapping spans"), *_rates(spans), f"{spans.exact}+{spans.partial}/2", "", ""],
    ]
    facts = [
        [_("F1, 95 % interval over texts"), f"{interval.low:.3f}-{interval.high:.3f}"],
        [_("texts"), f"{scores.texts:,}"],
        [_("mean F1 of a text"), f"{scores.macro_f1:.3f}"],
        [_("answered words that the text lacks"), _share(scores.hallucinated)],
        [_("invalid answers"), _share(scores.invalid)],
        [_("texts without keyword, answered so"), _share(scores.empty_exact)],
    ]
    if scores.gold_grounded.count < scores.gold_grounded.total:
        facts.append([_("gold keywords that stand in their text"), _share(scores.gold_grounded)])
    if scores.seen and scores.unseen:
        facts.append([_("recall of terms seen in training"), _share(scores.seen)])
        facts.append([_("recall of new terms"), _share(scores.unseen)])
    for name, share in scores.categories.items():
        facts.append([_("recall of {category}").format(category=name), _share(share)])
    return [*table(rows), "", *table(facts)]


def _compared(name: str, other: Scores, difference: Difference) -> str:
    gap = difference.interval
    sentence = _(
        "Against {name} (F1 {f1:.3f}): {gap:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}, "
        "p = {p:.4f} (paired bootstrap over {texts} texts)."
    )
    return sentence.format(
        name=name,
        f1=other.f1,
        gap=gap.value,
        low=gap.low,
        high=gap.high,
        p=difference.p_value,
        texts=gap.texts,
    )


def _rates(of: Counts | Overlap) -> list[str]:
    return [f"{of.precision:.3f}", f"{of.recall:.3f}", f"{of.f1:.3f}"]


def _counts(of: Counts) -> list[str]:
    return [f"{of.tp:,}", f"{of.fp:,}", f"{of.fn:,}"]


def _share(of: Share) -> str:
    counts = f"{of.count:,}/{of.total:,}"
    return counts if of.rate is None else f"{counts} ({100 * of.rate:.1f} %)"


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
