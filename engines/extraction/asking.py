"""Questions to a model: prompts built, answered in batches, asked again with feedback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engines.extraction.backend import Ask, Backend, backend_of
from engines.extraction.feedback import Complaint, excluded_words, feedback_turn, missed_terms
from engines.extraction.passages import Passage, split
from engines.extraction.prompt import (
    PromptFields,
    answer_json,
    load_template,
    strategy_template,
)
from engines.extraction.strategy import kinds_of
from engines.extraction.support import Support, is_excluded, support_for, wanted_categories
from engines.records import FeedbackNote
from engines.settings import StrategySettings
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

if TYPE_CHECKING:
    from engines.extraction.cases import Case, Cases
    from engines.models.chat import Message, PlainTemplate, Rendered
    from engines.models.loading import LoadedModel
    from glossary.matching import Match
    from glossary.retrieval import Sources
    from glossary.store import Glossary

Cancelled = Callable[[], bool]
Progress = Callable[[int, int], None]

LEAST_PASSAGE = 16


@dataclass(slots=True)
class Question:
    """One conversation about one passage, and the latest answer in it.

    `kind` is set when the question is about that kind only. Token counts add up over rounds.
    `error`: why the latest round got no answer; the words are those of the round before.
    """

    passage: Passage
    support: Support
    messages: list[Message]
    kind: str = ""
    words: list[str] = field(default_factory=list)
    valid: bool = True
    truncated: bool = False
    rounds: int = 1
    notes: tuple[FeedbackNote, ...] = ()
    template: str = ""
    prompt_tokens: int = 0
    new_tokens: int = 0
    sureness: float | None = None
    error: str = ""

    @property
    def hits(self) -> list[Match]:
        """Glossary hits that this question asks for."""
        hits = self.support.hits
        return [hit for hit in hits if not self.kind or hit.term.category in ("", self.kind)]


class Asker:
    """Builds a strategy's prompts and has one model answer them."""

    def __init__(
        self,
        strategy: StrategySettings,
        loaded: LoadedModel | Backend,
        *,
        glossary: Glossary | None = None,
        cases: Cases | None = None,
        sources: Sources | None = None,
        plain: PlainTemplate | None = None,
        prompts: Path | None = None,
        passage_chars: int = 1200,
        passage_overlap: int = 120,
    ) -> None:
        self._strategy = strategy
        self.backend = backend_of(loaded, plain)
        self._glossary = glossary
        self._cases = cases
        self._sources = sources
        self._marks = self.backend.marks
        self._template = strategy_template(strategy, prompts)
        self._cleaner = load_template(f"clean-{strategy.language}", prompts)
        self._kinds = kinds_of(strategy)
        self._passage_chars = passage_chars
        self._passage_overlap = passage_overlap
        self._context = self.backend.context
        self._categories = wanted_categories(strategy, glossary)
        self._supported = ("", Support())

    def questions(self, text: str, passages: Sequence[Passage] | None = None) -> list[Question]:
        """All questions that the strategy asks about normalised `text`, none answered yet.

        `passages`: the pieces of the text to ask about, where the caller has cut it already.
        """
        asked: list[Question] = []
        for passage in self._passages(text) if passages is None else passages:
            support = self._support(passage.text)
            for kinds in self._kind_sets():
                messages = self._messages(passage.text, text, kinds, support)
                kind = kinds[0][0] if self._strategy.passes == "by_kind" else ""
                asked.append(Question(passage, support, messages, kind))
        return asked

    def kind_names(self) -> set[str]:
        """The names of the kinds that the prompts name; empty: all kinds are wanted."""
        return {name for name, _description in self._kinds}

    def prompts(self, text: str) -> list[str]:
        """What the model would read about normalised `text`, in the order of the passes.

        The rewriting that clean_then_extract puts into its second pass is not known before the
        model has answered: the text stands there as it is.
        """
        questions = self.questions(text)
        drafts = self._drafts(questions) if self._strategy.passes == "clean_then_extract" else []
        return [self.rendered(question).text for question in (*drafts, *questions)]

    def rendered(self, question: Question) -> Rendered:
        """The exact text that goes into the model for the question's next answer."""
        return self.backend.rendered(question.messages)

    def clean(self, questions: Sequence[Question], cancelled: Cancelled | None = None) -> None:
        """First pass of clean_then_extract: each passage rewritten, then put into its prompt.

        A rewriting that was cut off, or lost or added more than half, is not used.
        """
        drafts = self._drafts(questions)
        longest = max((self.backend.count(draft.passage.text) for draft in drafts), default=0)
        raws = self._generate(drafts, min(2 * longest + 8, self._room(drafts)), False, cancelled)
        owners = {id(draft.passage): draft for draft in drafts}
        texts = {id(d.passage): _usable(d, raw) for d, raw in zip(drafts, raws, strict=True)}
        for question in questions:
            key = id(question.passage)
            kinds, whole = self._kinds_of(question), question.passage.text
            question.messages = self._messages(texts[key], whole, kinds, question.support)
            if draft := owners.pop(key, None):
                question.prompt_tokens += draft.prompt_tokens
                question.new_tokens += draft.new_tokens

    def _drafts(self, questions: Sequence[Question]) -> list[Question]:
        """The questions that ask to rewrite each passage."""
        passages = {id(question.passage): question for question in questions}
        return [
            replace(q, messages=_user(self._clean_prompt(q.passage.text)))
            for q in passages.values()
        ]

    def _clean_prompt(self, text: str) -> str:
        return self._cleaner.render(PromptFields(text).fenced(self._marks))

    def answer(
        self,
        questions: Sequence[Question],
        cancelled: Cancelled | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        """Have every question answered; the answers land in the questions.

        `on_progress` hears how many are answered. Raises decoding.Cancelled.
        """
        from engines.extraction.decoding import parse_answer

        for question in questions:
            question.truncated = False
        constrained = self._strategy.constrained
        raws = self._generate(
            questions, self._strategy.max_new_tokens, constrained, cancelled, on_progress
        )
        for question, raw in zip(questions, raws, strict=True):
            words, question.valid = parse_answer(raw)
            if not question.error:
                question.words = list(dict.fromkeys(words))

    def complaints(self, question: Question) -> list[Complaint]:
        """What the strategy's own sources (not the person) say about the question's answer."""
        sources = self._strategy.feedback_sources
        said: list[Complaint] = []
        if "missed" in sources:
            said += missed_terms(question.passage.text, question.words, question.hits)
        if "excluded" in sources:
            own = {normalise(word) for word in self._strategy.exclude}
            glossary = self._glossary if self._strategy.glossary else None
            unwanted = {w for w in question.words if w in own or is_excluded(glossary, w)}
            said += excluded_words(question.words, unwanted)
        return said

    def retort(self, question: Question, complaints: Sequence[Complaint]) -> bool:
        """Add the answer and one turn of feedback to the conversation, for the next `answer`.

        False, and nothing added, when the conversation would outgrow the model's context.
        """
        turn, notes = feedback_turn(complaints, self._strategy.language)
        longer: list[Message] = [
            *question.messages,
            {"role": "assistant", "content": answer_json(question.words)},
            {"role": "user", "content": turn},
        ]
        size = self.backend.size(longer)
        if size + self._strategy.max_new_tokens > self._context:
            return False
        question.messages = longer
        question.notes += notes
        question.rounds += 1
        return True

    def _generate(
        self,
        questions: Sequence[Question],
        max_new_tokens: int,
        constrained: bool,
        cancelled: Cancelled | None,
        on_progress: Progress | None = None,
    ) -> list[str]:
        asks = [
            Ask(
                question.messages,
                question.passage.text,
                tuple(form for form, _match in question.support.forms),
                constrained,
            )
            for question in questions
        ]
        answers = self.backend.answer(
            asks,
            max_new_tokens=max_new_tokens,
            batch_size=self._strategy.batch_size,
            on_progress=on_progress,
            cancelled=cancelled,
        )
        for question, one in zip(questions, answers, strict=True):
            question.template = one.template
            question.prompt_tokens += one.prompt_tokens
            question.new_tokens += one.new_tokens
            question.truncated = one.truncated
            question.sureness = one.sureness
            question.error = one.error
        return [one.raw for one in answers]

    def _kind_sets(self) -> list[tuple[tuple[str, str], ...]]:
        if self._strategy.passes == "by_kind":
            return [(kind,) for kind in self._kinds]
        return [self._kinds]

    def _kinds_of(self, question: Question) -> tuple[tuple[str, str], ...]:
        return next(
            kinds
            for kinds in self._kind_sets()
            if not question.kind or kinds[0][0] == question.kind
        )

    def _messages(
        self, text: str, whole: str, kinds: tuple[tuple[str, str], ...], support: Support
    ) -> list[Message]:
        """The first user turn; trailing examples go when the prompt would leave no room."""
        cases = self._cases_for(text, whole)
        fields = self._fields(text, kinds, support, cases)
        while cases and self._size(fields) + self._strategy.max_new_tokens > self._context:
            cases = cases[1:]
            fields = self._fields(text, kinds, support, cases)
        return _user(self._template.render(fields))

    def _cases_for(self, text: str, whole: str) -> list[Case]:
        from engines.extraction.cases import Case

        strategy = self._strategy
        if strategy.shots_choice == "fixed" or self._cases is None:
            limit = strategy.shots if strategy.shots else len(strategy.cases)
            return [Case(case.text, tuple(case.keywords)) for case in strategy.cases[:limit]]
        matcher = self._glossary.matcher() if self._glossary and strategy.glossary else None
        return self._cases.similar(text, strategy.shots, whole=whole, matcher=matcher)

    def _fields(
        self,
        text: str,
        kinds: tuple[tuple[str, str], ...],
        support: Support,
        cases: Sequence[Case] = (),
    ) -> PromptFields:
        strategy = self._strategy
        unwanted = dict.fromkeys([*strategy.exclude, *sorted(support.excluded)])
        definitions = {**dict(support.definitions), **strategy.definitions}
        return PromptFields(
            text=text,
            instruction=strategy.instruction,
            kinds=kinds,
            exclude=tuple(unwanted),
            definitions=tuple(definitions.items()),
            notes=tuple(strategy.notes),
            cases=tuple((case.text, answer_json(case.keywords)) for case in cases),
            records=support.records,
        ).fenced(self._marks)

    def _size(self, fields: PromptFields) -> int:
        return self.backend.size(_user(self._template.render(fields)))

    def _room(self, drafts: Sequence[Question]) -> int:
        """Tokens that are left for an answer after the longest of these prompts."""
        longest = max((self.backend.size(draft.messages) for draft in drafts), default=0)
        return max(1, self._context - longest)

    def _passages(self, text: str) -> list[Passage]:
        """The text, or its pieces where it is longer than what one prompt can hold."""
        limit = self._passage_chars
        while True:
            overlap = min(self._passage_overlap, limit // 4)
            passages = split(text, limit, overlap)
            longest = max(passages, key=lambda passage: len(passage.text))
            over = self._excess(longest.text)
            if over <= 0:
                return passages
            if limit <= LEAST_PASSAGE:
                message = _(
                    "The prompt leaves no room for the text: the model {model} reads "
                    "{context} tokens, and prompt and answer need {over} more. Lower "
                    "max_new_tokens or glossary_limit of the strategy."
                )
                raise UserError(
                    message.format(model=self.backend.name, context=self._context, over=over)
                )
            limit = max(LEAST_PASSAGE, min(limit, len(longest.text)) * 2 // 3)

    def _support(self, text: str) -> Support:
        """The glossary's word on `text`; the latest is kept, since it is asked for twice."""
        if text != self._supported[0]:
            found = support_for(
                self._strategy, self._glossary, text, self._categories, self._sources
            )
            fitting = found.within(self._strategy.glossary_tokens, self.backend.count)
            self._supported = (text, fitting)
        return self._supported[1]

    def _excess(self, text: str) -> int:
        """Tokens by which a prompt about `text` without examples passes the model's context."""
        support = self._support(text)
        size = self._size(self._fields(text, self._kinds, support))
        return size + self._strategy.max_new_tokens - self._context


def _user(prompt: str) -> list[Message]:
    return [{"role": "user", "content": prompt}]


def _usable(draft: Question, raw: str) -> str:
    """A rewriting, or the passage itself where the rewriting lost or added too much."""
    rewritten = normalise(raw).replace("\n", " ").strip()
    size = len(draft.passage.text)
    whole = not draft.truncated and size / 2 <= len(rewritten) <= size * 3 / 2
    return rewritten if whole else draft.passage.text
