"""Packs konne and konne-silver into data/: run once, on a folder that holds both sources.

    python assets/kw-mini/prepare_data.py SOURCES_DIR

SOURCES_DIR/konne has train.jsonl, train.spans.jsonl, dev.jsonl, dev.spans.jsonl
(korean-named-entity/konne, commit 359e027) and SOURCES_DIR/konne-silver has
silver_train.jsonl and forms.tsv (korean-named-entity/konne-prep, commit 19abdc9), both
CC BY-SA 4.0. The packed files keep texts, keywords and the label of each span.
"""

import csv
import json
import lzma
import shutil
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "data"


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


def projected(folder: Path) -> list[dict[str, Any]]:
    """Silver keywords with the kind that their form has most often."""
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    with (folder / "forms.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            labels[row["form"]][row["label"]] += int(row["train_freq"])
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


def main(sources: Path) -> None:
    """Write data/*.jsonl.xz and the licence."""
    pack("konne_train.jsonl.xz", gold(sources / "konne", "train"))
    pack("konne_dev.jsonl.xz", gold(sources / "konne", "dev"))
    pack("silver.jsonl.xz", projected(sources / "konne-silver"))
    shutil.copy(sources / "konne" / "LICENSE.md", HERE / "LICENSE.md")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
