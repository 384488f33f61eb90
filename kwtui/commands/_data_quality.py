"""`kwtui data agreement`, `adjudicate` and `check`: where people differ, and what is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from kwtui.commands._data import (
    ANNOTATOR,
    JSON,
    app,
    glossary_known,
    labeling_line,
    print_json,
    print_lines,
    print_table,
    read_corpus,
    say,
    surfaces,
    work_corpus,
)

if TYPE_CHECKING:
    from engines.corpus.checks import Result
    from engines.corpus.store import Corpus


@app.command(help=_("Measure how far annotators agree."))
def agreement(
    annotators: str = typer.Option(
        "",
        "--annotators",
        metavar="A,B",
        help=_("Only these."),
    ),
    as_json: bool = JSON,
) -> None:
    """Span F1 (exact and partial) and Cohen's kappa of each pair, Krippendorff's alpha of all."""
    from engines.corpus.agreement import agreement as measured

    names = [name.strip() for name in annotators.split(",") if name.strip()]
    with read_corpus() as corpus:
        found = measured(corpus, names)
    if as_json:
        print_json(found.to_json())
        return
    if not found.texts:
        say(_("No text was labeled by two people yet."))
        return
    header = ["", _("texts"), _("F1 exact"), _("F1 partial"), _("kappa")]
    rows = [
        [
            f"{pair.one}, {pair.other}",
            f"{pair.texts:,}",
            f"{pair.exact_f1:.3f}",
            f"{pair.partial_f1:.3f}",
            _number(pair.kappa),
        ]
        for pair in found.pairs
    ]
    print_table([header, *rows])
    print_lines(["", _("Krippendorff's alpha: {alpha}").format(alpha=_number(found.alpha))])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@app.command(help=_("List texts labeled differently, or settle one."))
def adjudicate(
    text_id: str = typer.Argument("", metavar="[ID]", help=_("The text to settle.")),
    words: list[str] = typer.Argument(None, metavar="[WORD]...", help=_("Its keywords.")),
    take: str = typer.Option("", "--take", metavar="NAME", help=_("Take this person's labels.")),
    none: bool = typer.Option(False, "--none", help=_("It has no keyword.")),
    note: str = typer.Option("", "--note", help=_("Why.")),
    limit: int = typer.Option(50, "--limit", metavar="N", min=1, help=_("List so many at most.")),
    annotator: str = ANNOTATOR,
    as_json: bool = JSON,
) -> None:
    """Without an ID, the texts to settle with each labeling; both labelings stay when one is."""
    if not text_id:
        _disputes(limit, as_json)
        return
    words = words or []
    if sum((bool(words), bool(take), none)) != 1:
        raise UserError(_("Give words, or one of --take NAME and --none."))
    corpus, name = work_corpus(annotator)
    with corpus:
        labelings = corpus.labelings(text_id)
        if take:
            if take not in labelings:
                sentence = _("{name} has not labeled text {id}.")
                raise UserError(sentence.format(name=take, id=text_id))
            keywords = labelings[take].keywords
        else:
            from engines.corpus.alignment import words_in

            keywords = words_in(text_id, corpus.view(text_id, name).text, words)
        event = corpus.adjudicate(text_id, name, keywords, note=note or None)
    if as_json:
        print_json({"id": text_id, "event": event, "keywords": [k.to_json() for k in keywords]})
    else:
        say(f"{text_id}: adjudicated: {surfaces(keywords)}")


def _disputes(limit: int, as_json: bool) -> None:
    from itertools import islice

    from engines.corpus.agreement import disputes

    with read_corpus() as corpus:
        found = list(islice(disputes(corpus), limit))
    if as_json:
        print_json([dispute.to_json() for dispute in found])
        return
    if not found:
        say(_("No text waits for adjudication."))
    for dispute in found:
        print_lines([dispute.id, f"  {dispute.text}"])
        print_lines([labeling_line(name, one) for name, one in dispute.labelings.items()])


@app.command(help=_("Look for errors in the labels."))
def check(
    names: list[str] = typer.Argument(None, metavar="[CHECK]...", help=_("Only these checks.")),
    limit: int = typer.Option(20, "--limit", metavar="N", min=0, help=_("Findings shown of each.")),
    label: str = typer.Option(
        "", "--label", metavar="WORD", help=_("Label WORD wherever it stands without a label.")
    ),
    unlabel: str = typer.Option(
        "", "--unlabel", metavar="WORD", help=_("Take the label off WORD everywhere.")
    ),
    annotator: str = ANNOTATOR,
    as_json: bool = JSON,
) -> None:
    """Surfaces labeled here and not there, words on the not-a-keyword list, attached josa, leaks.

    --label and --unlabel decide about a word in all texts at once; `kwtui data undo` takes it back.
    """
    if label or unlabel:
        _fix(label, unlabel, annotator, as_json)
        return
    from engines.corpus.checks import run, titles

    wrong = next((name for name in names or () if name not in titles()), None)
    if wrong is not None:
        sentence = _("There is no check '{name}'; there are {known}.")
        raise UserError(sentence.format(name=wrong, known=", ".join(titles())))
    with _signed() as corpus:
        results = run(corpus, glossary_known(), names or (), limit=limit)
    if as_json:
        print_json({result.name: result.to_json() for result in results})
        return
    for result in results:
        _show(titles()[result.name], result)


def _signed() -> Corpus:
    """The corpus with what the checks of duplicates need."""
    from engines.corpus.store import Corpus
    from kwtui import context
    from kwtui.commands._data_splits import sign

    corpus = Corpus.open(context.need_workspace().corpus_path)
    sign(corpus)
    return corpus


def _show(title: str, result: Result) -> None:
    print_lines([f"{title} ({result.name}): {result.count:,}"])
    for one in result.findings:
        parts = [one.surface, f"({one.note})" if one.note else "", one.other]
        print_lines([f"  {one.id}  {'  '.join(part for part in parts if part)}".rstrip()])


def _fix(label: str, unlabel: str, annotator: str, as_json: bool) -> None:
    from engines.corpus.fixing import label_everywhere, unlabel_everywhere

    if label and unlabel:
        raise UserError(_("Give --label or --unlabel, not both."))
    corpus, name = work_corpus(annotator)
    with corpus:
        fix = label_everywhere if label else unlabel_everywhere
        event, texts = fix(corpus, label or unlabel, name)
    if as_json:
        print_json({"event": event, "texts": texts})
    else:
        sentence = ngettext_("{count} text was changed.", "{count} texts were changed.", texts)
        say(sentence.format(count=f"{texts:,}"))
