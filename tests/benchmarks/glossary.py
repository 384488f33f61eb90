"""The glossary at growing sizes: building, matching, retrieving, editing, listing.

    python -P tests/benchmarks/glossary.py [SIZE ...]        (default: 1000 10000; try 1000000)

Each size is built in one process and asked in a fresh one, whose memory is reported. The peers run
in the same process: a plain `in` loop over all names, and LanceDB's brute-force vector search.
Aims at a million terms on 2 cores: match under 1 ms, retrieve p95 under 20 ms, an edit seen within
50 ms, memory under 1.2 GB.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from engines.workspace import assets
from glossary.store import Glossary, journal_path
from glossary.term import Term

SIZES = (1_000, 10_000)
CHUNK = 250_000
TEXTS = 200
ROUNDS = 30
HEADS = re.findall(r"\w+", "급성 만성 신생아 소아 노인성 재발성 유전성 알레르기성 세균성 원발성")
PARTS = re.findall(
    r"\w+",
    "간 위 폐 신장 심장 췌장 갑상선 근육 관절 피부 혈관 신경 대장 소장 방광 전립선 자궁 난소 "
    "비강 기관지 식도 담낭 척추 골반 무릎 어깨 손목 발목 각막 망막",
)
KINDS = re.findall(
    r"\w+", "염 암 통 부전 경색 비대 협착 출혈 결석 궤양 종양 위축 마비 경련 감염 손상"
)
CATEGORIES = ("질환", "증상", "성분", "부위", "검사")


def terms(count: int) -> Iterator[Term]:
    """Generated terms: a third have an alias, all a short definition; no two share a name."""
    rng = random.Random(7)
    syllables = [chr(code) for code in range(0xAC00, 0xAC00 + 11172, 13)]
    seen: set[str] = set()
    for number in itertools.count():
        if number >= count:
            return
        while True:
            middle = "".join(rng.choices(syllables, k=rng.randint(1, 3)))
            name = f"{rng.choice(PARTS)}{middle}{rng.choice(KINDS)}"
            if name not in seen:
                break
        seen.add(name)
        aliases = (f"{rng.choice(HEADS)} {name}",) if number % 3 == 0 else ()
        definition = f"{rng.choice(PARTS)}에 생기는 {rng.choice(HEADS)} {rng.choice(KINDS)}"
        yield Term("", name, aliases, definition, rng.choice(CATEGORIES), source="benchmark")


def texts(count: int) -> list[str]:
    """Sentences of the demo, every second with two of the generated terms in it."""
    path = assets() / "demo" / "train.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[:TEXTS]
    known = list(itertools.islice(terms(min(count, 2000)), 2000))
    rng = random.Random(3)
    made = []
    for number, line in enumerate(lines):
        text = str(json.loads(line)["text"])
        if number % 2:
            one, two = rng.choice(known), rng.choice(known)
            text += f" {one.canonical}과 {two.surfaces[-1]}에 쓰인다."
        made.append(text)
    return made


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"p50_ms": round(statistics.median(ordered) * 1e3, 3), "p95_ms": round(p95 * 1e3, 3)}


def timed(call: Callable[[Any], object], items: Iterable[Any]) -> dict[str, float]:
    """The spread of a call with each of these."""
    seconds = []
    for item in items:
        start = time.perf_counter()
        call(item)
        seconds.append(time.perf_counter() - start)
    return spread(seconds)


def resident() -> float:
    """Resident memory of this process in GB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e9, 3)


def once(name: str, call: Callable[[], Any], into: dict[str, Any]) -> Any:
    """Make a call and note its seconds."""
    start = time.perf_counter()
    result = call()
    into[name] = round(time.perf_counter() - start, 2)
    return result


def vectors_of(glossary: Glossary) -> Any:
    from glossary.embedding import open_embedder
    from glossary.vectors import Vectors

    return Vectors(glossary.path, open_embedder(assets() / "embedding" / "model"))


