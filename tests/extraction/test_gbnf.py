"""The grammar in llama.cpp's dialect allows the substrings of a text and nothing else."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from engines.extraction.gbnf import SuffixAutomaton, gbnf
from engines.extraction.remote_grammar import GBNF, LLGUIDANCE, SCHEMA, candidates, proves

TEXT = '파스와 "인용" 파스\n노인\\ 임산부'


def substrings(pieces: list[str]) -> set[str]:
    return {p[i:j] for p in pieces for i in range(len(p)) for j in range(i + 1, len(p) + 1)}


def paths(automaton: SuffixAutomaton, state: int = 0, word: str = "") -> set[str]:
    found: set[str] = set()
    for character, following in automaton.steps[state].items():
        found |= {word + character} | paths(automaton, following, word + character)
    return found


@given(st.lists(st.text("ab 가", max_size=9), max_size=3))
def test_the_automaton_accepts_exactly_the_substrings(pieces: list[str]) -> None:
    automaton = SuffixAutomaton(pieces)
    assert paths(automaton) == substrings(pieces)
    assert len(automaton.steps) <= max(1, 2 * sum(map(len, pieces)))
    # All ways into a state end with the same character: only so may a state forbid an end.
    ways: dict[int, str] = {}
    for steps in automaton.steps:
        for character, following in steps.items():
            assert ways.setdefault(following, character) == character


def test_no_keyword_crosses_what_json_or_a_line_parts() -> None:
    grammar = gbnf(TEXT)
    literals = [json.loads(found) for found in re.findall(r'"(?:[^"\\]|\\.)*"', grammar)]
    assert not any("\n" in literal for literal in literals)
    automaton = SuffixAutomaton(["파스와", "인용", "파스", "노인", "임산부"])
    assert grammar.count("::=") == len(automaton.steps) + 2
    assert gbnf("") == gbnf(' "\n') == 'root ::= " "? "[]"\n'


def test_canonical_forms_may_be_allowed_besides() -> None:
    assert r'"\"근육통\""' in gbnf("근육 통에", ["근육통"])
    assert r'"\"a\\\"b\""' in gbnf("", ['a"b'])


def test_each_kind_of_server_is_asked_in_its_own_way() -> None:
    assert candidates("llamacpp")[:2] == (LLGUIDANCE, GBNF)
    assert candidates("library") == (SCHEMA,)
    assert len(candidates("somebody")) == 4
    assert LLGUIDANCE.fields("파스", ())["grammar"].startswith("%llguidance {}\nstart:")
    assert SCHEMA.fields("파스", ())["response_format"]["json_schema"]["schema"]["type"] == "array"
    assert proves('["q7z"]') and proves(' [ "q7z" ] ')
    assert not any(proves(raw) for raw in ('["파스"]', "[]", "q7z", "", "[" * 5000))
