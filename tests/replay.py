"""Gold labeled through the real pane: the app, its services and its keys, by an annotator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from engines.corpus.store import Corpus
from engines.extraction.candidates import CRF, GLOSSARY, KIWI, STRATEGY
from engines.records import Example
from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from kwtui.app import Workbench
from kwtui.choices import ScreenChoices
from kwtui.panes.dataset_label import LabelView
from kwtui.widgets.draft import Draft
from tests.annotator import Ways, keys_for

CONFIG = '\n[curation]\nannotator = "me"\noverlap = 0.0\ndaily_copies = 0\n'
Seen = Callable[[Draft, set[str], list[str]], None]


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of being helped: which candidates there are, and what was there before.

    `terms`: the glossary. `strategy`: whose predictions are candidates. `before`: texts that are
    labeled already, from which the quick model has learnt at the start.
    """

    name: str
    sources: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    strategy: str = ""
    before: tuple[Example, ...] = ()


def arms(terms: Sequence[Term], strategy: str, before: Sequence[Example]) -> list[Arm]:
    """The ways that are compared, those with labels from before as well."""
    known, learnt = tuple(terms), (KIWI, GLOSSARY, CRF)
    return [
        Arm("no suggestions, hints"),
        Arm("Kiwi's nouns", (KIWI,)),
        Arm("glossary, Kiwi's nouns", (KIWI, GLOSSARY), known),
        Arm("the same, quick model learning along", learnt, known),
        Arm(f"quick model after {len(before):,} texts", (KIWI, CRF), (), "", tuple(before)),
        Arm(f"glossary, {strategy}, quick model along", (*learnt, STRATEGY), known, strategy),
        Arm(
            f"the same after {len(before):,} texts",
            (*learnt, STRATEGY),
            known,
            strategy,
            tuple(before),
        ),
    ]


def prepare(folder: Path, arm: Arm, examples: Sequence[Example]) -> Workspace:
    """A workspace with the arm's glossary and labels, and the texts to be labeled."""
    space = Workspace.create(folder)
    with space.config.open("a", encoding="utf-8") as config:
        config.write(CONFIG)
    if arm.terms:
        with Glossary.open(space.glossary_path, create=True) as glossary:
            glossary.upsert(arm.terms, author="gold")
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.use_overlap(0.0)
        corpus.add(arm.before, split="train")
        corpus.add(Example(e.id, e.text, labeled=False) for e in examples)
    return space


async def replay(space: Workspace, arm: Arm, examples: Sequence[Example], seen: Seen) -> int:
    """Label the texts key by key; returns how many have other labels than gold on disk.

    `seen` hears of each text: as it was shown, its gold, and the keys pressed.
    """
    gold = {e.id: {k.surface: (k.start, k.end) for k in e.keywords} for e in examples}
    app = Workbench(space, ScreenChoices())
    async with app.run_test(size=(80, 24)) as pilot:
        await app.settings()
        await app.host("quick").request("use", sources=arm.sources)
        view = await opened(app, pilot, arm)
        for _number in range(len(examples)):
            await rested(app, view)
            draft = view.draft
            assert draft is not None and draft.ready, "a text without candidates"
            wanted = gold[draft.text_id]
            keys = keys_for(draft, wanted, Ways())
            seen(draft, set(wanted), keys)
            await pilot.press(*keys)
            while view.draft is draft:
                await asyncio.sleep(0.002)
        await rested(app, view)
        await app.finish()
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        stored = {e.id: {k.surface for k in e.keywords} for e in corpus.examples() if e.id in gold}
    return sum(stored.get(name) != set(words) for name, words in gold.items())


async def opened(app: Workbench, pilot: Pilot[object], arm: Arm) -> LabelView:
    """The labeling view with hints, and with the strategy that suggests, by their keys."""
    await pilot.press("f4")
    while not app.query(LabelView):
        await asyncio.sleep(0.01)
    view = app.query_one(LabelView)
    await rested(app, view)
    if arm.strategy:
        await pilot.press("t", *arm.strategy, "enter")
        while view.ahead.strategy != arm.strategy:
            await asyncio.sleep(0.01)
    await pilot.press("h")
    return view


async def rested(app: Workbench, view: LabelView) -> None:
    """Until nothing is on its way and the quick model has learnt what it is to learn."""
    while app.busy or view.ahead.learning:
        await asyncio.sleep(0.005)
