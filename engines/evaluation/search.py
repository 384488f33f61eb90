"""Prompts chosen by their score on dev: few-shot examples, definitions, instructions.

Bootstrap few-shot with random search, as DSPy's BootstrapFewShotWithRandomSearch does it (Khattab
et al. 2023, arXiv:2310.03714), on the project's own Extractor: the strategy answers training texts,
those that it got right become candidates for examples in its prompt, random prompts are made of
them, and the dev texts choose: some of them the finalists, others the winner. Test is never read.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.corpus.splits import TRAIN
from engines.corpus.store import Corpus
from engines.evaluation.answering import answers
from engines.evaluation.keys import Ingredients
from engines.evaluation.measuring import spread
from engines.evaluation.metrics import Counts, score
from engines.evaluation.significance import f1_difference, f1_interval
from engines.extraction.opening import Opener
from engines.extraction.strategy import find_strategy
from engines.records import Example
from engines.settings import CaseSettings, Settings, StrategySettings
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

DEV = "dev"
MOST_SHOTS = 4
MOST_DEFINITIONS = 4
# Definitions come from so many of the commonest training keywords, and are no longer than this.
_COMMON, _LONGEST_DEFINITION = 30, 80
BATCH = 40
POOL = 60
# The present prompt and the two best others are judged at the end.
FINALISTS = 3
# How often a prompt is drawn for each that is tried: some are drawn twice.
_DRAWS = 4
# Longer texts make poor examples: they fill the prompt.
LONGEST = 200
INSTRUCTIONS: Mapping[str, tuple[str, ...]] = {
    "ko": (
        "",
        "글에 그대로 나오는 키워드만 골라 JSON 배열로 답하세요.",
        "글의 핵심 전문 용어를 빠짐없이 찾아 JSON 배열로 답하세요. 조사는 빼세요.",
    ),
    "en": (
        "",
        "Copy only the keywords that stand in the text, as a JSON array.",
        "Find every technical term of the text, exactly as written, and answer with a JSON array.",
    ),
}

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Tried:
    """One prompt: what it changes of the strategy, its F1 on so many dev texts."""

    changes: Mapping[str, Any]
    f1: float
    texts: int
    counts: tuple[Counts, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The best prompt beside the strategy as it was, on the same dev texts.

    `calls`: texts that were answered in all; `p`: of the gain, before any correction: the winner of
    many is flattered, so the ladder has to confirm it on other texts.
    """

    strategy: str
    best: Tried
    before: Tried
    low: float
    high: float
    gain: float
    p: float
    calls: int
    tried: tuple[Tried, ...]


