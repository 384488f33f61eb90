"""Write the demo's synthetic data: glossary.jsonl, a file a split, figures.

    python assets/demo/generate.py [--out DIR]

Reads lexicon/*.tsv and patterns/*, needs only the standard library, and always writes the same
bytes. Every sentence it makes is synthetic. The rules for what is a keyword stand in
guideline.md; the notation of the patterns in CARD.md.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from figures import figures, render_card  # noqa: E402  (a neighbour, found by the line above)
from words import (  # noqa: E402
    Word,
    longest_first,
    read_lexicon,
    surfaces_by_category,
    word_pools,
)

from glossary.josa import PAIRS, attach  # noqa: E402

SEED = 20240611
SIZES = {"train": 2000, "dev": 300, "test": 500}
UNLABELED = 200
#: share of texts from a [trap] pattern, from a [none] pattern; the rest is plain
TRAP_SHARE, NONE_SHARE = 0.19, 0.13
#: share of texts, by kind, that go on with a second pattern of the same style
SECOND_SHARE = {"trap": 0.04, "none": 0.45, "plain": 0.12}
#: share of slots in the test split that take a word kept for test
NEW_WORD_SHARE = 0.5
_SLOT = re.compile(r"\{([^{}]+)\}|\[(" + "|".join(sorted(PAIRS, key=len, reverse=True)) + r")\]")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of a pattern file; `style` is its section."""

    id: str
    style: str
    text: str


@dataclass(slots=True)
class Draft:
    """A text under construction: gold and trap regions are (start, end) in code points."""

    text: str = ""
    gold: list[tuple[int, int, str]] = field(default_factory=list)
    traps: list[tuple[int, int]] = field(default_factory=list)

    def add(self, piece: str, category: str | None = None) -> None:
        """Append `piece`; with a category it is a keyword."""
        if category is not None:
            self.gold.append((len(self.text), len(self.text) + len(piece), category))
        self.text += piece


def read_patterns(path: Path) -> list[Pattern]:
    """The patterns of one file; the id names file, section and place."""
    patterns: list[Pattern] = []
    style, number = "", 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if section := re.fullmatch(r"\[([a-z]+)\]", line):
            style, number = section.group(1), 0
            continue
        number += 1
        patterns.append(Pattern(f"{path.stem}.{style}.{number:02d}", style, line))
    return patterns


class Deck:
    """Deals its items in shuffled rounds, so that each comes up about equally often."""

    def __init__(self, items: Iterable[Any], rng: random.Random) -> None:
        self.items = list(items)
        self.rng = rng
        self.left: list[Any] = []

    def deal(self) -> Any:
        """The next item."""
        if not self.left:
            self.left = self.rng.sample(self.items, len(self.items))
        return self.left.pop()


