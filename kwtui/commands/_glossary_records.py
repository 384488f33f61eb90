"""`kwtui glossary import --records`, `records`, `embed`, `retrieve`: records and what fits."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise, printable
from kwtui import context

if TYPE_CHECKING:
    from glossary.records import Record
    from glossary.retrieval import Retrieved
    from glossary.store import Glossary

_NOTES = 20
WHICH = ("terms", "records", "both")


def import_records(
    preset: str,
    file: Path,
    *,
    encoding: str = "",
    dry_run: bool = False,
    reason: str = "",
    as_json: bool = False,
) -> None:
    """Make context records and terms of a file of drug data by a preset of config.toml."""
    from engines.finding import fitting_presets
    from engines.finding import preset as find_preset
    from glossary.record_import import import_records as run
    from glossary.record_import import look
    from glossary.store import exists

    if preset == "auto":
        fitting = fitting_presets(context.settings(), file, encoding or None)
        if not fitting:
            raise UserError(_("{path}: no preset of config.toml fits it.").format(path=file))
        preset = fitting[0]
        _say(_("{path}: read by the preset {preset}.").format(path=file, preset=preset))
    chosen = find_preset(context.settings(), preset)
    if dry_run:
        there = exists(context.need_workspace().glossary_path)
        done = look(_opened() if there else None, chosen, file, encoding=encoding or None)
    else:
        done = run(
            _opened(create=True),
            chosen,
            file,
            author=_author(),
            encoding=encoding or None,
            reason=reason,
            on_progress=_counter(_("records linked")),
        )
    for note in done.notes[:_NOTES]:
        _say(f"{file}: {note}")
    if len(done.notes) > _NOTES:
        _say(_("… and {count} more.").format(count=len(done.notes) - _NOTES))
    if as_json:
        _json({**done.to_json(), "notes": list(done.notes)})
        return
    sentence = _(
        "{rows} rows: records new {new}, changed {changed}, same {same}, removed {removed}; "
        "terms new {terms_new}, changed {terms_changed}, same {terms_same}"
    )
    counts = done.to_json()
    terms = {f"terms_{name}": value for name, value in counts["terms"].items()}
    sys.stdout.write(sentence.format(rows=done.rows, **counts["records"], **terms) + "\n")


def embed(
    as_json: bool = typer.Option(False, "--json", help=_("JSON on stdout.")),
) -> None:
    """Bring the stored vectors up; may be interrupted and run again."""
    from engines.finding import items, open_embedding
    from glossary.records import Records
    from glossary.vectors import Vectors

    glossary, space = _opened(), context.need_workspace()
    vectors = Vectors(glossary.path, open_embedding(context.settings(), space.root))
    entries = items(glossary, Records(glossary.path))
    vectors.sync(entries, on_progress=_counter(_("embedded")))
    found = vectors.coverage()
    if as_json:
        _json({"model": found.model, "stored": found.stored})
        return
    sentence = _("{stored} vectors by {model}")
    sys.stdout.write(sentence.format(stored=found.stored, model=found.model) + "\n")


def retrieve(
    text: str = typer.Argument(..., metavar="TEXT", help=_("A text.")),
    limit: int = typer.Option(8, "--limit", min=1, help=_("How many entries at most.")),
    which: str = typer.Option("both", "--which", help=_("terms, records or both.")),
    as_json: bool = typer.Option(False, "--json", help=_("JSON on stdout.")),
) -> None:
    """Show what a prompt about the text would be given, with score and reason."""
    from engines.finding import open_sources
    from glossary.retrieval import retrieve as find

    if which not in WHICH:
        raise UserError(_("--which is terms, records or both, not '{given}'.").format(given=which))
    glossary, space = _opened(), context.need_workspace()
    sources, notes = open_sources(glossary, context.settings(), space.root)
    for note in notes:
        _say(note)
    chosen = cast(Literal["terms", "records", "both"], which)
    found = find(glossary, normalise(text), limit=limit, sources=sources, which=chosen)
    if as_json:
        _json([_as_json(one) for one in found])
        return
    for one in found:
        words = one.record.text if one.record else one.term.definition if one.term else ""
        cells = (one.how, f"{one.score:.2f}", one.name, words.split("\n")[0], one.reason)
        sys.stdout.write("\t".join(map(printable, cells)) + "\n")


def records(
    text: str = typer.Argument("", metavar="[TEXT]", help=_("What they are about, or an id.")),
    limit: int = typer.Option(20, "--limit", min=1, help=_("How many at most.")),
    offset: int = typer.Option(0, "--offset", min=0, help=_("How many to leave out first.")),
    as_json: bool = typer.Option(False, "--json", help=_("JSON on stdout.")),
) -> None:
    """Show context records, all in their order or those about a text."""
    from glossary.records import Records

    glossary = _opened()
    kept = Records(glossary.path)
    named = list(kept.get([text]).values()) if text else []
    total, found = (1, named) if named else kept.page(text, offset, limit)
    if as_json:
        _json(
            {
                "total": total,
                "kinds": kept.kinds(),
                "records": [_whole(glossary, one) for one in found],
            }
        )
        return
    for one in found:
        cells = (one.id, one.kind, f"{one.source}:{one.row}", one.title, " ".join(one.text.split()))
        sys.stdout.write("\t".join(map(printable, cells)) + "\n")
        for name, value in one.fields if named else ():
            sys.stdout.write(f"\t{printable(name)}\t{printable(' '.join(value.split()))}\n")
        if named:
            names = [term["canonical"] for term in _whole(glossary, one)["terms"]]
            sys.stdout.write(f"\t{_('Terms')}\t{printable(', '.join(names))}\n")
    _say(_("{shown} of {total} records.").format(shown=len(found), total=f"{total:,}"))


def _whole(glossary: Glossary, record: Record) -> dict[str, Any]:
    """A record with the names of its terms."""
    terms = glossary.get_many(record.terms).values()
    names = [{"id": term.id, "canonical": term.canonical} for term in terms]
    return {**record.to_json(), "terms": names}


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `kwtui glossary`."""
    app.command("records", help=_("List context records, or look for those about a text."))(records)
    app.command("embed", help=_("Make the vectors of terms and records that are missing."))(embed)
    app.command("retrieve", help=_("Show which entries a text would be given, and why."))(retrieve)


def _as_json(one: Retrieved) -> dict[str, Any]:
    return {
        "kind": "record" if one.record else "term",
        "id": one.record.id if one.record else one.term.id if one.term else "",
        "name": one.name,
        "text": one.record.text if one.record else one.term.definition if one.term else "",
        "how": one.how,
        "score": round(one.score, 4),
        "reason": one.reason,
    }


def _opened(create: bool = False) -> Glossary:
    from glossary.store import Glossary

    return Glossary.open(context.need_workspace().glossary_path, create=create, on_wait=_say)


def _counter(what: str) -> Callable[[int, int], None] | None:
    """A line that counts on stderr, only where a person sees it."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{done:,} / {total:,} {what}{end}")
        sys.stderr.flush()

    return show


def _json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
