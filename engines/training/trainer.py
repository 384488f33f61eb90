"""Training from nothing: examples in, checkpoints and events out, resumed where it was cut off."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from engines.events import EventLog
from engines.training.checkpoints import average, last_checkpoint, whole_checkpoints
from engines.training.examples import Encoded, batches_by_tokens, collate, encode_sample
from engines.training.replacing import Labeled
from engines.training.scratch import build_model, build_tokenizer, read_labeled, take_up
from engines.training.scratch_recipe import ScratchRecipe
from engines.training.variety import PromptMaker, read_kinds


class Stopped(Exception):  # noqa: N818
    """The run was asked to stop, and has saved a checkpoint of `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


def train_scratch(
    recipe: ScratchRecipe,
    folder: Path,
    out: Path,
    *,
    stop: Callable[[], bool] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Train a new model and write it to `out`/model; files of the recipe lie in `folder`.

    A run that was cut off goes on from its last checkpoint when started again on the same `out`.
    `on_step` hears the steps done and their number. When `stop()` becomes true the run saves a
    checkpoint at the end of its step and raises Stopped. Returns the model's folder.
    """
    import torch

    _keep_few_primitives()
    out.mkdir(parents=True, exist_ok=True)
    model_dir = out / "model"
    model_dir.mkdir(exist_ok=True)
    torch.set_num_threads(recipe.optimisation.threads or os.cpu_count() or 1)
    records, weights, left_out = read_labeled(recipe.data, folder)
    if recipe.start:
        tokenizer, model = take_up(folder / recipe.start, recipe.model, model_dir)
    else:
        tokenizer = build_tokenizer([r.text for r in records], recipe.vocabulary, model_dir)
        model = build_model(recipe.model, tokenizer, recipe.seed)
    with EventLog(out / "events.jsonl") as events:
        size = sum(p.numel() for p in model.parameters())
        events.write("start", parameters=size, texts=len(records), texts_left_out=left_out)
        batches = list(_batches(recipe, folder, tokenizer, records, weights))
        events.write("data", batches=len(batches), examples=sum(len(b) for b in batches))
        started = time.monotonic()
        watch = _Watch(events, stop, on_step)
        done = _fit(recipe, model, tokenizer, batches, out, watch)
        if done < len(batches):
            events.write("stopped", step=done)
            raise Stopped(done)
        seconds = time.monotonic() - started
        average(model, whole_checkpoints(out / "checkpoints")[-recipe.optimisation.average_last :])
        model.config.use_cache = True
        model.save_pretrained(model_dir)
        _write_figures(model_dir / "training.json", size, batches, len(records), left_out, seconds)
        events.write("end", seconds=round(seconds, 1))
    return model_dir


def _keep_few_primitives() -> None:
    """Bound what oneDNN keeps: by default something for each of 1,024 shapes of a batch.

    Measured with kw-mini on the CPU: 2.6 GB after 120 steps, and 1.7 GB so, in the same time.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")


def _batches(
    recipe: ScratchRecipe,
    folder: Path,
    tokenizer: Any,
    records: list[Labeled],
    weights: list[tuple[int, int]],
) -> Iterator[list[Encoded]]:
    """Batches until the recipe's tokens are spent.

    Bare prompts first, then the whole variety; while the learning rate falls, the sources by
    their last weights.
    """
    o = recipe.optimisation
    kinds = read_kinds(folder / recipe.data.kinds) if recipe.data.kinds else []
    maker = PromptMaker(records, kinds, recipe.variety, recipe.seed)
    first = _endless([i for i, (n, _last) in enumerate(weights) for _ in range(n)], recipe.seed)
    last = _endless([i for i, (_n, last) in enumerate(weights) for _ in range(last)], recipe.seed)
    coin = random.Random(recipe.seed)
    steady = int(o.tokens * (1 - o.decay_share))
    phases = (
        (min(recipe.variety.plain_first, o.tokens), first, 1.0),
        (steady, first, 0.0),
        (o.tokens, last, recipe.variety.plain_last),
    )
    spent = index = 0
    for limit, order, plain_share in phases:

        def samples(
            limit: int = limit, order: Iterator[int] = order, plain_share: float = plain_share
        ) -> Iterator[Encoded]:
            nonlocal spent, index
            while spent < limit:
                record = records[next(order)]
                index += 1
                plain = coin.random() < plain_share
                sample = maker.sample(record, index, plain=plain)
                encoded = encode_sample(tokenizer, sample, o.text_loss_weight)
                if len(encoded) > o.max_length:
                    sample = maker.sample(record, index, plain=True)
                    encoded = encode_sample(tokenizer, sample, o.text_loss_weight)
                if len(encoded) <= o.max_length:
                    spent += len(encoded)
                    yield encoded

        yield from batches_by_tokens(samples(), o.tokens_per_batch, recipe.seed)


def _endless(items: list[int], seed: int) -> Iterator[int]:
    rng = random.Random(seed)
    while True:
        rng.shuffle(items)
        yield from items


@dataclass(frozen=True, slots=True)
class _Watch:
    """Who hears of the run and may end it."""

    events: EventLog
    stop: Callable[[], bool] | None
    on_step: Callable[[int, int], None] | None


def _fit(
    recipe: ScratchRecipe,
    model: Any,
    tokenizer: Any,
    batches: list[list[Encoded]],
    out: Path,
    watch: _Watch,
) -> int:
    """Run the steps that are left; the step that was reached."""
    from transformers import PrinterCallback

    from engines.training.callbacks import EventCallback, StepCallback, WeightedTrainer
    from engines.training.monitoring import MonitorCallback

    checkpoints = out / "checkpoints"
    trainer = WeightedTrainer(
        model=model,
        args=_arguments(recipe, checkpoints, len(batches)),
        train_dataset=batches,
        data_collator=partial(collate, pad_id=tokenizer.pad_token_id),
        callbacks=[
            EventCallback(watch.events, [sum(map(len, batch)) for batch in batches]),
            StepCallback(watch.stop, watch.on_step),
            MonitorCallback(out, watch.events, board=True),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    last = last_checkpoint(checkpoints)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    return int(trainer.state.global_step)


def _arguments(recipe: ScratchRecipe, checkpoints: Path, steps: int) -> Any:
    """transformers' arguments for a recipe: the rate warms up, stays and decays at the end."""
    from transformers import TrainingArguments

    o = recipe.optimisation
    return TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=1,  # an item of the data set is a batch already
        max_steps=steps,
        train_sampling_strategy="sequential",
        learning_rate=o.learning_rate,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": int(steps * o.decay_share)},
        warmup_steps=o.warmup_steps,
        weight_decay=o.weight_decay,
        adam_beta2=0.98,
        max_grad_norm=1.0,
        bf16=o.precision == "bf16",
        use_cpu=not _has_gpu(),
        logging_steps=20,
        logging_nan_inf_filter=False,
        save_steps=o.save_steps,
        save_total_limit=max(2, o.average_last),
        report_to="none",
        seed=recipe.seed,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        disable_tqdm=True,
    )


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _write_figures(
    path: Path,
    size: int,
    batches: list[list[Encoded]],
    texts: int,
    left_out: int,
    seconds: float,
) -> None:
    figures = {
        "parameters": size,
        "texts": texts,
        "texts_left_out": left_out,
        "examples": sum(len(batch) for batch in batches),
        "tokens": sum(len(row) for batch in batches for row in batch),
        "steps": len(batches),
        "seconds": round(seconds, 1),
    }
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
