"""Packs konne and konne-silver into data/: run once, on a folder that holds both sources.

    python assets/kw-mini/prepare_data.py SOURCES_DIR

SOURCES_DIR/konne has train.jsonl, train.spans.jsonl, dev.jsonl, dev.spans.jsonl
(korean-named-entity/konne, commit 359e027) and SOURCES_DIR/konne-silver has
silver_train.jsonl and forms.tsv (korean-named-entity/konne-prep, commit 19abdc9), both
CC BY-SA 4.0. The packed files keep texts, keywords and the label of each span.

The silver labels lack about a quarter of the keywords. completed.jsonl.xz adds what the character
CRF, trained on konne train, holds for a keyword and forms.tsv knows as a form of these texts:
where the CRF may be wrong the forms stop it, and which occurrence of a form is meant it can tell.
"""

import csv
import json
import lzma
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.extraction.crf import CharacterCRF
from engines.records import Example, ground
from engines.training.scratch import word_search

HERE = Path(__file__).parent / "data"
# How likely the CRF must hold a known form for a keyword.
LEAST = 0.1


def rows(path: Path) -> list[dict[str, Any]]:
    """All records of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pack(name: str, records: list[dict[str, Any]]) -> None:
    """Write records as xz-compressed JSON Lines."""
    lines = "".join(
        json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in records
    )
    (HERE / name).write_bytes(lzma.compress(lines.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME))


def gold(folder: Path, part: str) -> list[dict[str, Any]]:
    """konne's own labels: keywords of a text, and all spans (nested ones too) with their kind."""
    spans = {r["id"]: r["spans"] for r in rows(folder / f"{part}.spans.jsonl")}
    return [
        {
            "id": r["id"],
            "text": r["text"],
            "keywords": r["keywords"],
            "spans": [[s["start"], s["end"], s["label"]] for s in spans[r["id"]]],
        }
        for r in rows(folder / f"{part}.jsonl")
    ]


def form_labels(folder: Path) -> dict[str, Counter[str]]:
    """How often each form of the silver texts has each kind."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    with (folder / "forms.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            labels[row["form"]][row["label"]] += int(row["train_freq"])
    return labels


def projected(folder: Path) -> list[dict[str, Any]]:
    """Silver keywords with the kind that their form has most often."""
    labels = form_labels(folder)
    out = []
    for record in rows(folder / "silver_train.jsonl"):
        text, spans = record["text"], []
        for word in record["keywords"]:
            at = text.find(word)
            if labels[word]:
                spans.append([at, at + len(word), labels[word].most_common(1)[0][0]])
        out.append(
            {"id": record["id"], "text": text, "keywords": record["keywords"], "spans": spans}
        )
    return out


def teacher(folder: Path) -> CharacterCRF:
    """The character CRF of konne train, without the texts that hold a word of the demo."""
    search = word_search(HERE / "excluded_terms.txt")
    return CharacterCRF.train(
        Example(r["id"], r["text"], ground(r["text"], r["keywords"])[0])
        for r in rows(folder / "train.jsonl")
        if next(search.iter(r["text"]), None) is None
    )


def completed(folder: Path, crf: CharacterCRF) -> list[dict[str, Any]]:
    """Silver texts with the known forms that the CRF finds besides; nested ones left out."""
    labels = form_labels(folder)
    out = []
    for record in rows(folder / "silver_train.jsonl"):
        text = record["text"]
        places = {(at := text.find(word), at + len(word)) for word in record["keywords"]}
        for found, _likely in crf.candidates(text, least=LEAST):
            if found.surface in labels:
                places.add((found.start, found.end))
        spans = [
            [start, end, labels[text[start:end]].most_common(1)[0][0]]
            for start, end in outermost(places)
        ]
        words = list(dict.fromkeys(text[start:end] for start, end, _label in spans))
        out.append({"id": record["id"], "text": text, "keywords": words, "spans": spans})
    return out


def outermost(places: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places that lie in no other, in order."""
    kept: list[tuple[int, int]] = []
    for start, end in sorted(places, key=lambda place: (place[0], -place[1])):
        if not kept or end > kept[-1][1]:
            kept.append((start, end))
    return kept


def main(sources: Path) -> None:
    """Write data/*.jsonl.xz and the licence."""
    pack("konne_train.jsonl.xz", gold(sources / "konne", "train"))
    pack("konne_dev.jsonl.xz", gold(sources / "konne", "dev"))
    pack("silver.jsonl.xz", projected(sources / "konne-silver"))
    crf = teacher(sources / "konne")
    pack("completed.jsonl.xz", completed(sources / "konne-silver", crf))
    shutil.copy(sources / "konne" / "LICENSE.md", HERE / "LICENSE.md")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