class Generator:
    """Makes the texts of one split from its patterns and the words it may use."""

    def __init__(self, words: list[Word], slots: dict[str, Any], split: str) -> None:
        self.rng = random.Random(f"{SEED}-{split}")
        self.split = split
        self.fillers: dict[str, list[str]] = slots["fillers"]
        self.category = surfaces_by_category(words)
        self.lexicon = re.compile(f"(?={'|'.join(map(re.escape, longest_first(self.category)))})")
        self.surfaces = longest_first(self.category)
        pools = word_pools(words, slots["subsets"])
        self.known = {k: self._deck(w for w in v if not w.test_only) for k, v in pools.items()}
        self.new = {k: self._deck(w for w in v if w.test_only) for k, v in pools.items()}

    def _deck(self, words: Iterable[Word]) -> Deck:
        return Deck([w for w in words if w.occurs], self.rng)

    def texts(self, patterns: list[Pattern], count: int) -> Iterator[tuple[Draft, dict[str, Any]]]:
        """`count` drafts with their meta, each checked by `clean`."""
        kinds = {
            "trap": Deck([p for p in patterns if p.style == "trap"], self.rng),
            "none": Deck([p for p in patterns if p.style == "none"], self.rng),
            "plain": Deck([p for p in patterns if p.style not in ("trap", "none")], self.rng),
        }
        second = {
            s: Deck([p for p in patterns if p.style == s], self.rng) for s in styles(patterns)
        }
        weights = [TRAP_SHARE, NONE_SHARE, 1 - TRAP_SHARE - NONE_SHARE]
        made, tries = 0, 0
        while made < count:
            kind = self.rng.choices(["trap", "none", "plain"], weights)[0]
            chosen = [kinds[kind].deal()]
            if self.rng.random() < SECOND_SHARE[kind]:
                chosen.append(second[chosen[0].style].deal())
            if len(set(chosen)) < len(chosen):
                continue
            for _ in range(20):
                tries += 1
                draft = self._draft(chosen)
                if self.clean(draft):
                    made += 1
                    yield draft, self._meta(chosen, draft)
                    break
            else:
                raise ValueError(f"{chosen[0].id}: a word of the lexicon stands unmarked in it")

    def _meta(self, chosen: list[Pattern], draft: Draft) -> dict[str, Any]:
        return {
            "pattern": "+".join(p.id for p in chosen),
            "trap": bool(draft.traps),
            "style": chosen[0].style,
        }

    def _draft(self, chosen: list[Pattern]) -> Draft:
        draft = Draft()
        for pattern in chosen:
            if draft.text:
                draft.add(" " if draft.text[-1] in ".?!~요ㅠㅜ" else ". ")
            self._fill(pattern.text, draft)
        if chosen[0].style in ("question", "review") and self.rng.random() < 0.3:
            self._run_together(draft)
        return draft

    def _fill(self, text: str, draft: Draft) -> None:
        """Append `text` with its slots filled."""
        separator = self.rng.choice(["·", "·", "ㆍ", ", ", "/"])
        text = re.sub(r"(?<=\})[·ㆍ](?=\{)", separator, text)
        position = 0
        for match in _SLOT.finditer(text):
            draft.add(text[position : match.start()])
            if match.group(2):
                draft.add(attach(draft.text, match.group(2))[len(draft.text) :])
            else:
                self._slot(match.group(1), draft)
            position = match.end()
        draft.add(text[position:])

    def _slot(self, name: str, draft: Draft) -> None:
        if name.startswith("?"):
            draft.add(self.rng.choice(name[1:].split("|")))
        elif name.startswith("="):
            draft.add(name[1:], self.category[name[1:]])
        elif name.startswith("~"):
            start = len(draft.text)
            draft.add(name[1:])
            draft.traps.append((start, len(draft.text)))
        elif name in self.fillers:
            draft.add(self.rng.choice(self.fillers[name]))
        else:
            word = self._word(name, draft)
            draft.add(word.surface, word.category)

    def _word(self, slot: str, draft: Draft) -> Word:
        """A word for `slot` that neither holds nor lies in another keyword of the draft."""
        used = [draft.text[start:end] for start, end, _ in draft.gold]
        decks = [self.known]
        if self.split == "test" and self.new[slot].items:
            decks = [self.new if self.rng.random() < NEW_WORD_SHARE else self.known]
        for _ in range(50):
            word: Word = decks[0][slot].deal()
            if not any(word.surface in u or u in word.surface for u in used):
                return word
        raise ValueError(f"no word left for {{{slot}}}")

    def _run_together(self, draft: Draft) -> None:
        """Drop one space outside keywords and traps, as people do when they type fast."""
        fixed = [(s, e) for s, e, _ in draft.gold] + draft.traps
        spaces = [
            i
            for i, c in enumerate(draft.text)
            if c == " "
            and not any(s <= i < e for s, e in fixed)
            and "가" <= draft.text[i - 1] <= "힣"
            and "가" <= draft.text[i + 1 : i + 2] <= "힣"
        ]
        if not spaces:
            return
        at = self.rng.choice(spaces)
        draft.text = draft.text[:at] + draft.text[at + 1 :]
        draft.gold = [(s - (s > at), e - (s > at), c) for s, e, c in draft.gold]
        draft.traps = [(s - (s > at), e - (s > at)) for s, e in draft.traps]

    def clean(self, draft: Draft) -> bool:
        """True when each lexicon word in the text lies in a keyword or in a marked trap."""
        fixed = [(s, e) for s, e, _ in draft.gold] + draft.traps
        for hit in self.lexicon.finditer(draft.text):
            start = hit.start()
            for surface in self.surfaces:
                if draft.text.startswith(surface, start):
                    end = start + len(surface)
                    if not any(s <= start and end <= e for s, e in fixed):
                        return False
        return True


