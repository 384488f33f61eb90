"""`kwtui report`: what the last ladder measured, as a page, Markdown or a table for a paper."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context


def command(
    split: str = typer.Option("dev", "--split", metavar="NAME", help=_("The split measured.")),
    output: Path | None = typer.Option(
        None, "-o", "--output", metavar="DIR", help=_("Folder; else the workspace's reports.")
    ),
    kind: str = typer.Option(
        "", "--format", metavar="NAME", help=_("Only the table: latex, csv or md, on stdout.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("The result as JSON on stdout.")),
) -> None:
    """Write the report of the last ladder: one HTML page that needs no network, and Markdown."""
    from engines.evaluation.measured import read_result
    from engines.evaluation.report import write_report
    from engines.evaluation.report_table import table

    space = context.need_workspace()
    if kind or as_json:
        result = read_result(space, split)
        if result is None:
            sentence = _(
                "Nothing has been measured on {split} yet: `kwtui ladder --split {split}`."
            )
            raise UserError(sentence.format(split=split))
        document = json.dumps(result.to_json(), ensure_ascii=False, indent=1) + "\n"
        sys.stdout.write(document if as_json else table(result, kind))
        return
    if output is not None and output.exists() and not output.is_dir():
        sentence = _("{path} is a file; name a folder for the report.")
        raise UserError(sentence.format(path=output))
    folders = context.settings().model_folders(space.root)
    for path in write_report(space, split, folders, output):
        sys.stdout.write(printable(str(path)) + "\n")
