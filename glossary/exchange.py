"""Glossaries as files: CSV, TSV, XLSX, JSONL and plain lists, in and out.

A row that cannot be read is reported with its line number, the others are read all the same.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from glossary.encoding import decode
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.term import Term, key

FORMATS = ("csv", "tsv", "xlsx", "jsonl", "txt")
FIELDS = (
    "id", "canonical", "aliases", "definition", "category", "language", "source", "notes",
    "keyword", "created", "updated", "author",
)  # fmt: skip

# Headers that are understood, compared without case, spaces and marks.
_HEADERS: Mapping[str, str] = {
    **dict.fromkeys(("canonical", "term", "word", "용어", "표제어", "단어", "용어명"), "canonical"),
    **dict.fromkeys(("명칭", "이름", "name", "targetstring", "유형명"), "canonical"),
    **dict.fromkeys(("aliases", "alias", "synonyms", "synonym", "sourcestring"), "aliases"),
    **dict.fromkeys(("동의어", "유의어", "별칭", "이형", "이형태", "다른이름"), "aliases"),
    **dict.fromkeys(("definition", "description", "정의", "설명", "뜻", "의미"), "definition"),
    **dict.fromkeys(("category", "type", "class", "kind", "분류", "범주", "종류"), "category"),
    **dict.fromkeys(("language", "lang", "targetlang", "언어"), "language"),
    **dict.fromkeys(("source", "출처"), "source"),
    **dict.fromkeys(("notes", "note", "비고", "메모", "참고"), "notes"),
    **dict.fromkeys(("keyword", "iskeyword", "키워드", "키워드여부"), "keyword"),
    **{name: name for name in ("id", "created", "updated", "author")},
}
_SEPARATOR = re.compile(r"\s*[;|\n]\s*|\s*,\s+|(?<=[가-힣])\s*,\s*(?=[가-힣])")
_NO = frozenset(["false", "no", "n", "0", "x", "아니오", "아니요", "제외"])
_YES = frozenset(["true", "yes", "y", "1", "o", "예", "네"])


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a file that was not taken; lines count from 1."""

    line: int
    reason: str


@dataclass(slots=True)
class TermFile:
    """What a file holds: terms with their lines and the fields given, and rows that are no terms.

    `columns` maps our fields to the file's headers, `encoding` is what the bytes were.
    """

    terms: list[Term] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    fields: list[frozenset[str]] = field(default_factory=list)
    refused: list[BadRow] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    encoding: str = ""