def search(
    space: Workspace,
    settings: Settings,
    name: str,
    budget: int,
    *,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Found:
    """The best prompt for the strategy under a budget of answered texts.

    Answers are kept as the ladder's: a search that was stopped goes on where it was.
    Raises UserError where the budget does not do for two prompts, the strategy asks no model, or
    train or dev hold no labels.
    """
    strategy = find_strategy(settings.strategies, name)
    if strategy.kind != "model":
        raise UserError(_("The strategy {name} asks no model: there is no prompt to search."))
    train, dev = _texts(space)
    plan = _plan(budget, train, dev)
    asked = _Asked(space, settings, name, budget, on_progress)
    generator = random.Random(seed)
    pool = asked.right_ones(strategy, plan.pool)
    known = _definitions(space, strategy, train)
    tried = [asked.tried(strategy, {}, plan.some)]
    for _number in range(plan.prompts * _DRAWS):
        if len(tried) == plan.prompts:
            break
        changes = _drawn(strategy, pool, known, generator)
        if not any(one.changes == changes for one in tried):
            tried.append(asked.tried(strategy, changes, plan.some))
    best = sorted(tried[1:], key=lambda one: -one.f1)[: FINALISTS - 1]
    before, *judged = [asked.tried(strategy, one.changes, plan.rest) for one in (tried[0], *best)]
    winner = max([before, *judged], key=lambda one: one.f1)
    interval = f1_interval(winner.counts)
    gain = f1_difference(before.counts, winner.counts)
    return Found(
        name, winner, before, interval.low, interval.high, gain.value, gain.p_value,
        asked.calls, tuple(tried),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the calls of a budget are for: `prompts` are tried on `some`, finalists on `rest`."""

    pool: Sequence[Example]
    some: Sequence[Example]
    rest: Sequence[Example]
    prompts: int


def _plan(budget: int, train: Sequence[Example], dev: Sequence[Example]) -> _Plan:
    """A third of what the examples leave judges the finalists, on texts that chose none of them.

    Where dev is too small for that, on all of it. Raises UserError for a budget that does not do
    for three prompts.
    """
    pool = spread(train, min(POOL, len(train)))
    some = spread(dev, min(BATCH, max(1, len(dev) // 2)))
    chosen = {example.id for example in some}
    unused = [example for example in dev if example.id not in chosen]
    rest = unused if len(unused) >= len(some) else list(dev)
    least = len(pool) + FINALISTS * 2 * len(some)
    if budget < least:
        sentence = _("A search needs at least {least} calls here: --search {least}.")
        raise UserError(sentence.format(least=least))
    left = budget - len(pool)
    judged = spread(rest, min(len(rest), max(len(some), left // 3 // FINALISTS)))
    return _Plan(pool, some, judged, (left - FINALISTS * len(judged)) // len(some))


def _texts(space: Workspace) -> tuple[list[Example], list[Example]]:
    if not space.corpus_path.exists():
        raise UserError(_("A search needs labeled texts in the splits train and dev."))
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        train = [e for e in corpus.examples(TRAIN, settled=True) if len(e.text) <= LONGEST]
        dev = list(corpus.examples(DEV))
    if not train or not dev:
        raise UserError(_("A search needs labeled texts in the splits train and dev."))
    return train, dev


class _Asked:
    """Answers to prompts, counted; those of a search that was stopped are on disk."""

    def __init__(
        self,
        space: Workspace,
        settings: Settings,
        name: str,
        budget: int,
        on_progress: Progress | None,
    ) -> None:
        self._space, self._settings, self._name = space, settings, name
        self._budget, self._heard = budget, on_progress
        self._opener = Opener(settings, space)
        self.calls = 0

    def _counts(self, strategy: StrategySettings, texts: Sequence[Example]) -> tuple[Counts, ...]:
        known = {**self._settings.strategies, self._name: strategy}
        settings = self._settings.model_copy(update={"strategies": known})
        self._opener.use(settings)
        found = answers(
            self._space,
            self._opener,
            Ingredients(self._space, settings, texts),
            self._name,
            strategy,
            texts,
            timed=False,
            on_progress=self._count,
        )
        self.calls += len(texts)
        return score(texts, found.predictions).per_text

    def _count(self, name: str, done: int, _total: int) -> None:
        if self._heard is not None:
            self._heard(name, min(self.calls + done, self._budget), self._budget)

    def tried(
        self, strategy: StrategySettings, changes: Mapping[str, Any], texts: Sequence[Example]
    ) -> Tried:
        """The prompt with these changes, scored."""
        counts = self._counts(strategy.model_copy(update=dict(changes)), texts)
        return Tried(changes, sum(counts, Counts()).f1, len(texts), counts)

    def right_ones(self, strategy: StrategySettings, texts: Sequence[Example]) -> list[Example]:
        """Training texts that the strategy answers rightly; where these are few, the nearest."""
        counts = self._counts(strategy, texts)
        ranked = sorted(zip(counts, texts, strict=True), key=lambda pair: -pair[0].f1)
        return [example for _counts, example in ranked[: max(8, len(ranked) // 4)]]


def _definitions(
    space: Workspace, strategy: StrategySettings, train: Sequence[Example]
) -> dict[str, str]:
    """The strategy's own definitions, and the glossary's of the commonest training keywords."""
    found = dict(strategy.definitions)
    if not space.glossary_path.exists():
        return found
    from glossary.store import Glossary

    often = Counter(keyword.surface for example in train for keyword in example.keywords)
    with Glossary.open(space.glossary_path) as glossary:
        for surface, _count in often.most_common(_COMMON):
            term = glossary.lookup(surface)
            if term is not None and 0 < len(term.definition) <= _LONGEST_DEFINITION:
                found.setdefault(surface, term.definition)
    return found


def _drawn(
    strategy: StrategySettings,
    pool: Sequence[Example],
    definitions: Mapping[str, str],
    generator: random.Random,
) -> dict[str, Any]:
    """A random prompt: some examples of the pool, an instruction, some definitions or none."""
    changes: dict[str, Any] = {}
    shots = generator.randint(0, min(MOST_SHOTS, len(pool)))
    if shots:
        chosen = generator.sample(list(pool), shots)
        changes["cases"] = [
            CaseSettings(text=e.text, keywords=[k.surface for k in e.keywords]) for e in chosen
        ]
        changes["shots"], changes["shots_choice"] = shots, "fixed"
    instruction = generator.choice(INSTRUCTIONS[strategy.language])
    if instruction:
        changes["instruction"] = instruction
    if definitions and generator.random() < 0.5:
        names = generator.sample(
            list(definitions), generator.randint(0, min(MOST_DEFINITIONS, len(definitions)))
        )
        changes["definitions"] = {name: definitions[name] for name in names}
    return changes
