"""Varied prompts: the same labeled text asked in many ways.

A model that has seen one prompt obeys one prompt. Here each text is asked for all keywords or for
some kinds, with glossary lines, exclusions, solved examples or feedback, and the answer follows
what the prompt says: only the kinds asked for, every explained term that stands in the text, no
excluded word, no word that a false complaint demands.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engines.extraction.feedback import Complaint, Fault, feedback_turn
from engines.extraction.prompt import PromptFields, PromptTemplate, answer_json, load_template
from engines.models.chat import Message
from engines.training.replacing import Labeled, Namesakes, invent, invented_word, swap
from engines.training.scratch_recipe import Variety

WORDINGS = {
    "ko": (
        "글에서 핵심어를 뽑아 JSON 배열로만 답하세요.",
        "아래 글의 키워드를 JSON 배열로 쓰세요.",
        "다음 문장에 나오는 키워드를 모두 골라 JSON 배열로 답하십시오.",
        "키워드 추출. 결과는 JSON 배열.",
        "이 글에서 중요한 낱말을 찾아 배열로 적어 주세요.",
        "다음 글을 읽고 알맞은 키워드만 JSON 배열로 답해 줘.",
        "글에 있는 그대로 키워드를 옮겨 JSON 배열로 답하세요.",
        "텍스트에서 개체명을 찾아 JSON 배열로 출력하세요.",
    ),
    "en": (
        "Extract the keywords of the text as a JSON array.",
        "List every keyword in the text. Answer with a JSON array only.",
        "Return the keywords as they stand in the text, as a JSON array.",
    ),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of keyword: its label in the data, its names, and what it means."""

    label: str
    names: tuple[str, ...]
    english: str
    description: str
    held_out: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation whose last turn is the user's, the answer to learn, and the text asked."""

    messages: tuple[Message, ...]
    answer: str
    text: str


def read_kinds(path: Path) -> list[Kind]:
    """Kinds from a TSV with the columns label, names (|), english, description, held_out."""
    with path.open(encoding="utf-8") as file:
        return [
            Kind(
                row["label"],
                tuple(row["names"].split("|")),
                row["english"],
                row["description"],
                row["held_out"] == "1",
            )
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]


class PromptMaker:
    """Draws prompts for labeled texts; the same seed and index give the same sample."""

    def __init__(
        self, records: Sequence[Labeled], kinds: Sequence[Kind], variety: Variety, seed: int
    ) -> None:
        self.records = records
        self.kinds = {kind.label: kind for kind in kinds}
        self.variety = variety
        self.seed = seed
        self.words = sorted({word for record in records for word in record.keywords})
        self.namesakes = Namesakes(records)
        self._templates = {name: load_template(name) for name in ("ko", "en")}
        self._labels = [
            label
            for record in records
            for _start, _end, label in record.spans
            if label in self.kinds and not self.kinds[label].held_out
        ]

    def sample(self, record: Labeled, index: int, *, plain: bool = False) -> Sample:
        """The prompt number `index` for this record; `plain` gives the bare instruction."""
        rng = random.Random(f"{self.seed}:{index}")
        if self.variety.swapped and rng.random() < self.variety.swapped:
            record = swap(rng, record, self.namesakes)
        if plain:
            return self._build(rng, record, PromptFields(text=record.text), "ko", record.keywords)
        draw = _Draw(self, rng, record)
        return draw.sample()

    def _build(
        self,
        rng: random.Random,
        record: Labeled,
        fields: PromptFields,
        language: str,
        answer: Sequence[str],
        feedback: tuple[Sequence[str], str] | None = None,
    ) -> Sample:
        notes = (record.note,) if record.note and rng.random() < record.note_share else ()
        prompt = self.template(language).render(replace(fields, notes=notes))
        messages: list[Message] = [{"role": "user", "content": prompt}]
        if feedback is not None:
            first, sentence = feedback
            messages.append({"role": "assistant", "content": answer_json(first)})
            messages.append({"role": "user", "content": sentence})
        return Sample(tuple(messages), answer_json(answer), fields.text)

    def template(self, language: str) -> PromptTemplate:
        """The shipped template of a language."""
        return self._templates[language]

    def draw_labels(self, rng: random.Random, count: int) -> list[str]:
        """Kinds as often as they stand in the data, held-out ones never."""
        return [rng.choice(self._labels) for _ in range(count)] if self._labels else []


