"""`kwtui glossary`: the terms of a workspace, from the command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import Term
from glossary.text import normalise
from kwtui import context
from kwtui.commands import (
    _glossary_files,
    _glossary_past,
    _glossary_records,
    _glossary_sheet,
)
from kwtui.commands._glossary_common import (
    JSON,
    REASON,
    as_data,
    author,
    found,
    line,
    opened,
    path,
    print_terms,
)

if TYPE_CHECKING:
    from glossary.matching import Match

app = typer.Typer(no_args_is_help=True)

_ALIAS = typer.Option(None, "--alias", "-a", help=_("Another spelling; may be given repeatedly."))
_DEFINITION = typer.Option(None, "--definition", "-d", help=_("What the term means."))
_CATEGORY = typer.Option(None, "--category", "-c", help=_("The kind of term."))
_LANGUAGE = typer.Option(None, "--language", help=_("The term's language, such as ko or en."))
_SOURCE = typer.Option(None, "--source", help=_("Where the term comes from."))
_NOTES = typer.Option(None, "--notes", help=_("A note for people."))
_KEYWORD = typer.Option(
    None, "--keyword/--not-keyword", help=_("Whether it is a keyword or on the list of the others.")
)
_AMBIGUOUS = typer.Option(
    None, "--ambiguous", help=_("A spelling or phrase that only meaning can decide; repeatable.")
)


@app.command(help=_("Add one term."))
def add(
    term: str = typer.Argument(..., metavar="TERM", help=_("The canonical form.")),
    alias: list[str] | None = _ALIAS,
    definition: str | None = _DEFINITION,
    category: str | None = _CATEGORY,
    language: str | None = _LANGUAGE,
    source: str | None = _SOURCE,
    notes: str | None = _NOTES,
    keyword: bool | None = _KEYWORD,
    ambiguous: list[str] | None = _AMBIGUOUS,
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Add a term; one that is there already is refused."""
    glossary = opened(create=True)
    there = glossary.lookup(term)
    if there:
        sentence = _("'{term}' is in the glossary already: change it with `kwtui glossary edit`.")
        raise UserError(sentence.format(term=term))
    given = _given(alias, definition, category, language, source, notes, keyword, ambiguous)
    glossary.upsert([replace(Term("", term), **given)], author=author(), reason=reason)
    print_terms([found(glossary, term)], as_json)


