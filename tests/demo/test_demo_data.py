"""The synthetic splits and the glossary keep what their card promises."""

import csv
import importlib
import json
import math
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from glossary.josa import attach

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"
SPLITS = ("train", "dev", "test")
WRITTEN = ("glossary.jsonl", "train.jsonl", "dev.jsonl", "test.jsonl", "CARD.md")
NEVER = {"의약품", "약", "약물", "제품", "제제", "성분", "효과", "작용", "치료", "치료제", "복용",
         "투여", "사용", "처방", "환자", "의사", "약사", "증상", "부작용", "주의"}  # fmt: skip


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEMO / name).read_text(encoding="utf-8").splitlines()]


def load(name: str) -> ModuleType:
    """A module of the demo's script, without leaving its folder on the path."""
    sys.path.insert(0, str(DEMO))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DEMO))


@pytest.fixture(scope="module")
def splits() -> dict[str, list[dict[str, Any]]]:
    return {name: read(f"{name}.jsonl") for name in SPLITS}


@pytest.fixture(scope="module")
def glossary() -> list[dict[str, Any]]:
    return read("glossary.jsonl")


@pytest.fixture(scope="module")
def lexicon() -> dict[str, list[dict[str, str]]]:
    files = sorted((DEMO / "lexicon").glob("*.tsv"))
    return {
        f.stem: list(
            csv.DictReader(
                f.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE
            )
        )
        for f in files
    }


@pytest.fixture(scope="module")
def shares(
    glossary: list[dict[str, Any]],
    splits: dict[str, list[dict[str, Any]]],
    lexicon: dict[str, list[dict[str, str]]],
) -> dict[str, float]:
    rows = [r for file in lexicon.values() for r in file if r["occurs"] == "1"]
    test_only = {r["surface"]: r["test_only"] == "1" for r in rows}
    result: dict[str, float] = load("figures").measure(glossary, splits, test_only)
    return result


