"""Prompts: Jinja2 templates in a sandbox, by name, by path or inline.

A template decides the wording; the text of a person is only ever the value of a
variable, so nothing that stands in a text can act as template code.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engines.settings import StrategySettings
from engines.workspace import assets
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

SUFFIX = ".jinja"
# What opens a text and an answer in the shipped templates.
LABELS = ("글:", "답:", "Text:", "Answer:")
_TEMPLATE_ERRORS = (
    TemplateError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    LookupError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class PromptFields:
    """What a template may use: the variables of the default prompt, by these names.

    `kinds` and `definitions` are pairs (name, description or ""), `cases` are pairs
    (text, answer as compact JSON), `records` pairs (title or "", text) of context records.
    """

    text: str
    instruction: str = ""
    kinds: tuple[tuple[str, str], ...] = ()
    exclude: tuple[str, ...] = ()
    definitions: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    cases: tuple[tuple[str, str], ...] = ()
    records: tuple[tuple[str, str], ...] = ()

    def fenced(self, marks: Sequence[str]) -> PromptFields:
        """The same with every one of `marks` (a model's control tokens) taken apart in what others
        wrote: texts, terms, definitions, records. The labels of the prompt are taken apart too:
        nothing in them can then end a turn or look like another question and answer.
        """
        marks = (*marks, *LABELS)
        return replace(
            self,
            text=fence(self.text, marks),
            exclude=tuple(fence(word, marks) for word in self.exclude),
            definitions=_fenced(self.definitions, marks),
            cases=tuple((fence(text, marks), answer) for text, answer in self.cases),
            records=_fenced(self.records, marks),
        )

    def variables(self) -> dict[str, object]:
        """The same, normalised: every value but the texts is one line."""
        return {
            "text": normalise(self.text),
            "instruction": normalise(self.instruction),
            "kinds": [(_line(name), _line(description)) for name, description in self.kinds],
            "exclude": [_line(word) for word in self.exclude],
            "definitions": [(_line(term), _line(words)) for term, words in self.definitions],
            "notes": [_line(note) for note in self.notes],
            "cases": [(normalise(text), _line(answer)) for text, answer in self.cases],
            "records": [(_line(title), _line(text)) for title, text in self.records],
        }


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A compiled template and the place it came from, for messages about it."""

    source: str
    template: Template

    def render(self, fields: PromptFields) -> str:
        """The prompt, byte for byte as the model's user turn gets it.

        Raises UserError when the template uses an unknown variable or does what the
        sandbox forbids.
        """
        try:
            return self.template.render(fields.variables())
        except _TEMPLATE_ERRORS as error:
            raise UserError(_render_sentence(self.source, error)) from error


def fence(text: str, marks: Iterable[str]) -> str:
    """`text` with a space inside every one of `marks`, so that nothing reads it as one."""
    for mark in marks:
        if len(mark) > 1 and mark in text:
            at = len(mark) - 1 if mark.endswith(":") else 1
            text = text.replace(mark, f"{mark[:at]} {mark[at:]}")
    return text


def answer_json(words: Iterable[str]) -> str:
    """The answer as the model writes it: a compact JSON array of strings."""
    return json.dumps(list(words), ensure_ascii=False, separators=(",", ":"))


def parse_kind(kind: str) -> tuple[str, str]:
    """`"제형: 파스, 연고처럼 약의 모양"` as (name, description); the description may be ""."""
    name, _colon, description = kind.partition(":")
    return name.strip(), description.strip()


def strategy_template(strategy: StrategySettings, folder: Path | None = None) -> PromptTemplate:
    """The template that a strategy names, or its inline `template_text`.

    `folder` is the workspace's prompts/ folder; it goes before the shipped templates.
    """
    if strategy.template_text:
        return compile_template(strategy.template_text, _("the strategy's template_text"))
    return load_template(strategy.template, folder)


def load_template(name: str, folder: Path | None = None) -> PromptTemplate:
    """The template `name` of the workspace or of the shipped ones, or the file of that path.

    Raises UserError for an unknown name, an unreadable file and a syntax error (with file
    and line).
    """
    path = _find(name, folder)
    return compile_template(_read(path), str(path))


def template_source(name: str, folder: Path | None = None) -> str:
    """The text of the template that `load_template` would compile, with the same errors."""
    return _read(_find(name, folder))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = _("The prompt template {path} can't be read as UTF-8 text: {reason}.")
        raise UserError(message.format(path=path, reason=_reason(error))) from error


@lru_cache(maxsize=64)
def compile_template(text: str, source: str) -> PromptTemplate:
    """Compile the template `text`; `source` names it in messages."""
    try:
        return PromptTemplate(source, _environment().from_string(text))
    except TemplateSyntaxError as error:
        message = _("The prompt template {source}, line {line}, has an error: {reason}.")
        raise UserError(
            message.format(source=source, line=error.lineno, reason=str(error.message).rstrip("."))
        ) from error


def template_names(folder: Path | None = None) -> list[str]:
    """Names that `load_template` knows, workspace first, each once."""
    names: dict[str, None] = {}
    for place in _folders(folder):
        if place.is_dir():
            names.update(dict.fromkeys(path.stem for path in sorted(place.glob("*" + SUFFIX))))
    return list(names)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        autoescape=False, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters["oneline"] = _line
    return environment


def _fenced(
    pairs: tuple[tuple[str, str], ...], marks: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    return tuple((fence(one, marks), fence(other, marks)) for one, other in pairs)


def _line(text: str) -> str:
    return normalise(text).replace("\n", " ").strip()


def _folders(folder: Path | None) -> Sequence[Path]:
    shipped = assets() / "prompts"
    return (shipped,) if folder is None else (folder, shipped)


def _find(name: str, folder: Path | None) -> Path:
    if "/" in name or "\\" in name or name.endswith(SUFFIX):
        return _find_path(name, folder)
    for place in _folders(folder):
        path = place / (name + SUFFIX)
        if path.is_file():
            return path
    names = template_names(folder)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        message = _("There is no prompt template '{name}'. Did you mean '{near}'?")
        raise UserError(message.format(name=name, near=near[0]))
    message = _("There is no prompt template '{name}'. There are: {names}.")
    raise UserError(message.format(name=name, names=", ".join(names)))


def _find_path(name: str, folder: Path | None) -> Path:
    """Only files that end in .jinja count: a strategy can't pull any other file into a prompt."""
    path = Path(name)
    if path.suffix != SUFFIX:
        message = _("The prompt template {path} must be a file that ends in {suffix}.")
        raise UserError(message.format(path=name, suffix=SUFFIX))
    places = (
        [path] if path.is_absolute() or folder is None else [folder.parent / path, folder / path]
    )
    for place in places:
        if place.is_file():
            return place
    message = _(
        "The prompt template {path} does not exist. Give a template's name or a file's path."
    )
    raise UserError(message.format(path=places[0]))


def _render_sentence(source: str, error: Exception) -> str:
    if isinstance(error, UndefinedError):
        names = ", ".join(PromptFields.__dataclass_fields__)
        message = _(
            "The prompt template {source} uses what it does not get: {reason}. It gets: {names}."
        )
        return message.format(source=source, reason=error, names=names)
    message = _("The prompt template {source} can't be filled in: {reason}.")
    return message.format(source=source, reason=str(error).rstrip("."))


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
