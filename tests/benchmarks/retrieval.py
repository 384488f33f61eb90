"""Which terms a text needs: recall@8 of exact matches, vectors, n-grams and all together.

    python -P tests/benchmarks/retrieval.py [BC5CDR_FOLDER]

A needed term is one whose name is a gold keyword of the text. Beside the texts as they are, the
same with the gold words misspelt (one letter of a word left out, as people type), which no exact
match finds. Demo: dev split, demo glossary. bc5cdr, where the folder with train.jsonl and dev.jsonl
is given: dev texts, the train split's mentions as glossary. No test split is read. Then the time a
text costs at 1,000 to N generated terms is measured by tests/benchmarks/glossary.py.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from engines.finding import open_embedding, open_sources
from engines.settings import Settings, load
from engines.workspace import assets
from glossary.exchange import read_terms
from glossary.retrieval import Sources, retrieve
from glossary.store import Glossary
from glossary.term import Term, key
from glossary.text import normalise
from glossary.vectors import Vectors, term_item

LIMIT, TEXTS, SEED = 8, 300, 7
Case = tuple[str, frozenset[str]]
Way = Callable[[str], list[str]]


def main() -> None:
    """Print one table a data set."""
    settings = load(None, environ={})
    dev = _lines(assets() / "demo" / "dev.jsonl")
    report("demo dev", read_terms(assets() / "demo" / "glossary.jsonl").terms, dev, settings)
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        names: dict[str, Term] = {}
        for _text, words in _lines(folder / "train.jsonl"):
            for word in words:
                names.setdefault(key(word), Term("", word, language="en"))
        report("bc5cdr dev", names.values(), _lines(folder / "dev.jsonl"), settings)


def report(
    name: str, terms: Iterable[Term], texts: Sequence[tuple[str, list[str]]], settings: Settings
) -> None:
    """Recall@8 and milliseconds a text for each way, on texts as they are and misspelt."""
    with tempfile.TemporaryDirectory() as folder:
        glossary = Glossary.open(Path(folder) / "g.lance", create=True)
        settled, _left = glossary.settle(terms)
        glossary.upsert(settled, author="benchmark")
        vectors = Vectors(glossary.path, open_embedding(settings, None))
        vectors.sync(map(term_item, glossary.terms()))
        sources, _notes = open_sources(glossary, settings, None)
        print(f"\n{name}: {glossary.count()} terms, recall@{LIMIT} (ms a text)")
        for title, cases in (
            ("as written", _cases(glossary, texts, spoil=False)),
            ("misspelt", _cases(glossary, texts, spoil=True)),
        ):
            cells = [f"{title} ({len(cases)} texts, {sum(len(n) for _t, n in cases)} terms)"]
            for label, way in _ways(glossary, sources).items():
                started = time.perf_counter()
                hit = sum(len(needed & set(way(text)[:LIMIT])) for text, needed in cases)
                spent = 1000 * (time.perf_counter() - started) / max(1, len(cases))
                share = hit / max(1, sum(len(needed) for _text, needed in cases))
                cells.append(f"{label} {share:.3f} ({spent:.1f})")
            print("  " + " | ".join(cells))


def _ways(glossary: Glossary, sources: Sources) -> dict[str, Way]:
    vectors = sources.vectors
    assert vectors is not None

    def exact(text: str) -> list[str]:
        return list(dict.fromkeys(m.term.id for m in glossary.matcher().find(text)))

    def hybrid(text: str) -> list[str]:
        found = retrieve(glossary, text, limit=LIMIT, sources=sources)
        return [one.term.id for one in found if one.term is not None]

    return {
        "exact": exact,
        "vector": lambda text: [id_ for id_, _cosine in vectors.search(text, LIMIT)],
        "n-gram": lambda text: [t.id for t, _bm25 in glossary.ngram_search(text, LIMIT)],
        "hybrid": hybrid,
    }


def _cases(
    glossary: Glossary, texts: Sequence[tuple[str, list[str]]], *, spoil: bool
) -> list[Case]:
    """Texts with the ids of the terms they need; with `spoil` each of their names misspelt."""
    dice = random.Random(SEED)
    found: list[Case] = []
    for text, words in texts:
        owners = {word: term for word in words if (term := glossary.lookup(word)) is not None}
        if spoil:
            owners = {word: term for word, term in owners.items() if len(word) >= 4}
            for word in sorted(owners, key=len, reverse=True):
                at = dice.randrange(1, len(word) - 1)
                text = text.replace(word, word[:at] + word[at + 1 :])
        if owners:
            found.append((text, frozenset(term.id for term in owners.values())))
    return dice.sample(found, min(TEXTS, len(found)))


def _lines(path: Path) -> list[tuple[str, list[str]]]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        words = [w if isinstance(w, str) else w["surface"] for w in record["keywords"]]
        found.append((normalise(record["text"]), [normalise(word) for word in words]))
    return found


if __name__ == "__main__":
    main()
