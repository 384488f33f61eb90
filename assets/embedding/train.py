"""Make the embedded default for `glossary.embedding`: a small static embedding model.

    python assets/embedding/train.py [OUT]

Each piece of a word has one vector, a text is the mean of its pieces (StaticEmbedding of
sentence-transformers), so that a text is embedded in microseconds without torch. Trained on pairs
(text, keyword in it), (definition, term) and (spelling, other spelling) with in-batch negatives;
common pieces grow short by themselves. Reads the training splits only: demo train and the demo
glossary (this project), konne and its projected labels (CC BY-SA 4.0), tico19 terms (CC0).
One thread, about two minutes.
"""

from __future__ import annotations

import csv
import json
import lzma
import os
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent
KW_MINI = ASSETS / "kw-mini" / "data"
PIECES, DIMENSIONS, SEED = 16000, 128, 7
EPOCHS, BATCH, RATE = 4, 512, 0.05
# How often a source is seen for each time another is.
WEIGHTS = {"demo": 3, "glossary": 3, "tico19": 3, "konne": 1, "silver": 1}

Pair = tuple[str, str]


def main(out: Path) -> None:
    """Train tokenizer and vectors and write them to `out` as a sentence-transformers folder."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    found = pairs()
    model = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer(found), embedding_dim=DIMENSIONS)], device="cpu"
    )
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(out / "run"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        warmup_steps=0.1,
        seed=SEED,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        batch_sampler="no_duplicates",
        logging_steps=100,
        disable_tqdm=True,
    )
    data = Dataset.from_dict({"anchor": [a for a, _b in found], "positive": [b for _a, b in found]})
    SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        loss=MultipleNegativesRankingLoss(model),
    ).train()
    write(model, out)


def write(model: object, out: Path) -> None:
    """Save in half precision, the tokenizer on one line."""
    import shutil

    from safetensors.torch import load_file, save_file

    model.save_pretrained(str(out), create_model_card=False)  # type: ignore[attr-defined]
    shutil.rmtree(out / "run", ignore_errors=True)
    weights = next(out.rglob("model.safetensors"))
    save_file({name: t.half() for name, t in load_file(weights).items()}, weights)
    pieces = weights.with_name("tokenizer.json")
    compact = json.dumps(
        json.loads(pieces.read_text("utf-8")), ensure_ascii=False, separators=(",", ":")
    )
    pieces.write_text(compact + "\n", encoding="utf-8")


def tokenizer(found: Iterable[Pair]) -> object:
    """A unigram tokenizer over words, lower case, without markers: 진통 is one piece anywhere."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[^\p{L}\p{N}]+"), behavior="removed"),
            pre_tokenizers.Split(Regex(r"\p{N}+|[a-z]+|[가-힣]+"), behavior="isolated"),
        ]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=PIECES, special_tokens=["[UNK]"], unk_token="[UNK]", show_progress=False
    )
    texts = sorted({text for pair in found for text in pair})
    made.train_from_iterator(texts, trainer)
    return made


def pairs() -> list[Pair]:
    """All training pairs in a fixed random order."""
    sources = {
        "demo": list(texts((ASSETS / "demo" / "train.jsonl").read_text("utf-8").splitlines())),
        "glossary": list(terms()),
        "tico19": list(tico19()),
        "konne": list(texts(packed("konne_train"))),
        "silver": list(texts(packed("silver"))),
    }
    print({name: len(found) for name, found in sources.items()})
    found = [p for name, part in sources.items() for p in part * WEIGHTS[name]]
    random.Random(SEED).shuffle(found)
    return found


def packed(name: str) -> list[str]:
    """Lines of a compressed file of kw-mini's training data."""
    with lzma.open(KW_MINI / f"{name}.jsonl.xz", "rt", encoding="utf-8") as lines:
        return lines.readlines()


def texts(lines: Iterable[str]) -> Iterator[Pair]:
    """(text, keyword) of labeled texts."""
    for line in lines:
        record = json.loads(line)
        for word in record["keywords"]:
            surface = word if isinstance(word, str) else word["surface"]
            if len(surface) > 1 or surface.isalpha():
                yield record["text"], surface


def terms() -> Iterator[Pair]:
    """(definition, term) and spellings of the demo glossary."""
    for line in (ASSETS / "demo" / "glossary.jsonl").read_text("utf-8").splitlines():
        term = json.loads(line)
        if term.get("definition"):
            yield term["definition"], term["canonical"]
        for alias in term.get("aliases", ()):
            yield alias, term["canonical"]
        if len(term["canonical"]) > 3 and term["canonical"].isalpha():
            half = len(term["canonical"]) // 2
            yield f"{term['canonical'][:half]} {term['canonical'][half:]}", term["canonical"]


def tico19() -> Iterator[Pair]:
    """(English description, Korean and English name) of the COVID-19 terminology."""
    with (HERE / "data" / "tico19_en_ko.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["sourceString"], row["targetString"]
            if row["description"]:
                yield row["description"], row["targetString"]
                yield row["description"], row["sourceString"]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "model")
