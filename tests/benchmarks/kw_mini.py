"""What the embedded model can do, on konne dev: the figures of its card.

Run: python tests/benchmarks/kw_mini.py [MODEL_FOLDER] [--limit N] [--json FILE]

plain        the default instruction, all kinds wanted, with and without the grammar
kinds seen   the prompt names one to four kinds; the gold holds only those
kinds unseen the same with kinds that no training prompt ever named
terms        the plain prompt with the text's own keywords and absent words as glossary lines
copying      share of gold keywords whose pieces in the text are their pieces in the answer
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.evaluation.metrics import Scores, score
from engines.evaluation.significance import f1_interval
from engines.extraction.extractor import Extractor
from engines.models.loading import LoadedModel, load
from engines.records import Example, Prediction, ground
from engines.settings import Settings, StrategySettings
from engines.settings import load as load_settings
from engines.training.replacing import Labeled
from engines.training.variety import Kind, in_order, read_kinds, select
from engines.workspace import assets

DATA = assets() / "kw-mini" / "data"
SEED = 11


def dev_records() -> list[Labeled]:
    """konne dev: texts with keywords and the kinds of all spans."""
    with lzma.open(DATA / "konne_dev.jsonl.xz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        Labeled(r["text"], tuple(r["keywords"]), tuple((s, e, k) for s, e, k in r["spans"]))
        for r in rows
    ]


def gold(name: str, text: str, words: Sequence[str]) -> Example:
    """An example whose keywords are `words`."""
    return Example(name, text, ground(text, words)[0])


class Probe:
    """Asks one model in several ways and scores the answers."""

    def __init__(self, loaded: LoadedModel, records: list[Labeled], settings: Settings) -> None:
        self.loaded, self.records, self.settings = loaded, records, settings
        self.results: dict[str, dict[str, Any]] = {}

    def ask(self, strategy: StrategySettings, examples: Sequence[Example]) -> list[Prediction]:
        """Predictions of one strategy."""
        extractor = Extractor(
            "probe",
            strategy,
            loaded=self.loaded,
            glossary=None,
            cases=None,
            settings=self.settings,
        )
        return list(extractor.extract(examples))

    def report(self, name: str, scores: Scores, seconds: float) -> None:
        """Print and keep one row."""
        interval = f1_interval(scores.per_text)
        row = {
            "texts": scores.texts,
            "f1": round(scores.f1, 4),
            "low": round(interval.low, 4),
            "high": round(interval.high, 4),
            "precision": round(scores.precision, 4),
            "recall": round(scores.recall, 4),
            "tp": scores.tp,
            "fp": scores.fp,
            "fn": scores.fn,
            "invalid_rate": round(scores.invalid_rate, 4),
            "hallucination_rate": round(scores.hallucination_rate, 4),
            "texts_per_second": round(scores.texts / seconds, 1),
        }
        self.results[name] = row
        print(f"{name:<22}", "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)

    def plain(self, name: str, **options: Any) -> None:
        """The default instruction on every text."""
        examples = [gold(str(i), r.text, r.keywords) for i, r in enumerate(self.records)]
        began = time.perf_counter()
        answers = self.ask(StrategySettings(**options), examples)
        self.report(name, score(examples, answers), time.perf_counter() - began)

    def varied(self, name: str, make: Callable[[random.Random, Labeled], Any]) -> None:
        """One strategy a text: `make` gives its options and the gold words, or None."""
        rng = random.Random(SEED)
        examples: list[Example] = []
        answers: list[Prediction] = []
        began = time.perf_counter()
        for index, record in enumerate(self.records):
            made = make(rng, record)
            if made is None:
                continue
            options, words = made
            example = gold(str(index), record.text, words)
            examples.append(example)
            answers += self.ask(StrategySettings(**options), [example])
        self.report(name, score(examples, answers), time.perf_counter() - began)


def kinds_of(kinds: Sequence[Kind]) -> Callable[[random.Random, Labeled], Any]:
    """Prompts that name one to four of `kinds`, at least one of them in the text half the time."""
    known = {kind.label: kind for kind in kinds}

    def make(rng: random.Random, record: Labeled) -> Any:
        present = sorted({label for _s, _e, label in record.spans} & known.keys())
        if not present:
            return None
        wanted = set(rng.sample(present, min(len(present), rng.randint(1, 2))))
        wanted |= set(rng.sample(sorted(known), rng.randint(0, 2)))
        lines = [f"{known[x].names[0]}: {known[x].description}" for x in sorted(wanted)]
        return {"kinds": lines}, select(record, frozenset(wanted))

    return make


def with_terms(words: Sequence[str]) -> Callable[[random.Random, Labeled], Any]:
    """Glossary lines: every second keyword of the text and four words that are not in it."""

    def make(rng: random.Random, record: Labeled) -> Any:
        shown = [word for word in record.keywords if rng.random() < 0.5]
        shown += [word for word in rng.sample(words, 4) if word not in record.text]
        rng.shuffle(shown)
        return {"definitions": dict.fromkeys(shown, "")}, in_order(
            record.text, set(record.keywords)
        )

    return make


def equal_pieces(tokenizer: Any, records: Sequence[Labeled]) -> float:
    """Share of keywords whose pieces stand, in a row, among the pieces of their text."""
    hits = total = 0
    for record in records:
        text = tokenizer.tokenize(record.text)
        for word in record.keywords:
            pieces = tokenizer.tokenize(word)
            total += 1
            hits += any(
                text[i : i + len(pieces)] == pieces for i in range(len(text) - len(pieces) + 1)
            )
    return hits / total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", type=Path, default=assets() / "kw-mini")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    loaded = load(options.model)
    records = dev_records()[: options.limit]
    kinds = read_kinds(DATA / "kinds.tsv")
    probe = Probe(loaded, records, load_settings(None))
    share = equal_pieces(loaded.tokenizer, records)
    print(f"copying: {share:.4f} of gold keywords have the same pieces in text and answer")
    probe.plain("plain, constrained")
    probe.plain("plain, free", constrained=False)
    probe.plain("english, constrained", template="en", language="en")
    probe.varied("kinds seen", kinds_of([kind for kind in kinds if not kind.held_out]))
    probe.varied("kinds unseen", kinds_of([kind for kind in kinds if kind.held_out]))
    words = sorted({word for record in records for word in record.keywords})
    probe.varied("terms", with_terms(words))
    if options.json:
        made = json.loads((options.model / "training.json").read_text(encoding="utf-8"))
        results = {"equal_pieces": round(share, 4), "konne_dev": probe.results, "training": made}
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
