"""Sentences and names that the page and the Markdown of a report share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engines.evaluation.comparing import VERDICTS
from engines.evaluation.sending import TEST, group_names
from glossary.i18n import _, ngettext_

if TYPE_CHECKING:
    from engines.evaluation.report import ReportData

__all__ = ["data_notes", "facts", "group_names", "headline", "verdict_names"]


def headline(data: ReportData) -> str:
    """The title of the report."""
    said = _("{name}: strategies on {split}")
    return said.format(name=data.name, split=data.result.split)


def facts(data: ReportData) -> list[str]:
    """When and on what, how often the test split was used, who looked into it, what is stale."""
    result = data.result
    measured = ngettext_(
        "Measured on {count} text of {split}, {created}.",
        "Measured on {count} texts of {split}, {created}.",
        result.texts,
    )
    created = result.created[:16].replace("T", " ")
    found = [measured.format(count=f"{result.texts:,}", split=result.split, created=created)]
    used = ngettext_(
        "The test split of this workspace has been scored {count} time.",
        "The test split of this workspace has been scored {count} times.",
        result.test_uses,
    )
    found.append(used.format(count=result.test_uses))
    if data.sealed and result.split != TEST:
        scored = ngettext_(
            "{split} has been scored {count} time.",
            "{split} has been scored {count} times.",
            result.split_uses,
        )
        found.append(scored.format(split=result.split, count=result.split_uses))
    if data.looks:
        looked = ngettext_(
            "People have looked at {count} single text of {split}.",
            "People have looked at {count} single texts of {split}.",
            data.looks,
        )
        found.append(looked.format(count=data.looks, split=result.split))
    if data.left:
        left = ngettext_(
            "{count} text has left {split} for training since something was learnt from it.",
            "{count} texts have left {split} for training since something was learnt from them.",
            data.left,
        )
        found.append(left.format(count=data.left, split=result.split))
    if any(row.stale for row in result.rows):
        found.append(_("Texts or labels have changed since: these figures are stale."))
    return found


def data_notes(data: ReportData) -> list[str]:
    """Where texts and labels came from."""
    found = []
    if data.sources:
        found.append(_("Sources: {names}").format(names=", ".join(data.sources)))
    names = {
        "import": _("brought in"),
        "person": _("by people here"),
        "draft": _("drafts of machines"),
        "synthetic": _("made from patterns"),
    }
    parts = [
        f"{names[origin]} {texts:,} ({people:,})"
        for origin, (texts, people) in data.origins.items()
        if origin in names
    ]
    if parts:
        said = _("Labelings, with how many annotators: {parts}.")
        found.append(said.format(parts="; ".join(parts)))
    return found


def verdict_names() -> dict[str, str]:
    """The verdicts about the second strategy, as a person reads them."""
    words = (_("won"), _("lost"), _("both wrong"), _("both right"))
    return dict(zip(VERDICTS, words, strict=True))
