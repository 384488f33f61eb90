"""`kwtui glossary history`, `undo`, `redo`, `diff`, `snapshot` and `restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from kwtui.commands._glossary_common import JSON, REASON, as_data, author, line, opened, say

if TYPE_CHECKING:
    from glossary.changes import Batch, Change, Difference
    from glossary.store import Glossary
    from glossary.term import Term

_NUMBER = typer.Argument(None, metavar="[NUMBER]", help=_("A change of anyone, by its number."))


def history(
    term: str = typer.Argument("", metavar="[TERM]", help=_("Only the changes of this term.")),
    number: int = typer.Option(0, "--change", help=_("The terms that one change touched.")),
    limit: int = typer.Option(20, "--limit", min=1, help=_("How many at most.")),
    as_json: bool = JSON,
) -> None:
    """Show changes, newest first; with a term or a number what they changed."""
    glossary = opened()
    if not term and not number:
        batches = glossary.batches(limit=limit)
        if as_json:
            as_data([batch.to_json() for batch in batches])
            return
        for batch in batches:
            line(*_batch(batch))
        return
    if number:
        changes = glossary.changes_of(number, limit=limit)
    else:
        changes = glossary.history(_id_of(glossary, term), limit=limit)
    if as_json:
        as_data([_change_json(change) for change in changes])
        return
    for change in changes:
        named = change.after or change.before
        line(*_batch(change.batch)[:4], named.canonical if named else change.term_id)
        _print_fields(change.before, change.after)


def undo(number: int | None = _NUMBER, as_json: bool = JSON) -> None:
    """Undo your latest change, or the one with a number."""
    _said(opened().undo(author=author(), number=number), _("Undone: {change}"), as_json)


def redo(number: int | None = _NUMBER, as_json: bool = JSON) -> None:
    """Redo what you undid last, or the undone change with a number."""
    _said(opened().redo(author=author(), number=number), _("Redone: {change}"), as_json)


def diff(
    since: str = typer.Argument(..., metavar="MOMENT", help=_("The earlier moment.")),
    until: str = typer.Argument("now", metavar="[MOMENT]", help=_("The later moment.")),
    as_json: bool = JSON,
) -> None:
    """Compare two moments: snapshots, numbers of changes, times (ISO 8601), start or now."""
    found = opened().diff(since, until)
    if as_json:
        as_data([one.to_json() for one in found])
        return
    for one in found:
        _print_difference(one)


def snapshot(
    name: str = typer.Argument("", metavar="[NAME]", help=_("Without one: list them.")),
    note: str = typer.Option("", "--note", help=_("What it is for.")),
    remove: bool = typer.Option(False, "--remove", help=_("Forget this name; nothing else goes.")),
    as_json: bool = JSON,
) -> None:
    """Name the present state, or list the names."""
    glossary = opened()
    if name and remove:
        glossary.drop_snapshot(name, author=author())
        say(_("Forgotten: {name}").format(name=name))
        return
    made = [glossary.snapshot(name, author=author(), note=note)] if name else None
    shown = made or glossary.snapshots()
    if as_json:
        as_data([one.to_json() for one in shown])
        return
    for one in shown:
        count = ngettext_("{count} term", "{count} terms", one.count).format(count=one.count)
        line(one.name, f"#{one.position}", _time(one.at), one.author, count, one.note)


def restore(
    moment: str = typer.Argument(..., metavar="MOMENT", help=_("As for diff.")),
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Make all terms as they were at a moment, as one change that can be undone."""
    count = opened().restore(moment, author=author(), reason=reason)
    if as_json:
        as_data({"terms": count})
        return
    sentence = ngettext_("{count} term restored.", "{count} terms restored.", count)
    say(sentence.format(count=count))


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `kwtui glossary`."""
    app.command("history", help=_("Show what was changed, by whom, when and why."))(history)
    app.command("undo", help=_("Undo your latest change."))(undo)
    app.command("redo", help=_("Redo what you undid."))(redo)
    app.command("diff", help=_("Show what differs between two moments."))(diff)
    app.command("snapshot", help=_("Name the present state, or list the names."))(snapshot)
    app.command("restore", help=_("Go back to an earlier moment, as a change."))(restore)


def _id_of(glossary: Glossary, name: str) -> str:
    """The id of a term, also of one that is gone."""
    from glossary.history import ids_named

    term = glossary.lookup(name) or glossary.get(name)
    if term:
        return term.id
    gone = ids_named(glossary.journal, name) or [c.term_id for c in glossary.history(name, limit=1)]
    if not gone:
        sentence = _("'{name}' is not in the glossary and never was.")
        raise UserError(sentence.format(name=name))
    return gone[0]


def _said(batch: Batch, sentence: str, as_json: bool) -> None:
    if as_json:
        as_data(batch.to_json())
    else:
        say(sentence.format(change=" ".join(filter(None, _batch(batch)))))


def _batch(batch: Batch) -> tuple[str, ...]:
    counts = _("+{new} ~{changed} -{removed}").format(
        new=batch.new, changed=batch.changed, removed=batch.removed
    )
    kinds = {"undo": _("undo of #{of}"), "redo": _("redo of #{of}")}
    kind = kinds.get(batch.kind, "").format(of=batch.of)
    said = " ".join(filter(None, (kind, batch.reason)))
    return (f"#{batch.number}", _time(batch.at), batch.author, counts, said)


def _time(at: str) -> str:
    """A time of the journal in local time, to the second."""
    from datetime import datetime

    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _change_json(change: Change) -> dict[str, Any]:
    return {
        **change.batch.to_json(),
        "id": change.term_id,
        "before": change.before.to_json() if change.before else None,
        "after": change.after.to_json() if change.after else None,
    }


def _print_difference(one: Difference) -> None:
    named = one.after or one.before
    sign = "+" if one.before is None else "-" if one.after is None else "~"
    line(sign, named.canonical if named else one.term_id)
    if one.before is not None and one.after is not None:
        _print_fields(one.before, one.after)


def _print_fields(before: Term | None, after: Term | None) -> None:
    from glossary.changes import differing

    for name, old, new in differing(before, after):
        shown = [", ".join(v) if isinstance(v, tuple) else str(v) for v in (old, new)]
        line(f"  {name}: {shown[0] if before else '-'} -> {shown[1] if after else '-'}")
