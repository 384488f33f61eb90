"""Answers that cannot be wrong in form: a grammar of JSON arrays whose strings stand in the text.

llguidance intersects the keyword terminal with all substrings of the text, by code points
(https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md, `%regex`).
"""

import json
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llguidance import LLMatcher

MAX_KEYWORD = 64
# What no keyword holds: quotes and backslashes (JSON would escape them), line ends and controls.
_FORBIDDEN = r'"\\\n\x00-\x1f\x7f-\x9f'
_CACHED = 128
_MAX_REPEATS = 3
_ARRAY = re.compile(r'\[\s*(?=")')


class GrammarUnavailable(Exception):  # noqa: N818
    """A tokenizer that cannot be steered by a grammar; the argument is the reason, for the log."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The legal answers for one text.

    A JSON array of strings: each a substring of `text`, one to `max_keyword` code points within a
    line, without spaces at its ends; or, as a whole, one of the `allowed` surfaces (canonical
    forms of the glossary). `[]` is always legal, and nothing may follow the closing bracket.
    A single space may stand before the array and after a comma, as many models write JSON.
    """

    text: str
    allowed: tuple[str, ...] = ()
    max_keyword: int = MAX_KEYWORD

    def lark(self) -> str:
        """The grammar in llguidance's dialect of Lark."""
        items = [*self._substrings(), *self._literals()]
        if not items:
            return 'start: " "? "[]"\n'
        lines = ['start: " "? ("[]" | "[" item ("," " "? item)* "]")']
        lines.append("item: " + " | ".join(name for name, _rule in items))
        lines.extend(f"{name}: {rule}" for name, rule in items)
        if self._substrings():
            lines.append(f"SUBSTRING: {self._shape()} & %regex {self._source()}")
        return "\n".join(lines) + "\n"

    def _substrings(self) -> list[tuple[str, str]]:
        usable = any(c.isprintable() and c not in ' "\\' for c in self.text)
        return [("KEYWORD", r'"\"" SUBSTRING "\""')] if usable else []

    def _literals(self) -> list[tuple[str, str]]:
        surfaces = dict.fromkeys(s.strip() for s in self.allowed)
        quoted = [_json(_json(surface)) for surface in surfaces if surface]
        return [(f"ALLOWED_{n}", literal) for n, literal in enumerate(quoted)]

    def _shape(self) -> str:
        edge, inner = f"[^{_FORBIDDEN}\\x20]", f"[^{_FORBIDDEN}]"
        if self.max_keyword == 1:
            return f"/{edge}/"
        return f"/{edge}({inner}{{0,{self.max_keyword - 2}}}{edge})?/"

    def _source(self) -> str:
        return json.dumps({"substring_chars": self.text}, ensure_ascii=False)


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class GrammarCompiler:
    """Grammars for one tokenizer, compiled when first asked for and kept by their text.

    `vocabulary` is the width of the model's logits, which may exceed the tokenizer. Building it
    takes about a second for a vocabulary of 250,000; a compiled grammar takes 1 to 15 ms.
    Raises GrammarUnavailable.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        import llguidance.hf

        try:
            self._tokenizer = llguidance.hf.from_tokenizer(
                tokenizer, n_vocab=max(vocabulary, len(tokenizer))
            )
        except Exception as error:  # the Rust side raises bare exceptions of many kinds
            raise GrammarUnavailable(str(error)) from error
        self._compiled: OrderedDict[Grammar, LLMatcher] = OrderedDict()
        self._quotes: dict[int, bool] = {}
        self._check()

    def _check(self) -> None:
        """The tokenizer must spell every legal answer byte by byte, or the grammar would lie."""
        matcher = self.matcher(Grammar("가a"))
        for token in self.tokens('["가","a"]'):
            if matcher.try_consume_tokens([token]) != 1:
                raise GrammarUnavailable("the vocabulary cannot spell a JSON array")
        if not matcher.is_stopped():
            raise GrammarUnavailable("the closing bracket does not end the answer")

    def matcher(self, grammar: Grammar) -> "LLMatcher":
        """A fresh matcher at the start of `grammar`; GrammarUnavailable if it is too complex."""
        from llguidance import LLMatcher

        if grammar in self._compiled:
            self._compiled.move_to_end(grammar)
            return self._compiled[grammar].deep_copy()
        matcher = LLMatcher(self._tokenizer, grammar.lark())
        if matcher.is_error():
            raise GrammarUnavailable(matcher.get_error())
        self._compiled[grammar] = matcher
        if len(self._compiled) > _CACHED:
            self._compiled.popitem(last=False)
        return matcher.deep_copy()

    def tokens(self, answer: str) -> list[int]:
        """An answer in tokens of this tokenizer."""
        return list(self._tokenizer.tokenize_str(answer))

    def has_quote(self, token: int) -> bool:
        """Whether the spelling of `token` holds a double quote."""
        if token not in self._quotes:
            self._quotes[token] = b'"' in self._tokenizer.decode_bytes([token])
        return self._quotes[token]

    def text(self, tokens: list[int]) -> str:
        """The answer so far, exactly as the grammar saw it."""
        return str(self._tokenizer.decode_bytes(tokens).decode("utf-8", errors="ignore"))


def parse_answer(raw: str) -> tuple[list[str], bool]:
    """The keywords in a model's answer, and whether it was a JSON array of strings.

    From any other answer the whole strings of the first array in it are taken, also when it is
    cut off. Keywords are stripped; empty and repeated ones are dropped.
    """
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return _distinct(values), True
    return _distinct(whole_strings(raw)), False


def before_loop(raw: str) -> str | None:
    """An answer that only repeats itself, up to where that is plain; None for any other.

    A model that has repeated keywords so often is in a loop, and what it repeats is dropped anyway.
    Whoever cannot be stopped there (a server) has its answer cut there, so that all answers are
    alike.
    """
    words, seen, repeats = whole_strings(raw), set[str](), 0
    for count, word in enumerate(words, start=1):
        repeats += word in seen
        seen.add(word)
        if repeats == _MAX_REPEATS:
            return json.dumps(words[:count], ensure_ascii=False, separators=(",", ":"))
    return None


def close_array(raw: str) -> str:
    """`raw`, cut off somewhere, as the JSON array of its whole strings; `[]` when there is none."""
    return json.dumps(whole_strings(raw), ensure_ascii=False, separators=(",", ":"))


def _distinct(values: list[str]) -> list[str]:
    return [value for value in dict.fromkeys(v.strip() for v in values) if value]


def whole_strings(raw: str) -> list[str]:
    """The whole strings of the first array in `raw` that has any, cut off or not."""
    arrays = (_strings_from(raw, start.end()) for start in _ARRAY.finditer(raw))
    return next((strings for strings in arrays if strings), [])


def _strings_from(raw: str, at: int) -> list[str]:
    """The whole JSON strings, parted by commas, that stand in `raw` from `at` on."""
    decoder = json.JSONDecoder()
    strings: list[str] = []
    while True:
        at = _after_space(raw, at)
        try:
            value, at = decoder.raw_decode(raw, at)
        except (ValueError, RecursionError):
            break
        if not isinstance(value, str):
            break
        strings.append(value)
        at = _after_space(raw, at)
        if raw[at : at + 1] != ",":
            break
        at += 1
    return strings


def _after_space(raw: str, at: int) -> int:
    while at < len(raw) and raw[at].isspace():
        at += 1
    return at
