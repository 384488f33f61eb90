"""A tiny run from nothing, for tests of everything around a run: about sixty steps in a second."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.settings import Settings
from engines.training.folder import RunFolder
from engines.training.recipe import load_recipe
from engines.training.start import complete, prepare
from tests.tiny import TEXTS

RECIPE = """
method = "scratch"
name = "tiny"
model = {hidden_size = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, \
intermediate_size = 32, context = 512}
data = {sources = [{file = "texts.jsonl"}]}
optimisation = {tokens = TOKENS, tokens_per_batch = 512, warmup_steps = 2, save_steps = SAVE, \
precision = "float32", threads = 1}
"""


def write_recipe(folder: Path, *, tokens: int = 30_000, save: int = 5) -> Path:
    """A recipe with its texts in `folder`."""
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for text in TEXTS:
            word = text.split()[0][:2]
            row = {"text": text, "keywords": [word], "spans": [[0, 2, "X"]]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    path = folder / f"recipe-{tokens}-{save}.toml"
    path.write_text(RECIPE.replace("TOKENS", str(tokens)).replace("SAVE", str(save)))
    return path


def prepared(recipe: Path, out: Path) -> RunFolder:
    """The folder of a run of `recipe` that waits."""
    whole = complete(load_recipe(recipe), Settings(), None, recipe.parent)
    return prepare(whole, out, None)


def wait_until(check: Callable[[], Any], seconds: float = 150, what: str = "") -> Any:
    """The first true value of `check()`; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < deadline, what or "waited too long"
        time.sleep(0.02)
    return value
