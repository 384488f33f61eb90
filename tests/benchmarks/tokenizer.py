"""Vocabularies: what each method does, what it costs at size, and what it brings downstream.

    python -P tests/benchmarks/tokenizer.py [methods] [size] [downstream] [--out DIR]
                                            [--texts N] [--steps N]

`methods`: 50, 200 and all demo terms by each method on three kinds of tokenizer. `size`: an audit
of 1,000,000 texts and an extension by 20,000 terms. `downstream` (minutes): kw-mini fully tuned on
the demo's training texts with its own vocabulary and with all demo terms, same data and steps, by
initialisation of the new rows; F1 on the demo's test texts, differences by a paired bootstrap.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.tokenizer.audit import audit
from engines.tokenizer.build import Built, Material, Wish, extend
from engines.tokenizer.files import Tokenizer
from engines.tokenizer.rebuild import Anew, retrain
from engines.tokenizer.texts import file_terms, file_texts, general_texts
from engines.workspace import assets

DEMO = assets() / "demo"
KW_MINI = assets() / "kw-mini"
METHODS = {
    "sentencepiece-bpe": ("symbol", "merges"),
    "sentencepiece-unigram": ("piece", "symbol"),
    "bpe": ("symbol", "merges"),
}


def demo() -> Material:
    texts = list(file_texts(DEMO / "train.jsonl"))
    return Material(file_terms(DEMO / "glossary.jsonl"), lambda: texts, general_texts(limit=5000))


def bases(folder: Path, material: Material) -> Iterator[Path]:
    """kw-mini (one piece a letter), its unigram twin, and a byte-level BPE model."""
    from tests import tiny

    yield KW_MINI
    general = general_texts()
    plain = Material(["대한민국"], lambda: general, material.general)
    anew = Anew(size=8000, kind="unigram", general=general)
    yield retrain(KW_MINI, folder / "unigram", plain, anew, Wish(growth=1.0)).path
    tokenizer = tiny.byte_tokenizer(general, size=8000)
    tokenizer.save_pretrained(folder / "bytes")
    model = tiny.random_model("qwen2", len(tokenizer) + 8, tie_word_embeddings=False)
    model.save_pretrained(folder / "bytes")
    yield folder / "bytes"


def methods(folder: Path) -> None:
    """The table of methods: accepted terms, one-token share, tokens before and after."""
    material = demo()
    print("| tokenizer, method | terms | one token before | accepted | one token | new tokens "
          "| domain | general | round trip failures | s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for base in bases(folder, material):
        old = Tokenizer.open(base)
        before = audit(old, material.texts(), material.terms)
        for method, budget in itertools.product(METHODS[old.kind], (50, 200, 0)):
            started = time.perf_counter()
            wish = Wish(method=method, budget=budget)
            built = extend(base, folder / f"{base.name}-{method}-{budget}", material, wish)
            row(old.kind, method, budget, before.positions["all"], built, started)


def row(kind: str, method: str, budget: int, before: float, built: Built, started: float) -> None:
    found = {check.name: check.figures for check in built.checks}
    whole = [found["one_token"][p] for p in ("start", "middle", "josa", "compound")]
    print(
        f"| {kind}, {method} | {budget or 'all'} | {before:.1%} | {len(built.terms)} "
        f"| {min(whole):.0%} | {built.new_tokens} | {found['general_text']['domain']:+.2%} "
        f"| {found['general_text']['general']:+.3%} | {found['round_trip']['failures']:.0f} "
        f"| {time.perf_counter() - started:.1f} |",
        flush=True,
    )


def many(count: int, seed: int = 7) -> Iterator[str]:
    """`count` texts made of the demo's and the general ones, each with a number of its own."""
    known = [*file_texts(DEMO / "train.jsonl"), *general_texts()]
    draw = random.Random(seed)
    for number in range(count):
        yield f"{draw.choice(known)} {number}"


def size(folder: Path, count: int) -> None:
    """The audit's rate and memory, then an extension by 20,000 invented terms."""
    material = demo()
    tokenizer = Tokenizer.open(KW_MINI)
    held = peak()
    started = time.perf_counter()
    found = audit(tokenizer, many(count), material.terms)
    seconds = time.perf_counter() - started
    print(f"audit: {found.texts:,} texts, {found.tokens:,} tokens in {seconds:.1f} s "
          f"({found.texts / seconds:,.0f} texts/s), peak {peak():,.0f} MiB "
          f"({held:,.0f} before)", flush=True)  # fmt: skip
    terms = list(invented(20_000))
    mine = Material(terms, material.texts, material.general)
    started = time.perf_counter()
    built = extend(KW_MINI, folder / "many", mine, Wish(budget=0))
    seconds = time.perf_counter() - started
    print(f"extension: {len(built.terms):,} of {len(terms):,} terms accepted and checked in "
          f"{seconds:.1f} s, vocabulary {built.vocabulary:,}, peak {peak():,.0f} MiB")  # fmt: skip


