"""The trainings behind a learning curve: the same strategy with fewer labeled texts."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from engines.corpus.adding import MADE, ORIGIN
from engines.corpus.store import Corpus
from engines.evaluation.answering import answers
from engines.evaluation.climbing import (
    TRAINED,
    Training,
    Waiting,
    enqueue_missing,
    taught,
    wait_for,
)
from engines.evaluation.curve import SHARES, Curve, Point, fit_curve
from engines.evaluation.keys import Ingredients, code_digest, texts_digest
from engines.evaluation.measured import curve_file
from engines.evaluation.measuring import spread
from engines.evaluation.metrics import score
from engines.extraction.crf import CharacterCRF
from engines.extraction.learned import labels_digest, training_examples
from engines.extraction.opening import Opener
from engines.extraction.strategy import find_strategy
from engines.layers import overlay
from engines.records import Example
from engines.settings import Settings
from engines.training.folder import replace_file
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

REPEATS = 3
FEWEST = 20
SEED = 7

Progress = Callable[[str, int, int], None]
Subset = tuple[int, int, list[Example]]


def measure_curve(
    space: Workspace,
    settings: Settings,
    name: str,
    split: str,
    *,
    limit: int = 0,
    repeats: int = REPEATS,
    training: Training | None = None,
    on_progress: Progress | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Curve:
    """Teach the strategy with 10, 25, 50 and 100 % of the labels, score each, fit the curve.

    `name` is crf or one that the ladder trains; the whole is learnt `repeats` times too where
    training has a seed. What was measured before is not measured again. Raises UserError for
    other strategies and where there are too few labels.
    """
    if name not in TRAINED and find_strategy(settings.strategies, name).kind != "crf":
        message = _("{name} learns nothing: --curve is for crf and {known}.")
        raise UserError(message.format(name=name, known=", ".join(TRAINED)))
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        labels = training_examples(corpus)
        texts = spread(list(corpus.examples(split)), limit)
    if not texts or int(len(labels) * SHARES[0]) < FEWEST:
        message = _("A curve needs at least {least} labeled texts to learn from, and a split.")
        raise UserError(message.format(least=int(FEWEST / SHARES[0])))
    subsets = list(_subsets(labels, repeats, whole_once=name not in TRAINED))
    if name in TRAINED:
        training = training or Training()
        points = _trained(space, settings, name, texts, subsets, training, on_progress, on_note)
    else:
        points = _tagged(space, texts, subsets, on_progress)
    curve = fit_curve(name, points)
    path = curve_file(space, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(curve.to_json(), ensure_ascii=False, indent=1) + "\n")
    return curve


def _subsets(labels: Sequence[Example], repeats: int, *, whole_once: bool) -> Iterator[Subset]:
    """(size, repeat, texts): drawn anew for each repeat, the same for the same labels."""
    for share in SHARES:
        size = int(len(labels) * share)
        times = 1 if share == 1 and whole_once else repeats
        for repeat in range(times):
            drawn = random.Random(1000 * repeat + size).sample(list(labels), size)
            yield size, repeat, drawn if share < 1 else list(labels)


def made(examples: Sequence[Example]) -> int:
    """How many of the texts a machine wrote or labeled first: they are counted apart."""
    return sum(example.meta.get(ORIGIN) in MADE for example in examples)


def _tagged(
    space: Workspace,
    texts: Sequence[Example],
    subsets: Sequence[Subset],
    on_progress: Progress | None,
) -> list[Point]:
    """A CRF for each subset; its F1 is kept by what it depends on."""
    path = space.reports / "ladder" / "state" / "curve.json"
    known = _known(path)
    gold = labels_digest(texts)
    points = []
    for number, (size, _repeat, examples) in enumerate(subsets, start=1):
        parts = (labels_digest(examples), gold, texts_digest(texts), code_digest())
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
        if key not in known:
            model = CharacterCRF.train(examples)
            known[key] = score(texts, list(model.extract(texts))).f1
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, json.dumps(known))
        points.append(Point(size, float(known[key]), made(examples)))
        if on_progress is not None:
            on_progress("crf", number, len(subsets))
    return points


def _known(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _trained(
    space: Workspace,
    settings: Settings,
    name: str,
    texts: Sequence[Example],
    subsets: Sequence[Subset],
    training: Training,
    on_progress: Progress | None,
    on_note: Callable[[str], None] | None,
) -> list[Point]:
    """A run in the queue for each subset, then its answers."""
    folder = space.reports / "ladder" / "curves" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    todo: list[tuple[int, int, str]] = []
    waiting: Waiting = []
    for size, repeat, examples in subsets:
        mark = labels_digest(examples)[:8]
        file = folder / f"{size}-{repeat}-{mark}.jsonl"
        lines = (json.dumps(e.to_json(), ensure_ascii=False) + "\n" for e in examples)
        replace_file(file, "".join(lines))
        model = f"{training.base}-{name}-curve-{size}-{repeat}-{mark}"
        own = {"name": model, "seed": SEED + repeat, "data": {"sources": [{"file": str(file)}]}}
        one = Training(training.base, 1, overlay(dict(training.changes), own), training.terms)
        waiting += enqueue_missing(space, settings, [name], one, on_note=on_note, model=model)
        todo.append((size, made(examples), model))
    wait_for(space, waiting, on_progress=on_progress, on_note=on_note)
    opener, ingredients = Opener(settings, space), Ingredients(space, settings, texts)
    points = []
    for size, by_machine, model in todo:
        strategy = taught(settings, name, training.base).model_copy(update={"model": model})
        known = {**settings.strategies, name: strategy}
        opener.use(settings.model_copy(update={"strategies": known}))
        found = answers(
            space, opener, ingredients, name, strategy, texts, timed=False, on_progress=on_progress
        )
        points.append(Point(size, score(texts, found.predictions).f1, by_machine))
        opener.drop_models()
    return points
