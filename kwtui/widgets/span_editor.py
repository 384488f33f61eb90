"""The text that is being labeled: labels, cursor, and under each line the numbers and hints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.strip import Strip

from kwtui.widgets.draft import DIGITS, SIGNS, Draft
from kwtui.widgets.lines import Lines

LABEL, CURSOR, OFFERED = "b u $success", "reverse", "$accent"
NUMBER, TAKEN, HINT, FAINT_HINT = "$accent", "b $success", "b reverse $primary", "$primary"


@dataclass(frozen=True, slots=True)
class Row:
    """Code points `start` to `end` on one line, and the cell where each of them begins."""

    start: int
    end: int
    cells: tuple[int, ...] = field(default=())


def wrapped(text: str, width: int) -> list[Row]:
    """The lines of a text by the cells of its letters, broken at spaces where that is near."""
    rows: list[Row] = []
    start = 0
    while start < len(text):
        end, cells = _fit(text, start, max(width, 2))
        if end < len(text) and text[end] not in "\n " and text[end - 1] != " ":
            space = text.rfind(" ", start, end)
            if space > start and cells[space - start] > width // 2:
                end = space + 1
        rows.append(Row(start, end, tuple(cells[: end - start])))
        start = end
        if start < len(text) and text[start] == "\n":
            start += 1
    return rows


def _fit(text: str, start: int, width: int) -> tuple[int, list[int]]:
    """The end of what fits into a line, and the cell of each letter of it."""
    cells: list[int] = []
    used = 0
    for place in range(start, len(text)):
        letter = text[place]
        if letter == "\n":
            return place, cells
        size = cell_len(letter)
        if used + size > width and cells:
            return (place, cells) if letter != " " else (place + 1, [*cells, used])
        cells.append(used)
        used += size
    return len(text), cells


def drawn(text: str) -> str:
    """The text for a terminal, letter for letter: what could steer it is a question mark."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


