"""Presets: how rows of a file of drug data become context records and terms.

A preset is data (`[records.NAME]` in config.toml): which sentences make the record, which fields
become terms and aliases. Fields stand in braces in a template; a line of it is left out when a
field in it is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from glossary.cleaning import chunks, plain, product, with_josa
from glossary.errors import UserError
from glossary.i18n import _
from glossary.public_data import Row, read_rows
from glossary.records import MAX_CHUNK, Record, record_id
from glossary.term import Term, key, tidy
from glossary.validation import MAX_NAME

_FIELD = re.compile(r"\{([^{}]+)\}")
# So many rows tell which fields a file has.
_LOOK = 50
_STOPS = re.compile(r"([.!?])\s*\.(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class TermRule:
    """A field of the rows that holds names of terms.

    `aliases` are fields with other names of it, where it holds one name. `split`: what stands
    between several names. `product`: it is a product's name, of which the brand becomes the term;
    `form` and `ingredient` are the categories of the dosage form and the bracketed ingredient,
    which become terms too where these are not "".
    """

    field: str
    category: str = ""
    aliases: tuple[str, ...] = ()
    definition: str = ""
    split: str = ""
    product: bool = False
    form: str = ""
    ingredient: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """How rows become records and terms. `title` and `lines` are templates, `where` a condition.

    `keep` names fields that stay with the record as they are.
    """

    name: str
    title: str = ""
    lines: tuple[str, ...] = ()
    terms: tuple[TermRule, ...] = ()
    keep: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> set[str]:
        """Every field that the preset reads."""
        found = {name for text in (self.title, *self.lines) for name in _FIELD.findall(text)}
        for rule in self.terms:
            found |= {rule.field, *rule.aliases, *_FIELD.findall(rule.definition)}
        return found | set(self.keep) | set(self.where)


@dataclass(slots=True)
class Harvest:
    """What a file gave: records, their names of terms by record id, terms, and rows left out."""

    records: list[Record]
    names: dict[str, tuple[str, ...]]
    terms: list[Term]
    rows: int = 0
    empty: list[int] = field(default_factory=list)


def harvest(preset: Preset, path: Path, encoding: str | None = None) -> Harvest:
    """Read `path` by `preset`. Terms with the same name are merged, equal records are one.

    Raises UserError when the file cannot be read or has none of the preset's fields.
    """
    found = Harvest([], {}, [])
    merged: dict[str, Term] = {}
    seen: dict[str, Record] = {}
    for row in _checked(preset, path, read_rows(path, encoding)):
        number, values = row
        found.rows += 1
        if any(values.get(name, "") != wanted for name, wanted in preset.where.items()):
            continue
        clean = _clean(preset, values)
        terms = list(_terms(preset, clean, path.name))
        records = list(_records(preset, clean, number, path.name))
        if not terms and not records:
            found.empty.append(number)
        for term in terms:
            name = key(term.canonical)
            merged[name] = _joined(merged[name], term) if name in merged else term
        named = tuple(term.canonical for term in terms)
        for record in records:
            seen.setdefault(record.id, record)
            before = found.names.get(record.id, ())
            found.names[record.id] = tuple(dict.fromkeys((*before, *named)))
    found.terms = list(merged.values())
    found.records = list(seen.values())
    return found


def fitting(presets: Iterable[Preset], path: Path, encoding: str | None = None) -> list[str]:
    """The names of the presets that make something of a file, those that use most of it first.

    Raises UserError when the file cannot be read.
    """
    rows = [values for _line, values in islice(read_rows(path, encoding), _LOOK)]
    names = {name for values in rows for name in values}
    found = []
    for preset in presets:
        wanted = preset.fields()
        there = all(
            any(row.get(field) == value for row in rows) for field, value in preset.where.items()
        )
        if there and _makes_anything(preset, names):
            found.append((len(wanted & names), len(wanted & names) / len(wanted), preset.name))
    return [name for *_score, name in sorted(found, reverse=True)]


def fill(template: str, values: Mapping[str, str]) -> str:
    """`template` with its fields, their josa chosen; "" when one of its fields is empty."""
    names = _FIELD.findall(template)
    if any(not values.get(name) for name in names):
        return ""
    filled = _FIELD.sub(lambda m: values[m[1]].replace("\n", " "), template)
    return with_josa(" ".join(filled.split()))


def _checked(preset: Preset, path: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, after a look whether they are of the preset's kind at all."""
    wanted = preset.fields()
    for number, (line, values) in enumerate(rows):
        if number == 0 and not _makes_anything(preset, set(values)):
            sentence = _(
                "{path} has none of the fields of the preset {preset} (found: {found}; "
                "wanted: {wanted})."
            )
            found, needed = ", ".join(list(values)[:12]), ", ".join(sorted(wanted)[:12])
            raise UserError(
                sentence.format(path=path, preset=preset.name, found=found, wanted=needed)
            )
        yield line, values


