"""What the modules of `kwtui glossary` share: the opened glossary, who changes it, printing."""

from __future__ import annotations

import getpass
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import Term
from glossary.text import printable
from kwtui import context

if TYPE_CHECKING:
    from glossary.store import Glossary

DONE_IN_PART = 3
JSON = typer.Option(False, "--json", help=_("JSON on stdout."))
REASON = typer.Option("", "--reason", help=_("Why, kept with the change."))


def path() -> Path:
    """The glossary's place in the workspace."""
    return context.need_workspace().glossary_path


def opened(create: bool = False) -> Glossary:
    """The glossary of the workspace; who waits for its lock is told for whom."""
    from glossary.store import Glossary

    retention = timedelta(days=context.settings().glossary.retention_days)
    return Glossary.open(path(), create=create, on_wait=say, retention=retention)


def found(glossary: Glossary, name: str) -> Term:
    """The term that a person names by canonical form, alias or id; UserError with what is near."""
    term = glossary.lookup(name) or glossary.get(name)
    if term:
        return term
    from glossary.retrieval import search_terms

    near = [one.canonical for one in search_terms(glossary, name, 3)]
    sentence = _("'{name}' is not in the glossary.")
    if near:
        sentence = _("'{name}' is not in the glossary; near it: {near}.")
    raise UserError(sentence.format(name=name, near=", ".join(near)))


def print_terms(terms: list[Term], as_json: bool) -> None:
    """Terms with all their fields, as text or as a JSON list."""
    if as_json:
        as_data([term.to_json() for term in terms])
        return
    for number, term in enumerate(terms):
        if number:
            sys.stdout.write("\n")
        line(term.canonical, "" if term.keyword else _("not a keyword"))
        labels = {
            _("Aliases"): ", ".join(term.aliases),
            _("Definition"): term.definition,
            _("Category"): term.category,
            _("Language"): term.language,
            _("Source"): term.source,
            _("Notes"): term.notes,
            _("Ambiguous"): ", ".join(term.ambiguous),
            _("Changed"): " ".join(filter(None, (term.updated, term.author))),
            _("Id"): term.id,
        }
        for label, value in labels.items():
            if value:
                line(f"  {label}: {value}")


def line(*cells: str) -> None:
    """One line of data, cells set apart by tabs."""
    sys.stdout.write("\t".join(map(printable, cells)).rstrip() + "\n")


def as_data(value: Any, indent: int | None = 1) -> None:
    """A value as JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=indent) + "\n")


def author() -> str:
    """Who changes the glossary: the user's name on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def say(sentence: str) -> None:
    """A sentence for people."""
    print(printable(sentence), file=sys.stderr)
