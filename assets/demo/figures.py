"""Figures of the demo data, and the plain dictionary that they are measured with."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

Record = dict[str, Any]
Span = tuple[int, int]
_MARK = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)


class PlainDictionary:
    """Longest match from the left over canonical forms and aliases, blind to word boundaries."""

    def __init__(self, glossary: list[Record]) -> None:
        self.surfaces = {
            s for t in glossary if t["keyword"] for s in (t["canonical"], *t["aliases"])
        }
        longest = sorted(self.surfaces, key=lambda s: (-len(s), s))
        self.pattern = re.compile("|".join(map(re.escape, longest)))

    def find(self, text: str) -> list[Span]:
        """Spans of all matches, code points, end exclusive."""
        return [m.span() for m in self.pattern.finditer(text)]


def keyword_spans(record: Record) -> set[Span]:
    """Every place in the text where a keyword of the record stands on its own."""
    spans: set[Span] = set()
    for keyword in record["keywords"]:
        first = (keyword["start"], keyword["end"])
        spans.add(first)
        for m in re.finditer(re.escape(keyword["surface"]), record["text"][first[1] :]):
            spans.add((m.start() + first[1], m.end() + first[1]))
    return spans


def dictionary_scores(dictionary: PlainDictionary, records: list[Record]) -> tuple[int, int, int]:
    """True positives, predicted, gold; sets of surfaces a text, summed over texts."""
    hit = predicted = gold = 0
    for record in records:
        text = record["text"]
        answer = {text[s:e] for s, e in dictionary.find(text)}
        truth = {k["surface"] for k in record["keywords"]}
        hit, predicted, gold = hit + len(answer & truth), predicted + len(answer), gold + len(truth)
    return hit, predicted, gold


def measure(
    glossary: list[Record], splits: dict[str, list[Record]], test_only: dict[str, bool]
) -> dict[str, float]:
    """All shares that tests/demo/test_demo_data.py puts bounds on."""
    dictionary = PlainDictionary(glossary)
    terms = [t for t in glossary if t["keyword"]]
    records = [r for split in splits.values() for r in split]
    matches = wrong = 0
    for record in records:
        found = set(dictionary.find(record["text"]))
        matches += len(found)
        wrong += len(found - keyword_spans(record))
    text = "\n".join(r["text"] for r in records)
    never = [t for t in terms if not any(s in text for s in (t["canonical"], *t["aliases"]))]
    test = [k["surface"] for r in splits["test"] for k in r["keywords"]]
    train = {k["surface"] for s in ("train", "dev") for r in splits[s] for k in r["keywords"]}
    hit, predicted, gold = dictionary_scores(dictionary, splits["test"])
    precision, recall = hit / predicted, hit / gold
    return {
        "terms": len(terms),
        "not_keywords": len(glossary) - len(terms),
        "never": len(never) / len(terms),
        "test_outside": sum(s not in dictionary.surfaces for s in test) / len(test),
        "test_new": sum(s not in train for s in test) / len(test),
        "wrong_matches": wrong / matches,
        "empty": sum(not r["keywords"] for r in records) / len(records),
        "trap": sum(r["meta"]["trap"] for r in records) / len(records),
        "test_words": sum(test_only.values()) / len(test_only),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
    }


def figures(
    glossary: list[Record],
    splits: dict[str, list[Record]],
    test_only: dict[str, bool],
    lexicon: Counter[str],
) -> str:
    """The Markdown tables of CARD.md."""
    m = measure(glossary, splits, test_only)
    lines = [
        "| split | texts | keywords | no keyword | trap | patterns |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, records in splits.items():
        used = {p for r in records for p in r["meta"]["pattern"].split("+")}
        empty = sum(not r["keywords"] for r in records)
        traps = sum(r["meta"]["trap"] for r in records)
        total = sum(len(r["keywords"]) for r in records)
        lines.append(f"| {name} | {len(records)} | {total} | {empty} | {traps} | {len(used)} |")
    shipped = Counter(t["category"] for t in glossary if t["keyword"])
    lines += ["", "| category | lexicon | glossary |", "|---|--:|--:|"]
    lines += [f"| {name} | {lexicon[name]} | {shipped[name]} |" for name in lexicon]
    lines.append(f"| all | {sum(lexicon.values())} | {sum(shipped.values())} |")
    lines += ["", "| figure | value |", "|---|--:|"]
    rows = [
        ("glossary terms", f"{m['terms']:.0f}"),
        ("not-a-keyword entries", f"{m['not_keywords']:.0f}"),
        ("glossary terms that stand in no text", f"{m['never']:.1%}"),
        ("words of the lexicon kept for test", f"{m['test_words']:.1%}"),
        ("test keywords in no glossary entry", f"{m['test_outside']:.1%}"),
        ("test keywords that train and dev never label", f"{m['test_new']:.1%}"),
        ("plain dictionary matches that are no keyword", f"{m['wrong_matches']:.1%}"),
        ("texts without a keyword", f"{m['empty']:.1%}"),
        ("texts with a trap", f"{m['trap']:.1%}"),
        ("plain dictionary on test: precision", f"{m['precision']:.3f}"),
        ("plain dictionary on test: recall", f"{m['recall']:.3f}"),
        ("plain dictionary on test: F1", f"{m['f1']:.3f}"),
    ]
    lines += [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(lines)


def render_card(card: str, table: str) -> str:
    """`card` with the tables put between its figures marks."""
    return _MARK.sub(lambda m: m.group(1) + table + "\n" + m.group(2), card)
