"""The one reader for every input file: text, JSONL, CSV, Parquet, XLSX, standard input.

Records come one by one, so memory stays bounded by the longest record, whatever the file's length.
"""

from __future__ import annotations

import itertools
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from engines.corpus.conll import looks_like_conll, read_conll
from engines.corpus.dataset_folder import is_dataset_folder, read_folder
from engines.corpus.shapes import ShapeError, shaped
from engines.corpus.sources import (
    LINE_LIMIT,
    STDIN,
    BadLine,
    Note,
    as_text,
    no_note,
    open_binary,
    place,
    read_text_strict,
    reading,
    stream_text,
)
from engines.corpus.tables import (
    Table,
    read_csv,
    read_parquet,
    read_xlsx,
    record_keys,
    row_object,
)
from engines.records import Example, RecordError, parse_record
from glossary.encoding import refuse_document
from glossary.errors import UserError
from glossary.i18n import _

__all__ = [
    "FORMATS",
    "BadLine",
    "Item",
    "Record",
    "examples_of",
    "open_records",
    "read_text_strict",
]

FORMATS = ("text", "jsonl", "csv", "parquet", "xlsx", "conll", "hf")
# Formats of other tools that are JSON records by themselves: their shape says which one it is.
JSON_SHAPES = ("labels", "instruction", "doccano", "prodigy", "labelstudio")
BINARY = ("parquet", "xlsx")

