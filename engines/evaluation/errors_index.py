"""The mistakes of one strategy in every text of a split, kept beside its predictions.

100,000 texts are read once; after that only arrays are. Labels that have changed since are taken in
text by text; new predictions, an import or another split make the index anew.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from array import array
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engines.corpus.gold import GoldRow, gold_of, gold_rows, seen_surfaces
from engines.corpus.moving import changed_texts, settled_position
from engines.evaluation.errors import GROUPS, MISSED, UNSEEN, Error, errors_of
from engines.records import Keyword, Prediction
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import normalise

if TYPE_CHECKING:
    from engines.corpus.store import Corpus

Progress = Callable[[int, int], None]
_VERSION = 2
_STEP = 2_000
_CODES = {group: number for number, group in enumerate(GROUPS)}
_ARRAYS = ("offsets", "marks", "wrong", "rows", "kinds", "blob")
_MOST_PATCHED = 2_000


@dataclass(frozen=True)
class ErrorIndex:
    """One row a text, in the order of the predictions file.

    `offsets`: bytes where its line begins. `marks`: 64 bits of a hash of its id. `wrong`: wrong
    and missed words. One entry a mistake in `rows` (its text), `kinds` (its group, a place in
    GROUPS) and `words`.
    """

    path: Path
    offsets: npt.NDArray[np.int64]
    marks: npt.NDArray[np.uint64]
    wrong: npt.NDArray[np.uint16]
    rows: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    blob: npt.NDArray[np.uint8]

    @property
    def texts(self) -> int:
        """Number of texts."""
        return len(self.offsets)

    @cached_property
    def words(self) -> list[str]:
        """The word of each mistake."""
        return self.blob.tobytes().decode("utf-8").split("\0") if len(self.rows) else []

    @cached_property
    def groups(self) -> npt.NDArray[np.uint16]:
        """Of each text: bit n is set where there is a mistake of `GROUPS[n]`."""
        found = np.zeros(self.texts, np.uint16)
        np.bitwise_or.at(found, self.rows, np.left_shift(1, self.kinds).astype(np.uint16))
        return found

    def told_apart(self, seen: Collection[str]) -> ErrorIndex:
        """The same with missed words that `seen` lacks as unseen ones."""
        kinds = self.kinds.copy()
        for number in np.flatnonzero(kinds == _CODES[MISSED]).tolist():
            if self.words[number] not in seen:
                kinds[number] = _CODES[UNSEEN]
        return replace(self, kinds=kinds)

    def predictions(self, rows: npt.NDArray[np.int64]) -> list[Prediction]:
        """What was answered for these texts; FailedError when the file is gone or another one."""
        found = []
        try:
            with self.path.open("rb") as file:
                for row in rows.tolist():
                    file.seek(int(self.offsets[row]))
                    found.append(Prediction.from_json(json.loads(file.readline())))
        except (OSError, ValueError) as error:
            sentence = _("{path}: the predictions cannot be read; run the ladder again ({error}).")
            raise FailedError(sentence.format(path=self.path, error=error)) from None
        return found


@dataclass(frozen=True)
class Labels:
    """The labels that indexes are made with, read when the first of them needs it."""

    corpus: Corpus
    split: str

    @cached_property
    def gold(self) -> dict[str, GoldRow]:
        """The labeled texts of the split by id."""
        return {row.id: row for row in gold_rows(self.corpus, self.split)}

    @cached_property
    def seen(self) -> set[str]:
        """The surfaces of the training labels."""
        return seen_surfaces(self.corpus)


def open_index(
    space: Workspace,
    predictions: Path,
    split: str,
    corpus: Corpus,
    *,
    on_progress: Progress | None = None,
    labels: Labels | None = None,
) -> ErrorIndex:
    """The index of a predictions file, from disk where that is level with the labels.

    `labels` are those of `split`, shared where the caller opens several indexes. Raises
    FailedError where the predictions are missing, UserError where they belong to other texts.
    """
    labels = labels or Labels(corpus, split)
    about = _about(predictions, split, corpus)
    # A result may have been handed over by someone: its names are no part of a path.
    name = hashlib.blake2b(f"{predictions}\n{split}".encode(), digest_size=12).hexdigest()
    path = space.reports / "ladder" / "errors" / f"{name}.npz"
    known = _load(path, predictions, about)
    found = None
    if known is not None:
        index, position = known
        found = index if position == about["position"] else _patched(index, corpus, split, position)
    if found is None:
        found = _build(predictions, labels.gold, on_progress)
    if known is None or found is not known[0]:
        _save(path, found, about)
    return found.told_apart(labels.seen)


def _patched(index: ErrorIndex, corpus: Corpus, split: str, position: int) -> ErrorIndex | None:
    """The index with the labels that have changed since; None where it must be made anew."""
    ids = changed_texts(corpus, split, position)
    if ids is None or len(ids) > _MOST_PATCHED:
        return None
    texts = gold_of(corpus, ids)
    marks = np.array([_mark(name) for name in texts], np.uint64)
    places = {int(index.marks[row]): row for row in np.flatnonzero(np.isin(index.marks, marks))}
    fresh = _Rows()
    wrong = index.wrong.copy()
    for mark, example in zip(marks.tolist(), texts.values(), strict=True):
        row = places.get(mark)
        if row is None:
            continue
        if not example.labeled:
            return None
        (prediction,) = index.predictions(np.array([row]))
        labels = [(k.start, k.end, k.surface) for k in example.keywords]
        gold = GoldRow(example.id, example.text, labels, example.meta["ungrounded"])
        wrong[row] = fresh.take(int(row), gold, prediction.to_json())
    stays = ~np.isin(index.rows, np.array(list(places.values()), np.int32))
    words = [word for word, kept in zip(index.words, stays.tolist(), strict=True) if kept]
    return replace(
        index,
        wrong=wrong,
        rows=np.concatenate([index.rows[stays], _array(fresh.rows, np.int32)]),
        kinds=np.concatenate([index.kinds[stays], _array(fresh.kinds, np.uint8)]),
        blob=_blob([*words, *fresh.words]),
    )


class _Rows:
    """Mistakes as they are collected."""

    def __init__(self) -> None:
        self.rows, self.kinds, self.words = array("i"), array("B"), list[str]()

    def take(self, row: int, gold: GoldRow, values: dict[str, Any]) -> int:
        """Take in the mistakes of one text; returns how many words are wrong or missed."""
        mistakes = _mistakes(gold, values)
        for error in mistakes:
            self.rows.append(row)
            self.kinds.append(_CODES[error.group])
            self.words.append(error.word)
        return _wrong(gold, values) if mistakes else 0


def _about(predictions: Path, split: str, corpus: Corpus) -> dict[str, Any]:
    """What the index depends on."""
    try:
        state = predictions.stat()
    except OSError:
        sentence = _("{path}: the predictions are gone; run the ladder again.")
        raise FailedError(sentence.format(path=predictions)) from None
    return {
        "version": _VERSION,
        "size": state.st_size,
        "changed": state.st_mtime_ns,
        "split": split,
        "position": settled_position(corpus),
    }


def _build(predictions: Path, gold: dict[str, GoldRow], on_progress: Progress | None) -> ErrorIndex:
    offsets, marks, wrong, found = array("q"), array("Q"), array("H"), _Rows()
    for offset, values in _lines(predictions):
        one = gold.get(values["id"])
        if one is None:
            continue
        if one.text != values["text"]:
            sentence = _("{path}: text {id} was another one then; run the ladder again.")
            raise UserError(sentence.format(path=predictions, id=one.id))
        wrong.append(found.take(len(offsets), one, values))
        offsets.append(offset)
        marks.append(_mark(one.id))
        if on_progress is not None and len(offsets) % _STEP == 0:
            on_progress(len(offsets), len(gold))
    return ErrorIndex(
        predictions,
        _array(offsets, np.int64),
        _array(marks, np.uint64),
        _array(wrong, np.uint16),
        _array(found.rows, np.int32),
        _array(found.kinds, np.uint8),
        _blob(found.words),
    )


def _array(values: array[int], kind: type[np.generic]) -> npt.NDArray[Any]:
    return np.frombuffer(values, kind) if values else np.empty(0, kind)


def _blob(words: list[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\0".join(words).encode(), np.uint8)


def _mistakes(gold: GoldRow, values: dict[str, Any]) -> tuple[Error, ...]:
    """The mistakes in one text; most texts have none, which is seen at once."""
    answered, absent = values["keywords"], values.get("ungrounded") or ()
    same = {label[2] for label in gold.labels} == {keyword["surface"] for keyword in answered}
    if same and not absent and not gold.outside:
        return ()
    wanted = tuple(Keyword(*label) for label in gold.labels)
    found = tuple(Keyword.from_json(keyword) for keyword in answered)
    return errors_of(wanted, found, outside=gold.outside, absent=absent)


def _wrong(gold: GoldRow, values: dict[str, Any]) -> int:
    """Words that were missed or answered wrongly, as the headline score counts them."""
    wanted = {normalise(word) for word in (*(x[2] for x in gold.labels), *gold.outside)}
    answered = [keyword["surface"] for keyword in values["keywords"]]
    found = {normalise(word) for word in (*answered, *(values.get("ungrounded") or ()))}
    return min(len(wanted ^ found), 65_535)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Offset and values of each whole line; the last one may still be on its way."""
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n") and line.strip():
                try:
                    values = json.loads(line)
                    values["id"], values["text"], values["keywords"]
                except (ValueError, KeyError, TypeError):
                    sentence = _("{path}, line {line}: no prediction; run the ladder again.")
                    raise FailedError(sentence.format(path=path, line=number)) from None
                yield offset, values
            offset += len(line)


def _mark(identifier: str) -> int:
    digest = hashlib.blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _save(path: Path, index: ErrorIndex, about: dict[str, Any]) -> None:
    arrays = {name: getattr(index, name) for name in _ARRAYS}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    fresh = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            np.savez(file, **arrays)
        fresh.replace(path)
    except OSError:  # only a cache: it is built again where it cannot be kept
        fresh.unlink(missing_ok=True)


def _load(path: Path, predictions: Path, about: dict[str, Any]) -> tuple[ErrorIndex, int] | None:
    """The index on disk and the position that it is level with; None where there is none."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            known = json.loads(arrays["about"].tobytes())
            position = int(known["position"])
            if known | {"position": about["position"]} != about:
                return None
            return ErrorIndex(predictions, *(arrays[name] for name in _ARRAYS)), position
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