def build(folder: Path, size: int) -> dict[str, Any]:
    """Fill a glossary: the journal, LanceDB with its n-gram index, vectors with theirs."""
    from glossary.vectors import term_item

    found: dict[str, Any] = {}
    glossary = Glossary.open(folder, create=True)
    given = iter(terms(size))
    journal = 0.0
    follow, glossary.level = glossary.index.follow, lambda **_: True  # type: ignore[method-assign,assignment,misc]
    while chunk := list(itertools.islice(given, CHUNK)):
        start = time.perf_counter()
        glossary.upsert(chunk, author="benchmark")
        journal += time.perf_counter() - start
    found["journal_s"] = round(journal, 2)
    once("table_and_ngrams_s", follow, found)
    vectors = vectors_of(glossary)
    items = (term_item(term) for term in glossary.iterate())
    once("vectors_s", lambda: vectors.sync(items), found)
    glossary.close()
    found["disk_journal_mb"] = round(journal_path(folder).stat().st_size / 1e6, 1)
    files = (path.stat().st_size for path in folder.rglob("*") if path.is_file())
    found["disk_lance_mb"] = round(sum(files) / 1e6, 1)
    found["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    return found


def ask(folder: Path, size: int) -> dict[str, Any]:
    """Ask a glossary in a fresh process."""
    from glossary.boundaries import morphemes
    from glossary.retrieval import Sources, retrieve

    found: dict[str, Any] = {}
    morphemes("말")
    found["rss_with_kiwi_gb"] = resident()
    glossary = once("open_s", lambda: Glossary.open(folder, background=True), found)
    matcher = once("matcher_s", glossary.matcher, found)
    some = texts(size)
    for text in some[:20]:
        matcher.find(text)
    found["match"] = timed(matcher.find, some)
    sources = Sources(vectors_of(glossary))
    for text in some[:20]:
        retrieve(glossary, text, limit=8, sources=sources)
    found["retrieve"] = timed(lambda text: retrieve(glossary, text, limit=8, sources=sources), some)
    found["rss_gb"] = resident()
    # Before the peers, whose lists of names are no part of the glossary's memory.
    found |= edits(glossary)
    found["peers"] = peers(glossary, sources.vectors, some[:ROUNDS])
    return found


def peers(glossary: Glossary, vectors: Any, some: list[str]) -> dict[str, Any]:
    """The plain ways: a loop over all names, and vectors compared one by one."""
    names = [name for name, _key in glossary.journal.spellings()]
    loop = timed(lambda text: [name for name in names if name in text], some)
    asked = vectors.embedder.encode(some, query=True)
    table = vectors._table

    def brute(vector: Any) -> object:
        query = table.search(vector, vector_column_name="vector").distance_type("cosine")
        return query.bypass_vector_index().select(["key", "_distance"]).limit(8).to_list()

    return {"in_loop": loop, "brute_force_vectors": timed(brute, asked)}


def edits(glossary: Glossary) -> dict[str, Any]:
    """Edits until matcher and table show them; filters and facets of the table."""
    from glossary.listing import Listing, View

    found: dict[str, Any] = {}
    listing = once("listing_s", lambda: Listing(glossary), found)
    found["rss_with_listing_gb"] = resident()
    listing.page(View(), 0, 40)

    def edit(number: int) -> None:
        glossary.upsert([Term("", f"새로운말{number}", category="증상")], author="benchmark")
        assert glossary.matcher().find(f"새로운말{number}을 찾는다")
        assert listing.count(View()) == glossary.count()

    edit(-1)
    found["edit_seen"] = timed(edit, range(ROUNDS))
    typed = ["ㄱ", "ㄱㅅ", "간", "신장", "ㅍㅎㅇ", "출혈", "염", "위가", "없는말이다", "급성 간"]
    # Each for the first time: answers are kept, and so are initials once all terms are read.
    found["filter"] = timed(lambda text: listing.count(View(text, "-canonical")), typed)
    found["facets"] = timed(lambda text: listing.facets(View(text)), typed)
    return found


def report(size: int) -> None:
    """One size: built and asked in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "glossary.lance"
        for step in ("build", "ask"):
            command = [sys.executable, "-P", __file__, step, str(path), str(size)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            sys.stdout.write(f"{size:,} {step}: {done.stdout.strip()}\n")
            sys.stdout.flush()


def main(arguments: list[str]) -> None:
    if arguments[:1] in (["build"], ["ask"]):
        step = build if arguments[0] == "build" else ask
        sys.stdout.write(json.dumps(step(Path(arguments[1]), int(arguments[2]))) + "\n")
        return
    for size in [int(one) for one in arguments] or SIZES:
        report(size)


if __name__ == "__main__":
    main(sys.argv[1:])