class SpanEditor(Lines, can_focus=True):
    """Draws a Draft; letters go to the hints while `hinting`, everything else to the bindings."""

    class Hinted(Message):
        """Both ends of a span were typed."""

        def __init__(self, start: int, end: int) -> None:
            super().__init__()
            self.start, self.end = start, end

    class Pointed(Message):
        """A click, at this code point."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.draft: Draft | None = None
        self.hinting = False
        self._typed = ""
        self._from: int | None = None
        self._rows: list[Row] = []
        self._top = 0
        self._words: Sequence[Content] = ()

    # What is shown

    def open(self, draft: Draft | None, instead: Sequence[Content] = ()) -> None:
        """Show a text from its beginning, or other lines instead."""
        self.draft, self._words, self._top = draft, instead, 0
        self._typed, self._from = "", None
        self._wrap()
        self.paint()

    def update(self) -> None:
        """Draw what has changed in the draft."""
        self._follow()
        self.paint()

    def on_resize(self) -> None:
        """Wrap anew."""
        self._wrap()
        super().on_resize()

    def _wrap(self) -> None:
        text = self.draft.text if self.draft else ""
        self._rows = wrapped(text, self.size.width - 2)
        self._follow()

    def _follow(self) -> None:
        """Keep the cursor on the screen."""
        if self.draft is None or self.size.height < 2:
            return
        at = next((n for n, r in enumerate(self._rows) if self.draft.start < r.end), 0)
        fits = max(1, (self.size.height - 1) // 2)
        if at < self._top or at >= self._top + fits:
            self._top = max(0, at - fits // 2)

    @property
    def rows(self) -> int:
        """Lines of the text, without those between them."""
        return len(self._rows)

    def draw(self, y: int) -> Strip:
        """A line of text, or the marks under it; the first line is blank."""
        content = Content("")
        if self.draft is None:
            content = self._words[y - 1] if 0 < y <= len(self._words) else content
        elif y and (row := self._top + (y - 1) // 2) < len(self._rows):
            shown = self._rows[row]
            content = self._text_of(shown) if y % 2 else self._marks_of(shown)
        width, style = self.size.width, self.visual_style
        strip = Strip(Content.assemble(" ", content).render_segments(style))
        return strip.adjust_cell_length(width, style.rich_style)

    def _text_of(self, row: Row) -> Content:
        draft = self.draft
        assert draft is not None
        content = Content(drawn(draft.text[row.start : row.end]))
        spans = [(c.span, OFFERED) for c in draft.numbered]
        spans += [(span, LABEL) for span in draft.labels]
        spans.append((draft.cursor, CURSOR))
        for (start, end), style in spans:
            first, last = max(start, row.start) - row.start, min(end, row.end) - row.start
            if first < last:
                content = content.stylize(style, first, last)
        return content

    def _marks_of(self, row: Row) -> Content:
        """Numbers of candidates and, while hinting, the letters, each under its place."""
        marks: dict[int, tuple[str, str]] = {}
        for place, mark, style in self._marks():
            if row.start <= place < row.end:
                cell = row.cells[place - row.start]
                while any(at in marks for at in range(cell, cell + len(mark))):
                    cell += 1
                for offset, letter in enumerate(mark):
                    marks[cell + offset] = (letter, style)
        if not marks:
            return Content("")
        line = "".join(marks.get(cell, (" ", ""))[0] for cell in range(max(marks) + 1))
        # Blanks wear the style of the numbers, which saves a change of style each.
        content = Content.styled(line, NUMBER)
        for cell, (_letter, style) in marks.items():
            if style != NUMBER:
                content = content.stylize(style, cell, cell + 1)
        return content

    def _marks(self) -> Iterator[tuple[int, str, str]]:
        draft = self.draft
        assert draft is not None
        if self._from is None:
            for digit, candidate in zip(DIGITS, draft.numbered, strict=False):
                taken = draft.is_labeled(candidate)
                yield candidate.start, digit, TAKEN if taken else NUMBER
        if self.hinting:
            ends = self._from is not None
            whole = {piece.end for piece in draft.pieces} if ends else set()
            for code, place in self._codes().items():
                if code.startswith(self._typed):
                    style = FAINT_HINT if ends and place not in whole else HINT
                    yield place - ends, code[len(self._typed) :], style

    def _codes(self) -> dict[str, int]:
        assert self.draft is not None
        return self.draft.starts() if self._from is None else self.draft.ends(self._from)

    # Hints

    def hint(self, on: bool) -> None:
        """Turn the hints on or off."""
        self.hinting, self._typed, self._from = on, "", None
        self.update()

    def drop_hint(self) -> bool:
        """Forget a hint that is half typed; False when there was none."""
        half = bool(self._typed) or self._from is not None
        self._typed, self._from = "", None
        self.update()
        return half

    def type_hint(self, letter: str) -> None:
        """One letter of a hint: of where a span begins, then of where it ends."""
        if self.draft is None:
            return
        codes = self._codes()
        typed = self._typed + letter
        if typed in codes and self._from is None:
            self._typed, self._from = "", codes[typed]
            start = codes[typed]
            self.draft.go((start, next(iter(self.draft.ends(start).values()), start + 1)))
        elif typed in codes:
            assert self._from is not None
            start, self._typed, self._from = self._from, "", None
            self.post_message(self.Hinted(start, codes[typed]))
        elif any(code.startswith(typed) for code in codes):
            self._typed = typed
        self.update()

    def on_key(self, event: events.Key) -> None:
        """Letters, also as jamo, and some signs are hints while hinting."""
        if not self.hinting or self.draft is None:
            return
        sign = event.character if event.character and event.character in SIGNS else ""
        letter = letter_of(event.key) or sign
        if letter:
            event.stop()
            event.prevent_default()
            self.type_hint(letter)

    def on_click(self, event: events.Click) -> None:
        """Tell which letter was clicked."""
        row = self._top + (event.y - 1) // 2
        if self.draft is None or event.y < 1 or row >= len(self._rows):
            return
        cells: Sequence[int] = self._rows[row].cells
        before = [n for n, cell in enumerate(cells) if cell <= event.x - 1]
        if before:
            self.post_message(self.Pointed(self._rows[row].start + before[-1]))


def letter_of(key: str) -> str:
    """The Latin letter of a key, also of a jamo on it; "" for any other key."""
    from kwtui.keymap import JAMO

    if len(key) == 1 and "a" <= key <= "z":
        return key
    return next((letter for letter, jamo in JAMO.items() if jamo == key and letter.islower()), "")
