"""Write records in the formats of `formats` and `shapes`: whole or not at all at a path."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from engines.corpus import shapes
from engines.corpus.conll import conll_lines
from engines.corpus.dataset_folder import write_folder
from engines.corpus.sources import STDIN
from engines.corpus.tables import COLUMNS, GUARDED
from engines.records import Example, ground
from glossary.errors import FailedError, UserError
from glossary.i18n import _

WRITTEN = (*shapes.WRITERS, "conll", "csv", "xlsx", "parquet", "hf")
_SUFFIXES = {"jsonl": "jsonl", "csv": "csv", "xlsx": "xlsx", "parquet": "parquet", "conll": "conll"}
_BINARY = {"parquet": "Parquet", "xlsx": "XLSX", "hf": "A datasets folder"}
_CELL_LIMIT = 32767  # characters of an XLSX cell
_BATCH = 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)

Row = Mapping[str, Any]
Write = Callable[[Row], None]
Opener = Callable[..., AbstractContextManager[Write]]


def output_format(target: Path | str, format: str | None = None) -> str:
    """The format to write: as named, else by the target's suffix, else JSONL. Raises UserError."""
    named = format or _SUFFIXES.get(Path(str(target)).suffix.lower().removeprefix("."), "jsonl")
    if named not in WRITTEN:
        sentence = _("Cannot write format '{format}': give one of {known}.")
        raise UserError(sentence.format(format=named, known=", ".join(WRITTEN)))
    if named in _BINARY and str(target) == STDIN:
        sentence = _("{format} goes to a file only: name one with -o.")
        raise UserError(sentence.format(format=_BINARY[named]))
    return named


def write_examples(target: Path | str, examples: Iterable[Example], format: str = "jsonl") -> int:
    """Write examples to a file, or to standard output for "-"; returns how many."""
    count = 0
    with open_writer(target, format) as write:
        for example in examples:
            write(example.to_json())
            count += 1
    return count


@contextmanager
def open_writer(target: Path | str, format: str = "jsonl") -> Iterator[Write]:
    """A function that writes one row a call: `Example.to_json` or `Prediction.to_json` objects.

    A file appears under its name only when the block ends without an exception; until then it is
    a hidden file beside it, removed on failure. "-" streams to standard output, a line a call.
    CSV, XLSX and Parquet hold the columns id, text, keywords, split and meta; "hf" makes a folder
    for `datasets.load_from_disk`. Raises FailedError for a full disk and a read-only folder,
    UserError for a target that is a folder.
    """
    named = output_format(target, format)
    if named == "hf":
        with write_folder(Path(target)) as write:
            yield write
        return
    opener = _opener(named)
    if str(target) == STDIN:
        with opener(sys.stdout.buffer, mark=False) as write:
            yield write
        sys.stdout.buffer.flush()
        return
    with atomic(Path(target)) as file, opener(file, mark=True) as write:
        yield write