def read_terms(
    path: Path, encoding: str | None = None, *, columns: Mapping[str, str] | None = None
) -> TermFile:
    """Read terms from a file, its format by its ending; a repeated term is merged into the first.

    `columns` names headers that are not understood by themselves ({"canonical": "품목"}). Raises
    UserError for an unknown ending, unreadable bytes, or a table without a column for the term.
    """
    form = format_of(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(_unreadable(path, error)) from error
    if not data.strip():
        raise UserError(_("{path} is empty: there is no term in it.").format(path=path))
    result = TermFile()
    if form == "xlsx":
        rows = _xlsx_rows(data, path)
        _take_table(result, rows, path, columns or {})
    else:
        text, result.encoding = decode(data, encoding, where=str(path))
        if form == "jsonl":
            _take_objects(result, text)
        elif form == "txt":
            _take_names(result, text)
        else:
            rows = _csv_rows(text, "\t" if form == "tsv" else ",", result.refused)
            _take_table(result, rows, path, columns or {})
    return _merged(result)


def write_terms(path: Path, terms: Iterable[Term]) -> int:
    """Write all fields of the terms to a file, its format by its ending; returns how many.

    The file appears whole or not at all. Raises UserError for an unknown ending, FailedError when
    the disk refuses.
    """
    form, rows = format_of(path), list(terms)
    draft = path.with_name(f".{path.name}.tmp")
    try:
        if form == "xlsx":
            _write_xlsx(draft, rows)
        else:
            with draft.open("w", encoding="utf-8", newline="") as stream:
                dump(rows, stream, form)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        sentence = _("{path} cannot be written: {reason}.")
        raise FailedError(sentence.format(path=path, reason=error.strerror or error)) from error
    return len(rows)


def dump(terms: Iterable[Term], stream: TextIO, form: str) -> None:
    """Write terms to an open stream as "jsonl", "csv", "tsv" or "txt" (canonical forms only)."""
    if form == "jsonl":
        for term in terms:
            stream.write(json.dumps(term.to_json(), ensure_ascii=False) + "\n")
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
    sentence = _("{path}: a glossary file ends in .csv, .tsv, .xlsx, .jsonl or .txt.")
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
    places = _places(header, columns, path)
    result.columns = {name: header[place] for name, place in places.items()}
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            sentence = _("the row has {cells} cells, the header {columns}.")
            reason = sentence.format(cells=len(row), columns=len(header))
            result.refused.append(BadRow(line, reason))
            continue
        values = {name: row[place] for name, place in places.items() if place < len(row)}
        _take(result, line, values)


def _places(header: Sequence[str], columns: Mapping[str, str], path: Path) -> dict[str, int]:
    plain = [_plain(name) for name in header]
    places: dict[str, int] = {}
    for name, wanted in columns.items():
        if name not in FIELDS or _plain(wanted) not in plain:
            sentence = _("{path} has no column '{wanted}' (found: {found}).")
            raise UserError(
                sentence.format(path=path, wanted=wanted, found=", ".join(filter(None, header)))
            )
        places[name] = plain.index(_plain(wanted))
    for place, name in enumerate(plain):
        known = _HEADERS.get(name)
        if known and place not in places.values():
            places.setdefault(known, place)
    if "canonical" not in places and "keyword" in places:
        places["canonical"] = places.pop("keyword")
    if "canonical" not in places:
        sentence = _(
            "{path} has no column for the term (found: {found}): "
            "call it 용어 or term, or name it with --column canonical=NAME."
        )
        raise UserError(sentence.format(path=path, found=", ".join(filter(None, header))))
    return places


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
            values.setdefault(_HEADERS.get(_plain(name), ""), value)
        if "canonical" not in values and isinstance(values.get("keyword"), str):
            values["canonical"] = values.pop("keyword")
        _take(result, line, values)


def _take_names(result: TermFile, text: str) -> None:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            _take(result, line, {"canonical": content})


def _take(result: TermFile, line: int, values: Mapping[str, Any]) -> None:
    try:
        term = _term(values)
    except ValueError as error:
        result.refused.append(BadRow(line, str(error)))
    else:
        result.terms.append(term)
        result.lines.append(line)
        given = (name for name in FIELDS if values.get(name) not in (None, ""))
        result.fields.append(frozenset(given))


def _term(values: Mapping[str, Any]) -> Term:
    texts: dict[str, Any] = {}
    for name in FIELDS:
        value = values.get(name)
        if name in ("aliases", "keyword") or value is None:
            continue
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ValueError(_("'{field}' is no text.").format(field=name))
        texts[name] = str(value).strip()
    if not texts.get("canonical"):
        raise ValueError(_("there is no term in it."))
    return Term(
        **{"id": "", **texts},
        aliases=_aliases(values.get("aliases")),
        keyword=_flag(values.get("keyword")),
    )


def _aliases(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    if value is None:
        return ()
    if isinstance(value, str):
        value = _SEPARATOR.split(value)
    if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
        raise ValueError(_("'aliases' is no list of texts."))
    return tuple(alias.strip() for alias in value if alias.strip())


def _flag(value: Any) -> bool:
    text = "" if value is None else str(value).strip().lower()
    if text and text not in _YES | _NO:
        raise ValueError(_("'keyword' is '{value}', neither yes nor no.").format(value=value))
    return text not in _NO


def _merged(result: TermFile) -> TermFile:
    """Merge rows with the same canonical form: names united, the first text of each field kept."""
    places: dict[str, int] = {}
    refused = sorted(result.refused, key=lambda row: row.line)
    merged = TermFile(refused=refused, columns=result.columns, encoding=result.encoding)
    for term, line, given in zip(result.terms, result.lines, result.fields, strict=True):
        place = places.setdefault(key(term.canonical), len(merged.terms))
        if place == len(merged.terms):
            merged.terms.append(term)
            merged.lines.append(line)
            merged.fields.append(given)
        else:
            first = merged.terms[place]
            merged.terms[place] = combine(term, first, merged.fields[place])
            merged.fields[place] |= given
    return merged


def combine(old: Term, new: Term, given: frozenset[str]) -> Term:
    """`old` completed by `new`: the fields `given` in `new` count, names are united."""
    texts = given - {"id", "canonical", "aliases", "created", "updated", "author"}
    return replace(
        old,
        canonical=new.canonical,
        aliases=tuple(dict.fromkeys((*old.aliases, *new.aliases))),
        **{name: getattr(new, name) for name in texts},
    )


def _cells(term: Term) -> list[str]:
    values = term.to_json()
    aliases = list(term.aliases)
    joined = "; ".join(aliases)
    listed = (
        joined if tuple(aliases) == _aliases(joined) else json.dumps(aliases, ensure_ascii=False)
    )
    values |= {"aliases": listed, "keyword": "true" if term.keyword else "false"}
    return [str(values[name]) for name in FIELDS]


def _write_xlsx(path: Path, terms: Sequence[Term]) -> None:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("terms")
    sheet.append(list(FIELDS))
    for term in terms:
        cells = []
        for text in _cells(term):
            cell = WriteOnlyCell(sheet, text)
            cell.data_type = "s"  # a term that begins with = is no formula
            cells.append(cell)
        sheet.append(cells)
    book.save(path)


def _plain(header: str) -> str:
    return re.sub(r"[\s_\-().*]", "", header).lower()


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return _("{path} does not exist.").format(path=path)
    if isinstance(error, IsADirectoryError):
        return _("{path} is a folder: give a file.").format(path=path)
    return _("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror)
