"""Where a glossary lies on disk, and what is there already when it is opened."""

from __future__ import annotations

from pathlib import Path

from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.index import LEVEL, TABLE, TermIndex, read_terms
from glossary.index import LOCK as INDEX_LOCK
from glossary.journal import Journal
from glossary.lock import held
from glossary.term import Term
from glossary.validation import Plan, plan, settle

LOCK = "write.lock"


def journal_path(path: Path) -> Path:
    """The journal of the LanceDB folder `path`: glossary.sqlite beside glossary.lance."""
    return path.with_suffix(".sqlite")


def exists(path: Path) -> bool:
    """Whether there is a glossary at `path`, by its files alone."""
    return journal_path(path).exists() or has_table(path)


def has_table(path: Path) -> bool:
    """Whether LanceDB's table of terms is there."""
    return (path / f"{TABLE}.lance").is_dir()


def refuse_foreign(path: Path, create: bool) -> None:
    """UserError where no glossary is and none may be made."""
    try:
        names = {entry.name for entry in path.iterdir()} if path.exists() else set()
    except NotADirectoryError:
        names = {path.name}
    except OSError as error:
        sentence = _("The glossary {path} cannot be read: {reason}.")
        raise FailedError(sentence.format(path=path, reason=error.strerror)) from error
    names -= {LOCK, INDEX_LOCK, LEVEL}
    if names and f"{TABLE}.lance" not in names:
        sentence = _("{path} is no glossary of kwtui: give another folder or move it away.")
        raise UserError(sentence.format(path=path))
    if not names and not create:
        sentence = _("There is no glossary at {path}: import or add terms first.")
        raise UserError(sentence.format(path=path))


def make_folder(path: Path, wanted: bool) -> None:
    """Make the folder when it is wanted; FailedError with the reason why not."""
    if not wanted or path.is_dir():
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sentence = _("The glossary {path} cannot be made ({reason}): it may be read-only.")
        raise FailedError(sentence.format(path=path, reason=error.strerror)) from error


def carry_over(path: Path, journal: Journal, carried: list[Term] | None) -> None:
    """Give the terms of a table without a journal their first entry in it."""
    if TermIndex(path, journal).owned():
        return
    what = _("taken over from a glossary without history")
    with held(path / LOCK, author="", what=what), journal.transaction():
        if journal.position:
            return
        there = read_terms(path) if carried is None else carried
        found, _left_out = settle({t.id: t for t in there}.values(), {})
        outcome = plan(found, {})
        if outcome.refused:
            raise FailedError(refusals(outcome))
        journal.append(
            {term.id: term for term in outcome.new}, author="", reason=what, keep_stamps=True
        )


def refusals(outcome: Plan) -> str:
    """The first refusal, and how many more there are."""
    first, rest = outcome.refused[0], len(outcome.refused) - 1
    if not rest:
        return first.reason
    return _("{reason} ({count} more are refused; nothing was changed.)").format(
        reason=first.reason, count=rest
    )
