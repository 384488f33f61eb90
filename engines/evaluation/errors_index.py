"""The mistakes of one strategy in every text of a split, kept beside its predictions.

100,000 texts are read once; after that only arrays are. The index is built anew when the
predictions, the labels or the splits have changed since.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engines.corpus.gold import GoldRow, gold_rows, seen_surfaces
from engines.corpus.moving import settled_position
from engines.evaluation.errors import GROUPS, Error, errors_of
from engines.records import Keyword, Prediction
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import normalise

if TYPE_CHECKING:
    from engines.corpus.store import Corpus

Progress = Callable[[int, int], None]
_VERSION = 1
_STEP = 2_000
_CODES = {group: number for number, group in enumerate(GROUPS)}


@dataclass(frozen=True)
class ErrorIndex:
    """One row a text, in the order of the predictions file.

    `offsets`: bytes where its line begins. `marks`: 64 bits of a hash of its id. `wrong`: wrong
    and missed words. `groups`: bit n is set where there is a mistake of `GROUPS[n]`. One entry a
    mistake in `rows` (its text), `kinds` (its group) and `words`.
    """

    path: Path
    offsets: npt.NDArray[np.int64]
    marks: npt.NDArray[np.uint64]
    wrong: npt.NDArray[np.uint16]
    groups: npt.NDArray[np.uint16]
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


def open_index(
    space: Workspace,
    predictions: Path,
    split: str,
    corpus: Corpus,
    *,
    on_progress: Progress | None = None,
    gold: Callable[[], dict[str, GoldRow]] | None = None,
) -> ErrorIndex:
    """The index of a predictions file, from disk where that is level with the labels.

    `gold` gives the labeled texts by id where the caller opens several indexes. Raises FailedError
    where the predictions are missing, UserError where they belong to other texts.
    """
    about = _about(predictions, split, corpus)
    # A result may have been handed over by someone: its names are no part of a path.
    name = hashlib.blake2b(f"{predictions}\n{split}".encode(), digest_size=12).hexdigest()
    kept = space.reports / "ladder" / "errors" / f"{name}.npz"
    found = _load(kept, predictions, about)
    if found is None:
        rows = gold() if gold is not None else gold_by_id(corpus, split)
        found = _build(predictions, rows, seen_surfaces(corpus), on_progress)
        _save(kept, found, about)
    return found


def gold_by_id(corpus: Corpus, split: str) -> dict[str, GoldRow]:
    """The labeled texts of a split by id."""
    return {row.id: row for row in gold_rows(corpus, split)}


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


def _build(
    predictions: Path, gold: dict[str, GoldRow], seen: set[str], on_progress: Progress | None
) -> ErrorIndex:
    offsets, wrong, groups = array("q"), array("H"), array("H")
    marks, rows, kinds, words = array("Q"), array("i"), array("B"), list[str]()
    for offset, values in _lines(predictions):
        one = gold.get(values["id"])
        if one is None:
            continue
        if one.text != values["text"]:
            sentence = _("{path}: text {id} was another one then; run the ladder again.")
            raise UserError(sentence.format(path=predictions, id=one.id))
        offsets.append(offset)
        marks.append(_mark(one.id))
        mistakes = _mistakes(one, values, seen)
        mask = 0
        for error in mistakes:
            mask |= 1 << _CODES[error.group]
            rows.append(len(offsets) - 1)
            kinds.append(_CODES[error.group])
            words.append(error.word)
        wrong.append(_wrong(one, values) if mistakes else 0)
        groups.append(mask)
        if on_progress is not None and len(offsets) % _STEP == 0:
            on_progress(len(offsets), len(gold))
    return ErrorIndex(
        predictions,
        np.frombuffer(offsets, np.int64) if offsets else np.empty(0, np.int64),
        np.frombuffer(marks, np.uint64) if marks else np.empty(0, np.uint64),
        np.frombuffer(wrong, np.uint16) if wrong else np.empty(0, np.uint16),
        np.frombuffer(groups, np.uint16) if groups else np.empty(0, np.uint16),
        np.frombuffer(rows, np.int32) if rows else np.empty(0, np.int32),
        np.frombuffer(kinds, np.uint8) if kinds else np.empty(0, np.uint8),
        np.frombuffer("\0".join(words).encode(), np.uint8),
    )


def _mistakes(gold: GoldRow, values: dict[str, Any], seen: set[str]) -> tuple[Error, ...]:
    """The mistakes in one text; most texts have none, which is seen at once."""
    answered, absent = values["keywords"], values.get("ungrounded") or ()
    same = {label[2] for label in gold.labels} == {keyword["surface"] for keyword in answered}
    if same and not absent and not gold.outside:
        return ()
    wanted = tuple(Keyword(*label) for label in gold.labels)
    found = tuple(Keyword.from_json(keyword) for keyword in answered)
    return errors_of(wanted, found, outside=gold.outside, absent=absent, seen=seen)


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
    names = ("offsets", "marks", "wrong", "groups", "rows", "kinds", "blob")
    arrays = {name: getattr(index, name) for name in names}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    fresh = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            np.savez(file, **arrays)
        fresh.replace(path)
    except OSError:  # only a cache: it is built again where it cannot be kept
        fresh.unlink(missing_ok=True)


def _load(path: Path, predictions: Path, about: dict[str, Any]) -> ErrorIndex | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if json.loads(arrays["about"].tobytes()) != about:
                return None
            names = ("offsets", "marks", "wrong", "groups", "rows", "kinds", "blob")
            return ErrorIndex(predictions, *(arrays[name] for name in names))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
