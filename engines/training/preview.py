"""The first look at a recipe: its examples without its model's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.models.loading import LoadedModel
from engines.training.base_model import tokenizer_for_training
from engines.training.judge import tools_for
from engines.training.prompts import PromptBuilder, Tokens, Tools
from engines.training.texts import read_texts, spread
from engines.training.tune_recipe import TuneRecipe


class ConfigOnly:
    """A model's config where no weights are needed: prompts ask for the context length alone."""

    def __init__(self, config: Any) -> None:
        self.config = config


def model_path(recipe: TuneRecipe) -> Path:
    """The folder of the recipe's model; UserError when it is not on this machine."""
    from engines.models.registry import resolve
    from engines.settings import load

    root = Path(recipe.data.workspace) if recipe.data.workspace else None
    return resolve(recipe.model, load(root).model_folders(root))


def prompt_tools(recipe: TuneRecipe, path: Path, tokenizer: Any) -> Tools:
    """What the prompts of a completed recipe are made with; its model's config stands for it."""
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(path), trust_remote_code=False, local_files_only=True)
    loaded = LoadedModel(
        ConfigOnly(config), tokenizer, path.name, path, torch.device("cpu"), torch.float32
    )
    return tools_for(recipe.prompt, recipe.data.workspace, loaded)


def preview(recipe: TuneRecipe, count: int) -> tuple[Any, list[Tokens], list[str]]:
    """The tokenizer, `count` examples spread over the texts, and what a person should know."""
    path = model_path(recipe)
    tokenizer = tokenizer_for_training(path)
    texts = read_texts(recipe.data, recipe.seed)
    tools = prompt_tools(recipe, path, tokenizer)
    builder = PromptBuilder(recipe.prompt, tools, recipe.data.max_length, recipe.seed)
    chosen = spread(texts.lessons, count)
    examples = list(builder.examples(chosen))[:count]
    return tokenizer, examples, texts.notes