_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".conll": "conll",
    ".conllu": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".iob2": "conll",
}
_LIST_LIMIT = 512 << 20  # characters of one JSON list, which is read as a whole
_HEAD_LINES = 60


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an input: its line (or row) from 1, the example and the object as it was.

    `raw` has keys of other tools' records under our names. `annotator`, `status` and `note` are
    what the record says about who labeled it.
    """

    line: int
    example: Example
    raw: Mapping[str, Any] = field(default_factory=dict)
    annotator: str = ""
    status: str = "labeled"
    note: str = ""


Item = Record | BadLine


def open_records(
    path: Path | str,
    *,
    format: str | None = None,
    encoding: str | None = None,
    on_note: Note = no_note,
    text_column: str | None = None,
) -> Iterator[Item]:
    """Open an input and return its records in order; "-" is standard input.

    `format`: one of FORMATS, otherwise by the file's first bytes and its name. `encoding`:
    instead of strict trial of UTF-8, UTF-16 with BOM and cp949. `on_note` gets what a person
    should know (the encoding, the sheet). `text_column`: the column or key of the text where it
    is not called text. Broken lines come as BadLine and reading goes on. Raises UserError at
    once for an input that cannot be used as a whole, and at its end when it held no record.
    """
    if format is not None and format not in (*FORMATS, *JSON_SHAPES):
        sentence = _("Format '{format}' is unknown: give one of {known}.")
        raise UserError(sentence.format(format=format, known=", ".join((*FORMATS, *JSON_SHAPES))))
    if format == "hf" or (str(path) != STDIN and is_dataset_folder(Path(path))):
        return _some(_rows(read_folder(Path(path)), path, text_column), path)
    known = "jsonl" if format in JSON_SHAPES else format or _by_name(path)
    if str(path) == STDIN and encoding and known not in BINARY:
        text = stream_text(encoding, newline="" if known == "csv" else None)
        return _checked(_text_items(text, path, known, on_note, text_column), text, path)
    file: IO[Any] = open_binary(path)
    try:
        known = _by_content(file, path, known)
        if known in BINARY:
            table = (
                read_parquet(file, path) if known == "parquet" else read_xlsx(file, path, on_note)
            )
            return _checked(_rows(table, path, text_column), file, path)
        newline = "" if known == "csv" else None
        file = as_text(file, path, encoding, on_note=on_note, newline=newline)
        return _checked(_text_items(file, path, known, on_note, text_column), file, path)
    except BaseException:
        file.close()
        raise


def examples_of(items: Iterable[Item], on_bad: Callable[[BadLine], None]) -> Iterator[Example]:
    """The examples among the items; broken lines go to `on_bad`."""
    for item in items:
        if isinstance(item, BadLine):
            on_bad(item)
        else:
            yield item.example


def _by_name(path: Path | str) -> str | None:
    return None if str(path) == STDIN else _SUFFIXES.get(Path(path).suffix.lower())


def _by_content(file: IO[bytes], path: Path | str, named: str | None) -> str | None:
    """The format of an opened input, its first bytes believed before its name."""
    with reading(path):
        head = file.read(8)
        xlsx = head.startswith(b"PK\x03\x04") and _is_xlsx(file)
        file.seek(0)
    if head.startswith(b"PAR1"):
        return "parquet"
    if xlsx:
        return "xlsx"
    if named in BINARY:
        refuse_document(head, where=place(path))
        sentence = _("{where} is no {format} file: save it anew, or name its format with --format.")
        raise UserError(sentence.format(where=place(path), format=named.upper()))
    return named


def _is_xlsx(file: IO[bytes]) -> bool:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except zipfile.BadZipFile:
        return False


def _checked(items: Iterator[Item], file: IO[Any], path: Path | str) -> Iterator[Item]:
    """Pass the items on, close the file at the end, and refuse an input without any."""
    with file, reading(path):
        yield from _some(items, path)


def _some(items: Iterator[Item], path: Path | str) -> Iterator[Item]:
    some = False
    for item in items:
        some = True
        yield item
    if not some:
        sentence = _("{where} holds no record: there is nothing to do.")
        raise UserError(sentence.format(where=place(path)))


def _text_items(
    file: IO[str], path: Path | str, known: str | None, on_note: Note, column: str | None
) -> Iterator[Item]:
    if known in ("csv", "text", None) and _tagged(file, path):
        known = "conll"
        on_note(_("{where}: read as tokens with tags.").format(where=place(path)))
    if known == "csv":
        return _rows(read_csv(file, path), path, column)
    lines = _lines(file)
    if known == "conll":
        return _tagged_records(lines)
    if known != "text":
        with reading(path):
            first = next((item for item in lines if not _blank(item)), None)
        if first is None:
            return iter(())
        lines = itertools.chain([first], lines)
        if known is None and _looks_like_json(first):
            known = "jsonl"
            on_note(_("{where}: read as JSONL, one record a line.").format(where=place(path)))
        if known == "jsonl" and not isinstance(first, BadLine) and first[1].lstrip()[:1] == "[":
            return _json_list(file, path, first, column)
    return _json_lines(lines, column) if known == "jsonl" else _plain_lines(lines)


def _tagged(file: IO[str], path: Path | str) -> bool:
    """Whether a file that can be read twice begins with tokens and tags."""
    if not file.seekable() or file is sys.stdin:
        return False
    with reading(path):
        try:
            place = file.tell()
        except OSError:
            return False
        head = [file.readline(1000) for _ in range(_HEAD_LINES)]
        file.seek(place)
    return looks_like_conll(head)


def _tagged_records(lines: Iterable[Line]) -> Iterator[Item]:
    for item in read_conll(lines):
        yield from [item] if isinstance(item, BadLine) else _records(*item, None)


def _json_list(
    file: IO[str], path: Path | str, first: tuple[int, str], column: str | None
) -> Iterator[Item]:
    """The records of one JSON list, as Label Studio exports them, numbered by their place."""
    with reading(path):
        rest = file.read(_LIST_LIMIT)
        if file.read(1):
            sentence = _(
                "{where} is one long JSON list: put one record on each line (jq -c '.[]' does it)."
            )
            raise UserError(sentence.format(where=place(path)))
    try:
        found = json.loads(f"{first[1]}\n{rest}")
    except (ValueError, RecursionError):
        sentence = _("{where} begins as a JSON list but is none.")
        raise UserError(sentence.format(where=place(path))) from None
    for number, obj in enumerate(found, 1):
        yield from _records(number, obj, column)


Line = tuple[int, str] | BadLine


def _lines(file: IO[str]) -> Iterator[Line]:
    """Numbered lines without their ends; one longer than LINE_LIMIT becomes a BadLine."""
    number = 0
    while line := file.readline(LINE_LIMIT):
        number += 1
        if len(line) < LINE_LIMIT or line.endswith("\n"):
            yield number, line.removesuffix("\n")
            continue
        while (rest := file.readline(LINE_LIMIT)) and not rest.endswith("\n"):
            pass
        reason = _("the line is longer than {limit} characters.").format(limit=LINE_LIMIT)
        yield BadLine(number, reason)


def _blank(line: Line) -> bool:
    return not isinstance(line, BadLine) and not line[1].strip()


def _looks_like_json(line: Line) -> bool:
    if isinstance(line, BadLine) or not line[1].lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(line[1]), dict)
    except (ValueError, RecursionError):
        return False


def _plain_lines(lines: Iterable[Line]) -> Iterator[Item]:
    for line in lines:
        if isinstance(line, BadLine):
            yield line
        elif not _blank(line):
            yield Record(line[0], parse_record({"text": line[1]}, line[0]))


def _json_lines(lines: Iterable[Line], column: str | None) -> Iterator[Item]:
    for line in lines:
        if isinstance(line, BadLine):
            yield line
        elif not _blank(line):
            yield from _json_line(*line, column)


def _json_line(number: int, line: str, column: str | None) -> Iterator[Item]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        reason = _("not valid JSON at character {column}: {message}.")
        yield BadLine(number, reason.format(column=error.colno, message=error.msg))
    except (ValueError, RecursionError):
        yield BadLine(number, _("not usable JSON: nested too deep or a number too long."))
    else:
        yield from _records(number, found, column)


def _records(line: int, obj: Any, column: str | None) -> Iterator[Item]:
    """The records in one object: one, but for a task that several people annotated."""
    if not isinstance(obj, Mapping):
        yield BadLine(line, _("not a JSON object with a text."))
        return
    try:
        found = shaped(obj, column)
        parsed = [(one, parse_record(one.record, line)) for one in found]
    except RecordError as error:
        yield BadLine(line, error.reason)
    except ShapeError as error:
        yield BadLine(line, error.sentence)
    else:
        for one, example in parsed:
            yield Record(line, example, one.record, one.annotator, one.status, one.note)


def _rows(table: Table, path: Path | str, text_column: str | None) -> Iterator[Item]:
    keys = record_keys(table.header, path, text_column)
    return _row_records(table, keys)


def _row_records(table: Table, keys: list[str]) -> Iterator[Item]:
    for row in table.rows:
        if isinstance(row, BadLine):
            yield row
        else:
            yield from _records(row[0], row_object(keys, row[1]), None)
