"""`kwtui glossary`: the terms of a workspace, from the command line."""

from __future__ import annotations

import getpass
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.term import Term
from glossary.text import normalise, printable
from kwtui import context

if TYPE_CHECKING:
    from glossary.exchange import TermFile
    from glossary.matching import Match
    from glossary.store import Glossary

app = typer.Typer(no_args_is_help=True)

DONE_IN_PART = 3
_JSON = typer.Option(False, "--json", help=_("JSON on stdout."))
_ALIAS = typer.Option(None, "--alias", "-a", help=_("Another spelling; may be given repeatedly."))
_DEFINITION = typer.Option(None, "--definition", "-d", help=_("What the term means."))
_CATEGORY = typer.Option(None, "--category", "-c", help=_("The kind of term."))
_LANGUAGE = typer.Option(None, "--language", help=_("The term's language, such as ko or en."))
_SOURCE = typer.Option(None, "--source", help=_("Where the term comes from."))
_NOTES = typer.Option(None, "--notes", help=_("A note for people."))
_KEYWORD = typer.Option(
    None, "--keyword/--not-keyword", help=_("Whether it is a keyword or on the list of the others.")
)
_REASON = typer.Option("", "--reason", help=_("Why, kept with the change."))


@app.command("import", help=_("Add the terms of a CSV, TSV, XLSX, JSONL or plain text file."))
def import_(
    file: Path = typer.Argument(..., metavar="FILE", help=_("A file of terms.")),
    encoding: str = typer.Option("", "--encoding", help=_("Encoding instead of a strict trial.")),
    column: list[str] = typer.Option(
        [], "--column", metavar="FIELD=NAME", help=_("Which column of the file holds a field.")
    ),
    overwrite: bool = typer.Option(
        False, "--replace", help=_("Replace terms that are there instead of completing them.")
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help=_("Only say what would be done.")),
    reason: str = _REASON,
    as_json: bool = _JSON,
) -> None:
    """Import a file; each refused row is named with its line, exit code 3 when there was one."""
    from glossary.exchange import combine, read_terms
    from glossary.validation import plan, settle

    found = read_terms(file, encoding or None, columns=_columns(column))
    if found.encoding not in ("", "utf-8"):
        _say(_("{path}: read as {encoding}.").format(path=file, encoding=found.encoding))
    glossary = None if dry_run and not _path().exists() else _opened(create=not dry_run)
    present = {term.id: term for term in glossary.terms()} if glossary else {}
    terms = found.terms
    if glossary and not overwrite:
        there = [glossary.lookup(term.canonical) for term in terms]
        terms = [
            combine(old, term, given) if old and old.canonical == term.canonical else term
            for old, term, given in zip(there, terms, found.fields, strict=True)
        ]
    terms, left_out = settle(terms, present)
    outcome = plan(terms, present)
    refused = [(found.lines[item.index], item.reason) for item in outcome.refused]
    refused += [(row.line, row.reason) for row in found.refused]
    for line, why in sorted([(found.lines[i.index], i.reason) for i in left_out] + refused):
        _say(_("{path}, line {line}: {reason}").format(path=file, line=line, reason=why))
    if glossary and not dry_run:
        change = reason or _("import of {name}").format(name=file.name)
        glossary.upsert([*outcome.new, *outcome.changed], author=_author(), reason=change)
    counts = {
        "new": len(outcome.new),
        "changed": len(outcome.changed),
        "same": len(outcome.same),
        "refused": len(refused),
        "aliases_left_out": len(left_out),
    }
    _print_import(counts, found, as_json)
    if refused:
        taken = outcome.new or outcome.changed or outcome.same
        raise typer.Exit(DONE_IN_PART if taken else 2)


