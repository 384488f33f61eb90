"""From labeled texts to token ids: the very prompts of a strategy, and the answers to learn.

The prompts are built and encoded by the code that asks the model later (extraction.asking), so a
model is trained on the tokens that it will read.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines.extraction.asking import Asker, Question
from engines.extraction.passages import Passage, split
from engines.extraction.prompt import answer_json
from engines.extraction.strategy import kinds_of
from engines.models.chat import encode, encode_answer
from engines.records import Keyword, occurrences
from engines.settings import PlainTemplate, StrategySettings
from engines.training.texts import Lesson
from engines.training.tune_recipe import Prompting
from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.extraction.cases import Cases
    from engines.models.loading import LoadedModel
    from glossary.retrieval import Sources
    from glossary.store import Glossary

SHOTS = 3
LEAST_PASSAGE = 16
Ids = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example: token ids, and where the answer begins in them; the loss is on the answer.

    `lesson` counts the text that it was made from, `weight` how often an epoch sees it.
    """

    ids: Ids
    answer: int
    lesson: int
    weight: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Tools:
    """What prompts are made with: the model's tokenizer and config, and the workspace's parts."""

    loaded: LoadedModel
    glossary: Glossary | None = None
    sources: Sources | None = None
    cases: Cases | None = None
    prompts: Path | None = None


