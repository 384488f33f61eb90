"""A linear-chain CRF over characters: the control that learns from labels without a language model.

It tags every character B, I or O (Lafferty, McCallum and Pereira 2001; CRFsuite through
sklearn-crfsuite) and trains in seconds, so every tuned model has to beat it.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engines.records import Example, Keyword, Prediction, occurrences
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

# Elastic-net penalties and iterations of L-BFGS, chosen on konne train/dev (4,000 texts).
L1 = 0.02
L2 = 0.05
ITERATIONS = 80

# A character that is outside so surely is not in question.
_SURE = 0.98
_AFFIX = 4
_WINDOW = 3


class CharacterCRF:
    """A trained tagger; make one with `train` or `load`."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @classmethod
    def train(
        cls, examples: Iterable[Example], *, l1: float = L1, l2: float = L2, steps: int = ITERATIONS
    ) -> CharacterCRF:
        """Learn from labeled examples; equal examples give an equal model.

        `l1`, `l2`: elastic-net penalties; `steps`: most iterations. Raises UserError when no
        example holds a keyword.
        """
        from sklearn_crfsuite import CRF

        texts = [e for e in examples if e.text]
        marks = [tags(e) for e in texts]
        if not any("B" in row for row in marks):
            sentence = _("The CRF needs labeled texts with keywords to learn from: label some.")
            raise UserError(sentence)
        model = CRF(
            algorithm="lbfgs", c1=l1, c2=l2, max_iterations=steps, all_possible_transitions=True
        )
        # CRFsuite copies each text's features as it reads them: here one text's are held at a time.
        model.fit((features(e.text) for e in texts), marks)
        return cls(model)

    @classmethod
    def load(cls, path: Path) -> CharacterCRF:
        """A model that `save` wrote. Raises UserError when there is none at `path`."""
        from sklearn_crfsuite import CRF

        if not path.is_file():
            raise UserError(_("There is no CRF model at {path}: train one.").format(path=path))
        model = CRF(model_filename=str(path))
        try:
            model.tagger_.labels()
        except ValueError:
            raise UserError(_("{path} is no CRF model.").format(path=path)) from None
        return cls(model)

    def save(self, path: Path) -> None:
        """Write the model (CRFsuite's own format, no pickle); raises OSError when it cannot."""
        draft = path.with_name(f".{path.name}.tmp")
        shutil.copyfile(self._model.modelfile.name, draft)
        draft.replace(path)

    def keywords(self, text: str) -> tuple[Keyword, ...]:
        """Keywords of a normalised text, each surface once, in order of first appearance."""
        if not text:
            return ()
        found: dict[str, Keyword] = {}
        for start, end in spans(self._model.predict_single(features(text))):
            surface = text[start:end].strip()
            start += len(text[start:end]) - len(text[start:end].lstrip())
            if surface:
                found.setdefault(surface, Keyword(start, start + len(surface), surface))
        return tuple(found.values())

    def candidates(self, text: str, *, least: float) -> list[tuple[Keyword, float]]:
        """Spans that may be keywords, each with about how likely it is, in the text's order.

        From the marginals of the tags, for spans at `least` so likely; the product over a span
        takes neighbouring tags for dependent, as B I I are.
        """
        if not text:
            return []
        found = []
        marginals = self._model.predict_marginals_single(features(text))
        inside = [row.get("I", 0.0) for row in marginals]
        for start, row in enumerate(marginals):
            begins = row.get("B", 0.0)
            if begins < least or text[start].isspace():
                continue
            end, share = _likeliest_end(inside, start, begins)
            surface = text[start:end].rstrip()
            if share >= least and surface:
                found.append((Keyword(start, start + len(surface), surface), share))
        return found

    def uncertainty(self, text: str) -> float:
        """From 0 to 1: how little the likeliest tag is believed, over characters in question."""
        marginals = self._model.predict_marginals_single(features(text)) if text else []
        doubts = [1.0 - max(row.values()) for row in marginals if row.get("O", 0.0) < _SURE]
        return sum(doubts) / len(doubts) if doubts else 0.0

    def extract(
        self, examples: Iterable[Example], *, strategy: str = "crf"
    ) -> Iterator[Prediction]:
        """A prediction for each example, in order."""
        for example in examples:
            found = self.keywords(example.text)
            yield Prediction(example.id, example.text, found, strategy, "crf")


