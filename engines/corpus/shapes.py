"""Records of other labeling tools as records of ours, and back.

Read: plain {"text", "keywords"}, instruction records, doccano, Prodigy, Label Studio, spans, and
tokens with tags. Written: the same, but tokens. Offsets are code points on both sides; what Label
Studio counts in UTF-16 is put right where the span's own text says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engines.corpus.bio import TagError, rebuild
from glossary.errors import UserError
from glossary.i18n import _

LABEL = "KEYWORD"
INSTRUCTION = "다음 글에서 키워드를 찾아 JSON 배열로 답하세요."
_PLAIN_LABELS = frozenset({"KW", "KEYWORD", "KEYWORDS", "키워드", ""})
_STATUSES = ("labeled", "skipped", "flagged")

Row = Mapping[str, Any]


class ShapeError(UserError):
    """A record of a known shape that contradicts itself."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A record as `records.parse_record` takes it, and who labeled it with which status."""

    record: dict[str, Any]
    annotator: str = ""
    status: str = "labeled"
    note: str = ""


def shaped(obj: Row, text_key: str | None = None) -> list[Shaped]:
    """The records in an object of any known shape; a Label Studio task has one an annotation.

    `text_key`: the key of the text where it is not called text. Raises ShapeError.
    """
    if isinstance(obj.get("data"), Mapping) and {"annotations", "completions", "predictions"} & {
        *obj
    }:
        return _label_studio(obj)
    found = dict(obj)
    if text_key is not None and text_key in found:
        found["text"] = found.pop(text_key)
    tokens = found.get("tokens", found.get("words"))
    tags = found.get("ner_tags", found.get("tags"))
    if isinstance(tokens, list) and isinstance(tags, list) and "keywords" not in found:
        return [_tokens(found, tokens, tags)]
    return [_plain(found)]


def _plain(found: dict[str, Any]) -> Shaped:
    text = found.get("text")
    for name in ("spans", "label", "labels", "entities", "annotations"):
        given = found.get(name)
        if "keywords" in found or not isinstance(given, list) or not isinstance(text, str):
            continue
        if name not in ("spans", "label", "entities") and not _are_spans(given):
            continue
        if not all(_span_like(item) for item in given):
            continue
        del found[name]
        if name == "spans":
            found.pop("tokens", None)
        found["keywords"] = [_keyword(text, item) for item in given]
        break
    answer = found.pop("answer", None) if "answer" in found else None
    status, note = str(found.pop("status", "labeled")), str(found.pop("note", ""))
    if answer in ("reject", "ignore"):
        found.pop("keywords", None)
        status = "skipped"
        note = note or f"answer: {answer}"
    elif answer not in (None, "accept"):
        found["answer"] = answer
    if status not in _STATUSES:
        status = "labeled"
    names = [found.pop(n, None) for n in ("annotator", "_annotator_id", "_session_id")]
    annotator = next((str(name) for name in names if name), "")
    for private in [name for name in found if name.startswith("_")]:
        del found[private]
    return Shaped(found, annotator, status, note)


def _are_spans(items: list[Any]) -> bool:
    return bool(items) and all(_span_like(item) for item in items)


def _span_like(item: Any) -> bool:
    if isinstance(item, Mapping):
        return ("start" in item and "end" in item) or "start_offset" in item
    return (
        isinstance(item, Sequence)
        and not isinstance(item, str)
        and len(item) >= 2
        and all(isinstance(value, int) for value in item[:2])
    )


def _keyword(text: str, item: Any) -> dict[str, Any]:
    """One span of doccano, Prodigy or Label Studio as a keyword with surface and category."""
    if isinstance(item, Mapping):
        start, end = item.get("start", item.get("start_offset")), item.get("end")
        end = item.get("end_offset") if end is None else end
        labels = item.get("labels")
        label = labels[0] if isinstance(labels, list) and labels else item.get("label", "")
        said = item.get("surface", item.get("text"))
    else:
        (start, end), label, said = item[:2], item[2] if len(item) > 2 else "", None
    start, end = _place(text, start, end, said if isinstance(said, str) else None)
    keyword: dict[str, Any] = {"surface": text[start:end], "start": start, "end": end}
    category = item.get("category", label) if isinstance(item, Mapping) else label
    if str(category or "").upper() not in _PLAIN_LABELS:
        keyword["category"] = str(category)
    for name in ("canonical", "term_id"):
        if isinstance(item, Mapping) and item.get(name):
            keyword[name] = item[name]
    return keyword


def _place(text: str, start: Any, end: Any, said: str | None) -> tuple[int, int]:
    if not isinstance(start, int) or not isinstance(end, int) or isinstance(start, bool):
        raise ShapeError(_("a span has no start and end."))
    if said and text[start:end] != said:
        other = _from_utf16(text, start), _from_utf16(text, end)
        if text[other[0] : other[1]] == said:
            return other
    if not 0 <= start < end <= len(text):
        sentence = _("the span {start}-{end} lies outside the text of {length} characters.")
        raise ShapeError(sentence.format(start=start, end=end, length=len(text)))
    if not text[start:end].strip():
        raise ShapeError(_("the span {start}-{end} is blank.").format(start=start, end=end))
    return start, end


def _from_utf16(text: str, offset: int) -> int:
    head = text.encode("utf-16-le", "surrogatepass")[: 2 * max(offset, 0)]
    return len(head.decode("utf-16-le", "ignore"))


