"""`kwtui train` from outside: presets, a file without a workspace, examples, sentences."""

import json
from pathlib import Path

import pytest

from engines.events import read_events
from engines.settings import load
from engines.training.recipe import checked, preset
from glossary.errors import UserError
from tests.conftest import Run

SETS = ["optimisation.steps=2", "evaluation.texts=2", "optimisation.threads=1"]


def test_a_file_and_a_model_are_enough(
    kwtui: Run, tiny_folder: Path, records: Path, tmp_path: Path
) -> None:
    model, data, out = str(tiny_folder / "tiny"), str(records), tmp_path / "out"
    changes = [part for change in SETS for part in ("--set", change)]
    base = ["train", "--method", "lora", "--model", model, "--data", data, *changes]
    shown = kwtui(*base, "--show-examples", "2")
    assert shown.returncode == 0 and shown.stdout.count("tokens read") == 2
    assert "<end_of_turn>]" in shown.stdout
    done = kwtui(*base, "-o", out, "--foreground", "--json")
    assert done.returncode == 0, done.stderr
    end = json.loads(done.stdout)
    assert end["state"] == "finished" and (out / "model" / "adapter_config.json").is_file()
    assert any(event["kind"] == "evaluation" for event in read_events(out / "events.jsonl"))
    again = kwtui(*base, "-o", out, "--foreground")
    assert again.returncode == 2 and "finished" in again.stderr


def test_the_presets_are_recipes_and_two_carry_the_missions_numbers() -> None:
    settings = load(None)
    recipes = {name: checked(preset(settings, name), name) for name in settings.recipes}
    lora, sft = recipes["gemma2b-lora"], recipes["gemma2b-sft"]
    assert (lora.lora.r, lora.lora.alpha, lora.lora.dropout) == (8, 16, 0.1)
    assert lora.lora.targets == ["q_proj", "k_proj", "v_proj"] and lora.lora.bias == "none"
    assert (lora.optimisation.batch_size, lora.optimisation.epochs) == (4, 3)
    assert sft.method == "full" and sft.optimisation.learning_rate == 5e-5
    assert (sft.optimisation.batch_size, sft.optimisation.epochs) == (2, 3)
    with pytest.raises(UserError, match="Did you mean gemma2b-lora"):
        preset(settings, "gemma2b-lara")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--method", "lroa"], "one of lora, qlora, full, scratch"),
        (["--set", "optimisation.epoch=2"], "Did you mean optimisation.epochs?"),
        (["--set", "lora.r=many"], "lora.r"),
        (["--set", "lora"], "key=value"),
        (["nothing-like-it"], "There is no recipe"),
        (["--method", "scratch"], "recipe file"),
        (["--model", "no-such-model"], "There is no model"),
        (["missing.toml"], "there is no such recipe"),
    ],
)
def test_a_mistake_is_a_sentence(arguments: list[str], said: str) -> None:
    from kwtui import context
    from kwtui.commands import train

    context.name_workspace(None)
    options = {"method": "", "model": "", "changes": [], "recipe": ""}
    for name, value in zip(arguments[::2], arguments[1::2], strict=False):
        key = name.removeprefix("--").replace("set", "changes")
        options[key] = [value] if key == "changes" else value
    if len(arguments) == 1:
        options["recipe"] = arguments[0]
    with pytest.raises(UserError) as caught:
        train.command(**options, data=None, output=None, show_examples=1)  # type: ignore[arg-type]
    assert said in caught.value.sentence
