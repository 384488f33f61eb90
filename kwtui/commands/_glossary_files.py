"""`kwtui glossary import` and `export`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from kwtui.commands import _glossary_records
from kwtui.commands._glossary_common import (
    DONE_IN_PART,
    JSON,
    REASON,
    as_data,
    author,
    line,
    opened,
    path,
    say,
)

if TYPE_CHECKING:
    from glossary.columns import Table
    from glossary.importing import Preview

_STREAMED = ("jsonl", "csv", "tsv", "tbx", "txt")


def import_(
    file: Path = typer.Argument(..., metavar="FILE", help=_("A file of terms.")),
    encoding: str = typer.Option("", "--encoding", help=_("Encoding instead of a strict trial.")),
    column: list[str] = typer.Option(
        [],
        "--column",
        metavar="FIELD=NAME",
        help=_("Which column of the file holds a field; FIELD= for none."),
    ),
    columns: bool = typer.Option(
        False, "--columns", help=_("Only show the columns and what they are taken for.")
    ),
    overwrite: bool = typer.Option(
        False, "--replace", help=_("Replace terms that are there instead of completing them.")
    ),
    keep: bool = typer.Option(
        False, "--keep", help=_("Where file and glossary differ, keep what the glossary says.")
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help=_("Only say what would be done.")),
    records: str = typer.Option(
        "",
        "--records",
        metavar="PRESET",
        help=_("Drug data as context records, by a preset; auto: by the one that fits."),
    ),
    reason: str = REASON,
    as_json: bool = JSON,
) -> None:
    """Import a file; each refused row is named with its line, exit code 3 when there was one."""
    if records:
        _glossary_records.import_records(
            records, file, encoding=encoding, dry_run=dry_run, reason=reason, as_json=as_json
        )
        return
    from glossary.exchange import read_terms, show_table
    from glossary.importing import carry_out, checked_mode, preview, reason_for

    named = _columns(column)
    if columns:
        _print_columns(show_table(file, encoding or None, columns=named), as_json)
        return
    found = read_terms(file, encoding or None, columns=named)
    if found.encoding not in ("", "utf-8"):
        say(_("{path}: read as {encoding}.").format(path=file, encoding=found.encoding))
    glossary = None if dry_run and not path().exists() else opened(create=not dry_run)
    mode = checked_mode("replace" if overwrite else "keep" if keep else "complete")
    made = preview(found, glossary, mode=mode)
    for number, note in made.notes():
        say(_("{path}, line {line}: {reason}").format(path=file, line=number, reason=note))
    if glossary and not dry_run:
        carry_out(glossary, made, author=author(), reason=reason_for(file, reason))
    _print_import(made, as_json, rows=dry_run)
    counts = made.counts()
    if counts["refused"]:
        taken = counts["new"] or counts["changed"] or counts["same"]
        raise typer.Exit(DONE_IN_PART if taken else 2)


def export(
    file: Path | None = typer.Argument(
        None, metavar="[FILE]", help=_("A .csv, .tsv, .xlsx, .jsonl, .tbx or .txt file.")
    ),
    form: str = typer.Option(
        "jsonl", "--format", help=_("For stdout: jsonl, csv, tsv, tbx or txt.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("JSON lines on stdout, the default.")),
) -> None:
    """Export every term with all its fields."""
    from glossary.exchange import dump, write_terms

    terms = opened().in_order()
    if file:
        count = write_terms(file, terms)
        sentence = ngettext_("{count} term: {path}", "{count} terms: {path}", count)
        say(sentence.format(count=count, path=file))
    elif form in _STREAMED:
        dump(terms, sys.stdout, "jsonl" if as_json else form)
    else:
        sentence = _("The format '{form}' cannot go to stdout: use jsonl, csv, tsv, tbx or txt.")
        raise UserError(sentence.format(form=form))


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `kwtui glossary`."""
    app.command("import", help=_("Add the terms of a CSV, TSV, XLSX, JSONL, TBX or text file."))(
        import_
    )
    app.command("export", help=_("Write all terms to a file, or to stdout as JSONL."))(export)


def _columns(pairs: Iterable[str]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for pair in pairs:
        name, sign, header = pair.partition("=")
        if not sign:
            sentence = _("--column {pair}: write FIELD=NAME, such as canonical=품목.")
            raise UserError(sentence.format(pair=pair))
        columns[name.strip()] = header.strip()
    return columns


def _print_columns(table: Table | None, as_json: bool) -> None:
    if table is None:
        raise UserError(_("Only CSV, TSV and XLSX files have columns."))
    if as_json:
        values = {"columns": table.columns, "unused": table.unused, "sample": table.sample}
        as_data({**values, "encoding": table.encoding})
        return
    for field, header in table.columns.items():
        line(field, header, *(row[table.header.index(header)] for row in _short(table)[:1]))
    for header in table.unused:
        line(_("not used"), header, *(row[table.header.index(header)] for row in _short(table)[:1]))


def _short(table: Table) -> list[list[str]]:
    width = len(table.header)
    return [[cell[:60] for cell in (*row, *[""] * width)][:width] for row in table.sample]


def _print_import(made: Preview, as_json: bool, *, rows: bool) -> None:
    counts = made.counts()
    if as_json:
        values = {**counts, "columns": made.columns, "encoding": made.encoding}
        as_data({**values, "rows": [row.to_json() for row in made.rows]} if rows else values)
        return
    sentence = _("new {new}, changed {changed}, same {same}, refused {refused}")
    if counts["conflicting"]:
        sentence = _(
            "new {new}, changed {changed} ({conflicting} of them said otherwise before), "
            "same {same}, refused {refused}"
        )
    sys.stdout.write(sentence.format(**counts) + "\n")