def _opener(named: str) -> Opener:
    if named in shapes.WRITERS:
        if named == "labelstudio":
            return _json_list
        shape = shapes.WRITERS[named]
        return lambda file, *, mark: _jsonl(file, shape, mark=mark)
    return {"csv": _csv, "xlsx": _xlsx, "parquet": _parquet, "conll": _conll}[named]


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `path` when the block ends well, and never half of it.

    A device or pipe is written directly. Raises FailedError and UserError with a sentence.
    """
    with _writing(path):
        target = path.resolve()
        if target.is_dir():
            sentence = _("{path} is a folder: name a file in it.")
            raise UserError(sentence.format(path=path))
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
            return
        draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            with draft.open("xb") as file:
                if target.exists():
                    os.fchmod(file.fileno(), target.stat().st_mode & 0o777)
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            sentence = _("No space left to write {path}: free some and run it again.")
        elif isinstance(error, FileNotFoundError) and not path.parent.exists():
            sentence = _("The folder of {path} does not exist: make it first.")
            raise UserError(sentence.format(path=path)) from None
        elif isinstance(error, BrokenPipeError):
            raise
        else:
            sentence = _("{path} cannot be written: {reason}.")
        reason = error.strerror or str(error)
        raise FailedError(sentence.format(path=path, reason=reason)) from None


@contextmanager
def _jsonl(file: IO[bytes], shape: Callable[[Row], Row] = dict, *, mark: bool) -> Iterator[Write]:
    def write(row: Row) -> None:
        file.write(_encoded(shapes.dumps(shape(row))) + b"\n")
        if not mark:
            file.flush()

    yield write


@contextmanager
def _json_list(file: IO[bytes], *, mark: bool) -> Iterator[Write]:
    """One JSON list, as Label Studio imports tasks."""
    between = b"["

    def write(row: Row) -> None:
        nonlocal between
        file.write(between + b"\n" + _encoded(shapes.dumps(shapes.to_label_studio(row))))
        between = b","

    yield write
    file.write(between + b"\n]\n" if between == b"[" else b"\n]\n")


@contextmanager
def _conll(file: IO[bytes], *, mark: bool) -> Iterator[Write]:
    def write(row: Row) -> None:
        file.write(b"".join(_encoded(line) + b"\n" for line in conll_lines(row)))

    yield write


def _encoded(line: str) -> bytes:
    return line.encode("utf-8", "backslashreplace")


@contextmanager
def _xlsx(file: IO[bytes], *, mark: bool) -> Iterator[Write]:
    """One sheet; every cell is text, so that nothing is read as a formula."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("kwtui")
    sheet.append(COLUMNS)

    def write(row: Row) -> None:
        cells = []
        for value in _cells(row):
            if len(value) > _CELL_LIMIT:
                sentence = _(
                    "Text {id} is too long for a spreadsheet cell ({limit} characters): export "
                    "JSONL or Parquet."
                )
                raise UserError(sentence.format(id=row.get("id", ""), limit=_CELL_LIMIT))
            cell = WriteOnlyCell(sheet, value=value)
            cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)

    yield write
    book.save(file)


@contextmanager
def _csv(file: IO[bytes], *, mark: bool) -> Iterator[Write]:
    """Rows for spreadsheets: a byte order mark in files, cells that look like formulas guarded."""
    encoding = "utf-8-sig" if mark else "utf-8"
    text = io.TextIOWrapper(file, encoding, "backslashreplace", newline="", write_through=True)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)

    def write(row: Row) -> None:
        writer.writerow([_guarded(cell) for cell in _cells(row)])

    try:
        yield write
        text.flush()
    finally:
        text.detach()


def _cells(row: Row) -> list[str]:
    keywords, meta = row.get("keywords"), _meta(row)
    return [
        str(row.get("id", "")),
        row["text"],
        ""
        if keywords is None
        else json.dumps(_plain(row["text"], keywords), ensure_ascii=False, default=str),
        row.get("split", ""),
        json.dumps(meta, ensure_ascii=False, default=str) if meta else "",
    ]


def _plain(text: str, keywords: list[dict[str, Any]]) -> list[Any]:
    """The bare surfaces where reading them back gives the same keywords, else the objects."""
    surfaces = [keyword["surface"] for keyword in keywords]
    again = [keyword.to_json() for keyword in ground(text, surfaces)[0]]
    return surfaces if again == keywords else keywords


def _guarded(cell: str) -> str:
    return "'" + cell if cell.lstrip("'").startswith(GUARDED) else cell


def _meta(row: Row) -> dict[str, Any]:
    """Everything of a row that has no column of its own, so that nothing is lost."""
    extra = {name: value for name, value in row.items() if name not in COLUMNS}
    return {**row.get("meta", {}), **extra}


@contextmanager
def _parquet(file: IO[bytes], *, mark: bool) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ("surface", "category", "canonical", "term_id")
    fields = [(name, pa.string()) for name in names] + [("start", pa.int64()), ("end", pa.int64())]
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("keywords", pa.list_(pa.struct(fields))),
            ("split", pa.string()),
            ("meta", pa.string()),
        ]
    )
    rows: list[dict[str, Any]] = []
    writer = pq.ParquetWriter(file, schema)

    def flush() -> None:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        rows.clear()

    def write(row: Row) -> None:
        meta = _meta(row)
        kept = json.dumps(meta, ensure_ascii=False, default=str) if meta else None
        rows.append({**row, "id": str(row.get("id", "")), "meta": kept})
        if len(rows) >= _BATCH:
            flush()

    yield write
    if rows:
        flush()
    writer.close()
