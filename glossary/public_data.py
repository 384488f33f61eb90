"""Rows of public Korean drug data from files on disk: the shapes in which the portals give it.

JSON (`body.items`, with or without `item`, or a plain list), JSON Lines, XML (`items/item`) and
CSV or TSV in any encoding that encoding.py reads.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from glossary.encoding import decode
from glossary.errors import UserError
from glossary.i18n import _

_WRAPPERS = ("response", "body", "items", "item", "data")
_NOTHING = frozenset(["", "null", "none", "-"])

Row = tuple[int, dict[str, str]]


def read_rows(path: Path, encoding: str | None = None) -> Iterator[Row]:
    """The rows of a file: (line of a CSV or JSONL, else number of the item; values by name).

    Values are text; nothing, NULL and - are "". Raises UserError with a sentence when the file
    cannot be read or has no rows in a shape that is known.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        sentence = _("{path} cannot be read: {reason}.")
        raise UserError(sentence.format(path=path, reason=error.strerror or error)) from error
    text, _used = decode(data, encoding, where=str(path))
    head = text.lstrip()[:1]
    if not head:
        raise UserError(_("{path} is empty.").format(path=path))
    if head == "<":
        yield from _xml_rows(text, path)
    elif head in "[{":
        yield from _json_rows(text, path)
    else:
        yield from _csv_rows(text, path)


def _csv_rows(text: str, path: Path) -> Iterator[Row]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ",")
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            sentence = _("{path}, line {line}: the row is not valid CSV: {reason}.")
            raise UserError(sentence.format(path=path, line=line, reason=error)) from error
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            continue
        yield line, {name: _value(cell) for name, cell in zip(header, cells, strict=False)}


def _json_rows(text: str, path: Path) -> Iterator[Row]:
    try:
        found = _items(json.loads(text))
    except ValueError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2:
            sentence = _("{path} is not valid JSON: {reason}.")
            raise UserError(sentence.format(path=path, reason=error)) from error
        yield from _json_lines(text, path)
        return
    except RecursionError as error:
        raise UserError(_("{path} is nested too deeply.").format(path=path)) from error
    if found is None:
        raise UserError(_("{path} holds no list of items (body.items).").format(path=path))
    for number, item in enumerate(found, start=1):
        inner = item.get("item") if isinstance(item, dict) and len(item) == 1 else None
        row = inner if isinstance(inner, dict) else item
        if isinstance(row, dict):
            yield number, {str(name): _value(value) for name, value in row.items()}


def _json_lines(text: str, path: Path) -> Iterator[Row]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            sentence = _("{path}, line {line} is not valid JSON: {reason}.")
            raise UserError(sentence.format(path=path, line=line, reason=error)) from error
        if isinstance(row, dict):
            yield line, {str(name): _value(value) for name, value in row.items()}


def _items(found: Any) -> list[Any] | None:
    """The list of items inside the wrappers of the portals; one item may stand without a list."""
    while isinstance(found, dict):
        inner = next((found[name] for name in _WRAPPERS if name in found), None)
        if inner is None:
            return [found] if found and all(map(_plain, found.values())) else None
        if inner in ("", None):
            return []
        found = inner
    return found if isinstance(found, list) else None


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _xml_rows(text: str, path: Path) -> Iterator[Row]:
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    # The text is decoded: what the declaration says of bytes does not hold any more.
    body = text.lstrip("\ufeff \r\n\t")
    if body.startswith("<?xml"):
        body = body.split("?>", 1)[-1]
    try:
        root = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        sentence = _("{path} has a document type or entities, which are not read from XML.")
        raise UserError(sentence.format(path=path)) from error
    except ParseError as error:
        sentence = _("{path} is not valid XML: {reason}.")
        raise UserError(sentence.format(path=path, reason=error)) from error
    found = list(root.iter("item"))
    if not found:
        raise UserError(_("{path} holds no <item>.").format(path=path))
    for number, item in enumerate(found, start=1):
        yield number, {child.tag: _value("".join(child.itertext())) for child in item}


def _value(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in _NOTHING else text
