"""TRL's SFTTrainer with our batches, our loss, our checkpoints and our judge."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer
from trl.trainer.sft_trainer import SFTTrainer

from engines.training.backlog import Backlog
from engines.training.checkpoints import PARTIAL, clear_partial, name_whole, rotate
from engines.training.folder import replace_file
from engines.training.judge import Judge, Verdict, preserved
from engines.training.loss import mean_answer_loss
from engines.training.new_rows import NewRows
from engines.training.plan import Plan, collate, pack
from engines.training.prompts import Tokens
from engines.training.scoring import best_step
from glossary.errors import FailedError
from glossary.i18n import _


@dataclass(slots=True)
class Course:
    """What a trainer works through: examples in their planned order, and how it is judged.

    `out` is the run's folder; `names` are ids of texts, for what is written about a bad batch;
    `backlog` is there where another process judges what is saved.
    """

    examples: Sequence[Tokens]
    plan: Plan
    names: Sequence[str]
    out: Path
    pad_id: int
    share_heads: bool
    packing: bool
    dev_examples: Sequence[Tokens]
    judge: Judge | None
    keep: int
    nan_steps: int
    on_verdict: Callable[[int, Verdict, float], None]
    new_rows: NewRows | None = None
    backlog: Backlog | None = None


class AnswerTrainer(SFTTrainer):
    """Trains on a Course; an item of its data set is the number of a planned batch.

    Only what is ours is overridden: the loss (answers alone, `add_answer_loss`), what happens to
    a step whose gradient is not finite, evaluation, and the writing of checkpoints.
    """

    def __init__(self, course: Course, *, model: Any, args: Any, **options: Any) -> None:
        from datasets import Dataset

        self.course = course
        self._bad_steps = 0
        self._trained_type = {n: p.dtype for n, p in model.named_parameters() if p.requires_grad}
        super().__init__(
            model=model,
            args=args,
            train_dataset=Dataset.from_dict({"batch": list(range(len(course.plan.batches)))}),
            data_collator=self._collate,
            **options,
        )
        # TRL rounds the adapters of 4-bit models to bfloat16, in which small steps get lost.
        for name, parameter in self.wrapped().named_parameters():
            if name in self._trained_type:
                parameter.data = parameter.data.to(self._trained_type[name])
        self.model_accepts_loss_kwargs = True
        self.loss_is_scaled_for_ga = True  # type: ignore[assignment]
        self._loss_shifts_labels = True

    def _collate(self, items: list[dict[str, int]]) -> dict[str, Any]:
        course = self.course
        chosen = course.plan.batches[items[0]["batch"]]
        rows = [course.examples[index] for index in chosen]
        batch = self._tensors(rows or [course.examples[0]])
        if not rows:
            # The last step may have fewer batches than the others: this one teaches nothing.
            batch["labels"].fill_(-100)
        return batch

    def wrapped(self) -> Any:
        """The model with its adapters, without what distributes it."""
        return self.accelerator.unwrap_model(self.model)

    def _tensors(self, rows: Sequence[Tokens]) -> dict[str, Any]:
        course = self.course
        if course.packing:
            return pack(rows)
        return collate(rows, course.pad_id, share_heads=course.share_heads)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross entropy of the answers' tokens, over all such tokens of the optimizer step."""
        found = model(**inputs, answer_loss=True)
        tokens = found["tokens"] if num_items_in_batch is None else num_items_in_batch
        loss = found["total"] / torch.as_tensor(tokens).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        return (loss, found) if return_outputs else loss

    def _clip_grad_norm(self, model: Any) -> Any:
        """The norm before clipping; a step whose norm is not finite moves nothing."""
        if self.course.new_rows is not None:
            self.course.new_rows.hold(self.wrapped(), self.state.global_step, self.optimizer)
        norm = super()._clip_grad_norm(model)  # type: ignore[no-untyped-call]
        if bool(torch.isfinite(torch.as_tensor(norm)).all()):
            self._bad_steps = 0
            return norm
        self._bad_steps += 1
        where = self._write_bad_batch() if self.is_world_process_zero() else self.course.out
        if self._bad_steps >= self.course.nan_steps:
            message = _(
                "The loss or its gradient was not finite in {count} steps in a row; the run ended "
                "at step {step}. Its last checkpoint is good; the batch is in {path}. Lower the "
                "learning rate, or look at these texts."
            )
            step = self.state.global_step
            raise FailedError(message.format(count=self._bad_steps, step=step, path=where))
        model.zero_grad()
        return norm

    def _write_bad_batch(self) -> Path:
        course, step = self.course, self.state.global_step
        folder = course.out / "not_finite"
        folder.mkdir(exist_ok=True)
        path = folder / f"step-{step}.json"
        start = step * course.plan.each
        chosen = [i for b in course.plan.batches[start : start + course.plan.each] for i in b]
        tokenizer: Any = self.processing_class
        rows = [
            {
                "text_id": course.names[course.examples[index].lesson],
                "tokens": len(course.examples[index]),
                "content": tokenizer.decode(course.examples[index].ids.tolist()),
            }
            for index in chosen
        ]
        replace_file(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return path

    def evaluate(self, *_args: Any, **_options: Any) -> dict[str, float]:
        """Dev loss, and keyword F1 by the real Extractor; heard by the callbacks."""
        judge = self.course.judge
        assert judge is not None
        bare = plain_model(self.wrapped())
        loss = self.dev_loss()
        verdict = shared_verdict(judge, bare, self.accelerator)
        self.course.on_verdict(self.state.global_step, verdict, loss)
        figures = {f"eval_{name}": value for name, value in verdict.figures().items()}
        figures["eval_loss"] = loss
        self.log(dict(figures))
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, figures
        )
        return figures

    def dev_loss(self) -> float:
        """Mean cross entropy over the dev answers' tokens (natural log)."""
        model = plain_model(self.wrapped())
        size = max(1, self.course.plan.largest)
        order = sorted(self.course.dev_examples, key=len)
        rows = (order[start : start + size] for start in range(0, len(order), size))
        batches = (self._prepare_inputs(self._tensors(part)) for part in rows)
        with preserved(model), self.accelerator.autocast():
            model.eval()
            return mean_answer_loss(model, batches)

    def _get_output_dir(self, trial: Any) -> str:
        """Where a checkpoint is written before it is whole."""
        return str(self.course.out / "checkpoints" / PARTIAL)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint beside, name it when every byte is on disk, then drop old ones.

        What still waits to be judged stays: it may be the best.
        """
        backlog = self.course.backlog
        if backlog is not None:
            backlog.make_room(self.state.global_step)
        # SFTTrainer adds only a model card here, which would name folders of this machine.
        Trainer._save_checkpoint(self, model, trial)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            folder = self.course.out / "checkpoints"
            name_whole(folder / PARTIAL / f"checkpoint-{self.state.global_step}", folder)
            clear_partial(folder)
            # Asked before the best: a verdict that comes in between makes neither drop out.
            waiting = backlog.waiting() if backlog is not None else set()
            best = self.state.best_global_step or best_step(self.course.out)
            rotate(folder, self.course.keep, best, waiting)
            if backlog is not None:
                backlog.check()
        self.accelerator.wait_for_everyone()


def plain_model(model: Any) -> Any:
    """The causal language model itself, with its adapters in place, without PEFT around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def shared_verdict(judge: Judge, model: Any, accelerator: Any) -> Verdict:
    """The verdict on all dev texts, each process extracting its share of them."""
    processes = accelerator.num_processes
    if processes == 1:
        return judge(model)
    own = judge(model, slice(accelerator.process_index, None, processes))
    return own.joined(accelerator)
