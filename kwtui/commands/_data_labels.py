"""`kwtui data next`, `label`, `undo`, `redo` and `history`: labeling from a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _
from kwtui.commands._data import (
    ANNOTATOR,
    JSON,
    app,
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
    from engines.corpus.ranking import Answer
    from engines.corpus.store import Corpus, Undone, View


@app.command("next", help=_("Show the texts to label next, and claim them."))
def next_(
    count: int = typer.Option(1, "--count", "-n", metavar="N", min=1, help=_("So many texts.")),
    order: str = typer.Option(
        "imported",
        "--order",
        help=_("imported, random, shortest, uncertain, disagreement, terms or duplicates."),
    ),
    strategy: str = typer.Option(
        "",
        "--strategy",
        metavar="NAME",
        help=_("Whose uncertainty or answers order them; else the quick model's."),
    ),
    versus: str = typer.Option(
        "", "--versus", metavar="NAME", help=_("The other strategy of --order disagreement.")
    ),
    status: list[str] = typer.Option([], "--status", help=_("Texts of this status instead.")),
    source: str = typer.Option("", "--source", help=_("Only from this file.")),
    by: str = typer.Option("", "--by", metavar="NAME", help=_("Only texts this person labeled.")),
    term: str = typer.Option("", "--term", help=_("Only texts that hold this term.")),
    match: str = typer.Option("", "--match", metavar="REGEX", help=_("Only texts that match.")),
    peek: bool = typer.Option(False, "--peek", help=_("Do not claim them.")),
    annotator: str = ANNOTATOR,
    as_json: bool = JSON,
) -> None:
    """Print the next texts with what strategies suggest; the same ones again until they are done.

    A text is claimed for ten minutes. Other people's labels are not shown.
    """
    from engines.corpus.queue import Filter, Queue

    corpus, name = work_corpus(annotator)
    with corpus:
        ranking = _ranking(corpus, order, strategy, versus)
        wanted = Filter(
            statuses=tuple(status),
            source=source,
            annotator=by,
            surfaces=_surfaces(term),
            pattern=match,
        )
        queue = Queue(corpus, name, order=order, ranking=ranking, wanted=wanted)
        items = queue.peek(count) if peek else queue.take(count)
        documents = [_document(corpus, item.id, name) for item in items]
    if as_json:
        print_json(documents)
        return
    if not documents:
        say(_("No text is waiting."))
    for document in documents:
        print_lines([document["id"], f"  {document['text']}"])
        for by_whom, words in document["suggested"].items():
            print_lines([f"  {by_whom}: {', '.join(words) or '-'}"])


def _ranking(corpus: Corpus, order: str, strategy: str, versus: str) -> str:
    """The ranking that an order goes by, made first where it has to be; "" for most orders."""
    from engines.corpus.ranking import (
        QUICK,
        disagreement_name,
        rank_disagreement,
        uncertain_strategies,
    )

    if order == "uncertain":
        return strategy or next(iter(uncertain_strategies(corpus)), QUICK)
    if order == "disagreement":
        if not versus:
            raise UserError(_("--order disagreement needs two strategies: add --versus NAME."))
        rank_disagreement(corpus, strategy or QUICK, versus)
        return disagreement_name(strategy or QUICK, versus)
    if order == "terms":
        _rank_terms(corpus)
    return ""


def _rank_terms(corpus: Corpus) -> None:
    from engines.corpus.ranking import rank_terms
    from kwtui import context

    path = context.need_workspace().glossary_path
    if not path.exists():
        raise UserError(_("--order terms needs a glossary: `kwtui glossary import FILE`."))
    from glossary.store import Glossary

    rank_terms(corpus, Glossary.open(path).matcher())


def _surfaces(term: str) -> tuple[str, ...]:
    """The term with its other spellings, where the workspace has a glossary."""
    from kwtui import context

    path = context.need_workspace().glossary_path
    if not term or not path.exists():
        return (term,) if term else ()
    from glossary.store import Glossary

    found = Glossary.open(path).lookup(term)
    return tuple(dict.fromkeys((term, *(found.surfaces if found else ()))))


def _answers(corpus: Corpus, view: View, annotator: str) -> dict[str, Answer]:
    """What strategies answered for a text, those left out that a blind annotator may not hear."""
    from engines.corpus.ranking import predictions
    from engines.extraction.blindness import withheld
    from kwtui import context

    found = predictions(corpus, view.id)
    root = context.need_workspace().root
    apart = withheld(corpus, view, annotator, found, context.settings(), root)
    return {name: answer for name, answer in found.items() if name not in apart}


def _document(corpus: Corpus, text_id: str, annotator: str) -> dict[str, Any]:
    """A text for one annotator, with drafts and predictions."""
    view = corpus.view(text_id, annotator)
    suggested = {
        **{name: one.keywords for name, one in _answers(corpus, view, annotator).items()},
        **{name.removeprefix("strategy:"): one.keywords for name, one in view.drafts.items()},
    }
    document: dict[str, Any] = {
        "id": view.id,
        "text": view.text,
        "status": view.status,
        "split": view.split,
        "suggested": {
            name: list(dict.fromkeys(k.surface for k in keywords))
            for name, keywords in suggested.items()
        },
    }
    if view.own is not None:
        document["own"] = view.own.to_json()
    if view.meta:
        document["meta"] = dict(view.meta)
    return document


@app.command(help=_("Label a text with words that stand in it."))
def label(
    text_id: str = typer.Argument(..., metavar="ID", help=_("Which text; `kwtui data next`.")),
    words: list[str] = typer.Argument(None, metavar="[WORD]...", help=_("Its keywords.")),
    none: bool = typer.Option(False, "--none", help=_("It has no keyword.")),
    skip: bool = typer.Option(False, "--skip", help=_("Leave it unlabeled for good.")),
    flag: str = typer.Option("", "--flag", metavar="NOTE", help=_("Mark it, with a note.")),
    approve: str = typer.Option(
        "", "--approve", metavar="STRATEGY", help=_("Take what this strategy suggests.")
    ),
    category: str = typer.Option("", "--category", help=_("The kind of these keywords.")),
    note: str = typer.Option("", "--note", help=_("A note to the labels.")),
    annotator: str = ANNOTATOR,
    as_json: bool = JSON,
) -> None:
    """Replace your labels of a text; each word is labeled at every place where it stands.

    Exit code 2, and nothing changed, when a word does not stand in the text.
    """
    words = words or []
    if sum((bool(words), none, skip, bool(flag), bool(approve))) != 1:
        raise UserError(_("Give words, or one of --none, --skip, --flag NOTE, --approve STRATEGY."))
    corpus, name = work_corpus(annotator)
    with corpus:
        if skip or flag:
            status = "skipped" if skip else "flagged"
            event = corpus.set_status(text_id, name, status, note=flag or note or None)
        else:
            keywords = _keywords(corpus, text_id, words, approve, category, name)
            event = corpus.set_labels(text_id, name, keywords, note=note or None)
        own = corpus.labelings(text_id)[name]
    if as_json:
        print_json({"id": text_id, "annotator": name, "event": event, **own.to_json()})
    else:
        say(f"{text_id}: {own.status}: {surfaces(own.keywords)}")


def _keywords(
    corpus: Corpus, text_id: str, words: list[str], approve: str, category: str, annotator: str
) -> tuple[Any, ...]:
    from dataclasses import replace

    from engines.corpus.alignment import words_in

    view = corpus.view(text_id, annotator)
    if approve:
        draft = view.drafts.get(f"strategy:{approve}")
        answer = _answers(corpus, view, annotator).get(approve)
        found = draft or answer
        if found is None:
            sentence = _("{strategy} has suggested nothing for text {id}: `kwtui data draft`.")
            raise UserError(sentence.format(strategy=approve, id=text_id))
        return found.keywords
    keywords = words_in(text_id, view.text, words)
    return tuple(replace(k, category=category) for k in keywords) if category else keywords


@app.command(help=_("Take back your latest change."))
def undo(annotator: str = ANNOTATOR, as_json: bool = JSON) -> None:
    """Take back the latest change that you made, on whichever day; others' stay."""
    corpus, name = work_corpus(annotator)
    with corpus:
        _told(corpus.undo(name), _("There is nothing to undo."), as_json)


