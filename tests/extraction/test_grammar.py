"""Under the grammar every answer is a JSON array of words that stand in the text."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.extraction.grammar import (
    Grammar,
    GrammarCompiler,
    GrammarUnavailable,
    close_array,
    parse_answer,
)
from glossary.text import normalise
from tests import tiny

TEXT = '진통과 해열 "효과"가 있는 파스형\n의약품은 \\임산부와 노인에게 적합합니다.'
ALLOWED = ('"이상" 반응', "붙이는 약", " ", "")


@pytest.fixture(scope="module", params=["sentencepiece", "bytes"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if request.param == "bytes":
        return tiny.byte_tokenizer()
    return tiny.sentencepiece_tokenizer(tmp_path_factory.mktemp("sp"))


@pytest.fixture(scope="module")
def compiler(tokenizer: Any) -> GrammarCompiler:
    return GrammarCompiler(tokenizer, len(tokenizer) + 5)


def accepts(compiler: GrammarCompiler, grammar: Grammar, answer: str) -> bool:
    """Whether the whole of `answer` is legal and ends there."""
    matcher = compiler.matcher(grammar)
    tokens = compiler.tokens(answer)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        '["진통","해열"]',
        ' ["진통", "해열"]',
        '["진통","진통"]',
        '["통과 해열"]',
        '["효과","가 있는 파스형","."]',
        '["임산부와 노인에게"]',
        '["\\"이상\\" 반응","붙이는 약"]',
    ],
)
def test_legal_answers(compiler: GrammarCompiler, answer: str) -> None:
    assert accepts(compiler, Grammar(TEXT, ALLOWED), answer)
    assert parse_answer(answer)[1]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        '["진통"',
        '["진통"]]',
        '["진통"] ',
        "[],",
        '[""]',
        '[" "]',
        '["해열 "]',
        '[" 해열"]',
        '["없는말"]',
        '["진해"]',
        '["진통",]',
        '["효과"가"]',
        '["파스형\n의약품"]',
        '["파스형 의약품"]',
        '["\\\\임산부"]',
        '["\\임산부"]',
        '["이상"]',
        '{"진통"}',
        "진통",
    ],
)
def test_illegal_answers(compiler: GrammarCompiler, answer: str) -> None:
    assert not accepts(compiler, Grammar(TEXT, ALLOWED), answer)


@pytest.mark.parametrize("text", ["", " \n ", '"', '"\\" \n'])
def test_a_text_without_words_has_the_empty_answer_only(
    compiler: GrammarCompiler, text: str
) -> None:
    assert accepts(compiler, Grammar(text), "[]")
    assert not accepts(compiler, Grammar(text), '["a"]')
    assert accepts(compiler, Grammar(text, ("파스",)), '["파스"]')


def test_keywords_have_a_greatest_length(compiler: GrammarCompiler) -> None:
    for limit in (1, 2, 5):
        grammar = Grammar("가나다라마바사", max_keyword=limit)
        assert accepts(compiler, grammar, json.dumps(["가나다라마"[:limit]], ensure_ascii=False))
        longer = json.dumps(["가나다라마바"[: limit + 1]], ensure_ascii=False)
        assert not accepts(compiler, grammar, longer)


def test_text_is_never_read_as_grammar(compiler: GrammarCompiler) -> None:
    text = 'a%regex {"x"} /b.*/ | start: item $ [^c] \\n 가🙂 // # & ~'
    for word in ("%regex {", "/b.*/ | start: item $ [^c]", "가🙂 // # & ~"):
        assert accepts(compiler, Grammar(text), json.dumps([word], ensure_ascii=False))
    assert not accepts(compiler, Grammar(text), '["bb"]')


def test_a_text_of_thousands_of_characters(compiler: GrammarCompiler) -> None:
    text = " ".join(f"{word}{n}" for n in range(300) for word in ("진통제", "효과는 ", "ibuprofen"))
    assert len(text) > 5000
    assert accepts(compiler, Grammar(text), '["진통제299","ibuprofen150 진통제151"]')
    assert not accepts(compiler, Grammar(text), '["진통제300"]')


def any_answer(compiler: GrammarCompiler, grammar: Grammar, seed: int, steps: int = 60) -> str:
    """What a model without any sense would say: legal tokens at random, cut off at the end."""
    matcher, rng, tokens = compiler.matcher(grammar), random.Random(seed), []
    while not matcher.is_stopped() and len(tokens) < steps:
        mask = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.flatnonzero(np.unpackbits(mask, bitorder="little")).tolist()
        tokens.append(rng.choice(allowed))
        assert matcher.consume_token(tokens[-1])
    raw = compiler.text(tokens)
    return raw if matcher.is_stopped() else close_array(raw)


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=40).map(normalise), seed=st.integers(0, 999))
def test_whatever_is_said_is_grounded(compiler: GrammarCompiler, text: str, seed: int) -> None:
    raw = any_answer(compiler, Grammar(text, ("파스",)), seed)
    words, valid = parse_answer(raw)
    assert valid
    for word in words:
        assert word in text or word == "파스"
        assert word == word.strip() != ""


def test_matchers_of_one_text_are_compiled_once_and_independent(compiler: GrammarCompiler) -> None:
    first, second = compiler.matcher(Grammar(TEXT)), compiler.matcher(Grammar(TEXT))
    assert first.consume_tokens(compiler.tokens('["진통'))
    assert second.consume_tokens(compiler.tokens("[]"))
    assert second.is_stopped() and not first.is_stopped()


def test_a_tokenizer_in_python_takes_no_grammar() -> None:
    from transformers import ByT5Tokenizer

    with pytest.raises(GrammarUnavailable):
        GrammarCompiler(ByT5Tokenizer(), 384)


def test_a_vocabulary_that_cannot_spell_json_takes_no_grammar() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<unk>": 0, "<eos>": 1, "[": 2, "가": 3}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    fast = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="<eos>")
    with pytest.raises(GrammarUnavailable):
        GrammarCompiler(fast, 4)


@pytest.mark.parametrize(
    ("raw", "words", "valid"),
    [
        ('["진통","해열"]', ["진통", "해열"], True),
        (' [ "진통" , "해열" ]\n', ["진통", "해열"], True),
        ("[]", [], True),
        ('["진통","진통"," 해열 ",""]', ["진통", "해열"], True),
        ('["이\\"상", "\\u0041"]', ['이"상', "A"], True),
        ('["진통","해열', ["진통"], False),
        ('["진통","해열"', ["진통", "해열"], False),
        ('["진통",', ["진통"], False),
        ("[", [], False),
        ("", [], False),
        ("진통, 해열", [], False),
        ('```json\n["진통"]\n```', ["진통"], False),
        ('답 [1]: ["진통", "해열"] 입니다.', ["진통", "해열"], False),
        ('["진통", 3, "해열"]', ["진통"], False),
        ('{"keywords": ["진통"]}', ["진통"], False),
        ('"진통"', [], False),
        ("[" * 100_000, [], False),
    ],
)
def test_answers_are_read(raw: str, words: list[str], valid: bool) -> None:
    assert parse_answer(raw) == (words, valid)


@pytest.mark.parametrize(
    ("raw", "closed"),
    [
        ('["진통","해', '["진통"]'),
        ('["진통","해열"', '["진통","해열"]'),
        ('["진통", ', '["진통"]'),
        ('["진', "[]"),
        ("[", "[]"),
        ("", "[]"),
        ('["\\"이', "[]"),
    ],
)
def test_a_cut_off_array_is_closed_at_the_last_whole_keyword(raw: str, closed: str) -> None:
    assert close_array(raw) == closed
    assert parse_answer(close_array(raw))[1]


def test_a_tokenizer_folder_of_sentencepiece_alone(tmp_path: Path) -> None:
    tokenizer = tiny.sentencepiece_tokenizer(tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()
    assert accepts(GrammarCompiler(tokenizer, 500), Grammar("진통과"), '["진통"]')
