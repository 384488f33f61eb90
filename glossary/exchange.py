"""Glossaries as files: CSV, TSV, XLSX, JSONL, TBX and plain lists, in and out.

A row that cannot be read is reported with its line number, the others are read all the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from pathlib import Path
from typing import Any, TextIO

from glossary.columns import FIELDS, HEADERS, Table, places, plain
from glossary.encoding import decode
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.tbx import dump_tbx, read_tbx
from glossary.term import Term
from glossary.term_file import BadRow, TermFile, combine, listed

__all__ = [
    "FIELDS", "FORMATS", "BadRow", "TermFile", "combine", "dump", "format_of", "read_terms",
    "show_table", "write_terms",
]  # fmt: skip

FORMATS = ("csv", "tsv", "xlsx", "jsonl", "tbx", "txt")
_SAMPLE = 5
# The format's 1,048,576 rows without the header.
_SHEET_ROWS = 1_048_575


def read_terms(
    path: Path, encoding: str | None = None, *, columns: Mapping[str, str] | None = None
) -> TermFile:
    """Read terms from a file, its format by its ending; a repeated term is merged into the first.

    `columns` maps fields to headers that are not understood by themselves ({"canonical": "품목"}),
    or to "" where a guess is wrong. Raises UserError for an unknown ending, unreadable bytes, or a
    table without a column for the term.
    """
    form = format_of(path)
    data = _data(path)
    result = TermFile()
    if form == "xlsx":
        _take_table(result, _xlsx_rows(data, path), path, columns or {})
    elif form == "tbx":
        read_tbx(data, result, path)
    else:
        text, result.encoding = decode(data, encoding, where=str(path))
        if form == "jsonl":
            _take_objects(result, text)
        elif form == "txt":
            _take_names(result, text)
        else:
            rows = _csv_rows(text, "\t" if form == "tsv" else ",", result.refused)
            _take_table(result, rows, path, columns or {})
    return result.merged()


def show_table(
    path: Path, encoding: str | None = None, *, columns: Mapping[str, str] | None = None
) -> Table | None:
    """The header of a table with the fields guessed for it and its first rows; None: no table.

    Raises UserError as `read_terms` does, but not where no column is found for the term.
    """
    form = format_of(path)
    if form not in ("csv", "tsv", "xlsx"):
        return None
    shown = Table()
    data = _data(path)
    if form == "xlsx":
        rows = _xlsx_rows(data, path)
    else:
        text, shown.encoding = decode(data, encoding, where=str(path))
        rows = _csv_rows(text, "\t" if form == "tsv" else ",", [])
    filled = (row for _line, row in rows if any(cell.strip() for cell in row))
    shown.header = next(filled, [])
    shown.sample = list(islice(filled, _SAMPLE))
    try:
        found = places(shown.header, columns or {}, path)
    except UserError:
        if columns:
            raise
        found = {}
    shown.columns = {name: shown.header[place] for name, place in found.items()}
    shown.unused = [n for i, n in enumerate(shown.header) if n and i not in found.values()]
    return shown


def write_terms(path: Path, terms: Iterable[Term]) -> int:
    """Write all fields of the terms to a file, its format by its ending; returns how many.

    The terms may be a stream. The file appears whole or not at all. Raises UserError for an
    unknown ending and for more terms than a sheet of XLSX holds, FailedError when the disk
    refuses.
    """
    form, written = format_of(path), count()
    rows = (term for term, _number in zip(terms, written, strict=False))
    draft = path.with_name(f".{path.name}.tmp")
    try:
        if form == "xlsx":
            _write_xlsx(draft, rows)
        else:
            with draft.open("w", encoding="utf-8", newline="") as stream:
                dump(rows, stream, form)
        draft.replace(path)
    except OSError as error:
        sentence = _("{path} cannot be written: {reason}.")
        raise FailedError(sentence.format(path=path, reason=error.strerror or error)) from error
    finally:
        draft.unlink(missing_ok=True)
    return next(written)


def dump(terms: Iterable[Term], stream: TextIO, form: str) -> None:
    """Write terms to a stream: "jsonl", "csv", "tsv", "tbx" or "txt" (canonical forms only)."""
    if form == "jsonl":
        for term in terms:
            stream.write(json.dumps(term.to_json(), ensure_ascii=False) + "\n")
    elif form == "tbx":
        dump_tbx(terms, stream)
    elif form == "txt":
        for term in terms:
            stream.write(term.canonical + "\n")
    else:
        delimiter = "\t" if form == "tsv" else ","
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows(_cells(term) for term in terms)


def format_of(path: Path) -> str:
    """The format that a file's ending names; raises UserError when it is none of ours."""
    ending = path.suffix.lower().lstrip(".")
    if ending in FORMATS:
        return ending
    sentence = _("{path}: a glossary file ends in .csv, .tsv, .xlsx, .jsonl, .tbx or .txt.")
    raise UserError(sentence.format(path=path))