def styles(patterns: list[Pattern]) -> list[str]:
    """The styles of `patterns`, in file order."""
    return list(dict.fromkeys(p.style for p in patterns))


def as_record(draft: Draft, meta: dict[str, Any], number: int, split: str) -> dict[str, Any]:
    """The JSON of one text: keywords unique by surface, in order of first appearance."""
    keywords, seen = [], set()
    for start, end, category in sorted(draft.gold):
        surface = draft.text[start:end]
        if surface not in seen:
            seen.add(surface)
            keywords.append({"surface": surface, "start": start, "end": end, "category": category})
    return {
        "id": f"demo-{split}-{number:04d}",
        "text": draft.text,
        "keywords": keywords,
        "meta": meta,
    }


def make_glossary(words: list[Word], slots: dict[str, Any]) -> list[dict[str, Any]]:
    """The shipped glossary: part of the lexicon, and the list of what is never a keyword."""
    sources = {
        "ryukato-drug": "ryukato/fine-tuned-e5-drugmodel (MIT)",
        "own": "kwtui demo",
        "invented": "kwtui demo, invented",
    }
    terms: list[dict[str, Any]] = [
        {
            "canonical": w.canonical,
            "aliases": list(w.aliases),
            "definition": w.definition,
            "category": w.category,
            "source": sources[w.source],
            "keyword": True,
        }
        for w in words
        if w.in_glossary
    ]
    for word in slots["not_keywords"]["words"].split():
        terms.append(
            {
                "canonical": word,
                "aliases": [],
                "definition": "",
                "category": "",
                "source": "kwtui demo",
                "keyword": False,
            }
        )
    return terms


def make_splits(words: list[Word], slots: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The three splits and the texts left to label, no text twice.

    Texts left to label have the patterns and the words of train, and no keywords.
    """
    patterns = {
        name: read_patterns(HERE / "patterns" / f"{name}.txt") for name in ("train", "test")
    }
    seen: set[str] = set()
    splits: dict[str, list[dict[str, Any]]] = {}
    for split, size in {**SIZES, "unlabeled": UNLABELED}.items():
        source = patterns["test" if split == "test" else "train"]
        records: list[dict[str, Any]] = []
        for draft, meta in Generator(words, slots, split).texts(source, size * 2):
            if draft.text in seen or len(records) == size:
                continue
            seen.add(draft.text)
            records.append(as_record(draft, meta, len(records) + 1, split))
        splits[split] = records
    for record in splits["unlabeled"]:
        del record["keywords"]
    return splits


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line, UTF-8, LF."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def main(argv: list[str] | None = None) -> None:
    """Write all files into --out (default: this folder) and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=HERE)
    out: Path = parser.parse_args(argv).out
    out.mkdir(parents=True, exist_ok=True)
    words = read_lexicon(HERE / "lexicon")
    slots = tomllib.loads((HERE / "patterns" / "slots.toml").read_text(encoding="utf-8"))
    glossary = make_glossary(words, slots)
    splits = make_splits(words, slots)
    write_jsonl(out / "glossary.jsonl", glossary)
    for split, records in splits.items():
        write_jsonl(out / f"{split}.jsonl", records)
    counts = Counter(w.category for w in words)
    labeled = {name: splits[name] for name in SIZES}
    table = figures(glossary, labeled, {w.surface: w.test_only for w in words if w.occurs}, counts)
    card = (HERE / "CARD.md").read_text(encoding="utf-8")
    (out / "CARD.md").write_text(render_card(card, table), encoding="utf-8", newline="\n")
    print(table)


if __name__ == "__main__":
    main()
