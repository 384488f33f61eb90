"""Foretold against measured memory: twenty cells over four model shapes, on one GPU.

    python -P tests/benchmarks/gpu/preflight_grid.py [--out FILE] [--seconds 500] [--dry-run]

Each cell is a real run of the real worker: a model of the shape with random weights, synthetic
examples of exactly the cell's size, three steps and evaluations. What is measured is the peak of
torch's allocator and the memory that the driver counts for the process. The same command goes on
where the last one ended. --dry-run: the same on the CPU in miniature.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from engines import hardware
from engines.children import python_command, python_environment
from engines.events import read_events
from engines.hardware import GIB
from engines.training.shapes import (
    GEMMA_2_2B,
    GEMMA_2B,
    GEMMA_3_1B,
    MISTRAL_7B,
    Shape,
    config_values,
)
from tests.benchmarks.gpu import cells

SHAPES = {
    "gemma-2b": GEMMA_2B,
    "gemma-2-2b": GEMMA_2_2B,
    "gemma-3-1b": GEMMA_3_1B,
    "mistral-7b": MISTRAL_7B,
}
# The aim: within ten percent, never under by more than five.
WITHIN, UNDER = 0.10, 0.05


@dataclass(frozen=True, slots=True)
class Cell:
    """One run: `rows` examples of `length` tokens at once."""

    model: str
    method: str
    rows: int
    length: int
    checkpointing: bool = False

    @property
    def name(self) -> str:
        """Its name in the results."""
        again = "-again" if self.checkpointing else ""
        return f"{self.model}-{self.method}-{self.rows}x{self.length}{again}"


CELLS = (
    Cell("gemma-2b", "qlora", 1, 2048),
    Cell("gemma-2b", "qlora", 16, 256),
    Cell("gemma-2b", "lora", 4, 512),
    Cell("gemma-2b", "lora", 1, 2048, True),
    Cell("gemma-2b", "lora", 16, 512),
    Cell("gemma-2b", "full", 1, 512),
    Cell("gemma-2b", "full", 2, 1024),
    Cell("gemma-2-2b", "qlora", 4, 512),
    Cell("gemma-2-2b", "qlora", 2, 2048, True),
    Cell("gemma-2-2b", "lora", 2, 1024),
    Cell("gemma-2-2b", "lora", 8, 256),
    Cell("gemma-2-2b", "full", 1, 1024),
    Cell("gemma-3-1b", "qlora", 8, 512),
    Cell("gemma-3-1b", "lora", 4, 1024),
    Cell("gemma-3-1b", "lora", 16, 256),
    Cell("gemma-3-1b", "full", 4, 512),
    Cell("gemma-3-1b", "full", 2, 2048),
    Cell("mistral-7b", "qlora", 1, 2048),
    Cell("mistral-7b", "qlora", 4, 1024, True),
    Cell("mistral-7b", "lora", 2, 512),
)


def small(shape: Shape) -> Shape:
    """The shape in miniature, of the same family."""
    return replace(
        shape,
        layers=2,
        hidden=64,
        intermediate=192,
        heads=4,
        kv_heads=2 if shape.kv_heads > 1 else 1,
        head_dim=16,
        vocabulary=600,
    )


def write_model(folder: Path, shape: Shape, *, gpu: bool) -> Path:
    """A model folder of the shape with random weights; kept for the next cell."""
    if (folder / "whole").exists():
        return folder
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tests import tiny

    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = tiny.sentencepiece_tokenizer(folder)
    tokenizer.chat_template = tiny.CHAT
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(shape.family, **config_values(shape))
    with torch.device("cuda" if gpu else "cpu"):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="5GB")
    (folder / "whole").touch()
    return folder


def prepare_run(cell: Cell, model: Path, folder: Path) -> Any:
    """A run's folder with synthetic tokens, so that nothing but the cell's size decides."""
    import numpy as np

    from engines.records import parse_record
    from engines.settings import load
    from engines.training import dataset
    from engines.training.prompts import Tokens
    from engines.training.recipe import checked
    from engines.training.start import complete, prepare
    from tests import tiny

    rows = [
        {"text": text, "keywords": [text.split()[0][:2]]} for text in tiny.TEXTS for _ in range(2)
    ]
    texts = folder.parent / f"{cell.name}.jsonl"
    texts.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
    values = {
        "method": cell.method,
        "model": str(model),
        "data": {
            "sources": [{"file": str(texts)}],
            "dev": {"split": "", "file": str(texts)},
            "max_length": cell.length,
        },
        "lora": {"r": 16, "alpha": 32.0, "dropout": 0.05, "targets": "all-linear"},
        "optimisation": {
            "steps": 3,
            "batch_size": cell.rows,
            "checkpointing": cell.checkpointing,
            "share_heads": False,
        },
        "evaluation": {"steps": 2, "texts": 16},
        "saving": {"steps": 1000, "keep": 1, "log_steps": 1, "tensorboard": False},
    }
    recipe = complete(checked(values, cell.name), load(None), None, folder.parent)
    run = prepare(recipe, folder, None)
    generator = np.random.default_rng(7)
    answers = min(64, cell.length // 4)
    examples = [
        Tokens(
            generator.integers(3, 400, cell.length, dtype=np.int32),
            cell.length - answers,
            0,
        )
        for _ in range(cell.rows * 3)
    ]
    dev = [parse_record(row, n) for n, row in enumerate(rows, start=1)]
    shape = dataset.Dataset(examples, ["synthetic"], dev, examples[:2], "synthetic", [])
    dataset.save(shape, folder)
    return recipe, run


class Watch(threading.Thread):
    """The most memory that the driver counts for the processes below one."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peak = 0
        self.done = threading.Event()

    def run(self) -> None:
        """Look five times a second."""
        while not self.done.wait(0.2):
            for gpu in hardware.gpus():
                used = [p.used or 0 for p in gpu.processes if p.pid == self.pid]
                self.peak = max(self.peak, *used, 0)


