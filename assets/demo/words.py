"""The demo's lexicon: every word that a synthetic sentence may hold as a keyword."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

#: file of lexicon/ -> (category as in guideline.md, slot of the patterns)
CATEGORIES = {
    "effects": ("effect", "효과"),
    "drug_classes": ("drug_class", "약효군"),
    "dosage_forms": ("dosage_form", "제형"),
    "ingredients": ("ingredient", "성분"),
    "products": ("product", "제품"),
    "makers": ("maker", "제조사"),
    "patient_groups": ("patient_group", "대상"),
    "symptoms": ("symptom", "증상"),
    "safety_categories": ("safety_category", "안전"),
}
#: words of the category 증상 that name a disease, and those that only name an adverse event
_DISEASE = re.compile(
    r"(병|염|증|암|증후군|궤양|장애|천식|혈압|당뇨|결핵|졸중|경색|출혈|부전|내장|변성|포진|통풍"
    r"|아토피|건선|백선|홍역|파상풍|백일해|종|경화|경변|지방간|감기|독감|질환|세동|정맥류?|빈혈"
    r"|루푸스|치매|말라리아|여드름|무좀|치질|치핵|풍진|수두|중독|거부반응|폐색|결석|화상|오십견)$"
)
_ADVERSE = re.compile(r"(독성|손상|억제|과민반응|의존성|금단증상|금단현상|아나필락시스|기형|조산)$")


@dataclass(frozen=True, slots=True)
class Word:
    """One surface of the lexicon."""

    surface: str
    canonical: str
    aliases: tuple[str, ...]
    definition: str
    category: str
    slot: str
    in_glossary: bool
    test_only: bool
    occurs: bool
    source: str


def read_lexicon(folder: Path) -> list[Word]:
    """All words of lexicon/*.tsv in file order."""
    words = []
    for name, (category, slot) in CATEGORIES.items():
        with (folder / f"{name}.tsv").open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE):
                words.append(
                    Word(
                        surface=row["surface"],
                        canonical=row["canonical"],
                        aliases=tuple(a for a in row["aliases"].split("|") if a),
                        definition=row["definition"],
                        category=category,
                        slot=slot,
                        in_glossary=row["in_glossary"] == "1",
                        test_only=row["test_only"] == "1",
                        occurs=row["occurs"] == "1",
                        source=row["source"],
                    )
                )
    return words


def surfaces_by_category(words: list[Word]) -> dict[str, str]:
    """Every surface and alias with its category."""
    return {s: w.category for w in words for s in (w.surface, *w.aliases)}


def longest_first(surfaces: Iterable[str]) -> list[str]:
    """Surfaces by falling length, then by code point."""
    return sorted(surfaces, key=lambda s: (-len(s), s))


def word_pools(words: list[Word], subsets: dict[str, str]) -> dict[str, list[Word]]:
    """The words of each slot: the categories, their narrower subsets, and English names."""
    pools: dict[str, list[Word]] = {"질환": [], "영문제품": []}
    spoken = [replace(w, surface=s) for w in words for s in (w.surface, *w.aliases)]
    for word in spoken:
        if word.slot == "증상" and _DISEASE.search(word.surface):
            pools["질환"].append(word)
        elif word.slot != "증상" or not _ADVERSE.search(word.surface):
            pools.setdefault(word.slot, []).append(word)
        if word.slot == "제품" and word.surface.isascii():
            pools["영문제품"].append(word)
    for name, listed in subsets.items():
        chosen = set(listed.split())
        pools[name] = [w for w in spoken if w.surface in chosen]
    return pools
