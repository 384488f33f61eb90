"""Keys that labeling takes, counted on the gold of konne dev and of the demo's dev split.

    python tests/benchmarks/labeling.py [--texts N] [--pane N] [--arm WORDS] [--only-pane] [--model]

An annotator who knows the gold takes the fewest keys of the labeling view (tests/annotator.py):
digits, hints, arrows, and Enter. Through the real pane go the first `--pane` texts of each set in
every arm, key by key, and the labels on disk are compared with the gold (tests/replay.py): no
suggestions; Kiwi's nouns; a glossary (konne: the keywords of its training texts; the demo: its
own); the quick model learning along; the quick model after 1,000 texts; a strategy's suggestions
(the embedded model; konne is what it was trained on). All texts also go through the view's own
model of a text without the screen, which takes seconds instead of minutes.

The same gold in other tools, by their fewest actions: doccano takes two mouse positions and a
label key a span, and two keys to approve and go on; Prodigy the same a span and one key to accept,
or with suggestions one click a wrong span, three actions a missing one, and one key.

Aims, in keys a keyword with Enter counted: hints 2.3, Kiwi's nouns 1.7, the quick model after
1,000 texts 1.0 (konne), suggestions on the demo 0.6.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.extraction.candidates import CRF, GLOSSARY, KIWI, STRATEGY
from engines.extraction.crf import CharacterCRF
from engines.extraction.offering import Offering
from engines.records import Example, Keyword
from engines.workspace import Workspace, assets
from glossary.matching import Matcher
from glossary.term import Term
from glossary.text import normalise
from kwtui.panes.dataset_ahead import LEARN_EVERY
from kwtui.widgets.draft import Draft
from tests.annotator import Ways, chosen, keys_for
from tests.replay import Arm, arms, prepare, replay

LEARNT = 1000
Suggested = dict[str, tuple[Keyword, ...]]


@dataclass(slots=True)
class Count:
    """Keys of the view and actions of the other tools, over `texts`."""

    texts: int = 0
    keywords: int = 0
    keys: int = 0
    doccano: int = 0
    prodigy: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    def add(self, draft: Draft, gold: set[str], keys: Sequence[str]) -> None:
        self.texts += 1
        self.keywords += len(gold)
        self.keys += len(keys)
        shown = {keyword.surface for keyword in draft.labels.values()}
        self.doccano += 3 * len(gold) + 2
        self.prodigy += 3 * len(gold - shown) + len(shown - gold) + 1
        for key in keys:
            kind = "digit" if key.isdigit() else "hint" if len(key) == 1 else key
            self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def line(self, name: str) -> str:
        each = max(1, self.keywords)
        return (
            f"{name:<44}{self.keys / self.texts:>8.2f}{self.keys / each:>9.2f}"
            f"{self.doccano / each:>9.2f}{self.prodigy / each:>9.2f}"
        )


def konne(split: str) -> list[Example]:
    path = assets() / "kw-mini" / "data" / f"konne_{split}.jsonl.xz"
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [gold(json.loads(line)) for line in lines]


def gold(row: dict[str, object]) -> Example:
    text = normalise(str(row["text"]))
    keywords = row["keywords"]
    assert isinstance(keywords, list)
    words = [normalise(k if isinstance(k, str) else k["surface"]) for k in keywords]
    return Example(
        str(row["id"]),
        text,
        tuple(Keyword(a, b, text[a:b]) for a, b in sorted(chosen(text, words).values())),
    )


def demo(split: str) -> list[Example]:
    lines = (assets() / "demo" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [gold(json.loads(line)) for line in lines]


def label(
    examples: Iterable[Example],
    offering: Offering,
    ways: Ways,
    suggested: dict[str, Suggested] | None = None,
    *,
    learning: bool = True,
    along: bool = False,
) -> Count:
    """Label texts one after another; the candidates learn from each unless told not to.

    `along`: the quick model is trained on what is labeled so far, as often as in the pane.
    """
    count, done, fresh = Count(), list[Example](), 0
    for example in examples:
        words = {k.surface: (k.start, k.end) for k in example.keywords}
        known = (suggested or {}).get(example.id, {})
        prepared = offering.prepare(example.id, example.text, known)
        draft = Draft.of(example.id, example.text)
        draft.offer(prepared)
        count.add(draft, set(words), keys_for(draft, words, ways))
        if learning:
            offering.observe(example.text, words, known)
        done.append(example)
        fresh += 1
        if along and fresh >= max(LEARN_EVERY, len(done) // 10):
            offering.crf, fresh = CharacterCRF.train(done), 0
    return count


def taught(texts: Sequence[Example], sources: Sequence[str], matcher: Matcher | None) -> Offering:
    """Candidates after `texts` were labeled: the quick model trained, surfaces remembered.

    How far the quick model is to be believed is learnt on its last fifth, held back from it.
    """
    offering = Offering(sources)
    offering.matcher = matcher
    cut = len(texts) * 4 // 5
    if CRF in sources:
        offering.crf = CharacterCRF.train(texts[:cut])
    for number, example in enumerate(texts):
        offering.sources = frozenset(sources) - ({CRF} if number < cut else set())
        offering.observe(example.text, [k.surface for k in example.keywords])
    if CRF in sources:
        offering.crf = CharacterCRF.train(texts)
    offering.sources = frozenset(sources)
    return offering


def demo_terms() -> list[Term]:
    lines = (assets() / "demo" / "glossary.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Term("", row["canonical"], tuple(row.get("aliases", ())), keyword=row["keyword"])
        for row in map(json.loads, lines)
    ]


def predicted(examples: Sequence[Example], space: Workspace) -> dict[str, Suggested]:
    """What the demo's default strategy finds, with the embedded model."""
    from engines.extraction.opening import Opener
    from engines.settings import load

    opener = Opener(load(space.root), space)
    extractor = opener.extractor(opener.default_name())
    bare = [Example(e.id, e.text, labeled=False) for e in examples]
    return {p.id: {"model": p.keywords} for p in extractor.extract(bare)}


