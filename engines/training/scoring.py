"""Saved checkpoints judged by a process of their own, while the training goes on.

`python -P -m engines.training.scoring RUN_FOLDER` judges each new checkpoint of a run and appends
a line to scores.jsonl; it ends when the run has written `scores.end` and nothing is left, or when
the run is gone. Weights that are spread over GPUs (FSDP2) answer nothing in place: there this
process alone names the best. It takes the GPU where it has room, else the CPU.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.children import python_command, python_environment
from engines.events import EventLog, EventTail, read_events
from engines.training.checkpoints import step_of, whole_checkpoints
from engines.training.folder import RunFolder
from glossary import i18n
from glossary.errors import FailedError, UserError
from glossary.i18n import _

SCORES, END = "scores.jsonl", "scores.end"
POLL = 0.2
# What decoding takes beside the weights, as a factor.
ROOM = 1.5
# The process is started so often before its run gives it up.
STARTS = 3
# Dev examples whose loss is computed at once.
LOSS_ROWS = 8
_RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Scorer:
    """The side of the run: starts the process, hears its verdicts, waits for the last one.

    `scores` is F1 by step, of this start of the run and of those before; the base model's is left
    out. A process that died is started again, some times.
    """

    def __init__(self, folder: RunFolder, heard: Callable[[dict[str, Any]], None]) -> None:
        self._folder = folder
        self._heard = heard
        (folder.path / END).unlink(missing_ok=True)
        # What an earlier start of the run did not live to hear is heard now.
        told = read_events(folder.events)
        self._told = {event["step"] for event in told if event["kind"] == "evaluation"}
        self._tail = EventTail(folder.path / SCORES)
        self.scores: dict[int, float] = {}
        self.starts = 0
        self._process = self._start()

    @property
    def log(self) -> Path:
        """Where the process says what went wrong."""
        return self._folder.log

    @property
    def gave_up(self) -> bool:
        """Whether the process died and is not started again."""
        return bool(self._process.poll()) and self.starts >= STARTS

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        environ = {k: v for k, v in python_environment().items() if k not in _RANKS}
        with self._folder.log.open("ab") as log:
            return subprocess.Popen(
                python_command("engines.training.scoring", str(self._folder.path)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
            )

    def poll(self) -> bool:
        """Hand on the verdicts that are new; whether the process is at work."""
        for event in self._tail.poll():
            step = event["step"]
            if step:
                self.scores[step] = event["f1"]
            if step not in self._told:
                self._told.add(step)
                self._heard(event)
        code = self._process.poll()
        if code and self.starts < STARTS:
            self._process = self._start()
            return True
        return code is None

    def finish(self) -> None:
        """Wait until every checkpoint that is there has its verdict.

        Raises FailedError where the process did not live to give them all.
        """
        (self._folder.path / END).touch()
        while self.poll():
            time.sleep(POLL)
        self.poll()
        if self._process.returncode:
            message = _(
                "The training is done, and the process that judges its checkpoints ended {count} "
                "times before it had judged them all: look at {path}, then resume the run."
            )
            raise FailedError(message.format(count=self.starts, path=self.log))

    def close(self) -> None:
        """End the process; what it judged stays."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def best_step(folder: Path) -> int | None:
    """The checkpoint with the best F1 so far, the earliest of equals; None before the first."""
    scores = {e["step"]: e["f1"] for e in read_events(folder / SCORES) if e.get("step", 0) > 0}
    return min(scores, key=lambda step: (-scores[step], step)) if scores else None


class _Judging:
    """The side of the process."""

    def __init__(self, folder: RunFolder) -> None:
        from engines.training import dataset
        from engines.training.judge import Judge
        from engines.training.preview import model_path, prompt_tools
        from engines.training.prompts import Tools
        from engines.training.recipe import load_recipe
        from engines.training.tune_recipe import TuneRecipe

        recipe = load_recipe(folder.recipe)
        if not isinstance(recipe, TuneRecipe):
            raise UserError(_("{path} holds no run that is judged.").format(path=folder.path))
        data = dataset.saved(folder.path)
        if data is None:
            raise UserError(_("{path} holds no tokenised data yet.").format(path=folder.path))
        from engines.training.base_model import set_threads, tokenizer_for_training, uses_bf16

        set_threads(recipe)
        self.dev, self.bf16 = data.dev_examples, uses_bf16(recipe)
        self.folder, self.base = folder, model_path(recipe)
        self.tokenizer = tokenizer_for_training(self.base)
        tools: Tools = prompt_tools(recipe, self.base, self.tokenizer)
        self.judge = Judge(data.dev, recipe.prompt, recipe.evaluation, tools)

    def work(self, parent: int) -> None:
        """Judge until the run is at its end or gone."""
        with EventLog(self.folder.path / SCORES) as log:
            while os.getppid() == parent:
                ending = (self.folder.path / END).exists()
                if (path := self._next()) is not None:
                    self._score(path, log)
                elif ending:
                    return
                else:
                    time.sleep(POLL)

    def _next(self) -> Path | None:
        """The first checkpoint without a verdict; the base model is that of step 0."""
        judged = {e.get("step") for e in read_events(self.folder.path / SCORES)}
        if 0 not in judged:
            return self.base
        found = whole_checkpoints(self.folder.checkpoints)
        return next((path for path in found if step_of(path) not in judged), None)

    def _score(self, path: Path, log: EventLog) -> None:
        from engines.models.loading import load

        step = max(0, step_of(path))
        try:
            loaded = load(path, device=_device(path), folders=[self.base.parent])
        except (OSError, UserError):
            # Removed while it was read: the next one is judged instead.
            if not path.exists():
                return
            raise
        loss = self._loss(loaded.model)
        verdict = self.judge(loaded.model)
        samples = [{"text": t, "gold": g, "answer": a} for t, g, a in verdict.samples]
        log.write(
            "evaluation", step=step, loss=round(loss, 5), **verdict.figures(), samples=samples
        )

    def _loss(self, model: Any) -> float:
        """The dev loss, as the trainer computes it."""
        import torch

        from engines.training.loss import mean_answer_loss
        from engines.training.plan import collate

        pad, device = self.tokenizer.pad_token_id or 0, model.get_input_embeddings().weight.device
        order = sorted(self.dev, key=len)
        batches = (
            collate(order[start : start + LOSS_ROWS], pad, share_heads=False)
            for start in range(0, len(order), LOSS_ROWS)
        )
        placed = ({name: t.to(device) for name, t in batch.items()} for batch in batches)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            return mean_answer_loss(model, placed)


def _device(path: Path) -> str:
    """The GPU where the weights and what decoding takes fit beside the training, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    need = sum(file.stat().st_size for file in path.glob("*.safetensors")) * ROOM
    free, _total = torch.cuda.mem_get_info()
    return "cuda" if free > need else "cpu"


def verdict_event(event: dict[str, Any]) -> dict[str, Any]:
    """A line of scores.jsonl as the fields of an `evaluation` event of the run."""
    return {name: value for name, value in event.items() if name not in ("time", "kind")}


def main(arguments: list[str]) -> int:
    """Judge the checkpoints of the run in the folder named on the command line."""
    parent = os.getppid()
    if len(arguments) != 1:
        raise UserError(_("Name the folder of the run."))
    with contextlib.suppress(KeyboardInterrupt):
        _Judging(RunFolder(Path(arguments[0]).absolute())).work(parent)
    return 0


if __name__ == "__main__":
    i18n.take_over(os.environ)
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        print(json.dumps({"scoring": error.sentence}, ensure_ascii=False), file=sys.stderr)
        sys.exit(error.exit_code)
