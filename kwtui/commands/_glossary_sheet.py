"""`kwtui glossary list`, `set` and `preview`: what the sheet of the pane does, for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.term import Term
from kwtui import context
from kwtui.commands._glossary_common import JSON, REASON, as_data, author, found, line, opened, say

if TYPE_CHECKING:
    from glossary.listing import View
    from glossary.store import Glossary

_FILTER = typer.Option(
    "", "--filter", "-f", help=_("A part of a name, kind or definition; ㅍㅅ finds 파스.")
)
_CATEGORY = typer.Option(None, "--category", "-c", help=_("Only this kind; '' is none."))
_WHICH = typer.Option("all", "--which", help=_("all, keywords or excluded."))


def list_(
    text: str = _FILTER,
    category: str | None = _CATEGORY,
    which: str = _WHICH,
    sort: str = typer.Option("canonical", "--sort", help=_("A field; with - before it backwards.")),
    offset: int = typer.Option(0, "--offset", min=0, help=_("So many rows are left out.")),
    limit: int = typer.Option(50, "--limit", min=1, help=_("How many rows at most.")),
    counts: bool = typer.Option(False, "--counts", help=_("Only count, by kind and language.")),
    as_json: bool = JSON,
) -> None:
    """List the terms that pass a filter, as the pane shows them."""
    from glossary.listing import Listing

    view, listing = _view(text, category, which, sort), Listing(opened())
    if counts:
        facets = listing.facets(view)
        if as_json:
            as_data({"terms": listing.count(view), **facets})
            return
        for field, values in facets.items():
            for name, count in values.items():
                line(field, name, str(count))
        return
    terms = listing.page(view, offset, limit)
    if as_json:
        as_data({"total": listing.count(view), "terms": [term.to_json() for term in terms]})
        return
    for term in terms:
        definition = term.definition.splitlines()[0] if term.definition else ""
        line(term.canonical, term.category, ", ".join(term.aliases), definition)


def set_(
    values: list[str] = typer.Argument(
        ...,
        metavar="FIELD=VALUE…",
        help=_("category, language, source, notes, definition, keyword."),
    ),
    term: list[str] = typer.Option([], "--term", "-t", help=_("A term; may be given repeatedly.")),
    text: str = _FILTER,
    category: str | None = _CATEGORY,
    which: str = _WHICH,
    every: bool = typer.Option(False, "--all", help=_("Every term, where nothing else is given.")),
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Give many terms the same value in a field, as one change that can be undone."""
    from glossary.bulk import alter

    glossary = opened()
    keys = chosen_keys(glossary, term, (text, category, which), every)
    count = alter(glossary, keys, _values(values), author=author(), reason=reason)
    _told(count, ngettext_("{count} term changed.", "{count} terms changed.", count), as_json)


def _told(count: int, sentence: str, as_json: bool) -> None:
    """How many terms a change met, as a sentence or as data."""
    if as_json:
        as_data({"terms": count})
    else:
        say(sentence.format(count=f"{count:,}"))


def rm(
    terms: list[str] | None = typer.Argument(
        None, metavar="[TERM…]", help=_("Canonical forms or ids.")
    ),
    text: str = _FILTER,
    category: str | None = _CATEGORY,
    which: str = _WHICH,
    every: bool = typer.Option(False, "--all", help=_("Every term, where nothing else is given.")),
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Remove the terms that are named, all or none of them, or all that pass the filters."""
    from glossary.bulk import remove

    glossary = opened()
    if not terms:
        keys = chosen_keys(glossary, [], (text, category, which), every)
        count = remove(glossary, keys, author=author(), reason=reason)
        _told(count, ngettext_("{count} term removed.", "{count} terms removed.", count), as_json)
        return
    gone = list(dict.fromkeys(found(glossary, term) for term in terms))
    glossary.delete([term.id for term in gone], author=author(), reason=reason)
    if as_json:
        as_data([term.to_json() for term in gone])
    else:
        say(_("Removed: {terms}").format(terms=", ".join(term.canonical for term in gone)))


def preview(
    term: str = typer.Argument(..., metavar="TERM", help=_("A term, stored or not.")),
    alias: list[str] = typer.Option(
        [], "--alias", "-a", help=_("A name that it might get; may be given repeatedly.")
    ),
    lines: int = typer.Option(5, "--lines", min=0, help=_("How many places at most.")),
    as_json: bool = JSON,
) -> None:
    """Show what a term would match in the corpus, before it is added."""
    from dataclasses import asdict, replace

    from engines.corpus.store import Corpus
    from engines.corpus.vocabulary import preview as look
    from glossary.store import Glossary, exists

    space = context.need_workspace()
    there = None
    if exists(space.glossary_path):
        there = Glossary.open(space.glossary_path).lookup(term)
    given = there or Term("", term)
    given = replace(given, aliases=(*given.aliases, *alias))
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        matched = look(corpus, given, lines=lines, seconds=60)
    if as_json:
        as_data(asdict(matched))
        return
    sentence = _("in {texts} of {read} texts, {hits} times")
    say(sentence.format(texts=matched.texts, read=matched.read, hits=matched.hits))
    for one in matched.lines:
        line(one.text_id, one.before, one.surface, one.after)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `kwtui glossary`."""
    app.command("rm", help=_("Remove terms by name, or all that pass a filter."))(rm)
    app.command("list", help=_("List the terms that pass a filter."))(list_)
    app.command("set", help=_("Give many terms the same value in a field."))(set_)
    app.command("preview", help=_("Show what a term would match in the corpus."))(preview)


def chosen_keys(
    glossary: Glossary, terms: list[str], filters: tuple[str, str | None, str], every: bool
) -> list[int]:
    """The keys of the terms that are named, or that pass the filters; UserError for neither."""
    from glossary.listing import Listing, View

    if terms:
        numbers = (glossary.journal.key_of(found(glossary, name).id) for name in terms)
        return [number for number in dict.fromkeys(numbers) if number is not None]
    wanted = _view(*filters)
    if wanted == View() and not every:
        raise UserError(
            _("Say which terms: by name, or by --filter, --category, --which or --all.")
        )
    return Listing(glossary).keys(wanted)


def _view(text: str, category: str | None, which: str, sort: str = "canonical") -> View:
    from glossary.listing import SORTS, WHICH, View

    if sort.removeprefix("-") not in SORTS:
        sentence = _("Terms cannot be sorted by '{field}': use one of {fields}.")
        raise UserError(sentence.format(field=sort, fields=", ".join(SORTS)))
    if which not in WHICH:
        sentence = _("--which is all, keywords or excluded, not '{given}'.")
        raise UserError(sentence.format(given=which))
    return View(text, sort, which, category)


def _values(given: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals:
            raise UserError(_("'{given}' is no FIELD=VALUE.").format(given=one))
        found[name] = value
    if "keyword" in found:
        flag = str(found["keyword"]).lower()
        if flag not in ("true", "false", "yes", "no"):
            raise UserError(_("keyword is yes or no, not '{given}'.").format(given=flag))
        found["keyword"] = flag in ("true", "yes")
    return found
