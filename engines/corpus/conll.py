"""CoNLL files: a token and its tag a line, a blank line after each text.

Read: columns set apart by tabs (or spaces), the token first and the tag last; comments `# text =`,
`# id =`, `# split =` and `# meta =` as CoNLL-U has them, `## id<TAB>text` as KLUE has them, and
-DOCSTART-. Written: words cut at keyword borders, with those comments, so that reading gives the
same offsets, metadata and splits again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engines.corpus.bio import TagError, looks_like_tag, rebuild
from engines.corpus.sources import BadLine
from glossary.i18n import _

Line = tuple[int, str] | BadLine
_COMMENT = re.compile(r"#\s*(text|id|sent_id|split|meta|labeled)\s*=\s?(.*)\Z", re.DOTALL)
_KLUE = re.compile(r"##\s+(\S+)\t")
_WORD = re.compile(r"\s+|[\w]+|[^\w\s]")
_SAMPLE = 40


@dataclass(slots=True)
class _Block:
    """The lines of one text."""

    line: int
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)
    bad: BadLine | None = None


def looks_like_conll(lines: Iterable[str]) -> bool:
    """Whether the first lines of a file are tokens with tags."""
    seen = 0
    for line in lines:
        line = line.rstrip("\r\n")
        if not line.strip() or line.startswith(("#", "-DOCSTART-")):
            continue
        cells = _cells(line)
        if len(cells) < 2 or not looks_like_tag(cells[-1]):
            return False
        seen += 1
        if seen == _SAMPLE:
            break
    return seen >= 2


def read_conll(lines: Iterable[Line]) -> Iterator[tuple[int, dict[str, Any]] | BadLine]:
    """The records of a file, each with the number of its first line; broken ones as BadLine."""
    document = ""
    block: _Block | None = None
    for line in lines:
        if isinstance(line, BadLine):
            block = block or _Block(line.line)
            block.bad = block.bad or line
            continue
        number, raw = line
        if raw.startswith("-DOCSTART-"):
            document = str(number)
        elif not raw.strip() and "\t" not in raw:
            if block is not None:
                yield from _finished(block, document)
            block = None
        else:
            block = block or _Block(number)
            _take(block, number, raw)
    if block is not None:
        yield from _finished(block, document)


def _take(block: _Block, number: int, raw: str) -> None:
    comment = None if block.tokens else _COMMENT.match(raw)
    klue = None if block.tokens else _KLUE.match(raw)
    if klue:
        block.known["id"] = klue[1]
    elif comment:
        name = "id" if comment[1] == "sent_id" else comment[1]
        block.known[name] = comment[2]
    elif raw.startswith("# ") and not block.tokens and len(_cells(raw)) != 2:
        return
    else:
        cells = _cells(raw)
        if len(cells) < 2:
            reason = _("no tag behind the token.")
            block.bad = block.bad or BadLine(number, reason)
            return
        block.tokens.append(cells[0])
        block.tags.append(cells[-1])


def _cells(raw: str) -> list[str]:
    return raw.split("\t") if "\t" in raw else raw.split()


def _finished(block: _Block, document: str) -> Iterator[tuple[int, dict[str, Any]] | BadLine]:
    if block.bad is not None:
        yield block.bad
        return
    if not block.tokens:
        return
    known = block.known
    text = _json(known.get("text")) if "text" in known else None
    try:
        found = rebuild(block.tokens, block.tags, text if isinstance(text, str) else None)
    except TagError as error:
        yield BadLine(block.line, error.sentence)
        return
    record: dict[str, Any] = {"text": found.text}
    if known.get("labeled") != "no":
        record["keywords"] = list(found.keywords)
    for name in ("id", "split"):
        if known.get(name):
            record[name] = known[name]
    meta = _json(known.get("meta"))
    if isinstance(meta, dict):
        record["meta"] = meta
    if document:
        record["meta"] = {"document": document, **record.get("meta", {})}
    yield block.line, record


def _json(value: Any) -> Any:
    """A comment's value: JSON where it is a string or an object, else the letters themselves."""
    if isinstance(value, str) and value[:1] in ('"', "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def conll_lines(row: Mapping[str, Any]) -> Iterator[str]:
    """The lines of one record, the blank one included."""
    text, keywords = row["text"], row.get("keywords")
    if row.get("id"):
        yield f"# id = {row['id']}"
    yield f"# text = {json.dumps(text, ensure_ascii=False)}"
    if row.get("split"):
        yield f"# split = {row['split']}"
    if row.get("meta"):
        yield f"# meta = {json.dumps(row['meta'], ensure_ascii=False, default=str)}"
    if keywords is None:
        yield "# labeled = no"
    spans = _apart(keywords or ())
    for start, end, tag in _tokens(text, spans):
        yield f"{text[start:end]}\t{tag}"
    yield ""


def _apart(keywords: Iterable[Mapping[str, Any]]) -> list[tuple[int, int, str]]:
    """Spans that do not overlap, the longer kept: tags cannot show both."""
    kept: list[tuple[int, int, str]] = []
    ordered = sorted(keywords, key=lambda k: (k["start"] - k["end"], k["start"]))
    for keyword in ordered:
        start, end = keyword["start"], keyword["end"]
        if all(end <= other[0] or other[1] <= start for other in kept):
            kept.append((start, end, str(keyword.get("category") or "KEYWORD")))
    return sorted(kept)


def _tokens(text: str, spans: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """Start, end and tag of each word, cut at the borders of keywords."""
    borders = {place for start, end, _name in spans for place in (start, end)}
    inside = {place: (start, name) for start, end, name in spans for place in range(start, end)}
    for match in _WORD.finditer(text):
        if match[0].isspace():
            continue
        cuts = [match.start(), *sorted(b for b in borders if match.start() < b < match.end())]
        for start, end in zip(cuts, [*cuts[1:], match.end()], strict=True):
            first, name = inside.get(start, (None, ""))
            tag = "O" if first is None else f"{'B' if first == start else 'I'}-{name}"
            yield start, end, tag
