"""A workspace with texts to train on, and runs that wrote what a real one writes."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from engines.corpus.formats import examples_of, open_records
from engines.corpus.store import Corpus
from engines.events import EventLog
from engines.training.folder import RunFolder
from engines.training.liveness import whoami
from engines.training.queue import Conditions, Queue
from engines.training.series import Series
from engines.workspace import Workspace
from kwtui.panes.monitor import MonitorPane
from kwtui.panes.train import TrainPane
from tests.screen.conftest import Stage
from tests.training.conftest import ROWS

TEXT = "두통과 치통에는 이 정제를 드십시오."
CONFIG = """
[recipes.tiny]
model = "tiny"
lora = {r = 4, targets = "all-linear", dropout = 0.0}
optimisation = {steps = 6, batch_size = 4, threads = 1}
evaluation = {steps = 3, texts = 3}
saving = {steps = 2, log_steps = 1}
"""


def fill(space: Workspace) -> None:
    """Labeled texts, 16 to learn from and 8 to be judged by, and a recipe for `tiny`."""

    def bad(line: Any) -> None:
        raise AssertionError(line)

    with space.config.open("a", encoding="utf-8") as config:
        config.write(CONFIG)
    file = space.root / "texts.jsonl"
    with Corpus.open(space.corpus_path, create=True) as corpus:
        for split, times in (("train", "가나"), ("dev", "다")):
            rows = [{"text": f"{t}. {x}", "labels": words} for t in times for x, words in ROWS]
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            file.write_text("".join(lines), encoding="utf-8")
            corpus.add(examples_of(open_records(file), bad), split=split)


def write_run(
    space: Workspace,
    name: str,
    *,
    state: str = "finished",
    steps: int = 200,
    done: int | None = None,
    nan_at: int = 0,
    created: float = 0.0,
    start: float = 1.6e9,
    **values: Any,
) -> RunFolder:
    """A run's folder as its process leaves it; a living one belongs to this very process."""
    folder = RunFolder(space.runs / name)
    folder.path.mkdir(parents=True)
    folder.recipe.write_text('method = "lora"\nmodel = "tiny"\nseed = 7\n')
    done = steps if done is None else done
    with EventLog(folder.events) as log:
        for step in range(0, done + 1, 10):
            fields: dict[str, Any] = {"time": start + step}
            if step:
                loss = math.nan if step == nan_at else 2.5 * math.exp(-step / 60) + 0.1
                log.write(
                    "step",
                    step=step,
                    steps=steps,
                    loss=loss,
                    learning_rate=1e-3 / (1 + step),
                    grad_norm=0.5,
                    tokens=step * 900,
                    tokens_per_second=2900.0,
                    **fields,
                )
            if step % 50 == 0:
                f1 = 0.9 - 0.5 * math.exp(-step / 50) - (0.05 if step > 150 else 0.0)
                words = ["두통", "치통"][: 1 + step // 100]
                sample = {"text": TEXT, "gold": ["두통", "치통", "정제"], "answer": words}
                log.write(
                    "evaluation",
                    step=step,
                    loss=2.6 * math.exp(-step / 70) + 0.2,
                    f1=f1,
                    precision=f1,
                    recall=f1,
                    samples=[sample],
                    **fields,
                )
            log.write("resources", step=step, rss=2**30, rss_peak=2**30 + 2**28, cpu=98.0, **fields)
    folder.log.write_text("first line\nTraceback of nothing\nlast line\n")
    folder.write(
        {
            **whoami(os.getpid()),
            "id": name,
            "state": state,
            "step": done,
            "steps": steps,
            "method": "lora",
            "model": "tiny",
            "created": created,
            "started": start,
            "heartbeat": time.time(),
            **values,
        }
    )
    series = Series(folder.path)
    series.catch_up()
    series.write()
    return folder


def enqueue(space: Workspace, name: str, note: str = "waits for 22:00-08:00") -> None:
    """Put a run into the queue without a supervisor that would start it."""
    queue = Queue(space.runs)
    queue.add(name, Conditions(), author="me")
    queue.update(name, note=note, state="paused")


async def train_pane(stage: Stage) -> TrainPane:
    """The train pane, at rest."""
    await stage.idle()
    await stage.press("f5")
    await stage.until(lambda: isinstance(stage.app.pane, TrainPane))
    await stage.idle()
    assert isinstance(stage.app.pane, TrainPane)
    return stage.app.pane


async def monitor_pane(stage: Stage) -> MonitorPane:
    """The monitor pane after its first look."""
    await stage.idle()
    await stage.press("f6")
    await stage.until(lambda: isinstance(stage.app.pane, MonitorPane))
    pane = stage.app.pane
    assert isinstance(pane, MonitorPane)
    await stage.idle()
    return pane


def only_run(space: Workspace) -> Path:
    """The folder of the one run there is."""
    (found,) = (path for path in space.runs.iterdir() if not path.name.startswith("."))
    return found
