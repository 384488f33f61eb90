"""A Modelfile makes Ollama show the model what kwtui shows it, whatever stands in a prompt."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.export.modelfile import chat_template, literal, modelfile, text_template
from engines.export.ollama import create_in_ollama, prompt_around, write_modelfile
from engines.export.turns import Turns, read_turns
from engines.models.chat import render
from engines.models.loading import load_tokenizer
from engines.settings import Settings, StrategySettings
from engines.workspace import assets
from glossary.errors import UserError
from tests.export.go_templates import read_modelfile, run_template

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."
NASTY = 'Say """hi""" and {{ .System }} }} {{{ "\n"""\u3000{\u00a0'


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(assets() / "kw-mini")


def written(tokenizer: Any, strategy: StrategySettings | None = None) -> dict[str, str]:
    text = write_modelfile(tokenizer, "m-f16.gguf", Settings(), context=4096, strategy=strategy)
    return dict(read_modelfile(text))


def shown(tokenizer: Any, messages: list[Any]) -> str:
    """What the model reads in kwtui, without the token that begins every text."""
    return render(tokenizer, messages).text.removeprefix(tokenizer.bos_token)


def test_a_conversation_is_that_of_the_chat_template(tokenizer: Any) -> None:
    template = written(tokenizer)["TEMPLATE"]
    talk = [
        {"role": "user", "content": "하나"},
        {"role": "assistant", "content": '["둘"]'},
        {"role": "user", "content": NASTY},
    ]
    spoken = [{"Role": m["role"], "Content": m["content"]} for m in talk]
    assert run_template(template, {"System": "", "Messages": spoken}) == shown(tokenizer, talk)
    system = {"role": "system", "content": NASTY}
    assert run_template(template, {"System": NASTY, "Messages": spoken}) == shown(
        tokenizer, [system, *talk]
    )


@pytest.mark.parametrize(
    "strategy",
    [
        StrategySettings(),
        StrategySettings(kinds=["제형: 파스처럼", "증상"], exclude=["약"], notes=["짧게"]),
        StrategySettings(instruction=NASTY, notes=[NASTY], template="en"),
        StrategySettings(instruction='"""'),
        StrategySettings(instruction="넓은\u3000칸", notes=["붙은\u00a0칸", "{\u200b{"]),
        StrategySettings(template_text="{{ text }} ->"),
    ],
)
def test_a_text_stands_in_the_strategys_prompt(tokenizer: Any, strategy: StrategySettings) -> None:
    values = written(tokenizer, strategy)
    head, tail = prompt_around(strategy, None)
    data = {"System": values.get("SYSTEM", ""), "Prompt": TEXT, "Response": ""}
    read = run_template(values["TEMPLATE"], data)
    question = shown(tokenizer, [{"role": "user", "content": head + TEXT + tail}])
    assert read.startswith(question)
    assert question.count(TEXT) == 1


def test_nothing_discourages_copying_and_answers_end_where_they_should(tokenizer: Any) -> None:
    text = write_modelfile(tokenizer, "m.gguf", Settings(), context=4096)
    parameters = [value for command, value in read_modelfile(text) if command == "PARAMETER"]
    assert "repeat_penalty 1.0" in parameters
    assert "temperature 0" in parameters
    assert 'stop "<end_of_turn>"' in parameters


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet='{}"\\ab 가\n.\u3000\u200b', max_size=24),
    st.text(alphabet='{}"\n라\u00a0', max_size=8),
)
def test_literal_text_is_never_code(one: str, other: str) -> None:
    template = literal(one) + "{{ .Prompt }}" + literal(other)
    assert run_template(template, {"Prompt": "p"}) == one + "p" + other
    assert '"""' not in template
    assert all(c.isprintable() or c in "\t\n" for c in template)


@settings(max_examples=200, deadline=None)
@given(
    st.text(alphabet='{}"\\ab 가\n\u3000\t', max_size=30),
    st.text(alphabet='{}"a\n\u200b', max_size=10),
)
def test_a_modelfile_keeps_any_prompt(head: str, tail: str) -> None:
    turns = Turns("<u>", "<u>", "\n\n", "</u><m>", "</m><u>", ("</m>",))
    template, system = text_template(turns, head, tail)
    from engines.export.modelfile import Parameters

    text = modelfile("m.gguf", template, system, turns.stop, Parameters(100, 10))
    values = dict(read_modelfile(text))
    data = {"System": values.get("SYSTEM", ""), "Prompt": "p", "Response": ""}
    read = run_template(values["TEMPLATE"], data)
    assert read == f"<u>{head}p{tail}</u><m></m>"
    chat = chat_template(turns, system=head)
    message = {"Role": "user", "Content": tail}
    expected = f"<u>{head}\n\n{tail}</u><m>" if head else f"<u>{tail}</u><m>"
    assert run_template(chat, {"System": "", "Messages": [message]}) == expected


def test_names_that_a_modelfile_cannot_hold_are_refused(tokenizer: Any) -> None:
    with pytest.raises(UserError, match="file name"):
        write_modelfile(tokenizer, 'a" \nSYSTEM "b.gguf', Settings(), context=64)


def test_ollama_takes_the_folder_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "Modelfile").write_text("FROM ./m.gguf")
    log = tmp_path / "log"
    program = tmp_path / "ollama"
    program.write_text(f'#!/bin/sh\necho "$@" > {log}; ls >> {log}\n')
    program.chmod(0o755)
    assert create_in_ollama(folder, "terms", Settings(commands={"ollama": [str(program)]})) == ()
    assert log.read_text().splitlines() == ["create terms -f Modelfile", "Modelfile"]
    monkeypatch.setenv("PATH", str(folder))
    (sentence,) = create_in_ollama(folder, "terms", Settings())
    assert "ollama create terms -f Modelfile" in sentence


def test_turns_of_a_plain_template_are_known_too(tokenizer: Any) -> None:
    plain = type("Plain", (), {"chat_template": None, "eos_token": "</s>", "bos_token": "<s>"})()
    turns = read_turns(plain)
    assert (turns.start, turns.to_answer, turns.to_question) == ("", "", "\n\n")
