"""What needs no language model, on konne: a longest-match dictionary and the character CRF.

Both learn from the same training texts. Run: python tests/benchmarks/konne_baselines.py [FOLDER]
(a folder with train.jsonl and dev.jsonl, or with konne_train.jsonl.xz and konne_dev.jsonl.xz; by
default the data committed with kw-mini).
"""

from __future__ import annotations

import argparse
import lzma
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.corpus.formats import Record, open_records
from engines.evaluation.metrics import Scores, score
from engines.evaluation.significance import f1_interval
from engines.extraction.crf import CharacterCRF
from engines.records import Example, Keyword, Prediction
from engines.workspace import assets
from glossary.matching import Matcher
from glossary.term import Term

Answer = Callable[[str], tuple[Keyword, ...]]


def read(folder: Path, split: str) -> list[Example]:
    packed = folder / f"konne_{split}.jsonl.xz"
    if not packed.exists():
        return records(folder / f"{split}.jsonl")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as plain:
        with lzma.open(packed) as source:
            shutil.copyfileobj(source, plain)
        plain.flush()
        return records(Path(plain.name))


def records(path: Path) -> list[Example]:
    return [item.example for item in open_records(path) if isinstance(item, Record)]


def dictionary(train: list[Example]) -> Answer:
    """The longest training keywords of two or more characters that begin where a word begins."""
    surfaces = {keyword.surface for example in train for keyword in example.keywords}
    surfaces = {surface for surface in surfaces if len(surface) > 1}
    matcher = Matcher(Term(id=surface, canonical=surface) for surface in sorted(surfaces))

    def answer(text: str) -> tuple[Keyword, ...]:
        hits = matcher.find(text, boundaries=False)
        return tuple(
            Keyword(hit.start, hit.end, hit.surface)
            for hit in hits
            if hit.start == 0 or not text[hit.start - 1].isalnum()
        )

    return answer


def measure(answer: Answer, dev: list[Example], seen: set[str]) -> tuple[Scores, float]:
    began = time.perf_counter()
    pred = [Prediction(e.id, e.text, answer(e.text), "", "") for e in dev]
    return score(dev, pred, seen=seen), len(dev) / (time.perf_counter() - began)


def report(name: str, scores: Scores, rate: float, trained: float) -> None:
    interval = f1_interval(scores.per_text)
    parts = [
        f"{name:<11} F1 {scores.f1:.3f} [{interval.low:.3f}, {interval.high:.3f}]",
        f"P {scores.precision:.3f} R {scores.recall:.3f}",
        f"tp {scores.tp} fp {scores.fp} fn {scores.fn}",
    ]
    if scores.seen and scores.unseen:
        parts.append(
            f"recall seen {scores.seen.rate or 0:.3f} unseen {scores.unseen.rate or 0:.3f}"
        )
    parts.append(f"{rate:,.0f} texts/s, trained in {trained:.0f} s")
    print(" · ".join(parts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=assets() / "kw-mini" / "data")
    folder = parser.parse_args().folder
    train, dev = read(folder, "train"), read(folder, "dev")
    seen = {keyword.surface for example in train for keyword in example.keywords}
    print(f"{len(train)} training texts, {len(dev)} dev texts, {len(seen)} training surfaces")
    makers: dict[str, Callable[[], Answer]] = {
        "dictionary": lambda: dictionary(train),
        "crf": lambda: CharacterCRF.train(train).keywords,
    }
    for name, make in makers.items():
        began = time.perf_counter()
        answer = make()
        trained = time.perf_counter() - began
        report(name, *measure(answer, dev, seen), trained)


if __name__ == "__main__":
    main()
