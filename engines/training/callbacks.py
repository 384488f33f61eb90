"""What is done at each step of a transformers Trainer: the weighted loss, and events."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import Trainer, TrainerCallback

from engines.events import EventLog
from engines.training.scoring import Scorer
from engines.training.stopping import agreed


class WeightedTrainer(Trainer):
    """A Trainer whose loss is the weighted mean over tokens; batches carry `weights`."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Cross entropy of each next token times its weight, divided by the sum of weights.

        Only positions that weigh something go through the output matrix: with a loss on the
        answer alone that is a small part of them. Padding stands on the right and weighs nothing,
        so causal attention hides it already, and the faster attention without a mask serves.
        """
        ids, weights = inputs["input_ids"], inputs["weights"][:, 1:]
        chosen = weights > 0
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.args.bf16):
            decoder = model.get_decoder()
            outputs = decoder(input_ids=ids, use_cache=False)
            logits = model.get_output_embeddings()(outputs.last_hidden_state[:, :-1][chosen])
        losses = torch.nn.functional.cross_entropy(
            logits.float(), ids[:, 1:][chosen], reduction="none"
        )
        weight = weights[chosen]
        loss = (losses * weight).sum() / weight.sum()
        return (loss, outputs) if return_outputs else loss


class EventCallback(TrainerCallback):
    """Writes each log line of the Trainer as an event, with the tokens seen so far."""

    def __init__(self, events: EventLog, tokens_per_step: list[int]) -> None:
        self.events = events
        self.tokens_per_step = tokens_per_step
        self._last: tuple[float, int] | None = None

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write loss, learning rate, tokens and tokens a second."""
        logs = kwargs.get("logs") or {}
        if "loss" not in logs:
            return
        tokens = sum(self.tokens_per_step[: state.global_step])
        now = time.monotonic()
        rate = None
        if self._last is not None and now > self._last[0]:
            rate = round((tokens - self._last[1]) / (now - self._last[0]), 1)
        self._last = (now, tokens)
        self.events.write(
            "step",
            step=state.global_step,
            steps=state.max_steps,
            loss=logs["loss"],
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            tokens=tokens,
            tokens_per_second=rate,
        )

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Write that a checkpoint is on disk."""
        self.events.write("checkpoint", step=state.global_step)


class StepCallback(TrainerCallback):
    """After each optimizer step: say how far the run is, and end it when that was asked for.

    The end comes with a checkpoint, never in the middle of an accumulated step.
    """

    def __init__(
        self,
        stop: Callable[[], bool] | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> None:
        self._stop = stop
        self._on_step = on_step
        self.stopped = False

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the step, and set the flags to save and stop."""
        if self._on_step is not None:
            self._on_step(state.global_step, state.max_steps)
        if self._stop is not None and self._stop():
            self.stopped = True
            control.should_save = True
            control.should_training_stop = True


class CadenceCallback(TrainerCallback):
    """Judges the model every `every` steps and at the end, and ends the run when it stands still.

    Each judgement comes with a checkpoint, so that the best model is on disk. What was judged
    before a resume is in the trainer's state, so `patience` counts on over it.
    """

    def __init__(self, every: int, patience: int) -> None:
        self.every = every
        self.patience = patience

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the flag to evaluate."""
        due = self.every > 0 and state.global_step % self.every == 0
        if due or state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save, and stop when `patience` judgements were no better than the best before."""
        control.should_save = True
        scores = [entry["eval_f1"] for entry in state.log_history if "eval_f1" in entry]
        if stands_still(scores, self.patience):
            control.should_training_stop = True


class ScoringCallback(TrainerCallback):
    """Saves at the cadence of the evaluations, for a process that judges what is saved.

    `scorer` hands on the verdicts that have come; it is there in the first process alone, and what
    it says of `patience` is agreed by all. The verdicts come late: so does the end.
    """

    def __init__(self, every: int, patience: int, scorer: Scorer | None) -> None:
        self.every = every
        self.patience = patience
        self._scorer = scorer

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Set the flag to save, and to stop when the judgements stand still."""
        due = self.every > 0 and state.global_step % self.every == 0
        if due or state.global_step >= state.max_steps:
            control.should_save = True
        if self.patience and self.every and agreed(self._enough()):
            control.should_save = True
            control.should_training_stop = True

    def _enough(self) -> bool:
        """Whether those at the cadence stand still; what else was saved is judged, not counted."""
        if self._scorer is None:
            return False
        self._scorer.poll()
        scores = sorted(self._scorer.scores.items())
        return stands_still([f1 for step, f1 in scores if step % self.every == 0], self.patience)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Hear what was judged."""
        if self._scorer is not None:
            self._scorer.poll()


def stands_still(scores: Sequence[float], patience: int) -> bool:
    """Whether the last `patience` scores are no better than the best before; never for 0."""
    if not patience or len(scores) <= patience:
        return False
    return max(scores[-patience:]) <= max(scores[:-patience])
