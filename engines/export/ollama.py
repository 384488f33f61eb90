"""A folder for `ollama create`: the GGUF file and a Modelfile, with the prompt of a strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.export.modelfile import (
    Parameters,
    chat_template,
    modelfile,
    sayable,
    text_template,
)
from engines.export.programs import find_program, run
from engines.export.turns import read_turns
from engines.settings import Settings, StrategySettings
from glossary.errors import UserError
from glossary.i18n import _

_CONTEXT = 8192
_SENTINEL = "kwtuitextq"


def write_modelfile(
    tokenizer: Any,
    gguf: str,
    settings: Settings,
    *,
    context: int,
    strategy: StrategySettings | None = None,
    prompts: Path | None = None,
) -> str:
    """The Modelfile of a model: for conversations, or with every text in a strategy's prompt."""
    turns = read_turns(tokenizer, settings.plain_template)
    answer = strategy.max_new_tokens if strategy else StrategySettings().max_new_tokens
    parameters = Parameters(min(context, _CONTEXT), answer)
    if strategy is None:
        return modelfile(gguf, chat_template(turns), "", turns.stop, parameters)
    head, tail = prompt_around(strategy, prompts)
    template, system = text_template(turns, head, tail)
    assert sayable(system)
    return modelfile(gguf, template, system, turns.stop, parameters)


def prompt_around(strategy: StrategySettings, prompts: Path | None) -> tuple[str, str]:
    """What a strategy's prompt has before and behind the text, without glossary and examples."""
    from engines.extraction.prompt import PromptFields, answer_json, strategy_template
    from engines.extraction.strategy import kinds_of

    if strategy.kind != "model":
        raise UserError(_("A Modelfile needs a strategy that asks a model."))
    fields = PromptFields(
        text=_SENTINEL,
        instruction=strategy.instruction,
        kinds=kinds_of(strategy),
        exclude=tuple(strategy.exclude),
        definitions=tuple(strategy.definitions.items()),
        notes=tuple(strategy.notes),
        cases=tuple((case.text, answer_json(case.keywords)) for case in _fixed(strategy)),
    )
    head, found, tail = strategy_template(strategy, prompts).render(fields).partition(_SENTINEL)
    if not found or _SENTINEL in tail:
        message = _("The prompt template writes the text {count} times; a Modelfile needs once.")
        raise UserError(message.format(count=tail.count(_SENTINEL) + bool(found)))
    return head, tail


def _fixed(strategy: StrategySettings) -> list[Any]:
    if strategy.shots_choice != "fixed" and strategy.shots:
        return []
    return strategy.cases[: strategy.shots or len(strategy.cases)]


def left_out(strategy: StrategySettings | None) -> tuple[str, ...]:
    """Sentences about what a strategy does that Ollama alone does not do."""
    if strategy is None:
        return ()
    notes = []
    if strategy.glossary:
        notes.append(_("Glossary entries depend on the text: the Modelfile's prompt has none."))
    if strategy.shots and strategy.shots_choice == "similar":
        notes.append(_("Similar examples depend on the text: the Modelfile's prompt has none."))
    if strategy.constrained:
        notes.append(_("Ollama does not hold answers to the text; drop words that are not in it."))
    return tuple(notes)


def create_in_ollama(folder: Path, name: str, settings: Settings) -> tuple[str, ...]:
    """Have Ollama take the folder under `name`; a sentence instead where it is not installed."""
    command = find_program("ollama", settings)
    if command is None:
        ask = _("Ollama is not installed here: copy the folder and run `{command}` in it.")
        return (ask.format(command=f"ollama create {name} -f Modelfile"),)
    run([*command, "create", name, "-f", "Modelfile"], cwd=folder)
    return ()