def through_pane(konne_dev: Sequence[Example], demo_dev: Sequence[Example], names: str) -> None:
    """Every way of being helped through the real pane, key by key; konne, then the demo."""
    train = konne("train")
    found = Counter(k.surface for e in train for k in e.keywords if len(k.surface) > 1)
    known = [Term("", surface) for surface in sorted(found)]
    sets = (
        ("konne dev", konne_dev, arms(known, "prompt", train[:LEARNT])),
        ("demo dev", demo_dev, arms(demo_terms(), "rag", demo("train")[:LEARNT])),
    )
    for title, examples, ways in sets:
        sys.stdout.write(f"{title} through the pane: {len(examples)} texts\n")
        for arm in ways:
            if names in arm.name:
                with tempfile.TemporaryDirectory() as folder:
                    count, wrong, seconds = played(arm, examples, Path(folder) / "space")
                tail = f"   {wrong} wrong, {seconds:.0f} s"
                sys.stdout.write(count.line(f"  {arm.name}") + tail + "\n")
                sys.stdout.flush()


def played(arm: Arm, examples: Sequence[Example], folder: Path) -> tuple[Count, int, float]:
    """The keys of an arm, texts whose labels on disk are not the gold, and seconds."""
    space, count, started = prepare(folder, arm, examples), Count(), time.perf_counter()
    wrong = asyncio.run(replay(space, arm, examples, count.add))
    return count, wrong, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=0, help="texts of each set; 0: all")
    parser.add_argument("--pane", type=int, default=40, help="texts through the real pane; 0: none")
    parser.add_argument("--arm", default="", help="only arms of the pane whose name holds this")
    parser.add_argument("--only-pane", action="store_true", help="nothing but the real pane")
    parser.add_argument("--all", action="store_true", help="the quick model of all texts as well")
    parser.add_argument("--model", action="store_true", help="suggestions of the embedded model")
    given = parser.parse_args()
    some = slice(given.texts or None)
    dev, train = konne("dev")[some], konne("train")
    header = f"{'':<44}{'a text':>8}{'keyword':>9}{'doccano':>9}{'Prodigy':>9}"
    sys.stdout.write(f"{header}\n")
    if not given.only_pane:
        on_konne(dev, train, given.all)
        on_demo(given.model, some)
    if given.pane:
        through_pane(dev[: given.pane], demo("dev")[: given.pane], given.arm)


