"""How a server is told the form of its answers; which ways it knows is tried, not believed.

A server that does not know a field mostly ignores it in silence. So each way is tried with a
grammar that allows one answer which no model would give by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engines.extraction.gbnf import gbnf
from engines.extraction.grammar import Grammar

_PROBE = "q7z"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to constrain an answer: the fields of the request that say it.

    `grounded`: every keyword is a piece of the text; otherwise only the JSON's form is kept, and
    words that are not in the text are dropped after the fact.
    """

    name: str
    fields: Callable[[str, tuple[str, ...]], Mapping[str, Any]]
    probe: Mapping[str, Any]
    grounded: bool


def _lark(text: str, allowed: tuple[str, ...]) -> str:
    return "%llguidance {}\n" + Grammar(text, allowed).lark()


def _schema(items: Mapping[str, Any], least: int = 0) -> dict[str, Any]:
    schema = {"type": "array", "items": {"type": "string", **items}, "maxItems": 64}
    if least:
        schema |= {"minItems": least, "maxItems": least}
    return schema


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": "keywords", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


_ANSWER = json.dumps(json.dumps([_PROBE]))
# llama.cpp built with llguidance (`%llguidance`), every llama.cpp (GBNF), vLLM 0.12 and later
# (structured_outputs; xgrammar reads GBNF), and what most servers know (a JSON schema).
LLGUIDANCE = Dialect(
    "llguidance",
    lambda text, allowed: {"grammar": _lark(text, allowed)},
    {"grammar": f"%llguidance {{}}\nstart: {_ANSWER}\n"},
    True,
)
GBNF = Dialect(
    "gbnf",
    lambda text, allowed: {"grammar": gbnf(text, allowed)},
    {"grammar": f"root ::= {_ANSWER}\n"},
    True,
)
STRUCTURED = Dialect(
    "structured_outputs",
    lambda text, allowed: {"structured_outputs": {"grammar": gbnf(text, allowed)}},
    {"structured_outputs": {"grammar": f"root ::= {_ANSWER}\n"}},
    True,
)
SCHEMA = Dialect(
    "json_schema",
    lambda text, allowed: _response_format(_schema({})),
    _response_format(_schema({"enum": [_PROBE]}, 1)),
    False,
)

_BY_OWNER = {
    "llamacpp": (LLGUIDANCE, GBNF, SCHEMA),
    "vllm": (STRUCTURED, SCHEMA),
    # Ollama
    "library": (SCHEMA,),
}
_UNKNOWN = (LLGUIDANCE, GBNF, STRUCTURED, SCHEMA)


def candidates(owner: str) -> tuple[Dialect, ...]:
    """The ways that a server whose models are `owned_by` this may know, the best first."""
    return _BY_OWNER.get(owner.lower(), _UNKNOWN)


def proves(raw: str) -> bool:
    """Whether the answer to a probe shows that the server keeps to what it was told."""
    try:
        return bool(json.loads(raw) == [_PROBE])
    except (ValueError, RecursionError):
        return False