def everything(splits: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for records in splits.values():
        yield from records


def patterns_of(records: list[dict[str, Any]]) -> set[str]:
    return {p for r in records for p in r["meta"]["pattern"].split("+")}


def test_the_texts_left_to_label_are_in_no_split_and_tell_no_answer(
    splits: dict[str, list[dict[str, Any]]],
) -> None:
    left = read("unlabeled.jsonl")
    assert len(left) == 200
    assert not any("keywords" in record for record in left)
    taken = {record["text"] for records in splits.values() for record in records}
    assert not taken & {record["text"] for record in left}


def test_regeneration_writes_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(DEMO / "generate.py"), "--out", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    for name in WRITTEN:
        assert (tmp_path / name).read_bytes() == (DEMO / name).read_bytes(), name


def test_sizes(splits: dict[str, list[dict[str, Any]]], glossary: list[dict[str, Any]]) -> None:
    assert sum(map(len, splits.values())) >= 2500
    assert len(splits["dev"]) >= 300
    assert len(splits["test"]) >= 500
    assert sum(t["keyword"] for t in glossary) >= 600


def test_offsets_point_at_the_surfaces(splits: dict[str, list[dict[str, Any]]]) -> None:
    for record in everything(splits):
        for keyword in record["keywords"]:
            found = record["text"][keyword["start"] : keyword["end"]]
            assert found == keyword["surface"], record["id"]


def test_keywords_are_unique_and_in_order(splits: dict[str, list[dict[str, Any]]]) -> None:
    for record in everything(splits):
        spans = [(k["start"], k["end"]) for k in record["keywords"]]
        surfaces = [k["surface"] for k in record["keywords"]]
        assert len(set(surfaces)) == len(surfaces), record["id"]
        assert all(a[1] <= b[0] for a, b in pairwise(spans)), record["id"]


def test_no_keyword_is_a_word_of_rule_four(splits: dict[str, list[dict[str, Any]]]) -> None:
    surfaces = {k["surface"] for r in everything(splits) for k in r["keywords"]}
    assert not surfaces & NEVER
    assert not [s for s in surfaces if len(s) < 2 or s != s.strip()]


def test_no_text_twice(splits: dict[str, list[dict[str, Any]]]) -> None:
    texts = [r["text"] for r in everything(splits)]
    assert len(set(texts)) == len(texts)
    assert not set(texts) & {r["text"] for r in read("wild.jsonl")}
    ids = [r["id"] for r in everything(splits)]
    assert len(set(ids)) == len(ids)


def test_patterns_of_test_are_its_own(splits: dict[str, list[dict[str, Any]]]) -> None:
    words = load("generate")
    lines = {
        name: {p.text for p in words.read_patterns(DEMO / "patterns" / f"{name}.txt")}
        for name in ("train", "test")
    }
    assert len(lines["train"]) >= 120
    assert len(lines["test"]) >= 45
    assert not lines["train"] & lines["test"]
    assert not patterns_of(splits["test"]) & (
        patterns_of(splits["train"]) | patterns_of(splits["dev"])
    )
    assert len(patterns_of(splits["train"])) >= 120
    assert len(patterns_of(splits["test"])) >= 45


def test_a_third_of_each_category_is_kept_for_test(
    lexicon: dict[str, list[dict[str, str]]], splits: dict[str, list[dict[str, Any]]]
) -> None:
    kept: set[str] = set()
    for name, rows in lexicon.items():
        used = [r for r in rows if r["occurs"] == "1"]
        mine = {r["surface"] for r in used if r["test_only"] == "1"}
        assert len(mine) >= math.ceil(len(used) / 3), name
        kept |= mine
    known = {k["surface"] for s in ("train", "dev") for r in splits[s] for k in r["keywords"]}
    assert not kept & known


def test_the_lexicon_is_larger_than_the_glossary(
    lexicon: dict[str, list[dict[str, str]]], glossary: list[dict[str, Any]]
) -> None:
    words = {s for rows in lexicon.values() for r in rows for s in (r["surface"],)}
    assert len(words) > 1.2 * sum(t["keyword"] for t in glossary)


def test_the_demo_does_not_answer_itself(shares: dict[str, float]) -> None:
    assert shares["test_outside"] >= 0.35
    assert shares["wrong_matches"] >= 0.10
    assert shares["never"] >= 0.25
    assert shares["empty"] >= 0.10
    assert shares["trap"] >= 0.15
    assert 0.55 <= shares["f1"] <= 0.80


def test_marked_traps_alone_make_a_tenth_of_the_dictionary_matches_wrong(
    splits: dict[str, list[dict[str, Any]]], glossary: list[dict[str, Any]]
) -> None:
    figures = load("figures")
    dictionary = figures.PlainDictionary(glossary)
    matches = wrong = 0
    for record in everything(splits):
        found = set(dictionary.find(record["text"]))
        gold = figures.keyword_spans(record)
        inside = {f for f in found if any(s <= f[0] and f[1] <= e for s, e in gold)}
        matches += len(found)
        wrong += len(found - inside) if record["meta"]["trap"] else 0
    assert wrong / matches >= 0.10


def test_every_split_has_empty_texts_and_traps(splits: dict[str, list[dict[str, Any]]]) -> None:
    for name, records in splits.items():
        assert sum(not r["keywords"] for r in records) >= 0.08 * len(records), name
        assert sum(r["meta"]["trap"] for r in records) >= 0.15 * len(records), name


def test_glossary_entries_are_whole(glossary: list[dict[str, Any]]) -> None:
    owner: dict[str, set[str]] = defaultdict(set)
    for term in glossary:
        assert term["keyword"] is False or term["category"], term
        for surface in (term["canonical"], *term["aliases"]):
            owner[surface].add(term["canonical"])
    assert not {s: o for s, o in owner.items() if len(o) > 1}
    excluded = {t["canonical"] for t in glossary if not t["keyword"]}
    assert excluded >= NEVER
    for category in ("effect", "dosage_form", "patient_group", "symptom"):
        terms = [t for t in glossary if t["category"] == category]
        assert sum(bool(t["definition"]) for t in terms) > 0.9 * len(terms), category


def test_no_definition_stands_in_a_real_sentence(glossary: list[dict[str, Any]]) -> None:
    def squeeze(text: str) -> str:
        return re.sub(r"[\W_]+", "", text)

    wild = "\n".join(squeeze(r["text"]) for r in read("wild.jsonl"))
    definitions = {squeeze(t["definition"]) for t in glossary} - {""}
    assert not [d for d in definitions if len(d) >= 10 and d in wild]


@pytest.mark.parametrize(
    ("word", "particle", "expected"),
    [
        ("파스", "은", "파스는"),
        ("시럽", "은", "시럽은"),
        ("알약", "으로", "알약으로"),
        ("캡슐", "으로", "캡슐로"),
        ("연고", "으로", "연고로"),
        ("정제", "이나", "정제나"),
        ("시럽", "이라", "시럽이라"),
        ("PPI", "을", "PPI를"),
        ("MAO", "과", "MAO와"),
        ("Tylenol", "으로", "Tylenol로"),
        ("Ibuprofen", "은", "Ibuprofen은"),
        ("Betadine", "이", "Betadine이"),
        ("Humira", "이", "Humira가"),
        ("비타민 B12", "은", "비타민 B12는"),
        ("비타민 B1", "으로", "비타민 B1로"),
        ("3월 10", "이", "3월 10이"),
        ("500mg", "을", "500mg을"),
        ("5 mL", "을", "5 mL를"),
        ("0.5%", "으로", "0.5%로"),
        ("200mg(이부프로펜)", "과", "200mg(이부프로펜)과"),
        ("'파스'", "은", "'파스'는"),
    ],
)
def test_particles_follow_the_last_sound(word: str, particle: str, expected: str) -> None:
    assert attach(word, particle) == expected