@app.command(help=_("Change fields of one term; what is not given stays."))
def edit(
    term: str = typer.Argument(..., metavar="TERM", help=_("A canonical form, alias or id.")),
    rename: str | None = typer.Option(None, "--rename", help=_("A new canonical form.")),
    alias: list[str] | None = _ALIAS,
    definition: str | None = _DEFINITION,
    category: str | None = _CATEGORY,
    language: str | None = _LANGUAGE,
    source: str | None = _SOURCE,
    notes: str | None = _NOTES,
    keyword: bool | None = _KEYWORD,
    ambiguous: list[str] | None = _AMBIGUOUS,
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Change a term; given aliases replace all it had, --alias "" removes them."""
    glossary = opened()
    old = found(glossary, term)
    given = _given(alias, definition, category, language, source, notes, keyword, ambiguous)
    if rename is not None:
        given["canonical"] = rename
    glossary.upsert([replace(old, **given)], author=author(), reason=reason)
    print_terms([found(glossary, old.id)], as_json)


@app.command(help=_("Show terms with all their fields."))
def show(
    terms: list[str] = typer.Argument(..., metavar="TERM…", help=_("Canonical forms or ids.")),
    as_json: bool = JSON,
) -> None:
    """Show terms by canonical form, alias or id."""
    glossary = opened()
    print_terms([found(glossary, term) for term in terms], as_json)


@app.command(help=_("Find terms by a part of their names or definition."))
def search(
    text: str = typer.Argument(..., metavar="TEXT", help=_("What to look for.")),
    limit: int = typer.Option(20, "--limit", min=1, help=_("How many terms at most.")),
    as_json: bool = JSON,
) -> None:
    """Search names first, then n-grams of names and definitions."""
    from glossary.retrieval import search_terms

    near = search_terms(opened(), text, limit)
    if as_json:
        as_data([term.to_json() for term in near])
        return
    for term in near:
        definition = term.definition.splitlines()[0] if term.definition else ""
        line(term.canonical, term.category, ", ".join(term.aliases), definition)


@app.command(help=_("Show which terms stand in a text, with offsets."))
def match(
    text: str = typer.Argument(..., metavar="TEXT|-", help=_("A text; - reads lines of stdin.")),
    everything: bool = typer.Option(
        False, "--all", help=_("Overlapping hits and letters inside other words too.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object a text.")),
) -> None:
    """Match terms; offsets are code points of the normalised text, end exclusive."""
    matcher = opened().matcher()
    for part in _texts(text):
        matches = matcher.find_all(part) if everything else matcher.find(part, keywords=False)
        if as_json:
            as_data({"text": part, "matches": [_match_json(m) for m in matches]}, indent=None)
            continue
        for item in matches:
            mark = "" if item.term.keyword else _("not a keyword")
            doubt = _("ambiguous") if item.ambiguous else ""
            line(f"{item.start}-{item.end}", item.surface, item.term.canonical, mark, doubt)


@app.command(help=_("Make one term of two."))
def merge(
    kept: str = typer.Argument(..., metavar="TERM", help=_("The term that stays.")),
    other: str = typer.Argument(..., metavar="OTHER", help=_("Its names become aliases.")),
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Give a term the names and texts of another one, which goes."""
    glossary = opened()
    one, two = found(glossary, kept), found(glossary, other)
    print_terms([glossary.merge(one.id, two.id, author=author(), reason=reason)], as_json)


@app.command(help=_("Show words of the corpus that the glossary lacks."))
def candidates(
    limit: int = typer.Option(30, "--limit", min=1, help=_("How many words at most.")),
    at_least: int = typer.Option(2, "--at-least", min=1, help=_("In so many texts.")),
    as_json: bool = JSON,
) -> None:
    """List frequent nouns and words that people or models took for keywords."""
    from engines.corpus.store import Corpus
    from engines.corpus.vocabulary import missing_terms
    from glossary.store import exists

    glossary = opened() if exists(path()) else None
    with Corpus.open(context.need_workspace().corpus_path, readonly=True) as corpus:
        missing = missing_terms(
            corpus,
            lambda word: glossary is not None and glossary.lookup(word) is not None,
            limit=limit,
            at_least=at_least,
        )
    if as_json:
        as_data([one.to_json() for one in missing])
        return
    for one in missing:
        line(one.surface, str(one.texts), ", ".join(one.sources), one.example[:60])


@app.command(help=_("Count terms, aliases, definitions, categories and context records."))
def stats(as_json: bool = JSON) -> None:
    """Count what the glossary holds."""
    glossary = opened()
    not_keywords = aliases = defined = 0
    for term in glossary.iterate():
        not_keywords += not term.keyword
        aliases += len(term.aliases)
        defined += bool(term.definition)
    from glossary.records import Records

    categories, records = glossary.categories(), Records(glossary.path).kinds()
    counts: dict[str, Any] = {
        "terms": glossary.count(),
        "not_keywords": not_keywords,
        "aliases": aliases,
        "with_definition": defined,
        "categories": dict(sorted(categories.items(), key=lambda item: (-item[1], item[0]))),
        "records": records,
    }
    if as_json:
        as_data({**counts, "version": glossary.version})
        return
    line(_("Terms"), str(counts["terms"]))
    line(_("Not keywords"), str(counts["not_keywords"]))
    line(_("Aliases"), str(counts["aliases"]))
    line(_("With definition"), str(counts["with_definition"]))
    for name, count in counts["categories"].items():
        line("  " + (name or _("no category")), str(count))
    if records:
        line(_("Context records"), str(sum(records.values())))
    for name, count in records.items():
        line("  " + name, str(count))


def _given(
    alias: list[str] | None,
    definition: str | None,
    category: str | None,
    language: str | None,
    source: str | None,
    notes: str | None,
    keyword: bool | None,
    ambiguous: list[str] | None,
) -> dict[str, Any]:
    values = {
        "aliases": tuple(filter(None, alias)) if alias else None,
        "ambiguous": tuple(filter(None, ambiguous)) if ambiguous else None,
        "definition": definition,
        "category": category,
        "language": language,
        "source": source,
        "notes": notes,
        "keyword": keyword,
    }
    return {name: value for name, value in values.items() if value is not None}


def _texts(text: str) -> Iterator[str]:
    if text != "-":
        yield normalise(text)
        return
    from glossary.encoding import decode

    content, _used = decode(sys.stdin.buffer.read(), where=_("stdin"))
    yield from (line for line in normalise(content).split("\n") if line)


def _match_json(item: Match) -> dict[str, Any]:
    return {
        "start": item.start,
        "end": item.end,
        "surface": item.surface,
        "canonical": item.term.canonical,
        "term_id": item.term.id,
        "category": item.term.category or None,
        "keyword": item.term.keyword,
        "ambiguous": item.ambiguous,
    }


_glossary_files.register(app)
_glossary_past.register(app)
_glossary_records.register(app)
_glossary_sheet.register(app)
