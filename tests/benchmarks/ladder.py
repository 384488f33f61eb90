"""The ladder: what evaluation adds to extraction, and the rungs on bc5cdr beside the controls.

    python -P tests/benchmarks/ladder.py               the overhead, on the demo
    python -P tests/benchmarks/ladder.py bc5cdr FOLDER  train.jsonl learnt, dev.jsonl measured

kw-mini is a few million parameters trained from nothing on Korean: its figures on bc5cdr show the
machinery, and the controls show what the task takes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from engines.corpus.formats import examples_of, open_records
from engines.corpus.splits import group_key
from engines.corpus.store import Corpus
from engines.demo import fill
from engines.evaluation.answering import cache_folder
from engines.evaluation.climbing import Training, train_missing, trained_strategies
from engines.evaluation.ladder import Wish, run
from engines.records import Example, Prediction
from engines.settings import load
from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term

BC5CDR = """
[extraction]
strategy = "prompt"

[strategies.prompt]
template = "en"
language = "en"

[strategies.rag]
template = "en"
language = "en"
glossary = true
"""


def seconds_of(space: Workspace, path: str) -> float:
    """Seconds that the answers in a predictions file took."""
    lines = (space.root / path).read_text(encoding="utf-8").splitlines()
    return sum(Prediction.from_json(json.loads(line)).seconds for line in lines)


def overhead(texts: int) -> None:
    """A ladder over kept answers does all but extraction: its time against that of the answers."""
    with tempfile.TemporaryDirectory() as folder:
        space = Workspace.create(Path(folder) / "demo", demo=True)
        fill(space)
        settings = load(space.root)
        for name in ("prompt", "rag"):
            wish = Wish(limit=texts)
            (row,) = run(space, settings, [name], "test", wish).rows
            asked = seconds_of(space, row.predictions)
            about = json.loads((cache_folder(space) / f"{row.key}.json").read_text("utf-8"))
            alone = about["costs"]["alone"]
            started = time.perf_counter()
            run(space, settings, [name], "test", wish)
            added = time.perf_counter() - started
            print(
                f"{name}: {row.texts} texts, extraction {asked:.2f} s, everything else "
                f"{added:.2f} s: {100 * added / asked:.1f} %; beside it {len(alone)} texts asked "
                f"alone for the latency, {sum(alone):.2f} s"
            )


def bc5cdr(source: Path, folder: Path, limit: int, learnt: int, rungs: Sequence[str]) -> None:
    """The table of every rung on the sentences of bc5cdr's development part."""
    space = filled(source, folder)
    settings = load(space.root)
    training = Training(
        changes={
            "data": {"sources": [{"split": "train", "limit": learnt}]},
            "optimisation": {"epochs": 2.0},
            "evaluation": {"per_epoch": 0.0, "texts": 60},
        }
    )
    names = ["dictionary", "crf", "prompt", "rag", *rungs]
    train_missing(space, settings, names, training, on_note=print)
    settings = trained_strategies(settings, names, training.base)
    result = run(space, settings, names, "test", Wish(limit=limit), on_note=print)
    for row in result.rows:
        delta = f"{row.delta.difference:+.3f} p {row.delta.p_corrected:.3f}" if row.delta else "-"
        print(
            f"| {row.strategy} | {row.scores.f1:.3f} ({row.f1_low:.3f}-{row.f1_high:.3f}) | {delta}"
            f" | {row.scores.precision:.3f} | {row.scores.recall:.3f} | {row.texts_per_second:.1f}"
            f" | {row.training_seconds:.0f} s | {row.labeled_examples} | {row.epochs:g} |"
        )
    print(*result.advice, sep="\n")


def filled(source: Path, folder: Path) -> Workspace:
    """A workspace with train and test, and the training keywords as glossary."""
    if (folder / "config.toml").is_file():
        return Workspace.open(folder)
    space = Workspace.create(folder)
    with space.config.open("a", encoding="utf-8") as config:
        config.write(BC5CDR)
    train = list(read(source / "train.jsonl", "train"))
    known = {group_key(example.text) for example in train}
    # A few sentences stand in both parts: they are no evidence.
    test = [e for e in read(source / "dev.jsonl", "test") if group_key(e.text) not in known]
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add(train, split="train")
        corpus.add(test, split="test")
    surfaces = sorted({k.surface for example in train for k in example.keywords})
    terms = [Term(id=f"t{n}", canonical=s, language="en") for n, s in enumerate(surfaces)]
    Glossary.open(space.glossary_path, create=True).upsert(terms, author="bench")
    return space


def read(path: Path, split: str) -> list[Example]:
    """The labeled sentences of one file."""
    found = examples_of(open_records(str(path)), lambda _bad: None)
    return [Example(f"{split}{n}", e.text, e.keywords, split, e.meta) for n, e in enumerate(found)]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="overhead", choices=["overhead", "bc5cdr"])
    parser.add_argument("source", nargs="?", type=Path)
    parser.add_argument("--folder", type=Path, help="keep the workspace here")
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--learnt", type=int, default=1500)
    parser.add_argument("--rungs", default="lora,sft")
    asked = parser.parse_args()
    if asked.what == "overhead":
        overhead(asked.texts)
        return
    if asked.source is None:
        parser.error("name the folder with train.jsonl and dev.jsonl")
    with tempfile.TemporaryDirectory() as folder:
        place = asked.folder or Path(folder) / "bc5cdr"
        rungs = [name for name in asked.rungs.split(",") if name]
        bc5cdr(asked.source, place, asked.texts, asked.learnt, rungs)


if __name__ == "__main__":
    main()
