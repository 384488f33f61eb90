"""Rungs that are trained from the ladder: which recipe each one is, and the model it gives."""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engines.extraction.strategy import find_strategy
from engines.layers import overlay
from engines.models.registry import resolve
from engines.settings import Settings, StrategySettings, load
from engines.training.folder import RunFolder, replace_file
from engines.training.launching import default_values, launch, whole_recipe
from engines.training.queue import Conditions, Queue
from engines.training.runs import look
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _

# Names of strategies that a training makes, in the order of the ladder, with their methods.
TRAINED = {"lora": "lora", "qlora": "qlora", "sft": "full", "tokenizer": "full"}
PROMPT = "prompt"
TOKENIZER = "tokenizer"
SEED = 7
_LOOK_SECONDS = 0.5

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Training:
    """How missing rungs are trained. `changes`: over each recipe; `terms`: of the tokenizer's.

    `chosen`: the base was named by a person, and goes before the models that config.toml has for
    strategies with the name of a rung.
    """

    base: str = "kw-mini"
    seeds: int = 1
    changes: Mapping[str, Any] = field(default_factory=dict)
    terms: int = 500
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Rung:
    """A model to be trained: the strategy it is for, its name, its seed, its whole values."""

    strategy: str
    model: str
    values: Mapping[str, Any]


def model_name(strategy: str, base: str, seed: int = 1) -> str:
    """The model that the training of `strategy` gives; `seed` counts from 1."""
    return f"{base}-{strategy}" + (f"-s{seed}" if seed > 1 else "")


def trained_strategies(
    settings: Settings, names: Iterable[str], base: str, *, chosen: bool = False
) -> Settings:
    """The settings with every name of TRAINED that they lack, as the prompt strategy taught.

    With a base that was `chosen` those that they have are replaced where their model is another.
    """
    made = {n: taught(settings, n, base) for n in names if n in TRAINED}
    own = {
        name: strategy
        for name, strategy in settings.strategies.items()
        if not (chosen and name in made and strategy.model != made[name].model)
    }
    return settings.model_copy(update={"strategies": {**made, **own}})


def taught(settings: Settings, name: str, base: str) -> StrategySettings:
    """The prompt strategy with the model that the training of `name` gives."""
    prompt = find_strategy(settings.strategies, PROMPT)
    return prompt.model_copy(update={"model": model_name(name, base), "server": ""})


def train_missing(
    space: Workspace,
    settings: Settings,
    names: Sequence[str],
    training: Training,
    *,
    on_progress: Progress | None = None,
    on_note: Callable[[str], None] | None = None,
    model: str = "",
) -> None:
    """Train the rungs of `names` whose models are not there, in the queue and in order.

    `model`: the name of what comes out, where it is not the rung's own. A ladder that is cut
    off leaves its runs to the queue; the next one waits for them. Raises
    FailedError for a run that failed, and UserError as recipes and models raise it.
    """
    waiting = enqueue_missing(space, settings, names, training, on_note=on_note, model=model)
    wait_for(space, waiting, on_progress=on_progress, on_note=on_note)


Waiting = list[tuple[Rung, RunFolder]]


def enqueue_missing(
    space: Workspace,
    settings: Settings,
    names: Sequence[str],
    training: Training,
    *,
    on_note: Callable[[str], None] | None = None,
    model: str = "",
) -> Waiting:
    """Put what `train_missing` trains into the queue, for `wait_for`."""
    say = on_note or (lambda _sentence: None)
    waiting: Waiting = []
    for rung in missing(space, settings, names, training, model):
        if rung.strategy == TOKENIZER:
            _vocabulary(space, settings, training, say)
        folder = _known_run(space, rung) or _enqueue(space, settings, rung)
        said = _("{strategy} is trained in the run {run}.")
        say(said.format(strategy=rung.strategy, run=folder.path.name))
        waiting.append((rung, folder))
    return waiting


def wait_for(
    space: Workspace,
    waiting: Waiting,
    *,
    on_progress: Progress | None = None,
    on_note: Callable[[str], None] | None = None,
) -> None:
    """Until all of these runs have finished; raises as `train_missing`.

    Interrupted, it says that they go on without it.
    """
    say = on_note or (lambda _sentence: None)
    Queue(space.runs).wake()
    try:
        for rung, folder in waiting:
            _wait(rung, folder, on_progress, say)
    except KeyboardInterrupt:
        say(
            _(
                "The trainings go on without this command, which waits for them again when it is "
                "repeated; `kwtui runs list` shows them, `kwtui runs stop` and `rm` end them."
            )
        )
        raise


def missing(
    space: Workspace,
    settings: Settings,
    names: Sequence[str],
    training: Training,
    named: str = "",
) -> list[Rung]:
    """The models that `names` need and the workspace lacks, in the order of the ladder."""
    folders = settings.model_folders(space.root)
    found = []
    for name, method in TRAINED.items():
        if name not in names:
            continue
        if not (training.chosen or named) and _other(settings, name, training.base, folders):
            continue
        base = vocabulary_name(training.base) if name == TOKENIZER else training.base
        for seed in range(1, training.seeds + 1):
            model = named or model_name(name, training.base, seed)
            if _is_there(model, folders):
                continue
            values = default_values(settings, method, training.base)
            own = {
                "method": method,
                "model": base,
                "name": model,
                "seed": SEED + seed - 1,
                "prompt": {"strategy": PROMPT},
            }
            found.append(Rung(name, model, overlay(overlay(values, own), dict(training.changes))))
    return found