@app.command(help=_("Write all terms to a file, or to stdout as JSONL."))
def export(
    file: Path | None = typer.Argument(
        None, metavar="[FILE]", help=_("A .csv, .tsv, .xlsx, .jsonl or .txt file.")
    ),
    form: str = typer.Option("jsonl", "--format", help=_("For stdout: jsonl, csv, tsv or txt.")),
    as_json: bool = typer.Option(False, "--json", help=_("JSON lines on stdout, the default.")),
) -> None:
    """Export every term with all its fields."""
    from glossary.exchange import dump, write_terms

    terms = _opened().terms()
    if file:
        count = write_terms(file, terms)
        sentence = ngettext_("{count} term: {path}", "{count} terms: {path}", count)
        _say(sentence.format(count=count, path=file))
    elif form in ("jsonl", "csv", "tsv", "txt"):
        dump(terms, sys.stdout, "jsonl" if as_json else form)
    else:
        sentence = _("The format '{form}' cannot go to stdout: use jsonl, csv, tsv or txt.")
        raise UserError(sentence.format(form=form))


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
    reason: str = _REASON,
    as_json: bool = _JSON,
) -> None:
    """Add a term; one that is there already is refused."""
    glossary = _opened(create=True)
    there = glossary.lookup(term)
    if there:
        sentence = _("'{term}' is in the glossary already: change it with `kwtui glossary edit`.")
        raise UserError(sentence.format(term=term))
    given = _given(alias, definition, category, language, source, notes, keyword)
    glossary.upsert([replace(Term("", term), **given)], author=_author(), reason=reason)
    _print_terms([_found(glossary, term)], as_json)


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
    reason: str = _REASON,
    as_json: bool = _JSON,
) -> None:
    """Change a term; given aliases replace all it had, --alias "" removes them."""
    glossary = _opened()
    old = _found(glossary, term)
    given = _given(alias, definition, category, language, source, notes, keyword)
    if rename is not None:
        given["canonical"] = rename
    glossary.upsert([replace(old, **given)], author=_author(), reason=reason)
    _print_terms([_found(glossary, old.id)], as_json)


@app.command(help=_("Remove terms."))
def rm(
    terms: list[str] = typer.Argument(..., metavar="TERM…", help=_("Canonical forms or ids.")),
    reason: str = _REASON,
    as_json: bool = _JSON,
) -> None:
    """Remove terms, all or none of those named."""
    glossary = _opened()
    gone = list(dict.fromkeys(_found(glossary, term) for term in terms))
    glossary.delete([term.id for term in gone], author=_author(), reason=reason)
    if as_json:
        _json([term.to_json() for term in gone])
    else:
        _say(_("Removed: {terms}").format(terms=", ".join(term.canonical for term in gone)))


@app.command(help=_("Show terms with all their fields."))
def show(
    terms: list[str] = typer.Argument(..., metavar="TERM…", help=_("Canonical forms or ids.")),
    as_json: bool = _JSON,
) -> None:
    """Show terms by canonical form, alias or id."""
    glossary = _opened()
    _print_terms([_found(glossary, term) for term in terms], as_json)


@app.command(help=_("Find terms by a part of their names or definition."))
def search(
    text: str = typer.Argument(..., metavar="TEXT", help=_("What to look for.")),
    limit: int = typer.Option(20, "--limit", min=1, help=_("How many terms at most.")),
    as_json: bool = _JSON,
) -> None:
    """Search names first, then n-grams of names and definitions."""
    from glossary.retrieval import search_terms

    found = search_terms(_opened(), text, limit)
    if as_json:
        _json([term.to_json() for term in found])
        return
    for term in found:
        definition = term.definition.splitlines()[0] if term.definition else ""
        _line(term.canonical, term.category, ", ".join(term.aliases), definition)


@app.command(help=_("Show which terms stand in a text, with offsets."))
def match(
    text: str = typer.Argument(..., metavar="TEXT|-", help=_("A text; - reads lines of stdin.")),
    everything: bool = typer.Option(
        False, "--all", help=_("Overlapping hits and letters inside other words too.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object a text.")),
) -> None:
    """Match terms; offsets are code points of the normalised text, end exclusive."""
    matcher = _opened().matcher()
    for line in _texts(text):
        found = matcher.find_all(line) if everything else matcher.find(line, keywords=False)
        if as_json:
            _json({"text": line, "matches": [_match_json(item) for item in found]}, indent=None)
            continue
        for item in found:
            mark = "" if item.term.keyword else _("not a keyword")
            _line(f"{item.start}-{item.end}", item.surface, item.term.canonical, mark)


