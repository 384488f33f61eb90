"""Turn the hand-marked texts in wild/ into wild.jsonl (standard library only).

A line is a style, `!` after it where the text holds a trap, a tab, and the text with every keyword
marked once: `[[파스|dosage_form]]` at its first occurrence that is a keyword. The script places
offsets (code points, end exclusive) and chooses nothing. Guideline: guideline.md.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCES = (("definitions.txt", "ryukato-drug (MIT)"), ("written.txt", "kwtui"))
MARK = re.compile(r"\[\[([^\[\]|]+)\|([a-z_]+)\]\]")


def parse(line: str, source: str) -> dict[str, Any]:
    """One marked line as a record without its id; ValueError where a mark is malformed."""
    style, marked = line.split("\t")
    text, keywords, last = "", [], 0
    for mark in MARK.finditer(marked):
        text += marked[last : mark.start()]
        surface, category = mark.groups()
        start = len(text)
        text += surface
        keywords.append(
            {"surface": surface, "start": start, "end": len(text), "category": category}
        )
        last = mark.end()
    text += marked[last:]
    if "[[" in text or "]]" in text:
        raise ValueError(marked)
    trap = style.endswith("!")
    meta = {"style": style.removesuffix("!"), "source": source, "trap": trap}
    return {"text": text, "keywords": keywords, "meta": meta}


def records(folder: Path = HERE / "wild") -> list[dict[str, Any]]:
    """All records of `folder`'s marked files, with ids wild-001 onwards."""
    found = [
        parse(line, source)
        for name, source in SOURCES
        for line in (folder / name).read_text(encoding="utf-8").splitlines()
    ]
    return [{"id": f"wild-{number:03d}", **record} for number, record in enumerate(found, 1)]


def render() -> str:
    """The whole of wild.jsonl."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records())


if __name__ == "__main__":
    (HERE / "wild.jsonl").write_text(render(), encoding="utf-8")