class PromptBuilder:
    """Makes the examples of a recipe's `[prompt]`; the same seed gives the same examples."""

    def __init__(self, prompting: Prompting, tools: Tools, max_length: int, seed: int) -> None:
        assert prompting.settings is not None
        self._prompting = prompting
        self._base = _single(prompting.settings)
        self._tools = tools
        self._plain = prompting.plain or PlainTemplate()
        self._limit = max_length
        self._seed = seed
        self._kinds = [name for name, _words in kinds_of(self._base)]
        self._asker = lru_cache(maxsize=256)(self._make_asker)
        self._by_kind = False
        self.split_texts = 0
        self.dropped = 0

    def examples(self, lessons: Sequence[Lesson]) -> Iterator[Tokens]:
        """The examples of all lessons in order; a long text gives several.

        Raises UserError when no example at all fits into `max_length`.
        """
        some = False
        self._by_kind = self._comparable(lessons)
        for number, lesson in enumerate(lessons):
            if not lesson.text.strip():
                continue
            asker = self._asker(self._draw(lesson))
            for tokens in self._pieces(asker, lesson, number):
                some = True
                yield tokens
        if not some:
            message = _(
                "No example fits into data.max_length = {limit} tokens: the prompt alone is "
                "longer. Raise it, or choose a strategy with a shorter prompt."
            )
            raise UserError(message.format(limit=self._limit))

    def _comparable(self, lessons: Sequence[Lesson]) -> bool:
        """Whether the labels say of each keyword which of the strategy's kinds it is."""
        found = {k.category or "" for lesson in lessons for k in lesson.keywords}
        if found and found <= set(self._kinds):
            return True
        if self._base.passes == "by_kind" or self._prompting.kinds:
            message = _(
                "prompt: asking by kind needs labels with the strategy's kinds as categories; "
                "these are {found}, the kinds are {kinds}."
            )
            shown = ", ".join(sorted(found)[:8]) or "-"
            raise UserError(message.format(found=shown, kinds=", ".join(self._kinds) or "-"))
        return False

    def _draw(self, lesson: Lesson) -> str:
        """The strategy that this lesson's prompt follows, as JSON (a key for the askers)."""
        rng = random.Random(f"{self._seed}:{lesson.id}:{lesson.text}")
        wish = self._prompting
        strategy = self._base
        if rng.random() < wish.bare:
            strategy = StrategySettings(
                template=strategy.template,
                template_text=strategy.template_text,
                language=strategy.language,
                instruction=strategy.instruction,
                max_new_tokens=strategy.max_new_tokens,
            )
        else:
            strategy = self._varied(rng, strategy)
        if wish.own_instruction and lesson.instruction:
            strategy = strategy.model_copy(update={"instruction": lesson.instruction})
        return strategy.model_dump_json()

    def _varied(self, rng: random.Random, strategy: StrategySettings) -> StrategySettings:
        wish, changes = self._prompting, dict[str, Any]()
        if rng.random() < wish.glossary and self._tools.glossary is not None:
            changes["glossary"] = True
        if rng.random() < wish.shots and self._tools.cases is not None:
            changes["shots"] = strategy.shots or SHOTS
        if rng.random() < wish.kinds and len(self._kinds) > 1:
            chosen = rng.sample(range(len(self._kinds)), rng.randint(1, len(self._kinds) - 1))
            changes["kinds"] = [strategy.kinds[index] for index in sorted(chosen)]
        return strategy.model_copy(update=changes)

    def _make_asker(self, strategy: str) -> Asker:
        tools = self._tools
        return Asker(
            StrategySettings.model_validate_json(strategy),
            tools.loaded,
            glossary=tools.glossary,
            sources=tools.sources,
            cases=tools.cases,
            plain=self._plain,
            prompts=tools.prompts,
            passage_chars=self._prompting.passage_chars,
            passage_overlap=self._prompting.passage_overlap,
        )

    def _pieces(self, asker: Asker, lesson: Lesson, number: int) -> Iterator[Tokens]:
        """Examples of one text that fit; pieces that do not are cut again at half their length."""
        chars = self._prompting.passage_chars
        waiting = passages_for(lesson, chars, min(self._prompting.passage_overlap, chars // 4))
        self.split_texts += len(waiting) > 1
        for passage in waiting:
            yield from self._fitting(asker, lesson, passage, number)

    def _fitting(
        self, asker: Asker, lesson: Lesson, passage: Passage, number: int
    ) -> Iterator[Tokens]:
        made = [
            self._tokens(asker, question, lesson, number)
            for question in asker.questions(lesson.text, [passage])
        ]
        if all(len(tokens) <= self._limit for tokens in made):
            yield from made
            return
        chars = len(passage.text) // 2
        if chars < LEAST_PASSAGE:
            self.dropped += 1
            return
        inner = Lesson(lesson.id, passage.text, _within(lesson.keywords, passage))
        self.split_texts += 1
        for piece in passages_for(inner, chars, chars // 4):
            if len(piece.text) < len(passage.text):
                moved = Passage(passage.start + piece.start, piece.text)
                yield from self._fitting(asker, lesson, moved, number)
            else:
                self.dropped += 1

    def _tokens(self, asker: Asker, question: Question, lesson: Lesson, number: int) -> Tokens:
        tokenizer = self._tools.loaded.tokenizer
        rendered = asker.rendered(question)
        prompt = encode(tokenizer, rendered)
        wanted = {question.kind} if question.kind else asker.kind_names()
        words = answer_words(lesson, question.passage, wanted if self._by_kind else set())
        answer = encode_answer(tokenizer, rendered, answer_json(words))
        return Tokens(
            np.asarray([*prompt, *answer], dtype=np.int32), len(prompt), number, lesson.weight
        )


def _single(strategy: StrategySettings) -> StrategySettings:
    """The strategy as one is trained for it: the first of two passes has no labels."""
    if strategy.passes == "clean_then_extract":
        return strategy.model_copy(update={"passes": "single"})
    return strategy


def answer_words(lesson: Lesson, passage: Passage, kinds: set[str]) -> list[str]:
    """The keywords to answer for a passage, once each, in order of appearance.

    `kinds`: only keywords of these categories; empty: all. A keyword counts where its label
    stands, and where the same word begins a word elsewhere.
    """
    chosen = [k for k in lesson.keywords if not kinds or k.category in kinds]
    end = passage.start + len(passage.text)
    places: dict[str, int] = {}
    for keyword in chosen:
        inside = passage.start <= keyword.start and keyword.end <= end
        at = keyword.start - passage.start if inside else _word_at(passage.text, keyword.surface)
        if at >= 0:
            places[keyword.surface] = min(at, places.get(keyword.surface, at))
    return sorted(places, key=lambda word: (places[word], -len(word)))


def _word_at(text: str, surface: str) -> int:
    for start, _end in occurrences(text, surface):
        if start == 0 or not text[start - 1].isalnum():
            return start
    return -1


def _within(keywords: Sequence[Keyword], passage: Passage) -> tuple[Keyword, ...]:
    end = passage.start + len(passage.text)
    return tuple(
        Keyword(k.start - passage.start, k.end - passage.start, k.surface, k.category)
        for k in keywords
        if passage.start <= k.start and k.end <= end
    )


def passages_for(lesson: Lesson, limit: int, overlap: int) -> list[Passage]:
    """The passages that the Extractor would cut, their edges moved off keywords.

    An edge inside a keyword moves to the keyword's start, so that the keyword is whole in one
    passage and no passage shows a part of it.
    """
    passages = split(lesson.text, limit, overlap)
    if len(passages) == 1:
        return passages
    moved: list[Passage] = []
    for passage in passages:
        start = _before_keyword(lesson.keywords, passage.start)
        end = _before_keyword(lesson.keywords, passage.start + len(passage.text))
        if passage is passages[-1]:
            end = len(lesson.text)
        if end > start:
            moved.append(Passage(start, lesson.text[start:end]))
    return moved


def _before_keyword(keywords: Sequence[Keyword], edge: int) -> int:
    """The start of the outermost keyword that `edge` lies inside of, or `edge`."""
    while True:
        cut = [keyword.start for keyword in keywords if keyword.start < edge < keyword.end]
        if not cut:
            return edge
        edge = min(cut)
