"""How long two strategies take to be compared over 100,000 texts, on disk and in the pane.

    python -P tests/benchmarks/compare.py [TEXTS]

Corpus, predictions and result are made first, which is not measured.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.corpus.store import Corpus
from engines.evaluation.comparing import WON, Comparison, Wanted, compare
from engines.records import Example, Prediction, ground
from engines.workspace import Workspace
from tests import ladders

TEXTS = 100_000
WORDS = ("진통", "해열", "파스", "임산부", "노인", "발진", "두통", "연고", "시럽", "제산제")
SPLIT = "dev"
NAMES = ("prompt", "rag")


def texts(count: int) -> list[Example]:
    """Sentences of the demo's kind, each a little different, with four keywords."""
    draw = random.Random(1)
    made = []
    for number in range(count):
        a, b, c, d = draw.sample(WORDS, 4)
        text = f"{number}번 기록: {a}과 {b} 효과가 있는 {c}형 의약품은 {d}에게 적합합니다."
        made.append(Example(f"t{number}", text, ground(text, [a, b, c, d])[0], split=SPLIT))
    return made


def answers(examples: list[Example], name: str, share: float, seed: int) -> list[Prediction]:
    """Answers of which `share` lack a keyword or have a word too many."""
    draw = random.Random(seed)
    made = []
    for example in examples:
        words = [keyword.surface for keyword in example.keywords]
        if draw.random() < share:
            words = draw.choice([words[1:], [*words, "의약품"], [words[0] + "과", *words[1:]]])
        found, absent = ground(example.text, words)
        made.append(Prediction(example.id, example.text, found, name, "m", ungrounded=absent))
    return made


def timed(name: str, work: Callable[[], Any]) -> Any:
    """Print how long it took; the result."""
    began = time.perf_counter()
    result = work()
    said(name, time.perf_counter() - began)
    return result


def said(name: str, seconds: float) -> None:
    """Print one figure."""
    print(f"{name:<58} {seconds:7.3f} s")


def measure(space: Workspace, files: tuple[Path, Path], example: Example) -> None:
    """The comparison itself: first time, again, after a label has changed."""

    def opened(corpus: Corpus) -> Comparison:
        return compare(space, corpus, SPLIT, NAMES, files)

    with Corpus.open(space.corpus_path) as corpus:
        timed("first time: the mistakes of both are read", lambda: opened(corpus))
        found = timed("opened again", lambda: opened(corpus))
        timed("verdicts and mistakes by kind", lambda: found.summary)
        rows = timed("the texts that were won", lambda: found.select(Wanted(verdict=WON)))
        timed("a page of 100 of them", lambda: found.read(corpus, rows[:100]))
        corpus.set_labels(example.id, "me", example.keywords[1:])
        timed("opened after one label has changed", lambda: opened(corpus))
        print(found.summary.verdicts)


async def pane(space: Workspace) -> None:
    """From the key to what is on the screen, in the real app without a terminal."""
    from textual.events import Key

    from kwtui.app import Workbench
    from kwtui.choices import read_choices
    from kwtui.play import shown

    app = Workbench(space, read_choices(space.root))
    async with app.run_test(size=(120, 40)) as pilot:

        async def until(what: Callable[[], bool]) -> None:
            while not what():
                await pilot.pause(0.005)

        async def press(name: str, key: str, *steps: Callable[[], bool]) -> None:
            began = time.perf_counter()
            app.post_message(Key(key, None))
            for number, step in enumerate(steps):
                await until(step)
                said(name + (", all of it" if number else ""), time.perf_counter() - began)
            await until(lambda: not app.busy)

        await until(lambda: bool(app.current) and not app.busy)
        compared = " against " + NAMES[0]
        began = time.perf_counter()
        app.run_worker(app.show_pane("compare"))
        await until(lambda: "texts/s" in shown(app))
        said("pane: F8 to the table", time.perf_counter() - began)
        await until(lambda: compared in shown(app).splitlines()[1])
        said("pane: F8 to the comparison, its process started", time.perf_counter() - began)
        await until(lambda: not app.busy)
        await press("pane: Enter to the first texts", "enter", lambda: "기록" in shown(app))
        await press("pane: only those that were won", "v", lambda: "won: " in shown(app))
        await press("pane: to the last of them", "end", last(app))
        await app.finish()


def last(app: Any) -> Callable[[], bool]:
    """Whether the text under the cursor is the last one, and is here."""
    from kwtui.panes.compare_texts import TextsView

    view = app.pane.view
    assert isinstance(view, TextsView)
    return lambda: view.table.cursor == view.count - 1 and view.current is not None


def main() -> None:
    """Make the files, then measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else TEXTS
    with tempfile.TemporaryDirectory() as folder:
        space = Workspace.create(Path(folder) / "space")
        examples = texts(count)
        with Corpus.open(space.corpus_path, create=True) as corpus:
            corpus.add(examples)
        made = {n: answers(examples, n, 0.4 / k, k) for k, n in enumerate(NAMES, start=1)}
        result = ladders.write(space, SPLIT, examples, made)
        one, other = (space.root / row.predictions for row in result.rows)
        del made
        print(f"{count:,} texts, {one.stat().st_size / 1e6:.0f} MB of predictions a strategy")
        measure(space, (one, other), examples[0])
        asyncio.run(pane(space))


if __name__ == "__main__":
    main()