def _csv_rows(text: str, delimiter: str, bad: list[BadRow]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            sentence = _("the row is not valid CSV: {reason}.")
            bad.append(BadRow(line, sentence.format(reason=error)))


def _xlsx_rows(data: bytes, path: Path) -> Iterator[tuple[int, list[str]]]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for line, row in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
            yield line, ["" if cell is None else str(cell) for cell in row]
    except Exception as error:  # openpyxl raises a dozen kinds for a damaged file
        sentence = _("{path} cannot be read as XLSX ({reason}): save it anew.")
        raise UserError(sentence.format(path=path, reason=error)) from error


def _take_table(
    result: TermFile,
    rows: Iterator[tuple[int, list[str]]],
    path: Path,
    columns: Mapping[str, str],
) -> None:
    header = next((row for _line, row in rows if any(cell.strip() for cell in row)), [])
    found = places(header, columns, path)
    result.columns = {name: header[place] for name, place in found.items()}
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            sentence = _("the row has {cells} cells, the header {columns}.")
            reason = sentence.format(cells=len(row), columns=len(header))
            result.refused.append(BadRow(line, reason))
            continue
        values = {name: row[place] for name, place in found.items() if place < len(row)}
        result.take(line, values)


def _take_objects(result: TermFile, text: str) -> None:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except (ValueError, RecursionError) as error:
            reason = _("the line is not valid JSON: {reason}.").format(reason=error)
            result.refused.append(BadRow(line, reason))
            continue
        if isinstance(record, str):
            record = {"canonical": record}
        if not isinstance(record, dict):
            result.refused.append(BadRow(line, _("the line is no JSON object.")))
            continue
        values: dict[str, Any] = {}
        for name, value in record.items():
            values.setdefault(HEADERS.get(plain(name), ""), value)
        if "canonical" not in values and isinstance(values.get("keyword"), str):
            values["canonical"] = values.pop("keyword")
        result.take(line, values)


def _take_names(result: TermFile, text: str) -> None:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            result.take(line, {"canonical": content})


def _cells(term: Term) -> list[str]:
    values = term.to_json()
    values |= {"aliases": listed(term.aliases), "ambiguous": listed(term.ambiguous)}
    values |= {"keyword": "true" if term.keyword else "false"}
    return [str(values[name]) for name in FIELDS]


def _write_xlsx(path: Path, terms: Iterable[Term]) -> None:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("terms")
    sheet.append(list(FIELDS))
    for number, term in enumerate(terms, start=1):
        if number > _SHEET_ROWS:
            sentence = _("A sheet holds at most {count} terms: save them as csv or jsonl.")
            raise UserError(sentence.format(count=f"{_SHEET_ROWS:,}"))
        cells = []
        for text in _cells(term):
            cell = WriteOnlyCell(sheet, text)
            cell.data_type = "s"  # a term that begins with = is no formula
            cells.append(cell)
        sheet.append(cells)
    book.save(path)


def _data(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error
    if not data.strip():
        raise UserError(_("{path} is empty: there is no term in it.").format(path=path))
    return data


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return _("{path} does not exist.").format(path=path)
    if isinstance(error, IsADirectoryError):
        return _("{path} is a folder: give a file.").format(path=path)
    return _("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror)
