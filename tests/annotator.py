"""An annotator who knows the gold and takes the fewest keys of the labeling view."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from engines.records import occurrences
from kwtui.widgets.draft import DIGITS, Draft, Span

# Keys that move the cursor, and what they do.
MOVES: dict[str, Callable[[Draft], None]] = {
    "right": lambda draft: draft.move(1, "piece"),
    "left": lambda draft: draft.move(-1, "piece"),
    "down": lambda draft: draft.move(1, "candidate"),
    "up": lambda draft: draft.move(-1, "candidate"),
    "ctrl+right": lambda draft: draft.move(1, "char"),
    "ctrl+left": lambda draft: draft.move(-1, "char"),
    "shift+right": lambda draft: draft.stretch(1, "piece"),
    "shift+left": lambda draft: draft.stretch(-1, "piece"),
    "shift+down": lambda draft: draft.stretch(1, "char"),
    "shift+up": lambda draft: draft.stretch(-1, "char"),
}
NEXT, NONE, CLEAR, MARK = "enter", "ctrl+x", "delete", "space"


@dataclass(frozen=True, slots=True)
class Ways:
    """Which keys the annotator uses; letters of hints need the hints to be on."""

    digits: bool = True
    hints: bool = True


def places(text: str, surfaces: Iterable[str]) -> dict[str, list[Span]]:
    """Where each surface stands in the text; those that do not stand there are left out."""
    found = {surface: list(occurrences(text, surface)) for surface in dict.fromkeys(surfaces)}
    return {surface: spans for surface, spans in found.items() if spans}


def chosen(text: str, surfaces: Iterable[str]) -> dict[str, Span]:
    """One place a surface, no two of them overlapping; a surface that finds none is left out.

    Longer surfaces choose first.
    """
    found = places(text, surfaces)
    taken: dict[str, Span] = {}
    for surface in sorted(found, key=lambda s: (-len(s), found[s][0])):
        free = [
            span
            for span in found[surface]
            if not any(span[0] < end and start < span[1] for start, end in taken.values())
        ]
        if free:
            taken[surface] = free[0]
    return taken


def keys_for(draft: Draft, gold: dict[str, Span], ways: Ways) -> list[str]:
    """The keys by which the labels of `draft` become the gold, and the text is approved.

    The draft itself is left as it was.
    """
    kept = _mend(_copy(draft), gold, ways)
    anew = _mend(_cleared(draft), gold, ways) if draft.labels else None
    best = [*kept, NEXT]
    if anew is not None and len(anew) + 2 < len(best):
        best = [CLEAR, *anew, NEXT]
    return [NONE] if not gold and len(best) > 1 else best


def _copy(draft: Draft) -> Draft:
    return replace(draft, labels=dict(draft.labels))


def _cleared(draft: Draft) -> Draft:
    return replace(draft, labels={})


def _mend(draft: Draft, gold: dict[str, Span], ways: Ways) -> list[str]:
    keys: list[str] = []
    for surface, span in sorted(gold.items(), key=lambda item: item[1]):
        if not any(keyword.surface == surface for keyword in draft.labels.values()):
            keys += _toggle(draft, span, ways, gold)
    for span, keyword in sorted(draft.labels.items()):
        if span in draft.labels and keyword.surface not in gold:
            keys += _toggle(draft, span, ways, gold)
    return keys


def _toggle(draft: Draft, span: Span, ways: Ways, gold: dict[str, Span]) -> list[str]:
    """The fewest keys that toggle a span or its surface elsewhere, done to the draft."""
    surface = draft.text[span[0] : span[1]]
    options: list[list[str]] = []
    if ways.digits:
        for digit, candidate in zip(DIGITS, draft.numbered, strict=False):
            place = draft.place_of(candidate)
            if candidate.surface == surface and not _costs(draft, place, span, gold):
                options.append([digit])
                span = place
    if ways.hints and not options:
        options += _hinted(draft, span)
    if not options:
        options.append([*arrows(draft, span), MARK])
    keys = min(options, key=len)
    draft.go(span)
    draft.put(draft.toggled(span))
    return keys


def _costs(draft: Draft, place: Span, span: Span, gold: dict[str, Span]) -> bool:
    """Whether a label at `place` instead of `span` would take one of the gold off."""
    wanted = [s for s, k in draft.labels.items() if k.surface in gold and s != place]
    return place != span and any(s[0] < place[1] and place[0] < s[1] for s in wanted)


def _hinted(draft: Draft, span: Span) -> list[list[str]]:
    starts = {place: code for code, place in draft.starts().items()}
    ends = {place: code for code, place in draft.ends(span[0]).items()}
    if span[0] not in starts:
        return []
    if span[1] in ends:
        return [[*starts[span[0]], *ends[span[1]]]]
    probe = _copy(draft)
    probe.go((span[0], min(ends, default=span[0] + 1)))
    return [[*starts[span[0]], *arrows(probe, span), MARK]]


def arrows(draft: Draft, wanted: Span) -> list[str]:
    """The fewest keys by which the cursor comes to a span (breadth first over its places)."""
    probe = _copy(draft)
    seen: dict[Span, tuple[Span, str] | None] = {draft.cursor: None}
    waiting = deque([draft.cursor])
    while waiting and wanted not in seen:
        here = waiting.popleft()
        for key, move in MOVES.items():
            probe.go(here)
            move(probe)
            if probe.cursor not in seen and probe.end <= max(wanted[1], probe.start + 40):
                seen[probe.cursor] = (here, key)
                waiting.append(probe.cursor)
    keys: list[str] = []
    at = wanted
    while (step := seen[at]) is not None:
        at, key = step
        keys.append(key)
    return keys[::-1]
