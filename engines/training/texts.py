"""The labeled texts of a recipe: what is learnt, and what the model is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from engines.corpus.formats import open_records
from engines.corpus.sources import BadLine
from engines.corpus.splits import HELD_OUT, assign, group_key
from engines.records import Example, Keyword
from engines.training.tune_recipe import Data, Source
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _, ngettext_

DEV = "dev"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A text to learn, its keywords in order, and how often it is seen in an epoch.

    `instruction` is the record's own sentence, word for word, or "".
    """

    id: str
    text: str
    keywords: tuple[Keyword, ...]
    instruction: str = ""
    weight: float = 1.0


@dataclass(slots=True)
class Texts:
    """The texts of a run; `notes` are sentences that a person should read.

    `ungrounded`: labeled words that their texts do not hold, which nobody can learn to copy.
    """

    lessons: list[Lesson] = field(default_factory=list)
    dev: list[Example] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ungrounded: list[str] = field(default_factory=list)


def read_texts(data: Data, seed: int) -> Texts:
    """The texts that a completed recipe names; UserError where one of them cannot be used.

    Texts of the dev set are taken out of training, however they came there; texts of test and
    wild are never trained on.
    """
    found = Texts()
    lessons: list[Lesson] = []
    for source in data.sources:
        lessons += spread(_lessons(source, data, found), source.limit)
    found.dev += _dev(data.dev, data, found)
    if not found.dev and data.dev_share:
        lessons = _hold_back(lessons, data.dev_share, seed, found)
    taken = {group_key(example.text) for example in found.dev}
    kept = [lesson for lesson in lessons if group_key(lesson.text) not in taken]
    if len(kept) < len(lessons):
        count = len(lessons) - len(kept)
        message = ngettext_(
            "{count} training text also stands in the dev set and is left out.",
            "{count} training texts also stand in the dev set and are left out.",
            count,
        )
        found.notes.append(message.format(count=count))
    if found.ungrounded:
        message = _("{count} labeled words do not stand in their text and are not taught: {words}.")
        shown = ", ".join(list(dict.fromkeys(found.ungrounded))[:5])
        found.notes.append(message.format(count=len(found.ungrounded), words=shown))
    if not kept:
        raise UserError(_no_texts(data))
    found.lessons = kept
    return found


def _lessons(source: Source, data: Data, found: Texts) -> list[Lesson]:
    if source.file:
        return _from_file(source, found)
    if source.split in HELD_OUT:
        message = _("data.sources: texts of the split {split} are never trained on.")
        raise UserError(message.format(split=source.split))
    examples = _from_corpus(source.split, data)
    return [_lesson(example, "", source.weight, found) for example in examples]


def _from_corpus(split: str, data: Data) -> list[Example]:
    """The labeled examples of a split; UserError when there is no workspace or no such split."""
    if not data.workspace:
        message = _(
            "There is no workspace to take the split {split} from; name one with -w DIR, or a "
            "file with --data FILE."
        )
        raise UserError(message.format(split=split or "-"))
    from engines.corpus.store import Corpus

    path = Workspace(Path(data.workspace)).corpus_path
    if not path.is_file():
        message = _(
            "The workspace {path} has no labeled texts yet: `kwtui data import FILE` brings texts, "
            "F4 labels them."
        )
        raise UserError(message.format(path=data.workspace))
    with Corpus.open(path, readonly=True) as corpus:
        return [example for example in corpus.examples(split) if example.labeled]


def _from_file(source: Source, found: Texts) -> list[Lesson]:
    lessons: list[Lesson] = []
    held_out = 0
    for item in open_records(source.file, on_note=found.notes.append):
        if isinstance(item, BadLine):
            raise UserError(item.sentence(source.file))
        example = item.example
        if not example.labeled:
            message = _(
                "{file}, line {line}: the keywords are missing: a record needs a key keywords, "
                "labels or output."
            )
            raise UserError(message.format(file=source.file, line=item.line))
        if example.split in HELD_OUT:
            held_out += 1
            if example.split == DEV:
                found.dev.append(example)
            continue
        instruction = item.raw.get("instruction")
        own = isinstance(instruction, str) and bool(item.raw.get("input") or item.raw.get("text"))
        sentence = instruction if own and isinstance(instruction, str) else ""
        lessons.append(_lesson(example, sentence, source.weight, found))
    if held_out:
        message = _("{file}: {count} records name a held-out split and are not trained on.")
        found.notes.append(message.format(file=source.file, count=held_out))
    return lessons


def _lesson(example: Example, instruction: str, weight: float, found: Texts) -> Lesson:
    found.ungrounded += [str(word) for word in example.meta.get("ungrounded", ())]
    own = instruction or str(example.meta.get("instruction") or "")
    return Lesson(example.id, example.text, example.keywords, own, weight)


def _dev(source: Source, data: Data, found: Texts) -> list[Example]:
    if source.file:
        examples: list[Example] = []
        for item in open_records(source.file, on_note=found.notes.append):
            if isinstance(item, BadLine):
                raise UserError(item.sentence(source.file))
            if item.example.labeled:
                examples.append(item.example)
        return spread(examples, source.limit)
    if not source.split or not data.workspace:
        return []
    if not Workspace(Path(data.workspace)).corpus_path.is_file():
        return []
    return spread(_from_corpus(source.split, data), source.limit)


def _hold_back(lessons: list[Lesson], share: float, seed: int, found: Texts) -> list[Lesson]:
    """Take a share of the texts as dev set, equal texts together; the same ones each time."""
    if len(lessons) < 10:
        found.notes.append(_("Too few texts to hold some back: the model is judged by nothing."))
        return lessons
    shares = {DEV: share, "train": 1 - share}
    parts = [assign(group_key(lesson.text), shares, seed) for lesson in lessons]
    if DEV not in parts:
        parts[0] = DEV
    held = [lesson for lesson, part in zip(lessons, parts, strict=True) if part == DEV]
    found.dev += [Example(lesson.id, lesson.text, lesson.keywords, DEV) for lesson in held]
    message = _("There is no dev set: {count} texts are held back to judge the model by.")
    found.notes.append(message.format(count=len(held)))
    return [lesson for lesson, part in zip(lessons, parts, strict=True) if part != DEV]


def spread(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the items at equal distances, the same each time; 0 means all."""
    if limit <= 0 or limit >= len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]


def _no_texts(data: Data) -> str:
    places = [source.file or _("split {name}").format(name=source.split) for source in data.sources]
    message = _("There is nothing to learn from: no labeled text in {places}.")
    return message.format(places=", ".join(places))