def measure(cell: Cell, work: Path, room: float, *, dry: bool) -> cells.Row:
    """Foretell a cell, run it in `room` seconds at most, and say both."""
    from engines.training.preflight import preflight

    begun = time.monotonic()

    shape = small(SHAPES[cell.model]) if dry else SHAPES[cell.model]
    if dry:
        cell = replace(cell, rows=min(cell.rows, 2), length=min(cell.length, 96))
    model = write_model(work / cell.model, shape, gpu=not dry)
    folder = work / f"run-{cell.name}"
    shutil.rmtree(folder, ignore_errors=True)
    recipe, run = prepare_run(cell, model, folder)
    found = preflight(recipe, folder, trial=False)
    started = time.monotonic()
    process = subprocess.Popen(
        python_command("engines.training.worker", str(folder)),
        env=python_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    watch = Watch(process.pid)
    watch.start()
    try:
        process.wait(room - (time.monotonic() - begun))
    finally:
        process.kill()
        process.wait()
        watch.done.set()
        watch.join()
    state = run.read()
    events = [event for event in read_events(run.events) if event["kind"] == "resources"]
    peak = max((event.get("gpu_peak", 0) for event in events), default=0)
    if dry:
        peak = max((event["rss_peak"] for event in events), default=0)
    shutil.rmtree(folder, ignore_errors=True)
    failed = "" if state.get("state") == "finished" and peak else state.get("reason") or "no peak"
    return {
        **({"failed": failed} if failed else {}),
        "foretold_allocated": found.estimate.allocated,
        "foretold": found.total,
        "moment": found.estimate.moment,
        "measured_allocated": peak,
        "measured": peak if dry else watch.peak,
        "run_seconds": round(time.monotonic() - started, 1),
        "device": found.devices[0].name,
    }


def table(out: Path) -> list[str]:
    """A line a cell, and how many keep to the aim."""
    found, lines, good = cells.rows(out), [], 0
    for cell in CELLS:
        row = found.get(cell.name)
        if row is None:
            continue
        if cells.failed(row) or not row["measured"]:
            lines.append(cells.line(cell.name, cells.reason(row), "", "", "", ""))
            continue
        off = row["foretold"] / row["measured"] - 1
        inside = row["foretold_allocated"] / row["measured_allocated"] - 1
        good += -UNDER <= off <= WITHIN
        lines.append(
            cells.line(
                cell.name,
                f"{row['foretold'] / GIB:.2f}",
                f"{row['measured'] / GIB:.2f}",
                f"{off:+.1%}",
                f"{inside:+.1%}",
                row["moment"],
            )
        )
    said = f"within +{WITHIN:.0%} and -{UNDER:.0%}: {good} of {len(lines)}"
    return [*lines, cells.line(said, "", "", "", "", "")]


def main(arguments: list[str]) -> int:
    """Measure what is not measured yet, as far as the time goes."""
    parser = cells.arguments(__doc__, "preflight_grid.jsonl")
    parser.add_argument("--work", type=Path, help="folder for models and runs")
    options = parser.parse_args(arguments)
    dry = options.dry_run
    if not dry and not hardware.gpus():
        print("no GPU here: nothing measured (--dry-run tries the script on the CPU)")
        return 0
    work = options.work or Path(tempfile.gettempdir()) / f"kwtui-grid{'-dry' if dry else ''}"
    work.mkdir(parents=True, exist_ok=True)
    every = {cell.name: cell for cell in CELLS}
    missing = cells.work_through(
        list(every),
        options,
        lambda name, room: measure(every[name], work.absolute(), room, dry=dry),
    )
    header = "cell | foretold GiB | measured GiB | off | allocator off | at its peak"
    cells.finish(options.out, missing, header, table(options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
