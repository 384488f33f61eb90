"""What stands where the text would be when none is left: why, and which key leads on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from glossary.i18n import _, ngettext_
from kwtui.themes import KEY, MUTED

if TYPE_CHECKING:
    from engines.corpus.statistics import Progress

# Keys that lead on, in the order of `_ways`.
KEYS = ("dataset.approve", "dataset.filter", "dataset.order", "dataset.next-view")


def empty_state(keys: Sequence[str], done: Progress | None, *, filtered: bool) -> list[Content]:
    """Lines instead of a text; `keys`: those of KEYS as a person reads them."""
    width = max(Content(key).cell_length for key in keys)
    rows = [
        Content.assemble("  ", (key, KEY), " " * (width - Content(key).cell_length), "  ", way)
        for key, way in zip(keys, _ways(), strict=True)
    ]
    draft = _("`kwtui data draft --strategy NAME` has new texts labeled to be approved.")
    return [
        Content(_why(done, filtered)),
        Content(""),
        *rows,
        Content(""),
        Content.styled(draft, MUTED),
    ]


def _why(done: Progress | None, filtered: bool) -> str:
    if filtered:
        return _("No text that passes the filter waits for a label.")
    if done is not None and done.left:
        sentence = ngettext_(
            "No text is left for you: somebody else is at the one that waits.",
            "No text is left for you: other people are at the {count} that wait.",
            done.left,
        )
        return sentence.format(count=f"{done.left:,}")
    return _("No text is left: all are labeled, skipped or flagged.")


def _ways() -> tuple[str, str, str, str]:
    return (
        _("look again, after `kwtui data import FILE` brought more"),
        _("choose other texts: skipped, flagged, labeled ones"),
        _("choose another order of work"),
        _("the list; disagreements to adjudicate; checks of the labels"),
    )
