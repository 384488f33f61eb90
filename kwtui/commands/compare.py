"""`kwtui compare`: two strategies of the last ladder, text by text, and what is sent on."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.columns import table

if TYPE_CHECKING:
    from engines.corpus.store import Corpus
    from engines.evaluation.comparing import ComparedText, Comparison, Summary, Wanted
    from engines.evaluation.results import LadderResult

SENDING = ("labeling", "glossary", "training")


def command(
    first: str = typer.Argument("", help=_("The strategy compared against; else the rung below.")),
    second: str = typer.Argument("", help=_("The strategy compared; else the best one.")),
    split: str = typer.Option("dev", "--split", metavar="NAME", help=_("The split measured.")),
    verdict: str = typer.Option(
        "", "--verdict", metavar="NAME", help=_("Only texts that were: won, lost, wrong, right.")
    ),
    group: str = typer.Option(
        "", "--group", metavar="NAME", help=_("Only texts with such a mistake of the second.")
    ),
    word: str = typer.Option("", "--word", help=_("Only mistakes about this word.")),
    limit: int = typer.Option(10, "--limit", min=0, help=_("Texts shown at most.")),
    look: str = typer.Option(
        "", "--look", metavar="ID", help=_("Show one text of test; that is put on record.")
    ),
    send: str = typer.Option(
        "", "--send", metavar="WHERE", help=_("Send what passes: labeling, glossary, training.")
    ),
    annotator: str = typer.Option("", "--annotator", help=_("Your name; else the login.")),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object on stdout.")),
) -> None:
    """Show where one strategy is right and another wrong, and what kinds of mistakes they make."""
    from engines.corpus.session import annotator_name, open_corpus
    from engines.corpus.store import Corpus

    space, curation = context.need_workspace(), context.settings().curation
    wanted = _wanted(verdict, group, word)
    if send and send not in SENDING:
        sentence = _("--send {name}: give one of {known}.")
        raise UserError(sentence.format(name=send, known=", ".join(SENDING)))
    changing = bool(send or look)
    name = annotator_name(annotator, curation) if changing else ""
    opened = open_corpus(space, curation, name) if changing else None
    with opened or Corpus.open(space.corpus_path, readonly=True) as corpus:
        found = _comparison(corpus, split, first, second)
        if send:
            _send(corpus, found, wanted, send, name)
            return
        texts = _texts(corpus, found, wanted, limit, look, name)
        _print(found.summary, texts, sealed=_sealed(split), as_json=as_json)


def _wanted(verdict: str, group: str, word: str) -> Wanted:
    from engines.evaluation.comparing import VERDICTS, Wanted
    from engines.evaluation.errors import GROUPS

    names = dict(zip(("won", "lost", "wrong", "right"), VERDICTS, strict=True))
    for option, value, known in (("verdict", verdict, names), ("group", group, GROUPS)):
        if value and value not in known:
            sentence = _("--{option} {value}: give one of {known}.")
            shown = ", ".join(known)
            raise UserError(sentence.format(option=option, value=value, known=shown))
    if word and not group:
        raise UserError(_("--word needs the --group that it is in, such as missed or unseen."))
    return Wanted(names.get(verdict, ""), group, word)


def _comparison(corpus: Corpus, split: str, first: str, second: str) -> Comparison:
    from engines.evaluation.comparing import compare
    from engines.evaluation.measured import inside, read_result

    space = context.need_workspace()
    result = read_result(space, split)
    if result is None or len(result.rows) < 2:
        sentence = _("Two strategies must be measured on {split} first: `kwtui ladder`.")
        raise UserError(sentence.format(split=split))
    names = _pair(result, first, second)
    paths = {row.strategy: inside(space, row.predictions) for row in result.rows}
    files: tuple[Path, Path] = (paths[names[0]], paths[names[1]])
    return compare(space, corpus, split, names, files)


def _pair(result: LadderResult, first: str, second: str) -> tuple[str, str]:
    from engines.evaluation.measured import pair_of

    known = [row.strategy for row in result.rows]
    for name in (first, second):
        if name and name not in known:
            sentence = _("'{name}' was not measured on {split}; these were: {known}.")
            shown = {"name": name, "split": result.split, "known": ", ".join(known)}
            raise UserError(sentence.format(**shown))
    if first and first == second:
        raise UserError(_("Name two different strategies."))
    return pair_of(result, first, second)


def _sealed(split: str) -> bool:
    from engines.evaluation.sending import SEALED

    return split in SEALED


def _texts(
    corpus: Corpus, found: Comparison, wanted: Wanted, limit: int, look: str, name: str
) -> list[ComparedText]:
    """What is shown: the texts that pass, of a sealed split only the one that is looked at."""
    from engines.corpus.gold import seen_surfaces
    from engines.evaluation.sending import look as record

    rows = found.select(wanted)
    if look:
        ids = found.ids(rows)
        if look not in ids:
            sentence = _("The text '{id}' is not among those that pass.")
            raise UserError(sentence.format(id=look))
        if _sealed(found.split):
            record(corpus, look, name)
        rows = rows[ids.index(look) :][:1]
    elif _sealed(found.split):
        return []
    return found.read(corpus, rows[: 1 if look else limit], seen_surfaces(corpus))


def _send(corpus: Corpus, found: Comparison, wanted: Wanted, where: str, name: str) -> None:
    from engines.evaluation.sending import note_of, to_glossary, to_labeling, to_training

    space, rows = context.need_workspace(), found.select(wanted)
    ids = found.ids(rows)
    if where == "glossary" and not wanted.word:
        raise UserError(_("--send glossary needs the --word to be sent."))
    if not ids:
        raise UserError(_("No text passes; nothing was sent."))
    moved: dict[str, int] = {}
    if where == "labeling":
        for text in found.read(corpus, rows):
            sent = to_labeling(space, corpus, [text.id], name, note_of(text))
            moved = {s: moved.get(s, 0) + n for s, n in sent.moved.items()}
    elif where == "glossary":
        moved = to_glossary(space, corpus, wanted.word, ids, name).moved
    else:
        what = " ".join(part for part in (wanted.verdict, wanted.group, wanted.word) if part)
        reason = _("mistakes sent to training: {what}").format(what=what or _("all texts"))
        moved = to_training(space, corpus, ids, name, reason).moved
    said = _("{count} texts sent to {where}.").format(count=len(ids), where=where)
    print(printable(said), file=sys.stderr)
    for split, count in moved.items():
        said = _("{count} texts of {split} moved to train; its earlier results are stale.")
        print(printable(said.format(count=count, split=split)), file=sys.stderr)


def _print(summary: Summary, texts: Sequence[ComparedText], *, sealed: bool, as_json: bool) -> None:
    if sealed:
        summary = summary.without_words()
    if as_json:
        document = {**asdict(summary), "examples": [_json(text) for text in texts]}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        return
    lines = [*_figures(summary), *(line for text in texts for line in _lines(text))]
    if sealed and not texts:
        said = _("Single texts of {split} are not shown: --look ID shows one, on record.")
        lines += ["", said.format(split=summary.split)]
    sys.stdout.write(printable("\n".join(lines)) + "\n")


def _figures(summary: Summary) -> list[str]:
    from engines.evaluation.report_words import verdict_names
    from engines.evaluation.sending import group_names

    names, kinds = verdict_names(), group_names()
    rows = [[_("{second} against {first}").format(first=summary.first, second=summary.second), ""]]
    rows += [[names[verdict], f"{count:,}"] for verdict, count in summary.verdicts.items()]
    mistakes = [[_("mistake"), summary.first, summary.second]]
    for one, other in zip(summary.groups_first, summary.groups_second, strict=True):
        mistakes.append([kinds[one.group], f"{one.count:,}", f"{other.count:,}"])
    return [*table(rows), "", *table(mistakes)]


def _lines(text: ComparedText) -> list[str]:
    from engines.evaluation.report_markdown import said
    from engines.evaluation.report_words import verdict_names

    lines = ["", f"{text.id}  {verdict_names()[text.verdict]}  {' '.join(text.text.split())}"]
    for answer in (text.first, text.second):
        told = "; ".join(said(error) for error in answer.errors) or _("right")
        lines.append(f"  {answer.strategy}: {told}")
    return lines


def _json(text: ComparedText) -> dict[str, Any]:
    document: dict[str, Any] = {"id": text.id, "text": text.text, "verdict": text.verdict}
    document["gold"] = [keyword.to_json() for keyword in text.gold]
    for side, answer in (("first", text.first), ("second", text.second)):
        document[side] = {
            "keywords": [keyword.to_json() for keyword in answer.keywords],
            "absent": list(answer.absent),
            "errors": [{"group": error.group, "word": error.word} for error in answer.errors],
        }
    return document