def _likeliest_end(inside: Sequence[float], start: int, begins: float) -> tuple[int, float]:
    """Where a span that begins at `start` most likely ends, and how likely it is."""
    best, share = start + 1, 0.0
    going, before = begins, begins
    for end in range(start + 1, len(inside) + 1):
        more = min(1.0, inside[end] / before) if end < len(inside) and before else 0.0
        if going * (1.0 - more) > share:
            best, share = end, going * (1.0 - more)
        going *= more
        if going < share:
            break
        before = inside[end]
    return best, share


def tags(example: Example) -> list[str]:
    """B, I or O for each character of the text.

    A keyword is marked where it stands and at its later occurrences; of overlapping ones the
    longer is marked.
    """
    marks = ["O"] * len(example.text)
    places = {
        place
        for keyword in example.keywords
        for place in [
            (keyword.start, keyword.end),
            *occurrences(example.text, normalise(keyword.surface)),
        ]
        if place[0] >= keyword.start
    }
    for start, end in sorted(places, key=lambda p: (p[0] - p[1], p[0])):
        if all(mark == "O" for mark in marks[start:end]):
            marks[start:end] = ["B", *"I" * (end - start - 1)]
    return marks


def spans(marks: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of B I I…; an I after an O begins a run."""
    start: int | None = None
    for place, mark in enumerate([*marks, "O"]):
        if start is not None and mark != "I":
            yield start, place
            start = None
        if mark == "B" or (mark == "I" and start is None):
            start = place


def features(text: str) -> list[list[str]]:
    """For each character: its neighbours, their classes, and its place in the word around it."""
    kinds = "".join(_kind(char) for char in text)
    words = list(_words(text))
    return [_at(text, kinds, words, place) for place in range(len(text))]


Word = tuple[int, int, str, str]


def _words(text: str) -> Iterator[Word]:
    """For each character: start and end of its space-delimited word, the word before and after."""
    bounds: list[tuple[int, int]] = []
    start = 0
    for piece in text.replace("\n", " ").split(" "):
        bounds.append((start, start + len(piece)))
        start += len(piece) + 1
    pieces = ["^", *(text[a:b] for a, b in bounds), "$"]
    for number, (a, b) in enumerate(bounds):
        for _place in range(a, b + 1 if number + 1 < len(bounds) else b):
            yield a, b, pieces[number], pieces[number + 2]


def _at(text: str, kinds: str, words: Sequence[Word], place: int) -> list[str]:
    start, end, before, after = words[place]
    found = ["bias", f"d{min(place - start, 4)}", f"e{min(end - place, 4)}"]
    low, high = max(0, place - _WINDOW), place + _WINDOW + 1
    for at in range(low, min(high, len(text))):
        found.append(f"c{at - place}={text[at]}")
    for size in (2, 3, 4):
        for at in range(place - size + 1, place + 1 if size > 2 else place + 2):
            if at >= 0 and at + size <= len(text):
                found.append(f"g{size},{at - place}={text[at : at + size]}")
    found.append(f"k={kinds[max(0, place - 2) : place + 3]}")
    found.append(f"k0={kinds[place]}")
    found.append(f"p={text[start:place]}|{text[place : place + 1]}")
    found.append(f"s={text[place:end][:6]}|{end - place <= 6}")
    if end > start:
        found.append(f"w={text[start:end]}")
        found.append(f"ws={text[max(start, end - 2) : end]},{min(end - place, 4)}")
    found.append(f"wb={before[-_AFFIX + 1 :]},{place == start}")
    found.append(f"wa={after[: _AFFIX - 1]},{end - place <= 1}")
    return found


def _kind(char: str) -> str:
    if "가" <= char <= "힣":
        return "h"
    if char.isdigit():
        return "d"
    if char.isspace():
        return "_"
    if char.isalpha():
        return ("A" if char.isupper() else "a") if char.isascii() else "o"
    return "p" if unicodedata.category(char).startswith("P") else "y"
