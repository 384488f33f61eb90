"""A model taught from labeled texts: the run from its recipe to a model that can be used."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.events import EventLog
from engines.training import dataset
from engines.training.base_model import (
    adapt,
    load_base,
    set_threads,
    tokenizer_for_training,
    uses_bf16,
)
from engines.training.checkpoints import clear_partial, last_checkpoint, step_of
from engines.training.folder import RunFolder
from engines.training.judge import Judge, Verdict
from engines.training.neighbours import memory_words
from engines.training.plan import Plan, make_plan
from engines.training.preview import model_path, prompt_tools
from engines.training.prompts import Tools
from engines.training.scoring import verdict_event
from engines.training.stopping import StopRequest, is_first, process_count
from engines.training.trainer import Stopped
from engines.training.tune_recipe import TuneRecipe, default_rate
from glossary.errors import FailedError
from glossary.i18n import _

OnStep = Callable[[int, int], None]


def train(
    recipe: TuneRecipe,
    folder: RunFolder,
    *,
    stop: StopRequest | None = None,
    on_step: OnStep | None = None,
    note: Callable[..., None] | None = None,
) -> dict[str, Any]:
    """Run a completed recipe in its folder, or go on from the last whole checkpoint.

    Returns what belongs into run.json: the folder of the model made, its F1 and its step. `note`
    takes more of that on the way. Raises Stopped when `stop()` became true, FailedError for what
    the machine could not do, UserError for what the recipe asks wrongly.
    """
    run = _Run(recipe, folder, stop, on_step, note or (lambda **_values: None))
    with EventLog(folder.events if is_first() else Path(os.devnull)) as run.events:
        return run.to_the_end()


class _Run:
    """One process of a run; the first of several writes for all."""

    events: EventLog

    def __init__(
        self,
        recipe: TuneRecipe,
        folder: RunFolder,
        stop: StopRequest | None,
        on_step: OnStep | None,
        note: Callable[..., None],
    ) -> None:
        self.recipe = recipe
        self.folder = folder
        self.stop = stop
        self.on_step = on_step
        self.note = note
        self.path = model_path(recipe)
        self.tokenizer = tokenizer_for_training(self.path)
        self.last_verdict: Verdict | None = None

    def to_the_end(self) -> dict[str, Any]:
        set_threads(self.recipe)
        if is_first():
            clear_partial(self.folder.checkpoints)
        tools = prompt_tools(self.recipe, self.path, self.tokenizer)
        data = self._data(tools)
        plan = make_plan(
            data.examples,
            self.recipe.optimisation,
            self.recipe.seed,
            processes=process_count(),
        )
        self.events.write(
            "data",
            examples=len(data.examples),
            tokens=sum(map(len, data.examples)),
            dev=len(data.dev),
            steps=plan.steps,
            digest=data.digest,
            notes=data.notes,
        )
        self.note(data_digest=data.digest, examples=len(data.examples), steps=plan.steps)
        while True:
            try:
                done, best, stopped = self._fit(data, plan, tools)
                break
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                plan = self._smaller(plan, error)
        if stopped and done < plan.steps:
            self.events.write("stopped", step=done)
            raise Stopped(done)
        return self._publish(done, best) if is_first() else {}

    def _data(self, tools: Tools) -> dataset.Dataset:
        while (found := dataset.saved(self.folder.path)) is None and not is_first():
            time.sleep(0.2)  # the first process makes them; its end ends this one
        if found is None:
            started = time.monotonic()
            found = dataset.build(self.recipe, tools)
            dataset.save(found, self.folder.path)
            self.events.write("tokenised", seconds=round(time.monotonic() - started, 2))
        return found

    def _fit(self, data: dataset.Dataset, plan: Plan, tools: Tools) -> tuple[int, int | None, bool]:
        """Train over the plan, as `fitting.fit`."""
        from transformers import set_seed

        from engines.training.fitting import fit

        set_seed(self.recipe.seed)  # the adapter's first weights are random
        model = load_base(self.recipe, self.path, self.tokenizer)
        parameters = model.num_parameters()
        rate = self.recipe.optimisation.learning_rate
        rate = rate or default_rate(self.recipe.method, parameters)
        if self.recipe.method != "full":
            model = adapt(self.recipe, model)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        self.events.write(
            "start",
            method=self.recipe.method,
            model=self.path.name,
            parameters=parameters,
            trained=trained,
            learning_rate=rate,
            batch=plan.largest,
            each=plan.each,
            bf16=uses_bf16(self.recipe),
        )
        judge = None
        if data.dev:
            judge = Judge(data.dev, self.recipe.prompt, self.recipe.evaluation, tools)
        return fit(self, model, data, plan, judge, rate)

    def heard(self, step: int, verdict: Verdict, loss: float) -> None:
        """A judgement: into the events and run.json."""
        self.last_verdict = verdict
        samples = [{"text": t, "gold": g, "answer": a} for t, g, a in verdict.samples]
        self.events.write(
            "evaluation", step=step, loss=round(loss, 5), **verdict.figures(), samples=samples
        )
        self.note(f1=round(verdict.f1, 4), f1_step=step)

    def scored(self, event: dict[str, Any]) -> None:
        """A judgement that another process made: into the events and run.json."""
        self.events.write("evaluation", **verdict_event(event))
        self.note(f1=round(event["f1"], 4), f1_step=event["step"])

    def _smaller(self, plan: Plan, error: Exception) -> Plan:
        """Half the batch, twice the accumulation, after a moment to free what is held."""
        import torch

        smaller = plan.halved() if self.recipe.optimisation.halve_on_oom else None
        one_process = process_count() == 1
        if smaller is None or not one_process:
            message = _(
                "Out of memory with a batch of {batch}: lower optimisation.batch_size or "
                "data.max_length, set optimisation.checkpointing = true, or choose qlora. ({error})"
            )
            shown = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
            said = message.format(batch=plan.largest, error=shown)
            raise FailedError(said + memory_words(self.folder.path)) from error
        error.__traceback__ = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.events.write("out_of_memory", batch=plan.largest, next_batch=smaller.largest)
        self.note(halved=plan.largest // max(1, smaller.largest))
        return smaller

    def _publish(self, done: int, best: int | None) -> dict[str, Any]:
        from engines.training.publish import publish

        checkpoints = self.folder.checkpoints
        chosen = checkpoints / f"checkpoint-{best}" if best else last_checkpoint(checkpoints)
        if chosen is None or not chosen.is_dir():
            raise FailedError(_("{path} holds no whole checkpoint.").format(path=checkpoints))
        output = publish(self.recipe, self.folder, chosen, self.path, self.tokenizer)
        self.events.write("end", step=done, best=step_of(chosen), output=str(output))
        return {"output": str(output), "step": done, "best_step": step_of(chosen)}


def _out_of_memory(error: Exception) -> bool:
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and (
        "out of memory" in said or "can't allocate memory" in said
    )
