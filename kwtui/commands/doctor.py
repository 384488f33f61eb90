"""`kwtui doctor`: what is wrong on this machine, and what to do about it."""

from __future__ import annotations

import json
import sys

import typer

from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.doctor import Finding, examine


def command(
    quick: bool = typer.Option(
        False, "--quick", help=_("Without loading torch and without reading whole databases.")
    ),
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object on stdout.")),
) -> None:
    """Look at Python, packages, GPUs, terminal, models and workspace; exit code 1 on an error."""
    found: list[Finding] = []
    for finding in examine(quick=quick):
        found.append(finding)
        if not as_json:
            _show(finding)
    errors = sum(finding.state == "error" for finding in found)
    warnings = sum(finding.state == "warning" for finding in found)
    if as_json:
        document = {
            "errors": errors,
            "warnings": warnings,
            "findings": [finding.to_json() for finding in found],
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    else:
        first = ngettext_("{count} error", "{count} errors", errors).format(count=errors)
        second = ngettext_("{count} warning", "{count} warnings", warnings).format(count=warnings)
        sys.stdout.write(f"{first}, {second}\n")
    if errors:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    """One line, and the cure below it."""
    words = {"ok": _("ok"), "note": _("note"), "warning": _("WARNING"), "error": _("ERROR")}
    line = f"{words[finding.state]:8}{finding.name}: {finding.found}"
    sys.stdout.write(printable(line) + "\n")
    if finding.cure:
        sys.stdout.write(printable(f"{'':8}→ {finding.cure}") + "\n")
    sys.stdout.flush()
