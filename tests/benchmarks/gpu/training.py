"""Tokens a second, peak memory and MFU in the shape of Gemma-2B on a GPU, ours against TRL's.

    python -P tests/benchmarks/gpu/training.py [--out FILE] [--seconds 500] [--dry-run]

Weights are random, in the published shape; no file of Gemma is needed. Each cell is a process of
its own; its figures are one line of FILE, and the same command goes on where the last one ended.
`packed`: rows of 2,048 tokens without padding. `short`: examples as the demo has them (a prompt
head of 160 tokens shared by all, 30 to 90 tokens of text, 5 to 25 of answer). MFU is that of
`engines.training.mfu`: what checkpointing computes again is not useful, and neither is padding nor
a head computed more than once, in either arm.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from tests.benchmarks.gpu import cells

TINY = {"vocab_size": 4000, "hidden_size": 64, "intermediate_size": 128, "head_dim": 32}
TINY |= {"num_hidden_layers": 2, "num_attention_heads": 2}
STEPS, WARM = 12, 3
HEAD = 160
TARGETS = ["q_proj", "k_proj", "v_proj"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: method, kind of data, whose loop, and examples a step."""

    method: str
    data: str
    loop: str
    batch: int

    @property
    def name(self) -> str:
        """A word that names it."""
        return f"{self.method}-{self.data}-{self.loop}"


def grid() -> list[Cell]:
    """Three methods, two kinds of data, ours and TRL's at the same batch."""
    return [
        Cell(method, data, loop, batch)
        for method in ("qlora", "lora", "full")
        for data, batch in (("packed", 4), ("short", 32))
        for loop in ("kwtui", "trl")
    ]


def main() -> None:
    """Measure the cells that have no line yet, one process each, and write the table."""
    options = cells.arguments(__doc__, "training.jsonl").parse_args()
    every = {cell.name: cell for cell in grid()}
    if options.inside:
        print(json.dumps(measure(every[options.inside], options.dry_run)), flush=True)
        return
    missing = cells.work_through(
        list(every), options, lambda name, room: cells.apart(__file__, name, room, options)
    )
    header = "cell | tokens/s | examples/s | peak GiB | MFU | against TRL"
    cells.finish(options.out, missing, header, table(options.out))


def table(out: Path) -> list[str]:
    """Both loops side by side."""
    found, lines = cells.rows(out), []
    for cell in grid():
        row, other = found.get(cell.name), found.get(cell.name.rsplit("-", 1)[0] + "-trl")
        if row is None:
            continue
        if cells.failed(row):
            lines.append(cells.line(cell.name, cells.reason(row), "", "", "", ""))
            continue
        shown = ""
        if cell.loop == "kwtui" and other is not None and not cells.failed(other):
            speed = row["tokens_per_second"] / other["tokens_per_second"]
            memory = row["peak_bytes"] / max(1, other["peak_bytes"])
            shown = f"{speed:.2f}x, memory {memory:.2f}x"
        lines.append(
            cells.line(
                cell.name,
                f"{row['tokens_per_second']:,.0f}",
                f"{row['examples_per_second']:.1f}",
                f"{row['peak_bytes'] / 2**30:.2f}",
                f"{row['mfu'] * 100:.1f} %",
                shown,
            )
        )
    return lines


def examples_for(cell: Cell, vocabulary: int, length: int) -> list[Any]:
    """Random tokens in the lengths of the cell's data, the same for both loops."""
    from engines.training.prompts import Tokens

    rng = np.random.default_rng(7)
    count = cell.batch * (STEPS + 1)
    if cell.data == "packed":
        rows = [rng.integers(5, vocabulary, length) for _ in range(count)]
        return [Tokens(row.astype(np.int32), 1, n) for n, row in enumerate(rows)]
    head = rng.integers(5, vocabulary, HEAD)
    made = []
    for number in range(count):
        text = rng.integers(5, vocabulary, int(rng.integers(30, 91)))
        answer = rng.integers(5, vocabulary, int(rng.integers(5, 26)))
        ids = np.concatenate([head, text, answer]).astype(np.int32)
        made.append(Tokens(ids, len(head) + len(text), number))
    return made


