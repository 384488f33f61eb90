"""Hugging Face `datasets` folders: what save_to_disk writes and load_from_disk reads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.corpus.tables import Table
from glossary.errors import FailedError, UserError
from glossary.i18n import _

UNSPLIT = "unsplit"
_MARKS = ("dataset_dict.json", "state.json", "dataset_info.json")


def is_dataset_folder(path: Path) -> bool:
    """Whether save_to_disk wrote this folder."""
    return path.is_dir() and any((path / name).is_file() for name in _MARKS)


def read_folder(path: Path) -> Table:
    """The rows of a dataset, or of every split of a DatasetDict with the split's name.

    Class labels come as their names. Raises UserError when `datasets` cannot read the folder.
    """
    import datasets

    datasets.disable_progress_bars()
    try:
        found = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sentence = _("{where} cannot be read: {reason}.")
        raise UserError(sentence.format(where=path, reason=str(error).rstrip("."))) from None
    if not isinstance(found, datasets.DatasetDict):
        return Table(list(found.column_names), _rows(found, 0, None))
    names = list(dict.fromkeys(n for part in found.values() for n in part.column_names))
    own = "split" in names

    def rows() -> Iterator[tuple[int, list[Any]]]:
        first = 0
        for split, part in found.items():
            for number, cells in _rows(part, first, names):
                yield number, cells if own else [*cells, "" if split == UNSPLIT else str(split)]
            first += len(part)

    return Table(names if own else [*names, "split"], rows())


def _rows(part: Any, first: int, names: list[str] | None) -> Iterator[tuple[int, list[Any]]]:
    names = names or list(part.column_names)
    readers = {name: _reader(part.features[name]) for name in part.column_names}
    for number, row in enumerate(part, first + 1):
        yield number, [readers[n](row[n]) if n in readers else None for n in names]


def _reader(feature: Any) -> Any:
    """How a cell is read: names instead of the numbers of class labels."""
    import datasets

    inner = getattr(feature, "feature", None)
    if isinstance(feature, datasets.ClassLabel):
        return lambda value: None if value is None or value < 0 else feature.int2str(value)
    if isinstance(inner, datasets.ClassLabel):
        return lambda values: [inner.int2str(value) for value in values or ()]
    return lambda value: value


@contextmanager
def write_folder(target: Path) -> Iterator[Any]:
    """A function that writes one row a call; the folder appears when the block ends well.

    A DatasetDict by split, texts without one in `unsplit`, with the columns id, text, keywords
    and meta (JSON). Raises UserError when `target` exists, FailedError when it cannot be written.
    """
    if target.exists():
        raise UserError(_("{path} exists already: name a new folder.").format(path=target))
    if not target.parent.is_dir():
        sentence = _("The folder of {path} does not exist: make it first.")
        raise UserError(sentence.format(path=target))
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            writer = _Writer(Path(folder))
            yield writer.write
            writer.save().replace(target)
    except OSError as error:
        sentence = _("{path} cannot be written: {reason}.")
        raise FailedError(sentence.format(path=target, reason=error.strerror or error)) from None


class _Writer:
    """One Arrow file a split, made into a DatasetDict at the end."""

    def __init__(self, folder: Path) -> None:
        import datasets

        self._folder = folder
        string, number = datasets.Value("string"), datasets.Value("int64")
        names = ("surface", "category", "canonical", "term_id")
        keyword = {**dict.fromkeys(names, string), "start": number, "end": number}
        self._features = datasets.Features(
            {
                "id": string,
                "text": string,
                "keywords": datasets.List(keyword),
                "labeled": datasets.Value("bool"),
                "meta": string,
            }
        )
        self._writers: dict[str, Any] = {}

    def write(self, row: Mapping[str, Any]) -> None:
        """Take one row as `Example.to_json` gives it."""
        from datasets.arrow_writer import ArrowWriter

        split = row.get("split") or UNSPLIT
        if split not in self._writers:
            path = self._folder / f"part{len(self._writers)}.arrow"
            self._writers[split] = ArrowWriter(path=str(path), features=self._features)
        keywords = row.get("keywords")
        names = ("surface", "category", "canonical", "term_id", "start", "end")
        self._writers[split].write(
            {
                "id": str(row.get("id", "")),
                "text": row["text"],
                "keywords": [{n: k.get(n) for n in names} for k in keywords or ()],
                "labeled": keywords is not None,
                "meta": json.dumps(row.get("meta") or {}, ensure_ascii=False, default=str),
            }
        )

    def save(self) -> Path:
        """The finished folder, beside the Arrow files."""
        import datasets

        datasets.disable_progress_bars()
        parts = datasets.DatasetDict()
        for number, (split, writer) in enumerate(self._writers.items()):
            writer.finalize()
            path = str(self._folder / f"part{number}.arrow")
            parts[split] = datasets.Dataset.from_file(path)
        done = self._folder / "done"
        parts.save_to_disk(str(done))
        return done