def invented(count: int, seed: int = 7) -> Iterator[str]:
    """Names as drugs have them, from syllables of the demo's terms."""
    syllables = sorted({s for t in file_terms(DEMO / "glossary.jsonl") for s in t if s >= "가"})
    draw = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        seen.add("".join(draw.choices(syllables, k=draw.randint(3, 6))))
    yield from sorted(seen)


def peak() -> float:
    """The peak of this process' memory in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


ARMS = (
    *("own vocabulary", "mean", "scaled", "focus", "random"),
    *("mean, rows first", "scaled, rows first"),
)


def downstream(folder: Path, steps: int) -> None:
    """F1, tokens and rate of the tuned model, with and without the terms as tokens."""
    from engines.evaluation.significance import f1_difference, f1_interval

    folder.mkdir(parents=True, exist_ok=True)
    material = demo()
    first: Sequence[Any] = ()
    print("| vocabulary | F1 (95 %) | difference (95 %), p | prompt tokens | texts/s |")
    print("|---|---|---|---|---|", flush=True)
    for arm in ARMS:
        model = KW_MINI
        if arm != ARMS[0]:
            model = folder / f"model-{arm.split(',')[0]}"
            if not model.exists():
                how: Any = model.name.removeprefix("model-")
                extend(KW_MINI, model, material, Wish(budget=0, rows=how))
        scores, tokens, rate = tuned(model, folder / arm.replace(", ", "-"), steps, arm)
        own = f1_interval(scores)
        against = "-"
        if first:
            gap = f1_difference(first, scores)
            low, high = gap.interval.low, gap.interval.high
            against = f"{gap.value:+.3f} ({low:+.3f} to {high:+.3f}), {gap.p_value:.3f}"
        else:
            first = scores
        print(f"| {arm} | {own.value:.3f} ({own.low:.3f}-{own.high:.3f}) | {against} "
              f"| {tokens:.1f} | {rate:.1f} |", flush=True)  # fmt: skip


def tuned(model: Path, out: Path, steps: int, arm: str) -> tuple[Sequence[Any], float, float]:
    """Counts of each test text, mean prompt tokens and texts a second of a model tuned in full."""
    from engines.corpus.formats import examples_of, open_records
    from engines.evaluation.metrics import score
    from engines.extraction.extractor import Extractor
    from engines.models.loading import load as load_model
    from engines.settings import load
    from engines.training.recipe import checked
    from engines.training.start import complete, prepare
    from engines.training.worker import work

    settings = load(None, user=DEMO / "config.toml")
    values = {
        "method": "full",
        "model": str(model),
        "data": {"sources": [{"file": str(DEMO / "train.jsonl")}], "dev_share": 0.0},
        "optimisation": {"steps": steps, "batch_size": 16, "threads": 1},
        "saving": {"steps": steps, "log_steps": 50, "tensorboard": False},
    }
    values["data"]["dev"] = {"split": "", "file": ""}
    if arm.endswith("rows first"):
        values["new_rows"] = {"first": 0.2}
    recipe = complete(checked(values, "benchmark"), settings, None, Path.cwd())
    if not (out / "model").exists():
        end = work(prepare(recipe, out, None))
        assert end["state"] == "finished", end
    gold = list(examples_of(open_records(DEMO / "test.jsonl"), lambda bad: sys.exit(str(bad))))
    extractor = Extractor("prompt", settings.strategies["prompt"], loaded=load_model(out / "model"))
    list(extractor.extract([gold[0].text]))
    started = time.perf_counter()
    found = list(extractor.extract([example.text for example in gold]))
    seconds = time.perf_counter() - started
    tokens = sum(one.prompt_tokens for one in found) / len(found)
    for one, example in zip(found, gold, strict=True):
        one.id = example.id
    (out / "test.json").write_text(json.dumps({"tokens": tokens, "seconds": seconds}))
    return score(gold, found).per_text, tokens, len(found) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["methods", "size"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=250)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for part in given.parts:
            print(f"-- {part}", flush=True)
            if part == "methods":
                methods(folder)
            elif part == "size":
                size(folder, given.texts)
            else:
                downstream(folder, given.steps)


if __name__ == "__main__":
    main()
