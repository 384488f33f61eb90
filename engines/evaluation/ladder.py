"""The ladder: strategies on the same labeled texts, what each finds, costs and gains."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from engines.corpus.gold import seen_surfaces
from engines.corpus.store import Corpus
from engines.evaluation.advice import Facts, advise, swept
from engines.evaluation.answering import Answered, answers, free
from engines.evaluation.canonical import Canonical
from engines.evaluation.curve import Curve
from engines.evaluation.goldcheck import gold_problems
from engines.evaluation.keys import Ingredients, environment_note
from engines.evaluation.measured import result_file
from engines.evaluation.measuring import spread
from engines.evaluation.metrics import Scores, score
from engines.evaluation.results import LadderResult
from engines.evaluation.rows import Climbed, deltas, gain_of, missed_words, row_of
from engines.evaluation.rungs import seed_models, standing
from engines.evaluation.sending import SEALED, TEST
from engines.extraction.learned import labels_digest, training_examples
from engines.extraction.opening import Opener
from engines.extraction.strategy import find_strategy, needs_cases
from engines.models.registry import resolve
from engines.records import Example
from engines.settings import Settings, StrategySettings
from engines.training.folder import replace_file
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _

# A gain smaller than this share of F1 does not pay for a higher rung.
WORTH = 0.02
USES = "ladder_uses"
DEV = "dev"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """How a ladder is climbed.

    `limit`: texts at most, evenly spread; 0: all. `seeds`: trainings of each taught strategy that
    are scored where their models exist. `fresh`: answer again what was answered before. `worth`:
    the gain in F1 that pays for a rung. `command`: the line that repeats it. `file`: where the
    result is written instead of the split's own. `curve` and `tokens` go into the advice; without
    `tokens` the vocabulary of the first model is looked at. `against`: in a sweep, the strategy
    that all others are compared with.
    """

    limit: int = 0
    seeds: int = 1
    fresh: bool = False
    worth: float = WORTH
    command: str = ""
    file: Path | None = None
    curve: Curve | None = None
    tokens: str = ""
    against: str = ""


def run(
    space: Workspace,
    settings: Settings,
    names: Sequence[str],
    split: str = "dev",
    wish: Wish | None = None,
    *,
    on_progress: Progress | None = None,
    on_note: Callable[[str], None] | None = None,
) -> LadderResult:
    """Measure the strategies on a split of the workspace, write the result and return it.

    Answers are kept text by text: a ladder that was killed goes on where it was, and what has been
    answered under the same conditions is not asked again. Raises UserError for unknown strategies,
    models that are not there, splits without labels and while another ladder is at work.
    """
    wish = wish or Wish()
    strategies = {name: find_strategy(settings.strategies, name) for name in dict.fromkeys(names)}
    for strategy in strategies.values():
        if strategy.kind == "model" and not strategy.server:
            # What is not there is said before anything is asked.
            resolve(strategy.model, settings.model_folders(space.root))
    with _alone(space):
        texts, problems, seen, labels = _material(space, split, wish.limit, strategies.values())
        opener = Opener(settings, space)
        canonical = Canonical(space)
        climbed = []
        answered = _answered(space, settings, strategies, texts, opener, wish, on_progress)
        for name, found in answered:
            scores = tuple(_scored(texts, one, seen, canonical) for one in found)
            stands = standing(strategies[name], settings, space, labels=labels)
            climbed.append(Climbed(name, strategies[name], stands, tuple(found), scores))
        for note in dict.fromkeys(opener.notes):
            if on_note is not None:
                on_note(note)
        if not wish.tokens:
            wish = replace(wish, tokens=token_verdict(space, settings, strategies, texts))
        result = _result(space, split, texts, climbed, problems, canonical, wish)
        _write(wish.file or result_file(space, split), result)
        _index(space, result)
    return result


def _answered(
    space: Workspace,
    settings: Settings,
    strategies: Mapping[str, StrategySettings],
    texts: Sequence[Example],
    opener: Opener,
    wish: Wish,
    on_progress: Progress | None,
) -> Iterator[tuple[str, list[Answered]]]:
    """Each strategy with the answers of each of its trainings."""
    ingredients = Ingredients(space, settings, texts)
    loaded = ""
    for name, strategy in strategies.items():
        found = []
        for model in seed_models(strategy, settings, space, wish.seeds):
            one = strategy.model_copy(update={"model": model})
            needed = model if one.kind == "model" and not one.server else ""
            if needed != loaded:
                # Two models at once may not fit, and what one held is not the next one's memory.
                if loaded:
                    free(opener)
                loaded = needed
            found.append(
                answers(
                    space,
                    opener,
                    ingredients,
                    name,
                    one,
                    texts,
                    fresh=wish.fresh,
                    on_progress=on_progress,
                )
            )
        yield name, found


def _material(
    space: Workspace, split: str, limit: int, strategies: Iterable[StrategySettings]
) -> tuple[list[Example], tuple[str, ...], set[str], tuple[str, int]]:
    """The labeled texts of the split, what is wrong with them, and what training has seen.

    The last is digest and number of the training split's labels, read only where a strategy
    learns from them or shows them.
    """
    if not space.corpus_path.exists():
        raise UserError(
            _("This workspace has no labeled texts yet: `kwtui data import FILE` brings them.")
        )
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        texts = list(corpus.examples(split))
        if not texts:
            known = ", ".join(name for name in corpus.splits() if name) or "-"
            message = _(
                "The split {split} holds no labeled text. Label some, or name another split; there "
                "are: {known}."
            )
            raise UserError(message.format(split=split, known=known))
        problems = gold_problems(corpus, split, texts)
        learning = any(one.kind == "crf" or needs_cases(one) for one in strategies)
        train = training_examples(corpus) if learning else []
        labels = (labels_digest(train), len(train))
        return spread(texts, limit), problems, seen_surfaces(corpus), labels


def _scored(
    texts: Sequence[Example], answered: Answered, seen: set[str], canonical: Canonical
) -> Scores:
    words = {k.surface for example in texts for k in example.keywords}
    words |= {k.surface for p in answered.predictions for k in p.keywords}
    forms = canonical.of(words)
    kinds = canonical.categories
    return score(texts, answered.predictions, seen=seen, canonical=forms, categories=kinds)


def token_verdict(
    space: Workspace,
    settings: Settings,
    strategies: Mapping[str, StrategySettings],
    texts: Sequence[Example],
) -> str:
    """Whether another vocabulary may pay for these texts and their keywords; "" without a model."""
    models = [s.model for s in strategies.values() if s.kind == "model" and not s.server]
    terms = sorted({keyword.surface for example in texts for keyword in example.keywords})
    if not models or not terms:
        return ""
    from engines.tokenizer.advice import advice
    from engines.tokenizer.audit import audit
    from engines.tokenizer.files import Tokenizer

    path = resolve(models[0], settings.model_folders(space.root))
    try:
        tokenizer = Tokenizer.open(path)
    except UserError:
        return ""
    found = audit(tokenizer, [example.text for example in texts], terms, places=False)
    return advice(found)[0]


def _result(
    space: Workspace,
    split: str,
    texts: Sequence[Example],
    climbed: Sequence[Climbed],
    problems: tuple[str, ...],
    canonical: Canonical,
    wish: Wish,
) -> LadderResult:
    order = sorted(climbed, key=lambda one: (one.standing.rung, one.standing.effort))
    rows = [row_of(space, split, texts, one) for one in order]
    gains = deltas(order, rows, wish.against)
    rows = [replace(row, delta=gains.get(row.strategy)) for row in rows]
    by_name = {one.name: one for one in order}
    uses = count_use(space, split)
    facts = Facts(
        texts=tuple(texts),
        lacking=canonical.lacks if canonical.is_there else None,
        missed=missed_words(texts, rows, by_name),
        gain=cache(lambda one, other: gain_of(by_name[one], by_name[other])),
        worth=wish.worth,
        sealed=split in SEALED,
        curve=wish.curve,
        tokens=wish.tokens,
    )
    return LadderResult(
        split=split,
        texts=len(texts),
        rows=tuple(rows),
        advice=tuple(swept(rows) if wish.against else advise(rows, facts)),
        gold_problems=problems,
        versions=environment_note(),
        commands=(wish.command,) if wish.command else (),
        test_uses=uses.get(TEST, 0),
        split_uses=uses.get(split, 0),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def count_use(space: Workspace, split: str) -> dict[str, int]:
    """Put on record that the split was scored; how often each split has been."""
    with Corpus.open(space.corpus_path) as corpus, corpus.transaction():
        uses: dict[str, int] = json.loads(corpus.value(USES, "{}"))
        uses[split] = int(uses.get(split, 0)) + 1
        corpus.keep_value(USES, json.dumps(uses))
    return uses


def _write(path: Path, result: LadderResult) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(result.to_json(), ensure_ascii=False, indent=1) + "\n")


def _index(space: Workspace, result: LadderResult) -> None:
    """The mistakes of each text, so that the pane and the report open at once."""
    from engines.evaluation.errors_index import open_index

    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        for row in result.rows:
            open_index(space, space.root / row.predictions, result.split, corpus)


@contextmanager
def _alone(space: Workspace) -> Iterator[None]:
    """One ladder at a time in a workspace."""
    folder = space.reports / "ladder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        message = _("{path} cannot be written: {reason}.")
        raise FailedError(message.format(path=folder, reason=error.strerror)) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = _("A ladder is at work in this workspace already; wait until it has ended.")
            raise UserError(message) from None
        yield
    finally:
        os.close(handle)
