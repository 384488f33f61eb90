"""The tokenised examples of a run, kept in its folder: a resumed run sees the same data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.records import Example, parse_record
from engines.training.folder import replace_file
from engines.training.prompts import PromptBuilder, Tokens, Tools
from engines.training.texts import Lesson, read_texts, spread
from engines.training.tune_recipe import TuneRecipe
from glossary.i18n import _


@dataclass(slots=True)
class Dataset:
    """Examples to learn and texts to be judged by.

    `names` are the ids of the texts that `Tokens.lesson` counts; `digest` is a SHA-256 over all
    examples; `notes` are sentences for a person.
    """

    examples: list[Tokens]
    names: list[str]
    dev: list[Example]
    dev_examples: list[Tokens]
    digest: str
    notes: list[str]


def build(recipe: TuneRecipe, tools: Tools) -> Dataset:
    """Read the recipe's texts and make its examples; UserError where that cannot be done."""
    texts = read_texts(recipe.data, recipe.seed)
    builder = PromptBuilder(recipe.prompt, tools, recipe.data.max_length, recipe.seed)
    examples = list(builder.examples(texts.lessons))
    notes = list(texts.notes)
    if builder.split_texts:
        message = _("{count} texts are longer than one prompt holds and are split.")
        notes.append(message.format(count=builder.split_texts))
    if builder.dropped:
        message = _("{count} pieces fit into no prompt of {limit} tokens and are left out.")
        notes.append(message.format(count=builder.dropped, limit=recipe.data.max_length))
    names = [lesson.id for lesson in texts.lessons]
    dev_examples = _dev_examples(recipe, tools, texts.dev)
    return Dataset(examples, names, texts.dev, dev_examples, digest(examples), notes)


def _dev_examples(recipe: TuneRecipe, tools: Tools, dev: Sequence[Example]) -> list[Tokens]:
    """The dev texts as examples, for the dev loss: prompts of the strategy as it is."""
    chosen = spread(dev, recipe.evaluation.texts)
    if not chosen:
        return []
    plain = recipe.prompt.model_copy(
        update={"glossary": 0.0, "shots": 0.0, "kinds": 0.0, "bare": 0.0}
    )
    builder = PromptBuilder(plain, tools, recipe.data.max_length, recipe.seed)
    lessons = [Lesson(example.id, example.text, example.keywords) for example in chosen]
    return list(builder.examples(lessons))


def digest(examples: Sequence[Tokens]) -> str:
    """SHA-256 of the token ids, answers and weights of all examples, in order."""
    found = hashlib.sha256()
    for example in examples:
        found.update(example.ids.tobytes())
        found.update(f"{example.answer} {example.weight}\n".encode())
    return found.hexdigest()


def save(data: Dataset, folder: Path) -> None:
    """Write data.npz and dev.jsonl into a run's folder, each at once."""
    fresh = folder / ".data.npz"
    with fresh.open("wb") as file:
        arrays = _arrays("train", data.examples) | _arrays("dev", data.dev_examples)
        np.savez(file, **arrays)
    lines = (json.dumps(example.to_json(), ensure_ascii=False) + "\n" for example in data.dev)
    replace_file(folder / "dev.jsonl", "".join(lines))
    about = {"names": data.names, "digest": data.digest, "notes": data.notes}
    replace_file(folder / "data.json", json.dumps(about, ensure_ascii=False) + "\n")
    fresh.replace(folder / "data.npz")


def saved(folder: Path) -> Dataset | None:
    """The examples that `save` wrote; None when there are none yet."""
    if not (folder / "data.npz").is_file():
        return None
    about = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    lines = (folder / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    dev = [parse_record(json.loads(line), n) for n, line in enumerate(lines, start=1)]
    with np.load(folder / "data.npz") as arrays:
        examples = _tokens("train", arrays)
        dev_examples = _tokens("dev", arrays)
    return Dataset(examples, about["names"], dev, dev_examples, about["digest"], about["notes"])


def _arrays(name: str, examples: Sequence[Tokens]) -> dict[str, Any]:
    ids = [example.ids for example in examples] or [np.empty(0, dtype=np.int32)]
    return {
        f"{name}_ids": np.concatenate(ids),
        f"{name}_lengths": np.asarray([len(e) for e in examples], dtype=np.int64),
        f"{name}_answers": np.asarray([e.answer for e in examples], dtype=np.int64),
        f"{name}_lessons": np.asarray([e.lesson for e in examples], dtype=np.int64),
        f"{name}_weights": np.asarray([e.weight for e in examples], dtype=np.float64),
    }


def _tokens(name: str, arrays: np.lib.npyio.NpzFile) -> list[Tokens]:
    ids = arrays[f"{name}_ids"]
    ends = np.cumsum(arrays[f"{name}_lengths"])
    parts = np.split(ids, ends[:-1]) if len(ends) else []
    rest = (arrays[f"{name}_{part}"].tolist() for part in ("answers", "lessons", "weights"))
    return [Tokens(*values) for values in zip(parts, *rest, strict=True)]
