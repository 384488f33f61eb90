"""One Extractor runs every strategy: texts in, grounded keywords out, in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from engines.extraction.asking import Asker, Cancelled, Question
from engines.extraction.dictionary import dictionary_keywords, dictionary_matcher
from engines.extraction.feedback import marked_by_person
from engines.extraction.passages import merge
from engines.extraction.strategy import check_strategy, needs_glossary
from engines.extraction.support import enrich, ground_forms, wanted_categories
from engines.records import Example, Keyword, Prediction, ground
from engines.settings import Settings, StrategySettings
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

if TYPE_CHECKING:
    from engines.extraction.backend import Backend
    from engines.extraction.cases import Cases
    from engines.models.loading import LoadedModel
    from glossary.retrieval import Sources
    from glossary.store import Glossary

BATCHES_A_CHUNK = 4
CHUNK_CHARACTERS = 100_000

Progress = Callable[[int], None]
Tagger = Callable[[str], tuple[Keyword, ...]]


class Extractor:
    """Runs one strategy with the model, the glossary and the labeled cases that it needs.

    Raises UserError when a part that the strategy needs is not given.
    """

    def __init__(
        self,
        strategy_name: str,
        strategy: StrategySettings,
        *,
        loaded: LoadedModel | Backend | None = None,
        glossary: Glossary | None = None,
        cases: Cases | None = None,
        tagger: Tagger | None = None,
        sources: Sources | None = None,
        settings: Settings | None = None,
        prompts: Path | None = None,
    ) -> None:
        check_strategy(strategy_name, strategy)
        self.name = strategy_name
        self.strategy = strategy
        self._glossary = glossary
        # Conversations with a server run in threads; one at a time looks into the glossary.
        self._looking = threading.Lock()
        self._exclude = frozenset(normalise(word) for word in strategy.exclude)
        if needs_glossary(strategy) and glossary is None:
            message = _(
                "The strategy '{name}' needs a glossary and there is none. Import terms with "
                "`kwtui glossary import` in a workspace, or choose another strategy."
            )
            raise UserError(message.format(name=strategy_name))
        self._categories = wanted_categories(strategy, glossary)
        self._asker = None
        if strategy.kind == "model":
            self._asker = _asker(
                strategy_name, strategy, loaded, glossary, cases, sources, settings, prompts
            )
        self.model = loaded.name if loaded is not None and self._asker else ""
        self._tagger = tagger
        if strategy.kind == "dictionary":
            self._matcher = dictionary_matcher(strategy, glossary)
        elif strategy.kind == "crf" and tagger is None:
            message = _("The strategy '{name}' needs a CRF, and none was trained.")
            raise UserError(message.format(name=strategy_name))

    def extract(
        self,
        texts: Iterable[Example | str],
        *,
        on_progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[Prediction]:
        """A prediction for each text, in order, as soon as its chunk is done.

        Memory holds one chunk (a few batches) at a time, however long the input is; a server gets
        the next text as soon as it has answered one. `on_progress`
        hears the number of texts done; when `cancelled()` becomes true the
        iterator ends, and the predictions of the unfinished chunk are dropped.
        """
        if self._asker is not None and self._asker.backend.concurrent:
            yield from self._streamed(self._asker, texts, on_progress, cancelled)
            return
        done = 0
        for chunk in self._chunks(texts):
            watch = _Watch(done, len(chunk), on_progress, cancelled)
            if watch.stopped():
                return
            predictions = self._run(chunk, watch)
            if predictions is None:
                return
            done += len(predictions)
            watch.texts(len(predictions))
            yield from predictions

    def prompt(self, text: str) -> str:
        """The exact prompts for `text`, as the model gets them; "" for a dictionary."""
        if self._asker is None:
            return ""
        return "\n\n".join(self._asker.prompts(normalise(text)))

    def retry(
        self,
        prediction: Prediction,
        *,
        missed: Iterable[str] = (),
        wrong: Iterable[str] = (),
        cancelled: Cancelled | None = None,
    ) -> Prediction:
        """Ask once more after a person marked missed and wrong words of `prediction`.

        Returns `prediction` itself when nothing of that holds, or the strategy asks no model.
        Raises decoding.Cancelled when `cancelled()` becomes true.
        """
        if self._asker is None:
            return prediction
        job = _Job(Example(prediction.id, prediction.text, ()))
        job.questions = self._asker.questions(prediction.text)
        missed, wrong = list(missed), list(wrong)
        started, todo = time.perf_counter(), list[Question]()
        for question in job.questions:
            _resume(question, prediction)
            said = marked_by_person(question.passage.text, question.words, missed, wrong)
            if said and self._asker.retort(question, said):
                todo.append(question)
        if not todo:
            return prediction
        self._asker.answer(todo, cancelled)
        job.seconds = time.perf_counter() - started
        retried = self._prediction(job)
        retried.rounds = prediction.rounds + 1
        retried.feedback = prediction.feedback + retried.feedback
        return retried

    def _streamed(
        self,
        asker: Asker,
        texts: Iterable[Example | str],
        on_progress: Progress | None,
        cancelled: Cancelled | None,
    ) -> Iterator[Prediction]:
        """Conversations with a server, each in a thread; prompts are made in this one."""
        from engines.extraction.decoding import Cancelled as Stopped
        from engines.extraction.streaming import in_order

        def jobs() -> Iterator[_Job]:
            for number, text in enumerate(texts, start=1):
                job = _Job(_example(text, number))
                if job.example.text.strip():
                    with self._looking:
                        job.questions = asker.questions(job.example.text)
                yield job

        def talk(job: _Job, stopped: Cancelled) -> Prediction:
            started = time.perf_counter()
            self._converse(asker, job.questions, _Watch(0, 1, None, stopped))
            job.seconds = time.perf_counter() - started
            with self._looking:
                return self._prediction(job)

        try:
            found = in_order(jobs(), talk, asker.backend.concurrent, cancelled)
            for done, prediction in enumerate(found, start=1):
                if on_progress is not None:
                    on_progress(done)
                yield prediction
        except Stopped:
            return

    def _chunks(self, texts: Iterable[Example | str]) -> Iterator[list[Example]]:
        """Lists of a few batches, shorter where the texts are long."""
        most = self.strategy.batch_size * BATCHES_A_CHUNK
        chunk: list[Example] = []
        for number, text in enumerate(texts, start=1):
            chunk.append(_example(text, number))
            if len(chunk) >= most or sum(len(e.text) for e in chunk) >= CHUNK_CHARACTERS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _run(self, chunk: Sequence[Example], watch: _Watch) -> list[Prediction] | None:
        """The predictions of a chunk; None when it was cancelled."""
        if self._asker is None:
            return [self._looked_up(example) for example in chunk]
        from engines.extraction import decoding

        started = time.perf_counter()
        jobs = [_Job(example) for example in chunk]
        for job in jobs:
            if watch.stopped():
                return None
            if job.example.text.strip():
                job.questions = self._asker.questions(job.example.text)
        questions = [question for job in jobs for question in job.questions]
        try:
            self._converse(self._asker, questions, watch)
        except decoding.Cancelled:
            return None
        _share_time(jobs, time.perf_counter() - started)
        return [self._prediction(job) for job in jobs]

    def _converse(self, asker: Asker, questions: Sequence[Question], watch: _Watch) -> None:
        if self.strategy.passes == "clean_then_extract":
            asker.clean(questions, watch.cancelled)
        asker.answer(questions, watch.cancelled, watch.questions)
        waiting = list(questions)
        for _round in range(self.strategy.feedback_rounds):
            with self._looking:
                said = [(question, asker.complaints(question)) for question in waiting]
            waiting = [q for q, why in said if why and not q.error and asker.retort(q, why)]
            before = [list(question.words) for question in waiting]
            asker.answer(waiting, watch.cancelled)
            # A model that repeats its answer has refused: saying it again changes nothing.
            waiting = [q for q, words in zip(waiting, before, strict=True) if q.words != words]

    def _looked_up(self, example: Example) -> Prediction:
        started = time.perf_counter()
        if self._tagger is not None:
            found = self._tagger(example.text)
            keywords = tuple(k for k in found if k.surface not in self._exclude)
        else:
            keywords = dictionary_keywords(
                self._matcher,
                example.text,
                boundaries=self.strategy.boundaries,
                exclude=self._exclude,
            )
        wanted = self._categories
        kept = tuple(k for k in keywords if not wanted or not k.category or k.category in wanted)
        seconds = time.perf_counter() - started
        return Prediction(example.id, example.text, kept, self.name, "", seconds=seconds)

    def _prediction(self, job: _Job) -> Prediction:
        parts, ungrounded = [], list[str]()
        for question in job.questions:
            keywords, lost = self._grounded(question)
            parts.append((question.passage, keywords))
            ungrounded += lost
        questions = job.questions
        return Prediction(
            id=job.example.id,
            text=job.example.text,
            keywords=merge(parts),
            strategy=self.name,
            model=self.model,
            valid=all(question.valid for question in questions),
            ungrounded=tuple(dict.fromkeys(ungrounded)),
            rounds=max((question.rounds for question in questions), default=1),
            feedback=tuple(note for question in questions for note in question.notes),
            truncated=any(question.truncated for question in questions),
            template=questions[0].template if questions else "",
            prompt_tokens=sum(question.prompt_tokens for question in questions),
            new_tokens=sum(question.new_tokens for question in questions),
            seconds=job.seconds,
            confidence=_least_sure(questions),
            error=next((question.error for question in questions if question.error), ""),
            entries=tuple(dict.fromkeys(e for q in questions for e in q.support.entries)),
        )

    def _grounded(self, question: Question) -> tuple[tuple[Keyword, ...], list[str]]:
        """The keywords of an answer in its passage, and its words that are not there."""
        text = question.passage.text
        keywords, lost = ground(text, question.words)
        forms = ground_forms(lost, text, question.support.forms)
        known = {form.canonical for form in forms}
        if question.kind:
            keywords = tuple(_of_kind(keyword, question.kind) for keyword in keywords)
        keywords = (*enrich(keywords, self._glossary_in_use, question.support.hits), *forms)
        return keywords, [word for word in lost if word not in known]

    @property
    def _glossary_in_use(self) -> Glossary | None:
        return self._glossary if self.strategy.glossary else None


@dataclass(frozen=True, slots=True)
class _Watch:
    """Who hears of progress and may stop: `done` texts before a chunk of `size` texts."""

    done: int
    size: int
    on_progress: Progress | None
    cancelled: Cancelled | None

    def stopped(self) -> bool:
        return self.cancelled is not None and self.cancelled()

    def texts(self, count: int) -> None:
        if self.on_progress is not None:
            self.on_progress(self.done + count)

    def questions(self, answered: int, asked: int) -> None:
        self.texts(answered * self.size // asked)


@dataclass(slots=True)
class _Job:
    example: Example
    questions: list[Question] = field(default_factory=list)
    seconds: float = 0.0


def _asker(
    name: str,
    strategy: StrategySettings,
    loaded: LoadedModel | Backend | None,
    glossary: Glossary | None,
    cases: Cases | None,
    sources: Sources | None,
    settings: Settings | None,
    prompts: Path | None,
) -> Asker:
    if loaded is None:
        message = _("The strategy '{name}' needs the model '{model}', and it was not loaded.")
        raise UserError(message.format(name=name, model=strategy.model))
    settings = settings or Settings()
    return Asker(
        strategy,
        loaded,
        glossary=glossary,
        cases=cases,
        sources=sources,
        plain=settings.plain_template,
        prompts=prompts,
        passage_chars=settings.extraction.passage_chars,
        passage_overlap=settings.extraction.passage_overlap,
    )


def _example(text: Example | str, number: int) -> Example:
    if isinstance(text, Example):
        return text
    return Example(str(number), normalise(text), ())


def _of_kind(keyword: Keyword, kind: str) -> Keyword:
    return replace(keyword, category=kind)


def _resume(question: Question, prediction: Prediction) -> None:
    """Put the answer that a prediction shows back into a fresh question."""
    start, end = question.passage.start, question.passage.start + len(question.passage.text)
    question.words = [
        keyword.surface
        for keyword in prediction.keywords
        if start <= keyword.start
        and keyword.end <= end
        and (not question.kind or keyword.category == question.kind)
    ]


def _share_time(jobs: Sequence[_Job], seconds: float) -> None:
    """Divide a chunk's wall-clock time among its texts by their tokens."""
    weights = [sum(q.prompt_tokens + q.new_tokens for q in job.questions) for job in jobs]
    total = sum(weights) or 1
    for job, weight in zip(jobs, weights, strict=True):
        job.seconds = seconds * weight / total


def _least_sure(questions: Sequence[Question]) -> float | None:
    """The least sureness of the answers, None where one is not known."""
    known = [question.sureness for question in questions if question.sureness is not None]
    return min(known) if known and len(known) == len(questions) else None
