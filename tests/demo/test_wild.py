"""The hand-labeled split: its form, its counts, and that nothing of it stands in the glossary."""

import importlib.util
import json
import re
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo"
CATEGORIES = {
    "effect",
    "drug_class",
    "dosage_form",
    "ingredient",
    "product",
    "maker",
    "patient_group",
    "symptom",
    "safety_category",
}
STYLES = {"definition", "leaflet", "notice", "question", "news"}
NEVER = re.compile(
    "의약품|약|약물|제품|제제|성분|효과|작용|치료|치료제|복용|투여|사용|처방|환자|의사|약사|증상|부작용|주의|"
    "식약처|약국|병원|질환|질병|보조제|보충제|중증|심한|경구|국소|외용"
)
BODY_PART = re.compile("눈|귀|코|목|위|간|장|피부|점막|심장|신장|혈관|기관지|두피|뼈|근육|허리")
QUANTITY = re.compile(r"^\d[\d,.]*\s?(mg|g|ml|밀리그램|세|일|회|원)?$", re.IGNORECASE)
SHORTEST_SHARED = 15


def read(name: str) -> list[dict[str, Any]]:
    lines = (DEMO / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def wild() -> list[dict[str, Any]]:
    return read("wild.jsonl")


def build_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_wild", DEMO / "build_wild.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def squeeze(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def sentences(text: str) -> list[str]:
    """The whole text and each of its sentences long enough to be more than a phrase."""
    parts = [squeeze(part) for part in re.split(r"(?<=[.?!])\s+", text)]
    return [part for part in {squeeze(text), *parts} if len(part) >= SHORTEST_SHARED]


def leaks(wild: list[dict[str, Any]], definitions: list[str]) -> list[str]:
    """Wild sentences that stand in a definition, and definitions that stand in a wild text."""
    own = [squeeze(text) for text in definitions]
    found = [s for r in wild for s in sentences(r["text"]) if any(s in d for d in own)]
    texts = [squeeze(record["text"]) for record in wild]
    long = [d for d in own if len(d) >= SHORTEST_SHARED]
    return found + [d for d in long if any(d in text for text in texts)]


def test_the_file_is_what_the_marked_texts_say():
    assert (DEMO / "wild.jsonl").read_text(encoding="utf-8") == build_script().render()


def test_records_have_the_agreed_form(wild):
    assert [r["id"] for r in wild] == [f"wild-{n:03d}" for n in range(1, len(wild) + 1)]
    for record in wild:
        assert set(record) == {"id", "text", "keywords", "meta"}
        assert set(record["meta"]) == {"style", "source", "trap"}
        assert record["meta"]["style"] in STYLES
        assert isinstance(record["meta"]["trap"], bool)
        for keyword in record["keywords"]:
            assert set(keyword) == {"surface", "start", "end", "category"}
            assert keyword["category"] in CATEGORIES


def test_offsets_surfaces_and_order(wild):
    for record in wild:
        spans = [(k["start"], k["end"]) for k in record["keywords"]]
        surfaces = [k["surface"] for k in record["keywords"]]
        assert [record["text"][a:b] for a, b in spans] == surfaces, record["id"]
        assert len(set(surfaces)) == len(surfaces), record["id"]
        assert all(one[1] <= two[0] for one, two in pairwise(spans))


def standing_alone(text: str, surface: str) -> list[int]:
    """Where `surface` starts a word; josa may follow."""
    return [m.start() for m in re.finditer(rf"(?<!\w){re.escape(surface)}", text)]


def inside_longer(record: dict[str, Any], surface: str, start: int) -> bool:
    """Does the occurrence at `start` belong to a longer keyword of the record?"""
    longer = [k["surface"] for k in record["keywords"] if len(k["surface"]) > len(surface)]
    spans = [m.span() for word in longer for m in re.finditer(re.escape(word), record["text"])]
    return any(a <= start and start + len(surface) <= b for a, b in spans)


def test_only_traps_and_longer_words_stand_before_the_marked_occurrence(wild):
    for record in [record for record in wild if not record["meta"]["trap"]]:
        for keyword in record["keywords"]:
            surface = keyword["surface"]
            for start in standing_alone(record["text"][: keyword["start"]], surface):
                assert inside_longer(record, surface, start), (record["id"], surface)


def test_texts_are_normal_and_each_its_own(wild):
    texts = [record["text"] for record in wild]
    assert len({squeeze(text) for text in texts}) == len(texts)
    for text in texts:
        assert unicodedata.is_normalized("NFC", text)
        assert text == text.strip() and text.isprintable()


def test_counts(wild):
    source = Counter(record["meta"]["source"] for record in wild)
    assert source["ryukato-drug (MIT)"] == 163
    assert source["kwtui"] >= 64
    written = [record for record in wild if record["meta"]["source"] == "kwtui"]
    assert {record["meta"]["style"] for record in written} == STYLES - {"definition"}
    assert sum(not record["keywords"] for record in written) >= 10
    assert sum(record["meta"]["trap"] for record in written) >= 15
    seen = {k["category"] for record in wild for k in record["keywords"]}
    assert seen == CATEGORIES


def test_no_keyword_is_a_word_that_never_is_one(wild):
    for record in wild:
        for keyword in record["keywords"]:
            surface = keyword["surface"]
            assert not NEVER.fullmatch(surface), record["id"]
            assert not BODY_PART.fullmatch(surface), record["id"]
            assert not QUANTITY.match(surface), record["id"]
            assert surface == surface.strip(" .,·ㆍ()‘’'\""), record["id"]
            assert not re.search(r"[·ㆍ,()]", surface), record["id"]


def test_the_leak_check_sees_a_leak(wild):
    first = wild[0]["text"]
    assert leaks(wild[:1], [f"설명: {first} 끝."])
    assert leaks(wild[:1], [first[: len(first) // 2]])
    assert not leaks(wild[:1], ["위장의 경련을 누그러뜨리는 약."])


def test_no_wild_sentence_stands_in_the_glossary(wild):
    exists = (DEMO / "glossary.jsonl").exists()
    terms = read("glossary.jsonl") if exists else []
    definitions = [term.get("definition") or "" for term in terms]
    assert leaks(wild, definitions) == []
    assert bool(terms) == exists


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_no_wild_text_stands_in_the_synthetic_splits(wild, split):
    exists = (DEMO / f"{split}.jsonl").exists()
    synthetic = read(f"{split}.jsonl") if exists else []
    own = {squeeze(record["text"]) for record in wild}
    assert not own & {squeeze(record["text"]) for record in synthetic}
    assert bool(synthetic) == exists
