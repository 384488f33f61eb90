"""Two editions of the embedded model on the same dev texts: which one is better, and is it sure?

    python -P tests/benchmarks/editions.py FIRST SECOND [--texts 300]

Each on konne dev (plain instruction, 500 texts) and on the demo's dev split (the demo's `prompt`
and `rag`): F1 with its 95 % interval, the paired difference, and the recall of those keywords that
are glossary entries and of those that are none. No keyword of the demo stands in a text that
kw-mini learnt from. No test split is read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import kw_mini
import rag

from engines.evaluation.metrics import Scores, score
from engines.evaluation.significance import f1_difference, f1_interval
from engines.extraction.extractor import Extractor
from engines.models.loading import LoadedModel, load
from engines.records import Example, Prediction
from engines.settings import StrategySettings
from engines.settings import load as load_settings
from glossary.exchange import read_terms
from glossary.store import Glossary

WAYS = ("prompt", "rag")


def konne(loaded: LoadedModel) -> Scores:
    """The plain instruction on konne dev."""
    records = kw_mini.dev_records()
    probe = kw_mini.Probe(loaded, records, load_settings(None))
    texts = [kw_mini.gold(str(i), r.text, r.keywords) for i, r in enumerate(records)]
    return score(texts, probe.ask(StrategySettings(), texts))


def recall(texts: Sequence[Example], found: Sequence[Prediction], known: set[str]) -> str:
    """Recall of keywords that are glossary entries, and of those that are none."""
    hits = {True: 0, False: 0}
    total = {True: 0, False: 0}
    for text, answer in zip(texts, found, strict=True):
        words = {keyword.surface for keyword in answer.keywords}
        for word in {keyword.surface for keyword in text.keywords}:
            total[word in known] += 1
            hits[word in known] += word in words
    return f"recall in glossary {hits[True]}/{total[True]}, not in it {hits[False]}/{total[False]}"


def demo(loaded: LoadedModel, glossary: Glossary, limit: int) -> dict[str, tuple[Scores, str]]:
    """The demo's strategies on its dev split."""
    chosen, texts = rag.settings(), rag.dev(limit)
    known = {name for term in glossary.terms() for name in (term.canonical, *term.aliases)}
    results = {}
    for way in WAYS:
        extractor = Extractor(way, chosen.strategies[way], loaded=loaded, glossary=glossary)
        found = list(extractor.extract([Example(one.id, one.text) for one in texts]))
        results[way] = (score(texts, found), recall(texts, found, known))
    return results


def main() -> None:
    """Measure both and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("editions", nargs=2, type=Path, metavar="FOLDER")
    parser.add_argument("--texts", type=int, default=300)
    given = parser.parse_args()
    before: dict[str, tuple[Scores, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        glossary = Glossary.open(Path(folder) / "g.lance", create=True)
        glossary.upsert(read_terms(rag.DEMO / "glossary.jsonl").terms, author="benchmark")
        for edition in given.editions:
            loaded = load(edition, device="cpu")
            results = {"konne": (konne(loaded), "")} | demo(loaded, glossary, given.texts)
            print(edition, flush=True)
            for way, (scores, more) in results.items():
                f1 = f1_interval(scores.per_text)
                line = f"  {way:<7} F1 {scores.f1:.3f} [{f1.low:.3f}, {f1.high:.3f}]"
                line += f"  P {scores.precision:.3f} R {scores.recall:.3f}"
                if way in before:
                    gap = f1_difference(before[way][0].per_text, scores.per_text)
                    span = f"{gap.interval.low:+.3f} to {gap.interval.high:+.3f}"
                    line += f"  difference {gap.value:+.3f} ({span}), p {gap.p_value:.3f}"
                print(line, f" {more}", flush=True)
            before = results


if __name__ == "__main__":
    main()
