"""The Modelfile of Ollama: written so that no text of a person can be read as its code.

A Modelfile quotes a value with `\"\"\"` and knows no escape in it; its reader drops every character
that Go's strconv.IsPrint does not take for visible, such as a wide or unbreakable space
(https://github.com/ollama/ollama/blob/main/parser/parser.go). A template is Go's, where `{{` begins
code (https://pkg.go.dev/text/template). What is literal becomes a string of Go where it has to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from engines.export.turns import Turns
from glossary.errors import UserError
from glossary.i18n import _

_QUOTES = '"""'
# What Go could read as code, or the Modelfile as the end of a value.
_MARKS = frozenset('{}"')
_NAME = re.compile(r"[\w.][\w./:-]*")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of an answer: tokens of the context and of the answer; greedy, and nothing discouraged."""

    context: int
    answer: int


def modelfile(
    gguf: str, template: str, system: str, stop: tuple[str, ...], parameters: Parameters
) -> str:
    """The text of a Modelfile for the file `gguf` beside it.

    UserError when the file's name or a stop token cannot be said in a Modelfile.
    """
    if not _NAME.fullmatch(gguf):
        message = _("{name}: use a file name of letters, digits, dots, hyphens and underscores.")
        raise UserError(message.format(name=gguf))
    lines = [f"FROM ./{gguf}", f"TEMPLATE {quoted(template)}"]
    if system:
        lines.append(f"SYSTEM {quoted(system)}")
    values: Mapping[str, object] = {
        "temperature": 0,
        "top_k": 1,
        # Copying words from the text is the task: nothing may speak against a repetition.
        "repeat_penalty": 1.0,
        "num_ctx": parameters.context,
        "num_predict": parameters.answer,
    }
    lines += [f"PARAMETER {name} {value}" for name, value in values.items()]
    lines += [f"PARAMETER stop {_stop(token)}" for token in stop]
    return "\n".join(lines) + "\n"


def quoted(value: str) -> str:
    """A value in the Modelfile's quotes; UserError when it holds them."""
    if _QUOTES in value or value.startswith('"') or value.endswith('"'):
        raise UserError(_("A Modelfile cannot hold this text: it has three quotes in a row."))
    return f"{_QUOTES}{value}{_QUOTES}"


def literal(text: str) -> str:
    """`text` in a Go template, so that it is written as it stands, whatever it holds."""
    pieces, at = [], 0
    for special, run in groupby(text, lambda c: c in _MARKS or not _kept(c)):
        piece = "".join(run)
        inside = at > 0 and at + len(piece) < len(text)
        at += len(piece)
        # One brace or quote alone is none of theirs, except where two pieces meet.
        plain = not special or (len(piece) == 1 and piece in _MARKS and inside)
        pieces.append(piece if plain else "{{ " + go_string(piece) + " }}")
    return "".join(pieces)


def go_string(text: str) -> str:
    """A Go string; what either reader takes for its own or drops stands in it as an escape."""
    known = {'"': r"\x22", "\\": r"\\", "\n": r"\n", "{": r"\x7b", "}": r"\x7d"}
    spelled = (known.get(c) or (c if _kept(c) else f"\\U{ord(c):08x}") for c in text)
    return '"' + "".join(spelled) + '"'


def sayable(system: str) -> bool:
    """Whether a text can stand behind SYSTEM; otherwise it goes into the template."""
    quotes = _QUOTES in system or system.startswith('"') or system.endswith('"')
    return not quotes and all(map(_kept, system))


def _kept(character: str) -> bool:
    """Whether the reader of a Modelfile keeps it within quotes."""
    return character.isprintable() or character in "\n\t"


def chat_template(turns: Turns, system: str = "") -> str:
    """A Go template for conversations; `system` stands there when none is given.

    No white space is trimmed in it: what the chat template writes is kept to the last line end.
    """
    given = literal(turns.before_system) + "{{ $.System }}" + literal(turns.after_system)
    otherwise = literal(turns.start)
    if system:
        otherwise = literal(turns.before_system + system + turns.after_system)
    first = "{{ if $first }}{{ if $.System }}" + given + "{{ else }}" + otherwise + "{{ end }}"
    return (
        "{{ $first := true }}{{ range .Messages }}"
        '{{ if eq .Role "user" }}' + first + "{{ $first = false }}{{ end }}"
        "{{ .Content }}" + literal(turns.to_answer) + "{{ end }}"
        '{{ if eq .Role "assistant" }}{{ .Content }}' + literal(turns.to_question) + "{{ end }}"
        "{{ end }}"
    )


def text_template(turns: Turns, head: str, tail: str) -> tuple[str, str]:
    """A Go template that puts a text into a strategy's prompt (`head` TEXT `tail`), and SYSTEM.

    All of the head but its last line is the system prompt, which a person may change; where a
    Modelfile cannot hold it, it stands in the template.
    """
    system, newline, label = head.rpartition("\n")
    place = "{{ .System }}"
    if system and not sayable(system):
        place = "{{ if .System }}{{ .System }}{{ else }}" + literal(system) + "{{ end }}"
    opening = literal(turns.start) + (place if system else "") + literal(newline + label)
    end = turns.to_question.removesuffix(turns.start)
    template = (
        opening + "{{ .Prompt }}" + literal(tail + turns.to_answer) + "{{ .Response }}"
    ) + literal(end)
    return template, system if sayable(system) else ""


def _stop(token: str) -> str:
    if '"' in token or "\n" in token or not all(map(_kept, token)):
        raise UserError(_("A Modelfile cannot hold the stop token {token}.").format(token=token))
    return f'"{token}"'
