"""The model that a run made, put where strategies find it, with a card that says what it is."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from engines.events import read_events
from engines.training.checkpoints import step_of
from engines.training.folder import RunFolder
from engines.training.tune_recipe import TuneRecipe
from engines.workspace import Workspace

# What a checkpoint holds for going on, not for using the model.
_TRAINING = (".pt", ".pth", ".bin", "trainer_state.json")
CARD = "CARD.md"
ORIGIN = "kwtui.json"


def publish(
    recipe: TuneRecipe, folder: RunFolder, checkpoint: Path, base: Path, tokenizer: Any
) -> Path:
    """Copy the model of `checkpoint` into the workspace's models/ (else the run's folder).

    It appears there as a whole, under the recipe's name; a name that is taken by another run gets
    a number. Returns its folder.
    """
    home = Workspace(Path(recipe.data.workspace)).models if recipe.data.workspace else folder.path
    home.mkdir(exist_ok=True)
    final = _free(home, recipe.name if recipe.data.workspace else "model", folder.path.name)
    fresh = home / f".{final.name}-{folder.path.name}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for file in sorted(checkpoint.iterdir()):
        if file.is_file() and not _for_training(file.name):
            shutil.copy2(file, fresh / file.name)
    (fresh / "README.md").unlink(missing_ok=True)
    tokenizer.save_pretrained(str(fresh))
    for name in ("tokenizer.model", "chat_template.jinja"):
        if (base / name).is_file() and not (fresh / name).is_file():
            shutil.copy2(base / name, fresh / name)
    _name_base(fresh, recipe, base)
    _use_cache(fresh)
    origin = _origin(recipe, folder, checkpoint, base)
    (fresh / ORIGIN).write_text(json.dumps(origin, ensure_ascii=False, indent=1) + "\n")
    (fresh / CARD).write_text(_card(recipe, origin, final.name), encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)
    fresh.replace(final)
    return final


def _for_training(name: str) -> bool:
    return name.endswith(_TRAINING)


def _free(home: Path, name: str, run: str) -> Path:
    """`home`/NAME, or with a number behind when another run's model has that name."""
    number = 1
    while True:
        path = home / (name if number == 1 else f"{name}-{number}")
        if not path.exists() or _run_of(path) == run:
            return path
        number += 1


def _run_of(path: Path) -> str:
    try:
        return str(json.loads((path / ORIGIN).read_text(encoding="utf-8")).get("run", ""))
    except (OSError, ValueError):
        return ""


def _name_base(folder: Path, recipe: TuneRecipe, base: Path) -> None:
    """Let an adapter name its base as the recipe does: a name is found on other machines too."""
    path = folder / "adapter_config.json"
    if not path.is_file():
        return
    values = json.loads(path.read_text(encoding="utf-8"))
    named = recipe.model if "/" not in recipe.model else str(base)
    values["base_model_name_or_path"] = named
    path.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _use_cache(folder: Path) -> None:
    """Training turns the key-value cache off; a model that is used wants it on."""
    path = folder / "config.json"
    if path.is_file():
        values = json.loads(path.read_text(encoding="utf-8"))
        values["use_cache"] = True
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _origin(recipe: TuneRecipe, folder: RunFolder, checkpoint: Path, base: Path) -> dict[str, Any]:
    state = folder.read()
    step = step_of(checkpoint)
    scores = {
        event["step"]: event
        for event in read_events(folder.events)
        if event["kind"] == "evaluation"
    }
    judged = scores.get(step, {})
    before = scores.get(0, {})
    return {
        "run": folder.path.name,
        "method": recipe.method,
        "base": recipe.model if "/" not in recipe.model else base.name,
        "strategy": recipe.prompt.strategy,
        "step": step,
        "dev_f1": judged.get("f1"),
        "dev_f1_before": before.get("f1"),
        "dev_loss": judged.get("loss"),
        "examples": state.get("examples"),
        "data_digest": state.get("data_digest"),
        "versions": state.get("versions", {}),
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _card(recipe: TuneRecipe, origin: dict[str, Any], name: str) -> str:
    """A card in Markdown: what the model is, what it was made from, how good it was."""

    def figure(value: Any) -> str:
        return "-" if value is None else f"{value:.4f}"

    return f"""# {name}

{recipe.method} of {origin["base"]}, made by kwtui on {origin["made"]} in the run {origin["run"]}.

| | |
| --- | --- |
| prompts of the strategy | {recipe.prompt.strategy} |
| examples | {origin["examples"]} |
| data (SHA-256) | {origin["data_digest"]} |
| step | {origin["step"]} |
| keyword F1 on the dev texts | {figure(origin["dev_f1"])} |
| before training | {figure(origin["dev_f1_before"])} |

Use it in a strategy:

    [strategies.{name}]
    model = "{name}"

The run's recipe.toml makes it again.
"""
