"""The grammar of legal answers in llama.cpp's dialect, GBNF.

A suffix automaton of the text accepts exactly its substrings, with at most two states a character
(Blumer et al., 1985, "The smallest automaton recognizing the subwords of a text"); each state
becomes a rule. Dialect: https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

# What no keyword holds: quotes and backslashes (JSON would escape them), line ends and controls.
_APART = re.compile(r'["\\\n\x00-\x1f\x7f-\x9f]+')


class SuffixAutomaton:
    """All substrings of some pieces of text; state 0 is the start.

    `steps[state]` maps a character to the next state. All ways into a state end with the same
    character.
    """

    def __init__(self, pieces: Iterable[str]) -> None:
        self.steps: list[dict[str, int]] = [{}]
        self._lengths = [0]
        self._links = [-1]
        for piece in pieces:
            last = 0
            for character in piece:
                last = self._add(last, character)

    def accepts(self, word: str) -> bool:
        """Whether `word` is a substring of one of the pieces."""
        state: int | None = 0
        for character in word:
            state = None if state is None else self.steps[state].get(character)
        return state is not None

    def _state(self, length: int, link: int, steps: dict[str, int]) -> int:
        self._lengths.append(length)
        self._links.append(link)
        self.steps.append(steps)
        return len(self.steps) - 1

    def _add(self, last: int, character: str) -> int:
        """One more character after state `last`; the state of the whole prefix."""
        known = self.steps[last].get(character)
        if known is not None:
            whole = self._lengths[known] == self._lengths[last] + 1
            return known if whole else self._split(last, known, character)
        fresh = self._state(self._lengths[last] + 1, 0, {})
        at = last
        while at >= 0 and character not in self.steps[at]:
            self.steps[at][character] = fresh
            at = self._links[at]
        if at >= 0:
            target = self.steps[at][character]
            whole = self._lengths[target] == self._lengths[at] + 1
            self._links[fresh] = target if whole else self._split(at, target, character)
        return fresh

    def _split(self, at: int, target: int, character: str) -> int:
        """A copy of `target` for the shorter strings that end there."""
        copy = self._state(self._lengths[at] + 1, self._links[target], dict(self.steps[target]))
        while at >= 0 and self.steps[at].get(character) == target:
            self.steps[at][character] = copy
            at = self._links[at]
        self._links[target] = copy
        return copy


def gbnf(text: str, allowed: Iterable[str] = ()) -> str:
    """A grammar of JSON arrays whose strings are substrings of `text` or one of `allowed`.

    Keywords lie within a line and neither begin nor end with a space; `[]` is legal.
    """
    pieces = [piece.strip() for piece in _APART.split(text)]
    automaton = SuffixAutomaton(pieces)
    surfaces = dict.fromkeys(surface.strip() for surface in allowed)
    items = [_quoted(json.dumps(s, ensure_ascii=False)) for s in surfaces if s]
    rules = list[str]()
    if automaton.steps[0]:
        items.append(r'"\"" s0 "\""')
        rules = _rules(automaton)
    if not items:
        return 'root ::= " "? "[]"\n'
    head = ['root ::= " "? ("[]" | "[" item ("," " "? item)* "]")', "item ::= " + " | ".join(items)]
    return "\n".join([*head, *rules]) + "\n"


def _rules(automaton: SuffixAutomaton) -> list[str]:
    """A rule for each state; a keyword may end anywhere but after a space."""
    spaces = {steps[" "] for steps in automaton.steps if " " in steps}
    rules = list[str]()
    for state, steps in enumerate(automaton.steps):
        ways = [f"{_quoted(c)} s{to}" for c, to in steps.items() if state or c != " "]
        if state and state not in spaces:
            ways.append('""')
        rules.append(f"s{state} ::= " + " | ".join(ways))
    return rules


def _quoted(text: str) -> str:
    """A literal of the grammar: quotes and backslashes are escaped as in JSON."""
    return json.dumps(text, ensure_ascii=False)