class _Draw:
    """One sample in the making."""

    def __init__(self, maker: PromptMaker, rng: random.Random, record: Labeled) -> None:
        self.maker, self.rng = maker, rng
        self.language = "en" if rng.random() < maker.variety.english else "ko"
        self.record = record
        if rng.random() < maker.variety.invented:
            self.record = invent(rng, record)
        self.labels: frozenset[str] | None = None

    def sample(self) -> Sample:
        v, rng = self.maker.variety, self.rng
        fields = PromptFields(text=self.record.text)
        if rng.random() < v.wording:
            fields = replace(fields, instruction=rng.choice(WORDINGS[self.language]))
        if self.maker.kinds and rng.random() < v.kinds:
            fields = replace(fields, kinds=self._draw_kinds())
        answer = select(self.record, self.labels)
        if rng.random() < v.terms:
            definitions, answer = self._draw_terms(answer)
            fields = replace(fields, definitions=definitions)
        if rng.random() < v.exclude:
            exclude, answer = self._draw_exclude(answer, {t for t, _d in fields.definitions})
            fields = replace(fields, exclude=exclude)
        if rng.random() < v.shots:
            fields = replace(fields, cases=self._draw_cases())
        feedback = self._draw_feedback(answer) if rng.random() < v.feedback else None
        return self.maker._build(rng, self.record, fields, self.language, answer, feedback)

    def _draw_kinds(self) -> tuple[tuple[str, str], ...]:
        rng, maker = self.rng, self.maker
        known = {label for _s, _e, label in self.record.spans if label in maker.kinds}
        present = sorted(label for label in known if not maker.kinds[label].held_out)
        count = rng.choice((1, 1, 2, 2, 3, 4, 5, 6))
        labels: set[str] = set()
        if rng.random() >= maker.variety.absent_kinds and present:
            labels.update(rng.sample(present, min(len(present), rng.randint(1, count))))
        for label in maker.draw_labels(rng, count * 3):
            if len(labels) >= count:
                break
            if label not in known:
                labels.add(label)
        self.labels = frozenset(labels)
        described = rng.random() < maker.variety.descriptions
        kinds = [maker.kinds[label] for label in labels]
        kinds.sort(key=lambda kind: kind.label)
        rng.shuffle(kinds)
        return tuple((self._name(kind), kind.description if described else "") for kind in kinds)

    def _name(self, kind: Kind) -> str:
        if self.language == "en":
            return kind.english
        return kind.names[0] if self.rng.random() < 0.6 else self.rng.choice(kind.names)

    def _draw_terms(
        self, answer: tuple[str, ...]
    ) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """Glossary lines: words of the text, words that are not in it, parts of other words."""
        rng, text = self.rng, self.record.text
        wanted = set(answer)
        shown = [word for word in self.record.keywords if rng.random() < 0.5]
        if rng.random() < 0.4 and (word := _word_of(rng, text, self.record)):
            shown.append(word)
        wanted.update(shown)
        lines = list(shown)
        if rng.random() < 0.25 and (part := _part_of(rng, text)):
            lines.append(part)
        absent = [rng.choice(self.maker.words) for _ in range(rng.randint(0, 5))]
        lines += [word for word in absent if word not in text]
        lines = list(dict.fromkeys(lines))
        rng.shuffle(lines)
        labels = {text[s:e]: label for s, e, label in self.record.spans}
        explained = rng.random() < 0.6
        definitions = tuple((w, self._explain(labels.get(w)) if explained else "") for w in lines)
        return definitions, in_order(text, wanted)

    def _explain(self, label: str | None) -> str:
        kind = self.maker.kinds.get(label or "")
        if kind is None:
            drawn = self.maker.draw_labels(self.rng, 1)
            kind = self.maker.kinds[drawn[0]] if drawn else None
        if kind is None:
            return ""
        return kind.description if self.rng.random() < 0.4 else self._name(kind)

    def _draw_exclude(
        self, answer: tuple[str, ...], explained: set[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        rng = self.rng
        free = [word for word in answer if word not in explained]
        out = rng.sample(free, min(len(free), rng.randint(0, 2)))
        others = [rng.choice(self.maker.words) for _ in range(rng.randint(1, 4))]
        words = out + [word for word in others if word not in answer]
        rng.shuffle(words)
        return tuple(dict.fromkeys(words)), tuple(word for word in answer if word not in out)

    def _draw_cases(self) -> tuple[tuple[str, str], ...]:
        cases = []
        for _ in range(self.rng.randint(1, 3)):
            other = self.rng.choice(self.maker.records)
            if len(other.text) <= 70 and other.text != self.record.text:
                cases.append((other.text, answer_json(select(other, self.labels))))
        return tuple(cases)

    def _draw_feedback(self, answer: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
        """A first answer and a complaint about it; `answer` stays what is right."""
        rng = self.rng
        choice = rng.random()
        if answer and choice < 0.45:
            lost = rng.choice(answer)
            return tuple(w for w in answer if w != lost), self._complain("missed", lost)
        extra = _word_of(rng, self.record.text, self.record)
        if extra and extra not in answer and choice < 0.7:
            first = in_order(self.record.text, {*answer, extra})
            return first, self._complain("wrong", extra)
        false = rng.choice(self.maker.words)
        if false in self.record.text:
            false = invented_word(rng)
        return answer, self._complain("missed", false)

    def _complain(self, fault: Fault, word: str) -> str:
        return feedback_turn([Complaint("person", fault, word)], self.language)[0]


def select(record: Labeled, labels: frozenset[str] | None) -> tuple[str, ...]:
    """The keywords of the wanted kinds (all for None): outermost spans, once each, in order."""
    if labels is None:
        return record.keywords
    spans = sorted(
        ((s, e) for s, e, label in record.spans if label in labels), key=lambda x: (x[0], -x[1])
    )
    words: list[str] = []
    reach = -1
    for start, end in spans:
        if end <= reach:
            continue
        reach = end
        words.append(record.text[start:end])
    return tuple(dict.fromkeys(words))


def in_order(text: str, words: set[str]) -> tuple[str, ...]:
    """Words that stand in the text, by first appearance, the longer first."""
    found = [word for word in words if word in text]
    return tuple(sorted(found, key=lambda word: (text.find(word), -len(word), word)))


def _word_of(rng: random.Random, text: str, record: Labeled) -> str:
    """The head of a word of the text that touches no keyword, or ""."""
    words = [w for w in text.split() if len(w) >= 3 and all("가" <= c <= "힣" for c in w[:3])]
    rng.shuffle(words)
    for word in words[:4]:
        head = word[: rng.randint(2, min(4, len(word) - 1))]
        if not any(head in k or k in head for k in record.keywords):
            return head
    return ""


def _part_of(rng: random.Random, text: str) -> str:
    """Two letters from inside a word, which stand nowhere at a word's head, or ""."""
    words = [w for w in text.split() if len(w) >= 4]
    if not words:
        return ""
    word = rng.choice(words)
    at = rng.randint(1, len(word) - 2)
    part = word[at : at + 2]
    heads = (w[:2] for w in text.split())
    return part if part.isalpha() and part not in heads else ""
