"""One text while it is labeled: labels, cursor, numbered candidates, hints. Knows no screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from engines.extraction.candidates import Candidate, Piece, Prepared, words
from engines.records import Keyword

Span = tuple[int, int]
DIGITS = "1234567890"
# Letters in the order in which fingers find them, then signs that need no Shift in any layout.
SIGNS = ";,.[]'-="
LETTERS = f"fjdksalghrueiwoqptyvmcnbxz{SIGNS}"
# Candidates that are likelier are labeled at once: a wrong one is one digit to take off, a missing
# one may be two letters (replayed on konne and the demo, 0.4 took fewer keys than 0.35 or 0.5).
LIKELY = 0.4
# So many morphemes after a begin have letters at their ends, before any end inside of one.
_ENDS = 18
# An end inside a morpheme is looked for in so many morphemes.
_INNER = 8


@dataclass(slots=True)
class Draft:
    """A text with the labels it has right now; `start` to `end` is under the cursor.

    `touched`: a key has changed the labels, so that nothing is preselected or numbered anew.
    """

    text_id: str
    text: str
    labels: dict[Span, Keyword] = field(default_factory=dict)
    pieces: tuple[Piece, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    numbered: tuple[Candidate, ...] = ()
    start: int = 0
    end: int = 0
    touched: bool = False
    ready: bool = False

    @classmethod
    def of(cls, text_id: str, text: str, keywords: Iterable[Keyword] = ()) -> Draft:
        """A text whose candidates are not known yet; its stops are words."""
        draft = cls(text_id, text, {(k.start, k.end): k for k in keywords})
        draft.pieces = tuple(words(text))
        draft.touched = bool(draft.labels)
        draft._rest()
        return draft

    def offer(self, prepared: Prepared, preselect: float | None = LIKELY) -> None:
        """Take stops and candidates; those likelier than `preselect` are labeled at once.

        Nothing is labeled, and no number changes, once a key has changed the labels.
        """
        fresh = not self.ready
        self.pieces, self.candidates = prepared.pieces, prepared.candidates
        self.ready = True
        if self.touched and self.numbered:
            return
        likeliest = sorted(self.candidates, key=lambda c: (-c.score, c.start))
        self.numbered = tuple(sorted(likeliest[: len(DIGITS)], key=lambda c: c.span))
        if not self.touched:
            self.labels.clear()
            if preselect is not None:
                self._preselect([c for c in likeliest if c.score > preselect])
        if fresh:
            self._rest()

    def _preselect(self, likely: Sequence[Candidate]) -> None:
        for candidate in likely:
            if not self._overlapping(candidate.span):
                self.labels[candidate.span] = candidate.keyword()

    @property
    def keywords(self) -> tuple[Keyword, ...]:
        """The labels in the order of the text."""
        return tuple(self.labels[span] for span in sorted(self.labels))

    @property
    def cursor(self) -> Span:
        """The span under the cursor."""
        return self.start, self.end

    def candidate_at(self, span: Span) -> Candidate | None:
        """The candidate that stands exactly there."""
        return next((c for c in self.candidates if c.span == span), None)

    # Labels

    def toggled(self, span: Span) -> dict[Span, Keyword]:
        """The labels after `span` is labeled, in the place of what overlaps it, or is not."""
        labels = dict(self.labels)
        if span in labels:
            del labels[span]
            return labels
        start, end = self._trimmed(span)
        if start >= end:
            return labels
        for other in self._overlapping((start, end)):
            del labels[other]
        known = self.candidate_at((start, end)) or self._same_surface(self.text[start:end])
        surface = self.text[start:end]
        keyword = Keyword(start, end, surface)
        if known is not None:
            keyword = Keyword(start, end, surface, known.category, known.canonical, known.term_id)
        labels[start, end] = keyword
        return labels

    def place_of(self, candidate: Candidate) -> Span:
        """Where toggling a candidate acts: where its surface is labeled, else its own place."""
        labeled = [span for span, k in self.labels.items() if k.surface == candidate.surface]
        return labeled[0] if labeled else candidate.span

    def is_labeled(self, candidate: Candidate) -> bool:
        """Whether its surface is labeled, here or at another place."""
        return any(k.surface == candidate.surface for k in self.labels.values())

    def put(self, labels: dict[Span, Keyword]) -> None:
        """Take labels that a key made."""
        self.labels, self.touched = labels, True

    def _overlapping(self, span: Span) -> list[Span]:
        return [other for other in self.labels if other[0] < span[1] and span[0] < other[1]]

    def _same_surface(self, surface: str) -> Candidate | None:
        return next((c for c in self.candidates if c.surface == surface), None)

    def _trimmed(self, span: Span) -> Span:
        start, end = span
        while start < end and self.text[start].isspace():
            start += 1
        while end > start and self.text[end - 1].isspace():
            end -= 1
        return start, end

    # Cursor

    def _rest(self) -> None:
        """Put the cursor on the first candidate, else on the first stop."""
        stops = self.candidates or self.pieces
        self.start, self.end = (stops[0].start, stops[0].end) if stops else (0, len(self.text))

    def go(self, span: Span) -> None:
        """Put the cursor on a span."""
        self.start, self.end = span

    def move(self, step: int, unit: str) -> None:
        """To the next (1) or previous (-1) "piece", "char" or "candidate"."""
        if unit == "char":
            start = min(max(self.start + step, 0), max(len(self.text) - 1, 0))
            self.start, self.end = start, min(start + 1, len(self.text))
            return
        stops: Sequence[Piece | Candidate] = self.pieces
        if unit == "candidate" and self.candidates:
            stops = self.candidates
        if step > 0:
            later = [stop for stop in stops if (stop.start, stop.end) > self.cursor]
            later = [stop for stop in later if stop.start > self.start] or later
            found = later[0] if later else None
        else:
            before = [stop for stop in stops if stop.start < self.start]
            found = before[-1] if before else None
        if found is not None:
            self.start, self.end = found.start, found.end

    def stretch(self, step: int, unit: str) -> None:
        """Move the end of the span under the cursor by a piece or a character."""
        if unit == "char":
            self.end = min(max(self.end + step, self.start + 1), len(self.text))
            return
        ends = [piece.end for piece in self.pieces]
        if step > 0:
            self.end = next((end for end in ends if end > self.end), len(self.text))
        else:
            shorter = [end for end in ends if self.start < end < self.end]
            self.end = shorter[-1] if shorter else self.end

    # Hints

    def starts(self) -> dict[str, int]:
        """What to type for each place where a keyword may begin."""
        places = [piece for piece in self.pieces if piece.begins]
        # Where letters run out, the places where keywords are rare take two.
        order = places
        if len(places) > len(LETTERS):
            order = sorted(places, key=lambda piece: (not piece.likely, piece.start))
        typed = dict(zip((piece.start for piece in order), codes(len(order)), strict=True))
        return {typed[piece.start]: piece.start for piece in places}

    def ends(self, start: int) -> dict[str, int]:
        """What to type for each place where a keyword that begins at `start` may end.

        The ends of morphemes have the best letters; the places inside the next ones come after.
        """
        places = [piece.end for piece in self.pieces if piece.end > start]
        near = places[:_INNER]
        inner = [
            place
            for place in range(start + 1, near[-1] if near else start)
            if place not in near and not self.text[place - 1].isspace()
        ]
        return dict(zip(LETTERS, [*places[:_ENDS], *inner, *places[_ENDS:]], strict=False))


def codes(count: int) -> list[str]:
    """`count` different codes of one letter, or two where letters run out; none begins another.

    The second of two is never a sign, as long as letters do.
    """
    size = len(LETTERS)
    if count <= size:
        return list(LETTERS[:count])
    seconds = LETTERS.rstrip(SIGNS) if count <= size * (size - len(SIGNS)) else LETTERS
    leading = 1
    while size - leading + leading * len(seconds) < count:
        leading += 1
    single = list(LETTERS[: size - leading])
    double = [first + second for first in LETTERS[size - leading :] for second in seconds]
    return [*single, *double][:count]
