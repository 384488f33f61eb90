"""The training service: what a recipe would do, foretold away from the screen, and runs started."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.models.registry import ModelInfo, find_models
from engines.training.launching import Launched, launch, whole_recipe
from engines.training.preflight import Preflight, preflight
from engines.training.queue import Conditions
from engines.training.recipe import Recipe, to_toml
from engines.training.tune_recipe import TuneRecipe
from engines.workspace import Workspace, hub_cache
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.services.loop import Task
from kwtui.services.messages import Hello


@dataclass(frozen=True, slots=True)
class Foretold:
    """What a recipe is when it is complete, and what it will take."""

    toml: str
    preflight: Preflight


@dataclass(frozen=True, slots=True)
class ExampleTokens:
    """One example: pieces of text, and which of them is the first that is learnt."""

    pieces: tuple[str, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class Examples:
    """A few examples, spread over the texts, and what a person should know about the data."""

    examples: tuple[ExampleTokens, ...]
    notes: tuple[str, ...] = field(default=())


class TrainingService:
    """Completes recipes of one workspace; tokenised data is kept while the data stays the same."""

    requests = frozenset({"use", "models", "foretell", "examples", "launch"})

    def __init__(self, hello: Hello) -> None:
        self._settings = hello.settings
        self._workspace = Workspace(hello.workspace) if hello.workspace else None
        self._kept: tuple[str, tempfile.TemporaryDirectory[str]] | None = None

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def use(self, task: Task, settings: Any) -> None:
        """Take other settings."""
        self._settings = settings

    def models(self, task: Task) -> tuple[ModelInfo, ...]:
        """The models of the settings' folders, then those of the Hugging Face cache."""
        root = self._workspace.root if self._workspace else None
        own = find_models(self._settings.model_folders(root))
        names = {info.name for info in own}
        cached = find_models([hub_cache()])
        every = [*own, *(info for info in cached if info.name not in names)]
        return tuple(info for info in every if info.kind == "model")

    def foretell(
        self, task: Task, values: Mapping[str, Any], base: Path | None = None, trial: bool = False
    ) -> Foretold:
        """Complete a recipe and say what it takes; with `trial` try this machine's pace too."""
        task.progress(_("Reading the data"))
        recipe = self._whole(values, base)
        task.check()
        if trial:
            task.progress(_("Trying the pace of this machine"))
        found = preflight(recipe, self._data_folder(recipe), trial=trial, place=self._runs)
        return Foretold(to_toml(recipe), found)

    def examples(
        self, task: Task, values: Mapping[str, Any], base: Path | None = None, count: int = 3
    ) -> Examples:
        """A few examples as the model reads them."""
        from engines.training.preview import preview

        recipe = self._whole(values, base)
        if not isinstance(recipe, TuneRecipe):
            raise UserError(_("Examples are shown for lora, qlora and full."))
        tokenizer, found, notes = preview(recipe, count)
        return Examples(tuple(_pieces(tokenizer, one) for one in found), tuple(notes))

    def launch(
        self,
        task: Task,
        values: Mapping[str, Any],
        base: Path | None = None,
        force: bool = False,
        conditions: Conditions | None = None,
    ) -> Launched:
        """Start a recipe, or put it into the queue with `conditions`."""
        if self._workspace is None:
            raise UserError(_("There is no workspace."))
        task.progress(_("Preparing the run"))
        recipe = self._whole(values, base)
        task.check()
        data = self._data_folder(recipe)
        return launch(recipe, self._workspace, force=force, conditions=conditions, tokenised=data)

    @property
    def _runs(self) -> Path | None:
        return self._workspace.runs if self._workspace else None

    def _whole(self, values: Mapping[str, Any], base: Path | None) -> Recipe:
        place = base or (self._workspace.root if self._workspace else Path.cwd())
        return whole_recipe(values, self._settings, self._workspace, place, _("The recipe"))

    def _data_folder(self, recipe: Recipe) -> Path | None:
        """Where the tokenised data of such a recipe lies; emptied when the data is another."""
        if not isinstance(recipe, TuneRecipe):
            return None
        key = self._key(recipe)
        if self._kept is None or self._kept[0] != key:
            if self._kept is not None:
                self._kept[1].cleanup()
            self._kept = (key, tempfile.TemporaryDirectory(prefix="kwtui-data-"))
        return Path(self._kept[1].name)

    def _key(self, recipe: TuneRecipe) -> str:
        parts = recipe.model_dump(mode="json", include={"data", "prompt", "model", "seed"})
        files = [Path(s.file) for s in (*recipe.data.sources, recipe.data.dev) if s.file]
        if self._workspace is not None:
            files += self._workspace.root.glob("*.sqlite*")
        stamps = [(str(f), f.stat().st_mtime_ns) for f in files if f.exists()]
        told = json.dumps([parts, recipe.evaluation.texts, sorted(stamps)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


def _pieces(tokenizer: Any, tokens: Any) -> ExampleTokens:
    pieces = []
    for number in tokens.ids.tolist():
        text = tokenizer.decode([number])
        pieces.append(text or str(tokenizer.convert_ids_to_tokens(number)))
    return ExampleTokens(tuple(pieces), int(tokens.answer))
