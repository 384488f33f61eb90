"""Our training loop against TRL's defaults: same examples, same model, same steps, one run.

    python -P tests/benchmarks/training.py [--model DIR] [--steps N] [--methods lora,full]

Examples are the demo's training texts with the prompts of its strategy `prompt`. Peers: TRL's
SFTTrainer as it comes (checkpointed activations, padded batches in random order), and the same
in float32 without checkpointing. The arms alternate; the first steps of each are left out. The
ratio is also given in seconds of the processor, which other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.settings import load
from engines.training.recipe import checked
from engines.training.start import complete, prepare
from engines.training.tune_recipe import TuneRecipe
from engines.workspace import assets

WARM = 2
BATCH = 16


@dataclass(slots=True)
class Arm:
    """Seconds, of the clock and of the processor, and useful tokens of each measured step.

    Useful are the tokens of prompt and answer; padding is not.
    """

    name: str
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    @property
    def examples_per_second(self) -> float:
        return BATCH * len(self.seconds) / sum(self.seconds)

    @property
    def processor_rate(self) -> float:
        """Examples in a second of the processor."""
        return BATCH * len(self.processor) / sum(self.processor)

    @property
    def tokens_per_second(self) -> float:
        return sum(self.tokens) / sum(self.seconds)


def recipe_for(method: str, model: str, steps: int, seed: int) -> TuneRecipe:
    """The preset of kw-mini over the demo's training texts, judged by nothing."""
    settings = load(None, user=assets() / "demo" / "config.toml")
    values = {
        **settings.recipes["kw-mini"],
        "method": method,
        "model": model,
        "seed": seed,
        "data": {"sources": [{"file": str(assets() / "demo" / "train.jsonl")}], "dev_share": 0.0},
    }
    values["data"]["dev"] = {"split": "", "file": ""}
    values["optimisation"] = {"steps": steps + WARM, "batch_size": BATCH, "precision": "float32"}
    values["saving"] = {"steps": 10_000, "log_steps": 10_000, "tensorboard": False}
    recipe = complete(checked(values, "benchmark"), settings, None, Path.cwd())
    assert isinstance(recipe, TuneRecipe)
    return recipe


def ours(recipe: TuneRecipe, arm: Arm) -> None:
    """The real loop, from the recipe to a published model."""
    from engines.training import dataset
    from engines.training.fitting import tokens_per_step
    from engines.training.plan import make_plan
    from engines.training.tuning import train

    with tempfile.TemporaryDirectory() as folder:
        run = prepare(recipe, Path(folder) / "run", None)
        clock = Clock()
        train(recipe, run, on_step=clock.tick)
        data = dataset.saved(run.path)
        assert data is not None
        plan = make_plan(data.examples, recipe.optimisation, recipe.seed)
        arm.seconds += clock.steps
        arm.processor += clock.processor
        arm.tokens += tokens_per_step(data, plan)[WARM:]


def theirs(recipe: TuneRecipe, arm: Arm, **changes: Any) -> None:
    """TRL's trainer on the same examples; `changes` to its defaults."""
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from engines.training import dataset
    from engines.training.base_model import adapt, load_base, set_threads, tokenizer_for_training
    from engines.training.preview import model_path, prompt_tools

    set_threads(recipe)
    path = model_path(recipe)
    tokenizer = tokenizer_for_training(path)
    examples = dataset.build(recipe, prompt_tools(recipe, path, tokenizer)).examples
    rows = [
        {
            "input_ids": e.ids.tolist(),
            "completion_mask": [int(at >= e.answer) for at in range(len(e))],
        }
        for e in examples
    ]
    model = load_base(recipe, path, tokenizer)
    model = model if recipe.method == "full" else adapt(recipe, model)
    clock = Clock()
    sizes: list[int] = []

    class Ticks(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.tick(state.global_step, state.max_steps)

    class Counted(SFTTrainer):
        def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:
            sizes.append(int(inputs["attention_mask"].sum()))
            return super().training_step(model, inputs, *rest)

    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            max_steps=recipe.optimisation.steps,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            completion_only_loss=True,
            **changes,
        )
        trainer = Counted(
            model=model,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Ticks()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    arm.seconds += clock.steps
    arm.processor += clock.processor
    arm.tokens += sizes[WARM:]


class Clock:
    """Seconds of each step after the first WARM ones."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.processor: list[float] = []
        self._last = (0.0, 0.0)

    def tick(self, step: int, _steps: int) -> None:
        now = time.perf_counter(), time.process_time()
        if step > WARM:
            self.steps.append(now[0] - self._last[0])
            self.processor.append(now[1] - self._last[1])
        self._last = now


def measure(method: str, model: str, steps: int, rounds: int) -> list[Arm]:
    """All arms of one method, in turns."""
    arms = [Arm("kwtui"), Arm("TRL, its defaults"), Arm("TRL, float32, not checkpointed")]
    runs: list[Callable[[TuneRecipe], None]] = [
        lambda recipe: ours(recipe, arms[0]),
        lambda recipe: theirs(recipe, arms[1]),
        lambda recipe: theirs(recipe, arms[2], bf16=False, gradient_checkpointing=False),
    ]
    for seed in range(rounds):
        for run in runs:
            run(recipe_for(method, model, steps, seed))
    return arms


def main() -> None:
    """Print a table, and one JSON line a method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(assets() / "kw-mini"))
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--methods", default="lora,full")
    options = parser.parse_args()
    import datasets

    datasets.disable_progress_bars()
    for method in options.methods.split(","):
        arms = measure(method, options.model, options.steps, options.rounds)
        base = arms[0]
        print(f"{method}: {options.rounds} x {options.steps} steps of {BATCH} examples, CPU")
        for arm in arms:
            ratio = base.examples_per_second / arm.examples_per_second
            worked = base.processor_rate / arm.processor_rate
            median = statistics.median(arm.seconds)
            print(
                f"  {arm.name:32} {arm.examples_per_second:7.2f} examples/s "
                f"{arm.tokens_per_second:8.0f} useful tokens/s  median step {median:.2f} s  "
                f"kwtui is {ratio:.2f}x (processor {worked:.2f}x)"
            )
        figures = {
            arm.name: {
                "examples_per_second": round(arm.examples_per_second, 3),
                "examples_per_processor_second": round(arm.processor_rate, 3),
                "useful_tokens_per_second": round(arm.tokens_per_second, 1),
            }
            for arm in arms
        }
        print(json.dumps({"method": method, **figures}), flush=True)


if __name__ == "__main__":
    main()