@app.command(help=_("Do again what you took back."))
def redo(annotator: str = ANNOTATOR, as_json: bool = JSON) -> None:
    """Do again the change that `kwtui data undo` took back, unless there was a new one since."""
    corpus, name = work_corpus(annotator)
    with corpus:
        _told(corpus.redo(name), _("There is nothing to redo."), as_json)


def _told(done: Undone | None, nothing: str, as_json: bool) -> None:
    if as_json:
        found = {"kind": done.kind, "ids": list(done.ids), "event": done.event} if done else None
        print_json(found)
    elif done is None:
        say(nothing)
    else:
        say(f"{done.kind}: {', '.join(done.ids[:20])}")


@app.command(help=_("List changes, of one text or of all."))
def history(
    text_id: str = typer.Argument("", metavar="[ID]", help=_("Only this text.")),
    annotator: str = typer.Option("", "--by", metavar="NAME", help=_("Only this person's.")),
    limit: int = typer.Option(50, "--limit", metavar="N", min=1, help=_("So many at most.")),
    as_json: bool = JSON,
) -> None:
    """Print who changed what and when, the latest first; of one text also what each says now."""
    with read_corpus() as corpus:
        events = corpus.history(text_id or None, annotator=annotator or None, limit=limit)
        labelings = corpus.labelings(text_id) if text_id else {}
    if as_json:
        print_json([event.to_json() for event in events])
        return
    print_table(
        [
            [event.at[:19].replace("T", " "), event.annotator, event.kind, event.text_id or "-"]
            for event in events
        ]
    )
    if labelings:
        print_lines(["", *(labeling_line(name, one) for name, one in labelings.items())])
