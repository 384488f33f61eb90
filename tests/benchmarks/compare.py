"""How long two strategies take to be compared over 100,000 texts, and what the pane then reads.

    python -P tests/benchmarks/compare.py [TEXTS]

The files are as the ladder leaves them; the corpus is made first, which is not measured.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.corpus.store import Corpus
from engines.evaluation.comparing import WON, Wanted, compare
from engines.records import Example, Prediction, ground
from engines.workspace import Workspace

TEXTS = 100_000
WORDS = ("진통", "해열", "파스", "임산부", "노인", "발진", "두통", "연고", "시럽", "제산제")
SPLIT = "dev"


def texts(count: int) -> list[Example]:
    """Sentences of the demo's kind, each a little different, with three or four keywords."""
    draw = random.Random(1)
    made = []
    for number in range(count):
        a, b, c, d = draw.sample(WORDS, 4)
        text = f"{number}번 기록: {a}과 {b} 효과가 있는 {c}형 의약품은 {d}에게 적합합니다."
        made.append(Example(f"t{number}", text, ground(text, [a, b, c, d])[0], split=SPLIT))
    return made


def predictions(path: Path, examples: list[Example], share: float, seed: int) -> None:
    """Answers of which `share` lack a keyword or have a word too many."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for example in examples:
            words = [keyword.surface for keyword in example.keywords]
            if draw.random() < share:
                words = draw.choice([words[1:], [*words, "의약품"], [words[0] + "과", *words[1:]]])
            found, absent = ground(example.text, words)
            line = Prediction(example.id, example.text, found, path.stem, "m", ungrounded=absent)
            file.write(json.dumps(line.to_json(), ensure_ascii=False) + "\n")


def timed(name: str, work: Callable[[], Any]) -> Any:
    """Print how long it took; the result."""
    began = time.perf_counter()
    result = work()
    print(f"{name:<55} {time.perf_counter() - began:7.3f} s")
    return result


def main() -> None:
    """Make the files, then measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else TEXTS
    with tempfile.TemporaryDirectory() as folder:
        space = Workspace.create(Path(folder) / "space")
        examples = texts(count)
        with Corpus.open(space.corpus_path, create=True) as corpus:
            corpus.add(examples)
        files = (Path(folder) / "prompt.jsonl", Path(folder) / "rag.jsonl")
        predictions(files[0], examples, 0.4, 1)
        predictions(files[1], examples, 0.2, 2)
        print(f"{count:,} texts, {files[0].stat().st_size / 1e6:.0f} MB of predictions a strategy")
        names = ("prompt", "rag")
        with Corpus.open(space.corpus_path, readonly=True) as corpus:
            timed(
                "the first time (indexes made)",
                lambda: compare(space, corpus, SPLIT, names, files).summary,
            )
            found = timed("opened again", lambda: compare(space, corpus, SPLIT, names, files))
            summary = timed("figures and error groups", lambda: found.summary)
            rows = timed("texts that were won", lambda: found.select(Wanted(verdict=WON)))
            timed("a page of 100 of them", lambda: found.read(corpus, rows[:100]))
            print(summary.verdicts, [(g.group, g.count) for g in summary.groups_second])


if __name__ == "__main__":
    main()
