"""What the commands of `kwtui data` share."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.columns import table

if TYPE_CHECKING:
    from engines.corpus.changes import Labeling
    from engines.corpus.store import Corpus
    from engines.records import Keyword

app = typer.Typer(no_args_is_help=True)

STDIN = "-"
DONE_IN_PART = 3
JSON = typer.Option(False, "--json", help=_("JSON on stdout."))
SPLIT = typer.Option("", "--split", metavar="NAME", help=_("Only this split."))
ANNOTATOR = typer.Option("", "--annotator", metavar="NAME", help=_("Your name; else the login."))


def read_corpus() -> Corpus:
    """The workspace's corpus, to be read."""
    from engines.corpus.store import Corpus

    return Corpus.open(context.need_workspace().corpus_path, readonly=True)


def counted_corpus() -> Corpus:
    """The same, but what is counted may be kept in it where it can be written."""
    from engines.corpus.store import Corpus
    from glossary.errors import FailedError

    try:
        return Corpus.open(context.need_workspace().corpus_path)
    except FailedError:
        return read_corpus()


def work_corpus(named: str) -> tuple[Corpus, str]:
    """The workspace's corpus ready to be changed, and the annotator's name."""
    from engines.corpus.session import annotator_name, open_corpus

    space, curation = context.need_workspace(), context.settings().curation
    name = annotator_name(named, curation)
    return open_corpus(space, curation, name, on_note=say), name


def print_json(document: Any) -> None:
    """One document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def print_lines(lines: Sequence[str]) -> None:
    """Lines on stdout, safe for a terminal."""
    sys.stdout.write(printable("\n".join(lines)) + "\n")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout."""
    if rows:
        print_lines(table(rows))


def say(sentence: str) -> None:
    """A sentence for people on stderr."""
    print(printable(sentence), file=sys.stderr)


def surfaces(keywords: Sequence[Keyword]) -> str:
    """The keywords in a line."""
    return ", ".join(dict.fromkeys(k.surface for k in keywords)) or "-"


def labeling_line(name: str, labeling: Labeling) -> str:
    """Who said what about a text."""
    note = f" ({labeling.note})" if labeling.note else ""
    return f"  {name}: {labeling.status}: {surfaces(labeling.keywords)}{note}"


def glossary_known() -> Any:
    """What the workspace's glossary says for checks; nothing where there is no glossary."""
    from engines.corpus.checks import Known

    path = context.need_workspace().glossary_path
    if not path.exists():
        return Known()
    from glossary.store import Glossary

    found = Glossary.open(path)
    excluded = {
        s: term.notes or term.definition for term in found.excluded() for s in term.surfaces
    }
    return Known(found.matcher(), excluded)
