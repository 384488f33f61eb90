"""Tokens a second, peak memory and MFU in the shape of Gemma-2B on a GPU, ours against TRL's.

    python -P tests/benchmarks/gpu/training.py [--out FILE] [--cells NAME,...] [--seconds 480]

Weights are random, in the published shape; no file of Gemma is needed. Each cell is a process of
its own under nine minutes; its figures are one line of FILE, and a cell that has a line is not
run again. `packed`: rows of 2,048 tokens without padding. `short`: examples as the demo has them
(a prompt head of 160 tokens shared by all, 30 to 90 tokens of text, 5 to 25 of answer).

MFU is the useful floating point operations a second over the GPU's dense bf16 peak. Useful are,
a token: 2 a parameter forward, 2 for the gradient of the activations and, for full, 2 for that of
the weights (Kaplan et al. 2020, the embedding's lookup not counted, the output matrix counted for
the positions that go through it); and for attention 4 x layers x heads x head_dim x context / 2
forward (causal), two times that backward. What checkpointing computes again is not useful, and
neither is the padding nor a head computed more than once, so a shared head is not counted for
each row in either arm.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

# Dense bf16 peak in FLOP/s, from NVIDIA's data sheets (without sparsity).
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
GEMMA_2B: dict[str, Any] = {
    "vocab_size": 256_000,
    "hidden_size": 2048,
    "intermediate_size": 16_384,
    "num_hidden_layers": 18,
    "num_attention_heads": 8,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "max_position_embeddings": 8192,
}
TINY = {
    **GEMMA_2B,
    **{"vocab_size": 4000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
    **{"num_attention_heads": 2, "head_dim": 32},
}
STEPS, WARM = 12, 3
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


def cells() -> list[Cell]:
    """The grid: three methods, two kinds of data, ours and TRL's at the same batch."""
    return [
        Cell(method, data, loop, batch)
        for method in ("qlora", "lora", "full")
        for data, batch in (("packed", 4), ("short", 32))
        for loop in ("kwtui", "trl")
    ]


def main() -> None:
    """Run the cells that have no line yet, one process each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("bench-gpu-training.jsonl"))
    parser.add_argument("--cells", default="")
    parser.add_argument("--seconds", type=float, default=480.0, help="start no cell after that")
    parser.add_argument("--cell", default="", help=argparse.SUPPRESS)
    parser.add_argument("--tiny", action="store_true", help="a tiny shape: tries the script")
    options = parser.parse_args()
    wanted = [c for c in cells() if not options.cells or c.name in options.cells.split(",")]
    if options.cell:
        cell = next(cell for cell in cells() if cell.name == options.cell)
        print(json.dumps(measure(cell, options.tiny)), flush=True)
        return
    started = time.monotonic()
    for cell in wanted:
        if cell.name in done(options.out):
            continue
        if time.monotonic() - started > options.seconds:
            print("time is up; the same command goes on", file=sys.stderr)
            break
        run(cell, options.out, options.tiny)
    print_table(options.out)


def run(cell: Cell, out: Path, tiny: bool) -> None:
    """One cell in a process of its own; a failure is a line too, so that it is not repeated."""
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--cell", cell.name]
    found = subprocess.run(
        [*command, "--tiny"] if tiny else command,
        capture_output=True,
        encoding="utf-8",
        timeout=530,
        check=False,
    )
    lines = [line for line in found.stdout.splitlines() if line.startswith("{")]
    figures = json.loads(lines[-1]) if lines else {"failed": found.stderr[-600:]}
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"cell": cell.name, **asdict(cell), **figures}) + "\n")


def done(out: Path) -> dict[str, dict[str, Any]]:
    """The lines of the file by cell."""
    if not out.exists():
        return {}
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    return {row["cell"]: row for row in rows}


def print_table(out: Path) -> None:
    """Both loops side by side."""
    found = done(out)
    for cell in cells():
        row, other = found.get(cell.name), found.get(cell.name.rsplit("-", 1)[0] + "-trl")
        if row is None:
            continue
        if "failed" in row:
            print(f"{cell.name:20} failed: {row['failed'].splitlines()[-1][:70]}")
            continue
        ratio = row["tokens_per_second"] / other["tokens_per_second"] if usable(other) else None
        shown = f"  {ratio:.2f}x TRL" if ratio and cell.loop == "kwtui" else ""
        print(
            f"{cell.name:20} {row['tokens_per_second']:9.0f} tokens/s  "
            f"{row['peak_bytes'] / 2**30:6.2f} GiB  MFU {row['mfu'] * 100:5.1f} %{shown}"
        )


def usable(row: dict[str, Any] | None) -> bool:
    """Whether a row holds figures."""
    return row is not None and "failed" not in row


def examples_for(cell: Cell, vocabulary: int) -> list[Any]:
    """Random tokens in the lengths of the cell's data, the same for both loops."""
    from engines.training.prompts import Tokens

    rng = np.random.default_rng(7)
    count = cell.batch * (STEPS + 1)
    if cell.data == "packed":
        rows = [rng.integers(5, vocabulary, 2048) for _ in range(count)]
        return [Tokens(row.astype(np.int32), 1, n) for n, row in enumerate(rows)]
    head = rng.integers(5, vocabulary, 160)
    made = []
    for number in range(count):
        text = rng.integers(5, vocabulary, int(rng.integers(30, 91)))
        answer = rng.integers(5, vocabulary, int(rng.integers(5, 26)))
        ids = np.concatenate([head, text, answer]).astype(np.int32)
        made.append(Tokens(ids, len(head) + len(text), number))
    return made


