"""The default prompts are fixed byte for byte: a model is trained on them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.extraction.prompt import (
    PromptFields,
    answer_json,
    compile_template,
    load_template,
    parse_kind,
    strategy_template,
    template_names,
)
from engines.settings import StrategySettings
from glossary.errors import UserError
from glossary.text import normalise

KO_FULL = """\
다음 글에서 키워드를 찾아 JSON 배열로 답하세요.
종류: 약효, 증상, 제형
제외: 의약품, 약, 제품
참고: 문장
참고: 둘째 문장
용어:
- 파스: 약을 바른 외용제
- 임산부
글: 예문
답: ["예","문"]
글: 빈 글
답: []
글: 첫 줄 둘째 줄
답:"""

EN_FULL = """\
Find the keywords in the text and answer with a JSON array.
Kinds:
- form: plaster, syrup
- effect
Exclude: drug
Note: a sentence
Terms:
- plaster: a patch
Text: an example
Answer: ["example"]
Text: one
Answer:"""


def test_korean_prompt_with_every_block_is_exact() -> None:
    fields = PromptFields(
        text="첫 줄\n둘째 줄",
        kinds=(("약효", ""), ("증상", ""), ("제형", "")),
        exclude=("의약품", "약", "제품"),
        notes=("문장", "둘째 문장"),
        definitions=(("파스", "약을 바른 외용제"), ("임산부", "")),
        cases=(("예문", answer_json(["예", "문"])), ("빈\n글", "[]")),
    )
    assert load_template("ko").render(fields) == KO_FULL


def test_english_prompt_with_every_block_is_exact() -> None:
    fields = PromptFields(
        text="one",
        kinds=(("form", "plaster, syrup"), ("effect", "")),
        exclude=("drug",),
        notes=("a sentence",),
        definitions=(("plaster", "a patch"),),
        cases=(("an example", '["example"]'),),
    )
    assert load_template("en").render(fields) == EN_FULL


def test_absent_blocks_leave_no_line() -> None:
    assert load_template("ko").render(PromptFields(text="글")) == (
        "다음 글에서 키워드를 찾아 JSON 배열로 답하세요.\n글: 글\n답:"
    )
    own = PromptFields(text="글", instruction="약 이름만.", kinds=(("제형", "약의 모양"),))
    assert load_template("ko").render(own) == "약 이름만.\n종류:\n- 제형: 약의 모양\n글: 글\n답:"


@given(st.text())
def test_a_text_is_only_a_value(text: str) -> None:
    prompt = load_template("ko").render(PromptFields(text=text + "{{ 7*7 }}{% raw %}"))
    shown = normalise(text + "{{ 7*7 }}{% raw %}").replace("\n", " ").strip()
    assert prompt.endswith(f"\n글: {shown}\n답:")
    assert "\n" not in shown


def test_answers_are_compact_json() -> None:
    assert answer_json(["진통", '"인용"']) == '["진통","\\"인용\\""]'


def test_kinds_are_read_with_and_without_description() -> None:
    assert parse_kind("제형: 파스, 연고처럼 약의 모양") == ("제형", "파스, 연고처럼 약의 모양")
    assert parse_kind("증상") == ("증상", "")


def test_a_workspace_template_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "ko.jinja").write_text("나의 {{ text }}", encoding="utf-8")
    assert load_template("ko", tmp_path).render(PromptFields("글")) == "나의 글"
    assert {"ko", "en"} <= set(template_names(tmp_path))
    inline = StrategySettings(template_text="여기 {{ text }}")
    assert strategy_template(inline, tmp_path).render(PromptFields("글")) == "여기 글"


def test_a_template_by_path_must_end_in_jinja(tmp_path: Path) -> None:
    path = tmp_path / "own.jinja"
    path.write_text("{{ text }}", encoding="utf-8")
    assert load_template(str(path)).render(PromptFields("글")) == "글"
    with pytest.raises(UserError, match=r"must be a file that ends in \.jinja"):
        load_template("/etc/hostname")
    with pytest.raises(UserError, match="does not exist"):
        load_template(str(tmp_path / "none.jinja"))


def test_an_unknown_template_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"template 'clean-kor'\. Did you mean 'clean-ko'"):
        load_template("clean-kor")
    with pytest.raises(UserError, match="There are: "):
        load_template("xyz")


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.jinja"
    path.write_text("글\n{% if %}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.jinja, line 2, has an error"):
        load_template("bad", tmp_path)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ keyword }}", "'keyword' is undefined"),
        ("{{ text.__class__.__mro__ }}", "unsafe|access"),
        ("{{ 1 / 0 }}", "division"),
        ("{% for i in range(10**9) %}{% endfor %}", "range|Range"),
    ],
)
def test_what_a_template_may_not_do_is_a_sentence(source: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        compile_template(source, "here").render(PromptFields("글"))
