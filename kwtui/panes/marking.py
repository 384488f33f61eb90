"""What a person says about a prediction: words it missed, words that are no keywords."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from engines.records import Keyword, Prediction, occurrences
from glossary.i18n import _

Judgement = Literal["", "wrong", "missed"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list: a keyword, where it comes from, and what the person said."""

    keyword: Keyword
    origin: str
    judgement: Judgement


@dataclass(slots=True)
class Marking:
    """A prediction and the marks on it; `told`: what earlier answers were told of which word."""

    prediction: Prediction
    missed: list[Keyword] = field(default_factory=list)
    wrong: set[tuple[int, int]] = field(default_factory=set)
    told: dict[str, Judgement] = field(default_factory=dict)

    @property
    def touched(self) -> bool:
        """Whether the person marked anything."""
        return bool(self.missed or self.wrong)

    def rows(self) -> list[Row]:
        """Every keyword in order of appearance."""
        found = [
            Row(k, self._origin(k), "wrong" if (k.start, k.end) in self.wrong else "")
            for k in self.prediction.keywords
        ]
        found += [Row(keyword, _("you"), "missed") for keyword in self.missed]
        return sorted(found, key=lambda row: (row.keyword.start, row.keyword.end))

    def corrected(self) -> tuple[Keyword, ...]:
        """The keywords as the person wants them."""
        return tuple(row.keyword for row in self.rows() if row.judgement != "wrong")

    def missed_words(self) -> list[str]:
        """What the model is told it missed."""
        return list(dict.fromkeys(keyword.surface for keyword in self.missed))

    def wrong_words(self) -> list[str]:
        """What the model is told are no keywords."""
        rows = [row for row in self.rows() if row.judgement == "wrong"]
        return list(dict.fromkeys(row.keyword.surface for row in rows))

    def toggle(self, row: Row) -> None:
        """Call a keyword wrong, or take back what was said about it."""
        span = (row.keyword.start, row.keyword.end)
        if row.judgement == "missed":
            self.missed.remove(row.keyword)
        elif row.judgement == "wrong":
            self.wrong.discard(span)
        else:
            self.wrong.add(span)

    def refuse_missed(self, word: str) -> str:
        """Why `word` cannot be marked as missed, or ""."""
        if not word.strip():
            return _("Type a word of the text.")
        if word.strip() not in self.prediction.text:
            return _("The text does not hold '{word}'.").format(word=word.strip())
        if self._free_place(word.strip()) is None:
            return _("'{word}' is on the list already.").format(word=word.strip())
        return ""

    def add_missed(self, word: str, start: int | None = None) -> None:
        """Mark a word as missed: at `start`, or at its first place that is not on the list."""
        word = word.strip()
        at = self._free_place(word) if start is None else start
        if at is not None and (at, at + len(word)) not in self._taken():
            self.missed.append(Keyword(at, at + len(word), word))

    def after_retry(self, prediction: Prediction) -> Marking:
        """The marks that still hold for a new answer."""
        spans = {(k.start, k.end) for k in prediction.keywords}
        surfaces = {k.surface for k in prediction.keywords}
        missed = [keyword for keyword in self.missed if keyword.surface not in surfaces]
        return Marking(prediction, missed, self.wrong & spans, self._said())

    def notes(self, language: str) -> list[str]:
        """Sentences for the prompt that say what was marked, in the strategy's language."""
        from engines.notes import note_on

        judged = self._said().items()
        return [note_on(word, said, language) for word, said in judged if said]

    def _said(self) -> dict[str, Judgement]:
        """Every word the person judged; the last word on it counts."""
        missed: dict[str, Judgement] = dict.fromkeys(self.missed_words(), "missed")
        wrong: dict[str, Judgement] = dict.fromkeys(self.wrong_words(), "wrong")
        return {**self.told, **missed, **wrong}

    def _taken(self) -> set[tuple[int, int]]:
        return {(k.start, k.end) for k in (*self.prediction.keywords, *self.missed)}

    def _free_place(self, word: str) -> int | None:
        taken = self._taken()
        places = occurrences(self.prediction.text, word)
        return next((start for start, end in places if (start, end) not in taken), None)

    def _origin(self, keyword: Keyword) -> str:
        sources = {note.word: note.source for note in self.prediction.feedback}
        source = sources.get(keyword.surface)
        if source == "missed":
            return _("asked again")
        if source == "person":
            return _("after your word")
        if not self.prediction.model:
            return _("glossary")
        return _("model, in glossary") if keyword.term_id else _("model")