def _other(settings: Settings, name: str, base: str, folders: Sequence[Any]) -> bool:
    """Whether config.toml has a model of its own for the rung, and it is there."""
    known = settings.strategies.get(name)
    if known is None or known.model == model_name(name, base):
        return False
    return _is_there(known.model, folders)


def vocabulary_name(base: str) -> str:
    """The model with the glossary's terms as tokens, before it is taught."""
    return f"{base}-terms"


def _is_there(name: str, folders: Sequence[Any]) -> bool:
    try:
        resolve(name, folders)
    except UserError:
        return False
    return True


def _vocabulary(
    space: Workspace, settings: Settings, training: Training, say: Callable[[str], None]
) -> None:
    """The base model with the best terms of the glossary as tokens, made where it is missing."""
    folders = settings.model_folders(space.root)
    name = vocabulary_name(training.base)
    if _is_there(name, folders):
        return
    from engines.tokenizer.build import Wish, build_for

    say(_("The vocabulary of {model} is extended ...").format(model=training.base))
    built = build_for(space, resolve(training.base, folders), name, Wish(budget=training.terms))
    say(_("{name}: {count} terms are one token each.").format(name=name, count=len(built.terms)))


def _state_file(space: Workspace) -> Any:
    return space.reports / "ladder" / "state" / "training.json"


def _known_run(space: Workspace, rung: Rung) -> RunFolder | None:
    """The run that an earlier ladder began for this very recipe, if it may still end well."""
    kept = _state(space).get(rung.model)
    if not kept or kept.get("values") != json.loads(json.dumps(rung.values)):
        return None
    folder = RunFolder(space.runs / str(kept["run"]))
    try:
        state = look(folder).state
    except UserError:
        return None
    # A finished run whose model is gone is as good as none.
    gone = state == "finished" and not (space.models / rung.model).is_dir()
    if gone or state in ("failed", "broken"):
        return None
    queue = Queue(space.runs)
    queued = any(entry.run == folder.path.name for entry in queue.read())
    if state in ("waiting", "stopped", "interrupted") and not queued:
        queue.add(folder.path.name, Conditions())
    return folder


def _state(space: Workspace) -> dict[str, Any]:
    try:
        values = json.loads(_state_file(space).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _enqueue(space: Workspace, settings: Settings, rung: Rung) -> RunFolder:
    recipe = whole_recipe(rung.values, settings, space, space.root, rung.strategy)
    folder = launch(recipe, space, conditions=Conditions()).folder
    path = _state_file(space)
    path.parent.mkdir(parents=True, exist_ok=True)
    known = _state(space) | {rung.model: {"run": folder.path.name, "values": dict(rung.values)}}
    replace_file(path, json.dumps(known, ensure_ascii=False, indent=1) + "\n")
    return folder


def _wait(
    rung: Rung, folder: RunFolder, on_progress: Progress | None, say: Callable[[str], None]
) -> None:
    """Until the run has finished; what the queue holds it back for is said once."""
    said = ""
    while True:
        run = look(folder)
        if on_progress is not None and run.steps:
            on_progress(rung.model, min(run.step, run.steps), run.steps)
        if run.state == "finished":
            return
        if run.state in ("failed", "broken"):
            message = _("The training of {strategy} failed in the run {run}: {reason}")
            reason = str(run.values.get("reason") or "-")
            raise FailedError(message.format(strategy=rung.strategy, run=run.id, reason=reason))
        entry = next((e for e in Queue(run.folder.path.parent).read() if e.run == run.id), None)
        if entry is not None and entry.note and entry.note != said:
            said = entry.note
            say(f"{rung.model}: {said}")
        if run.state in ("stopped", "interrupted", "waiting") and entry is None:
            message = _("The run {run} was stopped; `kwtui ladder` again goes on with it.")
            raise FailedError(message.format(run=run.id))
        time.sleep(_LOOK_SECONDS)


def register(space: Workspace, settings: Settings, names: Iterable[str], base: str) -> list[str]:
    """Write trained strategies that the settings lack into the workspace's config.toml.

    Returns their names. Nothing is changed where the file could not be read back.
    """
    import tomli_w

    folders = settings.model_folders(space.root)
    fresh = [
        name
        for name in names
        if name in TRAINED
        and name not in settings.strategies
        and _is_there(model_name(name, base), folders)
    ]
    if not fresh:
        return []
    text = space.config.read_text(encoding="utf-8")
    for name in fresh:
        values = taught(settings, name, base).model_dump(mode="json", exclude_defaults=True)
        values["model"] = model_name(name, base)
        section = tomli_w.dumps({"strategies": {name: values}})
        text += "\n# " + _("Trained by kwtui ladder.") + "\n" + section
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return []
    replace_file(space.config, text)
    load(space.root)
    return fresh
