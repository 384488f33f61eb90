"""Inputs with rows and columns: CSV, Parquet and XLSX, row by row under their header."""

from __future__ import annotations

import csv
import itertools
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engines.corpus.bio import looks_like_tag
from engines.corpus.sources import LINE_LIMIT, BadLine, Note, broken, place, reading
from glossary.errors import UserError
from glossary.i18n import _

# The columns of a CSV file that kwtui wrote: only such a file has its formula guards taken off.
COLUMNS = ("id", "text", "keywords", "split", "meta")
GUARDED = ("=", "+", "-", "@")

_TEXT_NAMES = ("text", "sentence", "content", "본문", "텍스트", "문장", "글", "내용")
_KEYWORD_NAMES = ("keywords", "labels", "output", "키워드", "핵심어")
_KNOWN = frozenset(
    {"id", "split", "meta", "input", "instruction", "tokens", "words", "tags", "ner_tags"}
)
_HEADER_LIMIT = 1 << 20  # characters
_XLSX_LIMIT = 2 << 30  # bytes unpacked
_BATCH = 512
_SEPARATORS = re.compile(r"\s*[|;\n]\s*|\s*,(?!\d)\s*|(?<!\d),\s*")


@dataclass(slots=True)
class Table:
    """Rows under a header; a row that could not be read comes as BadLine."""

    header: Sequence[str]
    rows: Iterator[tuple[int, Sequence[Any]] | BadLine]


def read_csv(file: IO[str], path: Path | str) -> Table:
    """A CSV file whose cells are set apart by comma, tab or semicolon, whichever its header has.

    `file` was opened with newline="". Raises UserError for an unusable header.
    """
    csv.field_size_limit(LINE_LIMIT)
    with reading(path):
        head = file.readline(_HEADER_LIMIT)
    delimiter = max(",\t;", key=head.count)
    reader = csv.reader(itertools.chain([head], file), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        sentence = _("{where} has no usable header line: {reason}.")
        raise UserError(sentence.format(where=place(path), reason=error)) from None
    return Table(header, _csv_rows(reader, header))


def _csv_rows(reader: Any, header: list[str]) -> Iterator[tuple[int, list[str]] | BadLine]:
    guarded = tuple(header) == COLUMNS
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(line, _("not valid CSV: {reason}.").format(reason=error))
            continue
        while cells and not cells[-1].strip():
            cells.pop()
        if not cells:
            continue
        if len(cells) > len(header):
            reason = _("{cells} cells, but the header has {columns}.")
            yield BadLine(line, reason.format(cells=len(cells), columns=len(header)))
            continue
        yield line, [_unguarded(cell) for cell in cells] if guarded else cells


def _unguarded(cell: str) -> str:
    body = cell.lstrip("'")
    return cell[1:] if cell.startswith("'") and body.startswith(GUARDED) else cell


def record_keys(
    header: Sequence[str], path: Path | str, text_column: str | None = None
) -> list[str]:
    """The record key of each column: the text and keyword columns renamed, the others as they are.

    Raises UserError when no column holds the text.
    """
    names = [name.strip() for name in header]
    lower = [name.lower() for name in names]
    if text_column is not None:
        wanted: Sequence[str] = (text_column.strip().lower(),)
    else:
        wanted = (*_TEXT_NAMES, "input", "instruction")
    found = next((name for name in wanted if name in lower), None)
    tagged = {"tokens", "words"} & {*lower} and {"tags", "ner_tags"} & {*lower}
    if found is None and not (tagged and text_column is None):
        sentence = _("{where} has no column text (found: {names}): name it with --text-column.")
        shown = ", ".join(name for name in names if name) or "-"
        raise UserError(sentence.format(where=place(path), names=shown))
    renamed = {found: "text"} if found and found not in ("input", "instruction") else {}
    keywords = next((name for name in _KEYWORD_NAMES if name in lower), None)
    if keywords is not None:
        renamed[keywords] = "keywords"
    return [
        renamed.get(low) or (low if low in _KNOWN else name)
        for name, low in zip(names, lower, strict=True)
    ]


def row_object(names: list[str], cells: Sequence[Any]) -> dict[str, Any]:
    """The record of one row; empty cells are left out, cells with keywords or meta are parsed.

    A sentence of tokens with a cell of as many tags (KBMC: Sentence, Tags) becomes tokens and tags.
    """
    row = {name: cell for name, cell in zip(names, cells, strict=False) if cell not in (None, "")}
    for name in ("text", "input", "instruction"):
        if name in row and not isinstance(row[name], str):
            row[name] = _shown(row[name])
    if isinstance(row.get("keywords"), str):
        row["keywords"] = _keywords_cell(row["keywords"])
    if isinstance(row.get("meta"), str):
        row["meta"] = _meta_cell(row["meta"])
    if isinstance(row.get("id"), float):
        row["id"] = _shown(row["id"])
    if row.get("labeled") is False:
        row.pop("keywords", None)
    if isinstance(row.get("labeled"), bool):
        del row["labeled"]
    _split_tags(row)
    return row


def _split_tags(row: dict[str, Any]) -> None:
    tags, text = row.get("tags"), row.get("text")
    if isinstance(tags, str) and isinstance(text, str) and "keywords" not in row:
        cells = tags.split()
        if cells and all(looks_like_tag(cell) for cell in cells):
            row["tokens"], row["tags"] = text.split(), cells
            del row["text"]


def _keywords_cell(cell: str) -> Any:
    """A JSON list as it is; otherwise words between | ; newline or commas outside numbers."""
    if cell.lstrip().startswith("["):
        return cell
    return [word for word in _SEPARATORS.split(cell.strip()) if word]


def _meta_cell(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return {"meta": cell}


def _shown(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read_parquet(file: IO[bytes], path: Path | str) -> Table:
    """A Parquet file, row batch by row batch. Raises UserError when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise broken(path, error) from None

    def rows() -> Iterator[tuple[int, Sequence[Any]]]:
        number = 0
        try:
            for batch in source.iter_batches(batch_size=_BATCH):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield number, row
        except pa.ArrowException as error:
            raise broken(path, error) from None

    return Table(source.schema_arrow.names, rows())


def read_xlsx(file: IO[bytes], path: Path | str, on_note: Note) -> Table:
    """The first sheet of an XLSX file; further sheets are told to `on_note`. Raises UserError."""
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _XLSX_LIMIT:
                sentence = _("{where} unpacks to more than 2 GB: save it as CSV.")
                raise UserError(sentence.format(where=place(path)))
        book = load_workbook(file, read_only=True, data_only=True)
    except UserError:
        raise
    except Exception as error:
        raise broken(path, error) from None
    sheet = book.worksheets[0]
    if len(book.worksheets) > 1:
        note = _("{where}: only its first sheet, '{sheet}', is read.")
        on_note(note.format(where=place(path), sheet=sheet.title))
    cells = sheet.iter_rows(values_only=True)
    header = [_shown(cell) if cell is not None else "" for cell in next(cells, ())]
    rows = ((number, row) for number, row in enumerate(cells, 2) if any(c is not None for c in row))
    return Table(header, rows)
