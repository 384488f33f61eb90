"""A Modelfile and its template read as Ollama reads them, for what an export writes.

The grammar of Modelfiles is that of Ollama's parser (`parser/parser.go`), the template that of Go
(`text/template`): no more of both than Modelfiles of kwtui use, anything else is an error.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any

_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def read_modelfile(text: str) -> list[tuple[str, str]]:
    """(command, value) in order; a value in three quotes ends at the next three quotes.

    Of the characters in it only those are kept that the parser takes for visible.
    """
    found, at = [], 0
    while at < len(text):
        command = re.compile(r"([A-Z]+) ").match(text, at)
        assert command, text[at : at + 40]
        at = command.end()
        if text.startswith('"""', at):
            end = text.index('"""', at + 3)
            value, at = text[at + 3 : end], end + 3
            assert text[at] == "\n"
        else:
            end = text.index("\n", at)
            value, at = text[at:end], end
        kept = "".join(c for c in value if c.isprintable() or c in "\t\n\r")
        found.append((command[1], kept))
        at += 1
    return found


def run_template(source: str, data: dict[str, Any]) -> str:
    """What Go's text/template writes for `data`."""
    nodes, rest = _parse(_pieces(source))
    assert rest == ""
    return "".join(_run(nodes, data, data, {}))


def _pieces(source: str) -> Iterator[tuple[str, str]]:
    at = 0
    for action in _ACTION.finditer(source):
        assert "{{" not in source[at : action.start()]
        yield "text", source[at : action.start()]
        yield "do", action[1].strip()
        at = action.end()
    assert "{{" not in source[at:]
    yield "text", source[at:]


def _parse(pieces: Iterator[tuple[str, str]]) -> tuple[list[Any], str]:
    nodes: list[Any] = []
    for kind, value in pieces:
        if kind == "text":
            nodes.append(("text", value))
        elif value.startswith(("if ", "range ")):
            inner, end = _parse(pieces)
            other: list[Any] = []
            if end == "else":
                other, end = _parse(pieces)
            assert end == "end"
            word, _space, condition = value.partition(" ")
            nodes.append((word, condition, inner, other))
        elif value in ("else", "end"):
            return nodes, value
        else:
            nodes.append(("do", value))
    return nodes, ""


def _run(nodes: list[Any], dot: Any, root: Any, names: dict[str, Any]) -> Iterator[str]:
    for node in nodes:
        if node[0] == "text":
            yield node[1]
        elif node[0] == "if":
            yield from _run(
                node[2] if _value(node[1], dot, root, names) else node[3], dot, root, names
            )
        elif node[0] == "range":
            for item in _value(node[1], dot, root, names):
                yield from _run(node[2], item, root, names)
        elif "=" in node[1] and node[1].startswith("$"):
            name, value = re.split(r"\s*:?=\s*", node[1])
            names[name] = _value(value, dot, root, names)
        else:
            yield str(_value(node[1], dot, root, names))


def _value(code: str, dot: Any, root: Any, names: dict[str, Any]) -> Any:
    if code.startswith("eq "):
        one, other = code[3:].split(" ")
        return _value(one, dot, root, names) == _value(other, dot, root, names)
    if code in ("true", "false"):
        return code == "true"
    if code.startswith('"'):
        return ast.literal_eval(code)
    if code.startswith("$."):
        return root[code[2:]]
    if code.startswith("$"):
        return names[code]
    assert code.startswith("."), code
    return dot[code[1:]]