def on_konne(dev: Sequence[Example], train: Sequence[Example], everything: bool) -> None:
    """The view's own model of a text on konne dev, without the screen."""
    out = sys.stdout.write
    per_text = sum(len(e.keywords) for e in dev) / len(dev)
    out(f"konne dev: {len(dev)} texts, {per_text:.2f} keywords a text\n")
    runs: list[tuple[str, Count]] = [
        ("  arrows only", label(dev, Offering(()), Ways(digits=False, hints=False))),
        ("  hints (aim 2.3)", label(dev, Offering(()), Ways())),
        ("  Kiwi's nouns (aim 1.7)", label(dev, Offering((KIWI,)), Ways(), learning=False)),
        ("  Kiwi's nouns, surfaces remembered", label(dev, Offering((KIWI,)), Ways())),
    ]
    for name, count in runs:
        out(count.line(name) + "\n")
    for size in (LEARNT, *([len(train)] if everything else [])):
        started = time.perf_counter()
        offering = taught(train[:size], (KIWI, CRF), None)
        seconds = time.perf_counter() - started
        count = label(dev, offering, Ways())
        aim = " (aim 1.0)" if size == LEARNT else ""
        out(count.line(f"  quick model after {size:,} texts{aim}") + f"   {seconds:.0f} s\n")


def on_demo(model: bool, some: slice) -> None:
    write = sys.stdout.write
    dev = demo("dev")[some]
    matcher = Matcher(replace(term, id=str(n)) for n, term in enumerate(demo_terms()))
    per_text = sum(len(e.keywords) for e in dev) / len(dev)
    write(f"demo dev: {len(dev)} texts, {per_text:.2f} keywords a text\n")

    def offering(*sources: str) -> Offering:
        made = Offering(sources)
        made.matcher = matcher
        return made

    write(label(dev, Offering(()), Ways()).line("  hints") + "\n")
    write(label(dev, offering(KIWI), Ways()).line("  Kiwi's nouns") + "\n")
    write(label(dev, offering(KIWI, GLOSSARY), Ways()).line("  glossary, Kiwi's nouns") + "\n")
    count = label(dev, offering(KIWI, GLOSSARY, CRF), Ways(), along=True)
    write(count.line("  glossary, quick model along") + "\n")
    learnt = taught(demo("train")[:LEARNT], (KIWI, GLOSSARY, CRF), matcher)
    write(label(dev, learnt, Ways()).line(f"  the same, quick model, {LEARNT:,} texts") + "\n")
    if model:
        from kwtui.launch import prepared_demo

        with tempfile.TemporaryDirectory() as folder:
            found = predicted(dev, prepared_demo(Path(folder) / "demo"))
        made = offering(KIWI, GLOSSARY, STRATEGY)
        write(label(dev, made, Ways(), found).line("  glossary and rag") + "\n")
        made = offering(KIWI, GLOSSARY, STRATEGY, CRF)
        count = label(dev, made, Ways(), found, along=True)
        write(count.line("  glossary, rag, quick model along (aim 0.6)") + "\n")
        learnt.sources |= {STRATEGY}
        count = label(dev, learnt, Ways(), found)
        write(count.line(f"  the same after {LEARNT:,} texts") + "\n")


if __name__ == "__main__":
    main()
