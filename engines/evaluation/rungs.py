"""Which rung of the ladder a strategy stands on, and what it took to get there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.extraction.learned import how_taught
from engines.extraction.strategy import needs_cases
from engines.models.registry import resolve
from engines.settings import Settings, StrategySettings
from engines.training.detached import launched
from engines.training.folder import RunFolder
from engines.training.publish import ORIGIN
from engines.training.recipe import load_recipe
from engines.training.tune_recipe import TuneRecipe
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

CONTROL, PROMPT, RAG, ADAPTER, FULL, TOKENIZER = range(6)


@dataclass(frozen=True, slots=True)
class Standing:
    """A strategy's rung, its effort from 1 to 5, and the cost of what it learnt.

    `method` is that of the model's training, "" for one that was not taught here.
    """

    rung: int
    effort: int
    method: str = ""
    training_seconds: float = 0.0
    gpu_hours: float = 0.0
    labeled_examples: int = 0
    epochs: float = 0.0


def rung_names() -> dict[int, str]:
    """The rungs as a person reads them."""
    return {
        CONTROL: _("control"),
        PROMPT: _("prompt"),
        RAG: _("glossary retrieval"),
        ADAPTER: _("LoRA or QLoRA"),
        FULL: _("full fine-tuning"),
        TOKENIZER: _("tokenizer"),
    }


def standing(
    strategy: StrategySettings, settings: Settings, space: Workspace, *, labels: tuple[str, int]
) -> Standing:
    """Where the strategy stands; `labels`: digest and number of the training split's texts."""
    if strategy.kind == "crf":
        taught = how_taught(space, labels[0])
        return Standing(CONTROL, 2, "crf", taught.seconds, 0.0, labels[1], 0.0)
    if strategy.kind == "dictionary":
        return Standing(CONTROL, 1)
    shown = labels[1] if needs_cases(strategy) else len(strategy.cases)
    untaught = Standing(RAG if strategy.glossary else PROMPT, 1, labeled_examples=shown)
    if strategy.glossary or shown:
        untaught = Standing(untaught.rung, 2, labeled_examples=shown)
    if strategy.server:
        return untaught
    folders = settings.model_folders(space.root)
    origin = read_origin(resolve(strategy.model, folders))
    if not origin or origin.get("method") not in ("lora", "qlora", "full"):
        changed = Standing(TOKENIZER, 5, "tokenizer", labeled_examples=shown)
        return changed if origin.get("change") else untaught
    try:
        base = read_origin(resolve(str(origin.get("base", "")), folders))
    except UserError:
        base = {}
    return _taught(origin, base, space)


def _taught(origin: dict[str, Any], base: dict[str, Any], space: Workspace) -> Standing:
    method = str(origin["method"])
    rung, effort = (FULL, 4) if method == "full" else (ADAPTER, 3)
    if base.get("change"):
        rung, effort, method = TOKENIZER, 5, "tokenizer"
    run = RunFolder(space.runs / Path(str(origin.get("run", ""))).name)
    seconds, gpus, epochs = _of_run(run)
    examples = int(origin.get("examples") or 0)
    return Standing(rung, effort, method, seconds, seconds * gpus / 3600, examples, epochs)


def _of_run(run: RunFolder) -> tuple[float, int, float]:
    """Seconds, number of GPUs and epochs of a run that is still in the workspace, else zeros."""
    try:
        values, recipe = run.read(), load_recipe(run.recipe)
    except UserError:
        return 0.0, 0, 0.0
    seconds = float(values.get("ended") or 0) - float(values.get("started") or 0)
    epochs = 0.0
    if isinstance(recipe, TuneRecipe):
        how = recipe.optimisation
        epochs = how.epochs
        examples = float(values.get("examples") or 0)
        if how.steps and examples:
            epochs = how.steps * how.batch_size * how.accumulation / examples
    return max(0.0, seconds), len(launched(run).get("gpus") or ()), round(epochs, 2)


def read_origin(folder: Path) -> dict[str, Any]:
    """What a model folder says about where it came from; {} when it says nothing."""
    try:
        values = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def seed_models(
    strategy: StrategySettings, settings: Settings, space: Workspace, seeds: int
) -> list[str]:
    """The models of the same recipe with other seeds: MODEL, then MODEL-s2, MODEL-s3 that exist."""
    found = [strategy.model]
    if strategy.kind != "model" or strategy.server:
        return found
    folders = settings.model_folders(space.root)
    for number in range(2, seeds + 1):
        name = f"{strategy.model}-s{number}"
        try:
            resolve(name, folders)
        except UserError:
            continue
        found.append(name)
    return found