def _makes_anything(preset: Preset, names: set[str]) -> bool:
    """Whether a row with these fields could give a record or a term."""
    lines = any(set(_FIELD.findall(line)) <= names for line in preset.lines)
    return lines or any(rule.field in names for rule in preset.terms)


def _clean(preset: Preset, values: Mapping[str, str]) -> dict[str, str]:
    return {name: plain(values[name]) for name in preset.fields() if values.get(name)}


def _records(preset: Preset, values: Mapping[str, str], row: int, source: str) -> Iterator[Record]:
    """Chunks of the filled lines; a title alone makes no record."""
    values = _listed(preset, values)
    title = fill(preset.title, values)
    lines = [line for line in (_filled(one, values) for one in preset.lines) if line]
    kept = tuple((name, values[name]) for name in preset.keep if name in values)
    for text in chunks("\n".join(lines), MAX_CHUNK):
        identity = record_id(preset.name, title, text)
        yield Record(identity, preset.name, title, text, kept, source, row)


def _listed(preset: Preset, values: Mapping[str, str]) -> dict[str, str]:
    """The values as sentences show them: several names in one value set apart by commas."""
    marks = {rule.field: rule.split for rule in preset.terms if rule.split}
    return {
        name: ", ".join(part.strip() for part in value.split(marks[name]))
        if name in marks
        else value
        for name, value in values.items()
    }


def _filled(template: str, values: Mapping[str, str]) -> str:
    """A line as sentences: values of several lines are taken as so many."""
    ended = {
        name: " ".join(_ended(line) for line in value.split("\n")) if "\n" in value else value
        for name, value in values.items()
    }
    text = fill(template, ended)
    return _ended(_STOPS.sub(r"\1", text)) if text else ""


def _ended(line: str) -> str:
    return line if line.endswith((".", "!", "?", ":", ",")) else line + "."


def _terms(preset: Preset, values: Mapping[str, str], source: str) -> Iterator[Term]:
    for rule in preset.terms:
        value = values.get(rule.field, "")
        names = _split(value, rule.split)
        for name in names:
            if rule.product:
                yield from _product_terms(rule, name, source)
                continue
            single = len(names) == 1
            others = [alias for f in rule.aliases for alias in _split(values.get(f, ""), "")]
            yield tidy(
                Term(
                    "",
                    name,
                    aliases=tuple(a for a in others if single and _is_name(a)),
                    definition=fill(rule.definition, values) if single else "",
                    category=rule.category,
                    source=source,
                )
            )


def _product_terms(rule: TermRule, name: str, source: str) -> Iterator[Term]:
    parts = product(name)
    if _is_name(parts.name):
        full = parts.name + parts.form
        yield tidy(Term("", parts.name, (full,), category=rule.category, source=source))
    if rule.form and parts.form:
        yield tidy(Term("", parts.form, category=rule.form, source=source))
    if rule.ingredient and _is_name(parts.ingredient):
        yield tidy(Term("", parts.ingredient, category=rule.ingredient, source=source))


def _split(value: str, separator: str) -> list[str]:
    parts = value.split(separator) if separator else [value.replace("\n", " ")]
    return [part.strip() for part in parts if _is_name(part.strip())]


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and any(char.isalnum() for char in text)


def _joined(old: Term, new: Term) -> Term:
    """Names united, the first definition and category kept."""
    return replace(
        old,
        aliases=tidy(replace(old, aliases=(*old.aliases, *new.aliases))).aliases,
        definition=old.definition or new.definition,
        category=old.category or new.category,
    )
