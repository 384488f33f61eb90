"""The lines around the text of the labeling view: candidates, what is known of one, progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from engines.extraction.candidates import CRF, DRAFT, GLOSSARY, KIWI, STRATEGY, Candidate
from glossary.i18n import _, ngettext_
from kwtui.themes import MUTED
from kwtui.widgets.draft import DIGITS, Draft
from kwtui.widgets.span_editor import LABEL, NUMBER, TAKEN

if TYPE_CHECKING:
    from engines.corpus.statistics import Progress
    from kwtui.panes.dataset_store import Loaded

ORDER = (DRAFT, STRATEGY, GLOSSARY, CRF, KIWI)


def names() -> dict[str, str]:
    """The sources as a person reads them."""
    return {
        DRAFT: _("Draft"),
        STRATEGY: _("Strategy"),
        GLOSSARY: _("Glossary"),
        CRF: _("Learnt"),
        KIWI: _("Nouns"),
    }


def rows(draft: Draft | None, width: int, height: int) -> list[Content]:
    """The labels, then the candidates by source, wrapped to `width` and cut to `height` lines."""
    if draft is None:
        return []
    made = _wrapped(_("Labels"), [(k.surface, LABEL) for k in draft.keywords] or [("-", "")], width)
    digits = {c.span: digit for digit, c in zip(DIGITS, draft.numbered, strict=False)}
    titles = names()
    for source in ORDER:
        found = [c for c in draft.candidates if _first(c) == source]
        parts = [_part(draft, candidate, digits.get(candidate.span, "")) for candidate in found]
        if parts:
            made += _wrapped_parts(titles[source], parts, width)
    return made[: max(height, 1)]


def _first(candidate: Candidate) -> str:
    return next((source for source in ORDER if source in candidate.sources), KIWI)


def _part(draft: Draft, candidate: Candidate, digit: str) -> Content:
    taken = draft.is_labeled(candidate)
    under = " reverse" if candidate.span == draft.cursor else ""
    name = Content.styled(candidate.surface, (LABEL if taken else "") + under)
    if not digit:
        return name
    return Content.assemble((digit, TAKEN if taken else NUMBER), " ", name)


def _wrapped(title: str, words: Sequence[tuple[str, str]], width: int) -> list[Content]:
    return _wrapped_parts(title, [Content.styled(word, style) for word, style in words], width)


def _wrapped_parts(title: str, parts: Sequence[Content], width: int) -> list[Content]:
    """Parts with two spaces between, a line as many as fit, under a title on the left."""
    size = max(Content(name).cell_length for name in [*names().values(), _("Labels")]) + 1
    head = Content(" " + title)
    lines: list[Content] = []
    row = Content.assemble((head.plain, MUTED), " " * (size + 2 - head.cell_length))
    empty = True
    for part in parts:
        gap = 0 if empty else 2
        if not empty and row.cell_length + gap + part.cell_length > width - 1:
            lines.append(row)
            row, gap = Content(" " * (size + 2)), 0
        row = Content.assemble(row, " " * gap, part)
        empty = False
    return [*lines, row]


def detail(draft: Draft | None, loaded: Loaded | None) -> Content:
    """What is under the cursor: surface, sources, category, what is noted."""
    if draft is None or loaded is None:
        return Content("")
    surface = " ".join(draft.text[draft.start : draft.end].split("\n"))
    candidate = draft.candidate_at(draft.cursor)
    parts: list[str] = []
    if candidate is not None:
        titles = names()
        parts.append(", ".join(titles[source] for source in candidate.sources))
        parts.append(f"{candidate.score:.0%}")
        parts += [candidate.category or "", candidate.canonical or "", candidate.note]
    known = "  ".join(part for part in parts if part)
    return Content.assemble(" ", (surface, "b"), "  ", (known, MUTED))


def progress_lines(done: Progress | None, agreement: float | None, width: int) -> list[Content]:
    """Labeled of the goal, the own share, left, pace, time to go, keywords a text, agreement.

    As many lines as they take.
    """
    if done is None:
        return [Content("")]
    parts = _parts(done)
    if agreement is not None:
        parts.append(_("agreement {value}").format(value=f"{agreement:.2f}"))
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]} | {part}" if lines[-1] else f" {part}"
        if lines[-1] and Content(longer).cell_length > width:
            lines.append(f" {part}")
        else:
            lines[-1] = longer
    return [Content.styled(line, MUTED) for line in lines]


def _parts(done: Progress) -> list[str]:
    reached = done.labeled >= done.goal
    short = 0 if reached else max(0, done.goal - done.labeled - done.left)
    first = (
        _("{count} labeled, goal of {goal} reached") if reached else _("{count} of {goal} labeled")
    )
    parts = [
        first.format(count=f"{done.labeled:,}", goal=f"{done.goal:,}"),
        _("{count} done by you").format(count=f"{done.mine:,}"),
        _("{count} left").format(count=f"{done.left:,}"),
    ]
    if short:
        sentence = ngettext_("{count} more text needed", "{count} more texts needed", short)
        parts.append(sentence.format(count=f"{short:,}"))
    if done.seconds is not None:
        parts.append(_("{count} s a text").format(count=f"{done.seconds:.1f}"))
    if done.left_seconds:
        time = _("{time} for the rest") if reached or short else _("{time} to the goal")
        parts.append(time.format(time=duration(done.left_seconds)))
    parts.append(_("{count} keywords a text").format(count=f"{done.keywords_per_text:.1f}"))
    return parts


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes, or seconds."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
    if minutes:
        return _("{minutes} min").format(minutes=minutes)
    return _("{seconds} s").format(seconds=round(seconds))
