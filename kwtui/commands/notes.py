"""`kwtui notes STRATEGY`: what its prompt says besides the instruction, kept in config.toml."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui import context

if TYPE_CHECKING:
    from engines.workspace import Workspace


def command(
    strategy: str = typer.Argument(..., metavar="STRATEGY", help=_("A strategy of config.toml.")),
    sentences: list[str] = typer.Argument(
        None, metavar="[SENTENCE]...", help=_("Sentences to keep as notes.")
    ),
    missed: list[str] = typer.Option(
        [], "--missed", metavar="WORD", help=_("Note that this word is a keyword.")
    ),
    wrong: list[str] = typer.Option(
        [], "--wrong", metavar="WORD", help=_("Note that this word is no keyword.")
    ),
    guideline: bool = typer.Option(
        False, "--guideline", help=_("The rules that guideline.md lists, one a note.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("JSON on stdout.")),
) -> None:
    """Print the notes of a strategy, after adding what was given; a note is kept once."""
    from engines.notes import keep_notes, note_on

    space, settings = context.need_workspace(), context.settings()
    found = settings.strategies.get(strategy)
    if found is None:
        raise UserError(_("There is no strategy '{name}'.").format(name=strategy))
    notes = [
        *(sentences or []),
        *(_rules(space) if guideline else []),
        *(note_on(word, "missed", found.language) for word in missed),
        *(note_on(word, "wrong", found.language) for word in wrong),
    ]
    if notes and found.kind != "model":
        raise UserError(_("A dictionary has no prompt for notes; change the glossary instead."))
    kept = keep_notes(space, strategy, notes) if notes else []
    every = [*found.notes, *kept]
    if as_json:
        print(json.dumps({"strategy": strategy, "notes": every, "new": kept}, ensure_ascii=False))
        return
    for note in every:
        sys.stdout.write(printable(note) + "\n")
    if notes:
        said = ngettext_("{count} note kept.", "{count} notes kept.", len(kept))
        print(said.format(count=len(kept)), file=sys.stderr)


def _rules(space: Workspace) -> list[str]:
    """The rules of the workspace's guideline. Raises UserError where it has none."""
    from engines.corpus.session import GUIDELINE
    from engines.corpus.sources import read_text_strict
    from engines.notes import guideline_rules

    path = space.root / GUIDELINE
    rules = guideline_rules(read_text_strict(path)[0])
    if not rules:
        sentence = _("{path} has no list: write each rule as an item, - so.")
        raise UserError(sentence.format(path=path))
    return rules