def measure(cell: Cell, dry: bool) -> cells.Row:
    """Train a few steps and read the clock and the allocator."""
    import torch

    from engines.training.mfu import peak_of
    from engines.training.shapes import GEMMA_2B, config_values, shape_from

    gpu = torch.cuda.is_available() and not dry
    values = config_values(GEMMA_2B) | (TINY if dry else {})
    if dry:
        cell = replace(cell, batch=2)
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder) / "model", values, gpu=gpu)
        examples = examples_for(cell, values["vocab_size"], 64 if dry else 2048)
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        train = ours if cell.loop == "kwtui" else theirs
        seconds = train(cell, path, Path(folder) / "run", examples)
        peak = torch.cuda.max_memory_allocated() if gpu else 0
        reserved = torch.cuda.max_memory_reserved() if gpu else 0
    name = torch.cuda.get_device_name(0) if gpu else "cpu"
    per_step = sum(len(e) for e in examples) / len(examples) * cell.batch
    useful = flops_per_step(cell, shape_from({**values, "model_type": "gemma"}), examples)
    rate = len(seconds) / sum(seconds)
    top = (peak_of(name) or 0.0) if gpu else 0.0
    return {
        **asdict(cell),
        "gpu": name,
        "torch": torch.__version__,
        "tokens_per_second": per_step * rate,
        "examples_per_second": cell.batch * rate,
        "peak_bytes": peak,
        "reserved_bytes": reserved,
        "mfu": useful * rate / top if top else 0.0,
        "step_seconds": sorted(seconds)[len(seconds) // 2],
    }


def flops_per_step(cell: Cell, shape: Any, examples: list[Any]) -> float:
    """Useful floating point operations of a step; the shared head counts once in either arm."""
    from engines.training.mfu import flops_per_token
    from engines.training.plan import make_plan

    plan = make_plan(examples, recipe_for(cell, Path("model")).optimisation, 7)
    full = cell.method == "full"
    each = flops_per_token(shape, examples, plan, full=full, share_heads=cell.data == "short")
    return each * sum(map(len, examples)) / len(examples) * cell.batch


def write_model(folder: Path, values: dict[str, Any], *, gpu: bool) -> Path:
    """A Gemma of that shape with random bf16 weights, and a tokenizer that nothing is asked of."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tests.tiny import byte_tokenizer

    torch.manual_seed(7)
    config = AutoConfig.for_model("gemma", **values, max_position_embeddings=8192)
    with torch.device("cuda" if gpu else "cpu"):
        made: Any = AutoModelForCausalLM
        model = made.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def recipe_for(cell: Cell, path: Path) -> Any:
    """The mission's adapter (r = 8 on q, k, v), or all weights; nothing is judged or saved."""
    from engines.settings import StrategySettings
    from engines.training.recipe import checked

    return checked(
        {
            "method": cell.method,
            "model": str(path),
            "data": {"sources": [{"file": "-"}], "dev": {"split": ""}, "dev_share": 0.0},
            "prompt": {"settings": StrategySettings().model_dump()},
            "lora": {"r": 8, "alpha": 16.0, "dropout": 0.1, "targets": TARGETS},
            "optimisation": {"steps": STEPS, "batch_size": cell.batch, "attention": "auto"},
            "evaluation": {"per_epoch": 0.0},
            "saving": {"steps": 10_000, "log_steps": 10_000, "tensorboard": False},
        },
        "benchmark",
    )


def ours(cell: Cell, path: Path, out: Path, examples: list[Any]) -> list[float]:
    """Our trainer over the examples; seconds of the steps after the first WARM."""
    from engines.training import fitting
    from engines.training.base_model import adapt, load_base, tokenizer_for_training
    from engines.training.dataset import Dataset
    from engines.training.folder import RunFolder
    from engines.training.plan import make_plan

    recipe = recipe_for(cell, path)
    out.mkdir()
    clock = Clock()
    tokenizer = tokenizer_for_training(path)
    model = load_base(recipe, path, tokenizer)
    model = model if cell.method == "full" else adapt(recipe, model)
    plan = make_plan(examples, recipe.optimisation, recipe.seed)
    data = Dataset(examples, [str(n) for n in range(len(examples))], [], [], "", [])
    run: Any = Bare(recipe, RunFolder(out), path, tokenizer, clock)
    fitting.fit(run, model, data, plan, None, 1e-5)
    return clock.steps


class Bare:
    """What `fitting.fit` needs of a run, without a workspace around it."""

    def __init__(self, recipe: Any, folder: Any, path: Path, tokenizer: Any, clock: Clock) -> None:
        from engines.events import EventLog

        self.recipe, self.folder, self.path, self.tokenizer = recipe, folder, path, tokenizer
        self.stop, self.on_step = None, clock.tick
        self.events = EventLog(folder.events)

    def heard(self, *_verdict: Any) -> None:
        """Nothing is judged here."""


def theirs(cell: Cell, path: Path, out: Path, examples: list[Any]) -> list[float]:
    """Plain TRL at the same batch in bf16: its defaults, packed rows whole already."""
    import datasets
    import torch
    from transformers import TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from engines.training.base_model import adapt, load_base, tokenizer_for_training

    datasets.disable_progress_bars()
    recipe = recipe_for(cell, path)
    tokenizer = tokenizer_for_training(path)
    model = load_base(recipe, path, tokenizer)
    model = model if cell.method == "full" else adapt(recipe, model)
    clock = Clock()

    class Ticks(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.tick(state.global_step, state.max_steps)

    rows = [
        {
            "input_ids": e.ids.tolist(),
            "completion_mask": [int(at >= e.answer) for at in range(len(e))],
        }
        for e in examples
    ]
    config = SFTConfig(
        output_dir=str(out),
        per_device_train_batch_size=cell.batch,
        max_steps=STEPS,
        max_length=4096,
        save_strategy="no",
        report_to="none",
        completion_only_loss=True,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Ticks()],
    )
    trainer.train()
    return clock.steps


class Clock:
    """Seconds of each step after the first WARM ones; a step is over when the GPU says so."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self._last = 0.0

    def tick(self, step: int, _steps: int) -> None:
        """Hear that a step is done."""
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if step > WARM:
            self.steps.append(now - self._last)
        self._last = now


if __name__ == "__main__":
    main()
