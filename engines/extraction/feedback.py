"""What is said to the model about its answer, and by whom.

Three sources, none of them gold: `missed` (a glossary term stands in the text and not in the
answer), `excluded` (an answered word is on the not-a-keyword list) and `person`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from engines.records import FeedbackNote, occurrences

if TYPE_CHECKING:
    from glossary.matching import Match

Source = Literal["missed", "excluded", "person"]
Fault = Literal["missed", "wrong"]

WORDS_A_TURN = 8

# The model was trained on these sentences: they belong to the prompt, not to the screen.
_SAID = {
    "ko": {
        "missed": "{words} 빠졌습니다.",
        "wrong": "{words} 키워드가 아닙니다.",
        "end": "다시 답하세요.",
    },
    "en": {
        "missed": "You missed {words}.",
        "wrong": "{words} is not a keyword.",
        "end": "Please retry.",
    },
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """One word that one source finds missed or wrong."""

    source: Source
    fault: Fault
    word: str


def missed_terms(text: str, answer: Sequence[str], hits: Iterable[Match]) -> list[Complaint]:
    """Glossary hits in `text` that no answered word covers, each surface once."""
    spans = [span for word in answer for span in occurrences(text, word)]
    words: dict[str, None] = {}
    for hit in hits:
        covered = any(start <= hit.start and hit.end <= end for start, end in spans)
        if hit.term.keyword and not covered and hit.surface not in answer:
            words[hit.surface] = None
    return [Complaint("missed", "missed", word) for word in words]


def excluded_words(answer: Iterable[str], excluded: Collection[str]) -> list[Complaint]:
    """Answered words that are on the not-a-keyword list."""
    return [Complaint("excluded", "wrong", word) for word in answer if word in excluded]


def marked_by_person(
    text: str, answer: Sequence[str], missed: Iterable[str], wrong: Iterable[str]
) -> list[Complaint]:
    """What a person marked, as far as it still holds for this answer and this text."""
    lacking = [word for word in dict.fromkeys(missed) if word not in answer and word in text]
    present = [word for word in dict.fromkeys(wrong) if word in answer]
    return [Complaint("person", "missed", word) for word in lacking] + [
        Complaint("person", "wrong", word) for word in present
    ]


def feedback_turn(
    complaints: Sequence[Complaint], language: str
) -> tuple[str, tuple[FeedbackNote, ...]]:
    """The user's next turn, and a note for each word in it.

    At most `WORDS_A_TURN` words are said in one turn; the rest may come in the next round.
    """
    said = _SAID[language]
    sentences: list[str] = []
    notes: list[FeedbackNote] = []
    spoken: Sequence[Complaint] = complaints[:WORDS_A_TURN]
    for fault in ("missed", "wrong"):
        group = [complaint for complaint in spoken if complaint.fault == fault]
        if group:
            words = ", ".join(f"'{word}'" for word in dict.fromkeys(c.word for c in group))
            sentence = said[fault].format(words=words)
            sentences.append(sentence)
            notes += [FeedbackNote(c.source, c.word, f"{sentence} {said['end']}") for c in group]
    return " ".join([*sentences, said["end"]]), tuple(notes)