@app.command(help=_("Count terms, aliases, definitions and categories."))
def stats(as_json: bool = _JSON) -> None:
    """Count what the glossary holds."""
    glossary = _opened()
    terms = glossary.terms()
    categories = Counter(term.category for term in terms)
    counts: dict[str, Any] = {
        "terms": len(terms),
        "not_keywords": sum(not term.keyword for term in terms),
        "aliases": sum(len(term.aliases) for term in terms),
        "with_definition": sum(bool(term.definition) for term in terms),
        "categories": dict(sorted(categories.items(), key=lambda item: (-item[1], item[0]))),
    }
    if as_json:
        _json({**counts, "version": glossary.version})
        return
    _line(_("Terms"), str(counts["terms"]))
    _line(_("Not keywords"), str(counts["not_keywords"]))
    _line(_("Aliases"), str(counts["aliases"]))
    _line(_("With definition"), str(counts["with_definition"]))
    for name, count in counts["categories"].items():
        _line("  " + (name or _("no category")), str(count))


def _path() -> Path:
    return context.need_workspace().glossary_path


def _opened(create: bool = False) -> Glossary:
    from glossary.store import Glossary

    return Glossary.open(_path(), create=create, on_wait=_say)


def _found(glossary: Glossary, name: str) -> Term:
    term = glossary.lookup(name) or glossary.get(name)
    if term:
        return term
    from glossary.retrieval import search_terms

    near = [found.canonical for found in search_terms(glossary, name, 3)]
    sentence = _("'{name}' is not in the glossary.")
    if near:
        sentence = _("'{name}' is not in the glossary; near it: {near}.")
    raise UserError(sentence.format(name=name, near=", ".join(near)))


def _given(
    alias: list[str] | None,
    definition: str | None,
    category: str | None,
    language: str | None,
    source: str | None,
    notes: str | None,
    keyword: bool | None,
) -> dict[str, Any]:
    values = {
        "aliases": tuple(filter(None, alias)) if alias else None,
        "definition": definition,
        "category": category,
        "language": language,
        "source": source,
        "notes": notes,
        "keyword": keyword,
    }
    return {name: value for name, value in values.items() if value is not None}


def _columns(pairs: Iterable[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for pair in pairs:
        name, sign, header = pair.partition("=")
        if not sign:
            sentence = _("--column {pair}: write FIELD=NAME, such as canonical=품목.")
            raise UserError(sentence.format(pair=pair))
        columns[name.strip()] = header.strip()
    return columns


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
    }


def _print_import(counts: dict[str, int], found: TermFile, as_json: bool) -> None:
    if as_json:
        _json({**counts, "columns": found.columns, "encoding": found.encoding})
        return
    sentence = _("new {new}, changed {changed}, same {same}, refused {refused}")
    sys.stdout.write(sentence.format(**counts) + "\n")


def _print_terms(terms: list[Term], as_json: bool) -> None:
    if as_json:
        _json([term.to_json() for term in terms])
        return
    for number, term in enumerate(terms):
        if number:
            sys.stdout.write("\n")
        _line(term.canonical, "" if term.keyword else _("not a keyword"))
        labels = {
            _("Aliases"): ", ".join(term.aliases),
            _("Definition"): term.definition,
            _("Category"): term.category,
            _("Language"): term.language,
            _("Source"): term.source,
            _("Notes"): term.notes,
            _("Changed"): " ".join(filter(None, (term.updated, term.author))),
            _("Id"): term.id,
        }
        for label, value in labels.items():
            if value:
                _line(f"  {label}: {value}")


def _line(*cells: str) -> None:
    """One line of data, cells set apart by tabs."""
    sys.stdout.write("\t".join(map(printable, cells)).rstrip() + "\n")


def _json(value: Any, indent: int | None = 1) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