def measure(cell: Cell, tiny: bool) -> dict[str, Any]:
    """Train a few steps and read the clock and the allocator."""
    import torch

    gpu = torch.cuda.is_available()
    shape = TINY if tiny else GEMMA_2B
    with tempfile.TemporaryDirectory() as folder:
        path = write_model(Path(folder) / "model", shape)
        examples = examples_for(cell, shape["vocab_size"])
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        train = ours if cell.loop == "kwtui" else theirs
        seconds = train(cell, path, Path(folder) / "run", examples)
        peak = torch.cuda.max_memory_allocated() if gpu else 0
        reserved = torch.cuda.max_memory_reserved() if gpu else 0
    name = torch.cuda.get_device_name(0) if gpu else "cpu"
    per_step = sum(len(e) for e in examples) / len(examples) * cell.batch
    useful = flops_per_step(cell, shape, examples)
    rate = len(seconds) / sum(seconds)
    top = next((value for key, value in PEAKS.items() if key in name), 0.0)
    return {
        "gpu": name,
        "torch": torch.__version__,
        "tokens_per_second": per_step * rate,
        "examples_per_second": cell.batch * rate,
        "peak_bytes": peak,
        "reserved_bytes": reserved,
        "mfu": useful * rate / top if top else 0.0,
        "step_seconds": sorted(seconds)[len(seconds) // 2],
    }


def flops_per_step(cell: Cell, shape: dict[str, Any], examples: list[Any]) -> float:
    """Useful floating point operations of a step, by the formula above."""
    width, layers = shape["hidden_size"], shape["num_hidden_layers"]
    inner = shape["num_attention_heads"] * shape["head_dim"]
    keys = shape["num_key_value_heads"] * shape["head_dim"]
    layer = width * (2 * inner + 2 * keys) + 3 * width * shape["intermediate_size"]
    passes = 6 if cell.method == "full" else 4
    share = cell.batch / len(examples)
    head = 160 if cell.data == "short" else 0
    tails = sum(len(e) - head for e in examples) * share + head
    answers = sum(len(e) - e.answer for e in examples) * share
    pairs = sum((len(e) ** 2 - head**2) / 2 for e in examples) * share + head**2 / 2
    weights = passes * (layer * layers * tails + width * shape["vocab_size"] * answers)
    return float(weights + 12 * layers * inner * pairs)


def write_model(folder: Path, shape: dict[str, Any]) -> Path:
    """A Gemma of that shape with random bf16 weights, and a tokenizer that nothing is asked of."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from tests.tiny import byte_tokenizer

    torch.manual_seed(7)
    config = AutoConfig.for_model("gemma", **shape, pad_token_id=0, eos_token_id=1, bos_token_id=2)
    place = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(place):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
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
    run: Any = Bare(recipe, RunFolder(out), tokenizer, clock)
    fitting.fit(run, model, data, plan, None, 1e-5)
    return clock.steps


class Bare:
    """What `fitting.fit` needs of a run, without a workspace around it."""

    def __init__(self, recipe: Any, folder: Any, tokenizer: Any, clock: Clock) -> None:
        from engines.events import EventLog

        self.recipe, self.folder, self.tokenizer = recipe, folder, tokenizer
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