def _label_studio(task: Row) -> list[Shaped]:
    data = task["data"]
    strings = [name for name, value in data.items() if isinstance(value, str)]
    key = "text" if "text" in data else strings[0] if len(strings) == 1 else ""
    text = data.get(key)
    if not isinstance(text, str):
        raise ShapeError(_("the task has no text: its data needs a key text."))
    meta = {name: value for name, value in data.items() if name != key}
    meta |= _mapping(meta.pop("meta", None))
    base: dict[str, Any] = {"text": text}
    for name in ("id", "split"):
        value = meta.pop(name, None)
        value = task.get(name) if value is None else value
        if value is not None:
            base[name] = value
    if meta:
        base["meta"] = meta
    given = task.get("annotations", task.get("completions")) or []
    return [_annotation(base, text, one) for one in given] or [Shaped(base)]


def _annotation(base: dict[str, Any], text: str, annotation: Any) -> Shaped:
    if not isinstance(annotation, Mapping) or not isinstance(annotation.get("result"), list):
        raise ShapeError(_("an annotation of the task has no result."))
    by = annotation.get("completed_by")
    by = by.get("email", by.get("id")) if isinstance(by, Mapping) else by
    annotator = str(by) if by is not None else ""
    if annotation.get("was_cancelled"):
        return Shaped(base, annotator, "skipped")
    values = [
        {**one["value"], **_mapping(one.get("meta"))}
        for one in annotation["result"]
        if isinstance(one, Mapping) and isinstance(one.get("value"), Mapping)
    ]
    spans = [value for value in values if _span_like(value)]
    return Shaped({**base, "keywords": [_keyword(text, span) for span in spans]}, annotator)


def _mapping(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}


def _tokens(found: dict[str, Any], tokens: list[Any], tags: list[Any]) -> Shaped:
    if not all(isinstance(value, str) for value in (*tokens, *tags)):
        raise ShapeError(_("tokens and tags have to be lists of strings."))
    text = found.get("text")
    try:
        sentence = rebuild(tokens, tags, text if isinstance(text, str) else None)
    except TagError as error:
        raise ShapeError(error.sentence) from None
    rest = {k: v for k, v in found.items() if k not in ("tokens", "words", "ner_tags", "tags")}
    return Shaped({**rest, "text": sentence.text, "keywords": list(sentence.keywords)})


def _labels(row: Row) -> Iterator[tuple[Mapping[str, Any], str]]:
    for keyword in row.get("keywords") or ():
        yield keyword, str(keyword.get("category") or LABEL)


def _common(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "text", "split", "meta") if name in row}


def to_labels(row: Row) -> dict[str, Any]:
    """{"text", "labels"}: the surfaces alone, each once."""
    found = _common(row)
    if row.get("keywords") is not None:
        found["labels"] = list(dict.fromkeys(k["surface"] for k in row["keywords"]))
    return found


def to_instruction(row: Row) -> dict[str, Any]:
    """{"instruction", "input", "output"}: the surfaces as a list, each once."""
    meta = dict(row.get("meta", {}))
    own = str(meta.pop("instruction", "") or INSTRUCTION)
    found = {"instruction": own, "input": row["text"]}
    if row.get("keywords") is not None:
        found["output"] = list(dict.fromkeys(k["surface"] for k in row["keywords"]))
    rest = {name: row[name] for name in ("id", "split") if name in row}
    return {**rest, **found, **({"meta": meta} if meta else {})}


def to_doccano(row: Row) -> dict[str, Any]:
    """{"text", "label": [[start, end, name]]}."""
    found = _common(row)
    if row.get("keywords") is not None:
        found["label"] = [[k["start"], k["end"], label] for k, label in _labels(row)]
    return found


def to_prodigy(row: Row) -> dict[str, Any]:
    """{"text", "spans": [{"start", "end", "label"}], "answer": "accept"}."""
    found = _common(row)
    if row.get("keywords") is not None:
        found["spans"] = [{**_without(k, "category"), "label": label} for k, label in _labels(row)]
        found["answer"] = "accept"
    return found


def to_label_studio(row: Row) -> dict[str, Any]:
    """A task with one annotation, for Import as JSON; `from_name` label, `to_name` text."""
    data = _common(row)
    task: dict[str, Any] = {"data": data, "annotations": []}
    if row.get("keywords") is not None:
        task["annotations"] = [{"result": [_result(row["text"], *one) for one in _labels(row)]}]
    return task


def _result(text: str, keyword: Mapping[str, Any], label: str) -> dict[str, Any]:
    start, end = (_to_utf16(text, keyword[name]) for name in ("start", "end"))
    value = {"start": start, "end": end, "text": keyword["surface"], "labels": [label]}
    found = {"from_name": "label", "to_name": "text", "type": "labels", "value": value}
    extra = {n: keyword[n] for n in ("canonical", "term_id") if keyword.get(n)}
    return {**found, "meta": extra} if extra else found


def _to_utf16(text: str, offset: int) -> int:
    return len(text[:offset].encode("utf-16-le", "surrogatepass")) // 2


def _without(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def dumps(row: Row) -> str:
    """A row as one line of JSON."""
    return json.dumps(row, ensure_ascii=False, default=str)


WRITERS: Mapping[str, Callable[[Row], dict[str, Any]]] = {
    "jsonl": dict,
    "labels": to_labels,
    "instruction": to_instruction,
    "doccano": to_doccano,
    "prodigy": to_prodigy,
    "labelstudio": to_label_studio,
}
