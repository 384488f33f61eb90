"""From a recipe to TRL's arguments, and the steps themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engines.training.backlog import Backlog
from engines.training.base_model import uses_bf16
from engines.training.checkpoints import last_checkpoint
from engines.training.judge import Judge
from engines.training.loss import add_answer_loss, heads_can_be_shared, packing_keeps_apart
from engines.training.new_rows import prepare
from engines.training.plan import Plan
from engines.training.scoring import Scorer, best_step
from engines.training.stopping import is_first, process_count
from engines.training.tune_recipe import TuneRecipe
from glossary.errors import FailedError, UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.training.dataset import Dataset
    from engines.training.sft import Course
    from engines.training.tuning import _Run

OPTIMIZERS = {
    "adamw": "adamw_torch",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}


def fit(
    run: _Run, model: Any, data: Dataset, plan: Plan, judge: Judge | None, rate: float
) -> tuple[int, int | None, bool]:
    """Work through the plan from the last whole checkpoint on.

    Returns the step reached, the step of the best checkpoint by F1 (None without a judge), and
    whether the run was asked to stop.
    """
    from transformers import PrinterCallback

    from engines.training.callbacks import StepCallback
    from engines.training.sft import AnswerTrainer, plain_model, shared_verdict

    base = plain_model(model)
    judge, scorer, apart = _judges(run, judge)
    course = _course(run, base, data, plan, judge)
    course.backlog = _backlog(run, scorer) if apart else None
    steps = StepCallback(run.stop.agreed if run.stop else None, run.on_step)
    callbacks = _callbacks(run, tokens_per_step(data, plan), steps)
    callbacks[2:2] = _cadences(run.recipe, plan, judge, scorer, apart=apart)
    tell_work(run, base, data, plan, shared=course.share_heads)
    trainer = AnswerTrainer(
        course,
        model=model,
        args=arguments(run, plan, rate, judged=judge is not None),
        processing_class=run.tokenizer,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)
    check_processes(run, trainer.accelerator.num_processes)
    last = last_checkpoint(run.folder.checkpoints)
    if last is None and judge is not None:
        run.heard(0, shared_verdict(judge, base, trainer.accelerator), trainer.dev_loss())
    with _ending(scorer):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        best: int | None = trainer.state.best_global_step or None
        if scorer is not None and not steps.stopped:
            scorer.finish()
            best = best_step(run.folder.path)
    return int(trainer.state.global_step), best, steps.stopped


@contextmanager
def _ending(scorer: Scorer | None) -> Iterator[None]:
    """Whatever happens, the process that judges ends with the steps."""
    try:
        yield
    finally:
        if scorer is not None:
            scorer.close()


def _judges(run: _Run, judge: Judge | None) -> tuple[Judge | None, Scorer | None, bool]:
    """Who judges in place, who judges saved checkpoints (one rank's), and whether that is so.

    Weights that are spread over GPUs answer nothing in place.
    """
    apart = judge is not None and (sharded(run.recipe) or run.recipe.evaluation.separate)
    if not apart:
        return judge, None, False
    return None, Scorer(run.folder, run.scored) if is_first() else None, True


def _backlog(run: _Run, scorer: Scorer | None) -> Backlog:
    """What keeps the run from saving faster than its checkpoints are judged."""
    limit = run.recipe.saving.waiting
    tell = run.events.write
    return Backlog(run.folder.checkpoints, limit, scorer, run.stop, tell, run.note)


def _course(run: _Run, base: Any, data: Dataset, plan: Plan, judge: Judge | None) -> Course:
    """What the steps work on; UserError where the model lets packed examples see each other."""
    from engines.training.sft import Course

    recipe, how = run.recipe, run.recipe.optimisation
    add_answer_loss(base)
    if how.packing and not packing_keeps_apart(base):
        message = _("This model lets packed examples see each other: set optimisation.packing off.")
        raise UserError(message)
    share = how.share_heads and not how.checkpointing and not how.packing
    new_rows = prepare(recipe, run.path, plan.steps, sharded=sharded(recipe))
    if new_rows is not None:
        run.events.write("new_rows", steps=new_rows.first_steps, only=recipe.new_rows.only)
    return Course(
        examples=data.examples,
        plan=plan,
        names=data.names,
        out=run.folder.path,
        pad_id=run.tokenizer.pad_token_id or 0,
        share_heads=share and heads_can_be_shared(base),
        packing=how.packing,
        dev_examples=data.dev_examples,
        judge=judge,
        keep=recipe.saving.keep,
        nan_steps=how.nan_steps,
        on_verdict=run.heard,
        new_rows=new_rows,
    )


def _callbacks(run: _Run, tokens: list[int], steps: Any) -> list[Any]:
    """What writes down the events, counts the steps and watches the machine."""
    from engines.training.callbacks import EventCallback
    from engines.training.monitoring import MonitorCallback

    board = run.recipe.saving.tensorboard
    monitor = MonitorCallback(run.folder.path, run.events, board=board)
    return [EventCallback(run.events, tokens), steps, monitor]


def _cadences(
    recipe: TuneRecipe, plan: Plan, judge: Judge | None, scorer: Scorer | None, *, apart: bool
) -> list[Any]:
    """What calls the judge, in place or apart, at the recipe's cadence."""
    from engines.training.callbacks import CadenceCallback, ScoringCallback

    patience = recipe.evaluation.patience
    if apart:
        return [ScoringCallback(_cadence(recipe, plan), patience, scorer)]
    return [] if judge is None else [CadenceCallback(_cadence(recipe, plan), patience)]


def check_processes(run: _Run, working: int) -> None:
    """Write down how many processes work together; FailedError when a launcher got it wrong.

    accelerate starts one process where two CPUs were asked for, and says nothing.
    """
    run.events.write("processes", processes=working)
    if working != process_count():
        message = _("The run has {working} processes that work together, not {wanted}.")
        raise FailedError(message.format(working=working, wanted=process_count()))


def tell_work(run: _Run, model: Any, data: Dataset, plan: Plan, *, shared: bool) -> None:
    """Write down the operations a token takes, and what the GPUs could do at best."""
    import torch

    from engines.training.mfu import flops_per_token, peak_of
    from engines.training.shapes import shape_from

    try:
        shape = shape_from(model.config.to_dict())
    except UserError:
        return  # a shape that is not known: everything else works
    full = run.recipe.method == "full"
    each = flops_per_token(shape, data.examples, plan, full=full, share_heads=shared)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    peak = peak_of(gpu) if gpu else None
    total = None if peak is None else peak * process_count()
    run.events.write("work", flops_per_token=round(each), gpu=gpu, peak_flops=total)


def tokens_per_step(data: Dataset, plan: Plan) -> list[int]:
    """Tokens of the examples of each step, prompts and answers, no padding."""
    sizes = [sum(len(data.examples[index]) for index in batch) for batch in plan.batches]
    return [sum(sizes[at : at + plan.each]) for at in range(0, len(sizes), plan.each)]


def _cadence(recipe: TuneRecipe, plan: Plan) -> int:
    how = recipe.evaluation
    if how.steps:
        return how.steps
    return max(1, round(plan.per_epoch / how.per_epoch)) if how.per_epoch else 0


def arguments(run: _Run, plan: Plan, rate: float, *, judged: bool) -> Any:
    """TRL's arguments for a recipe. Batches are planned already, so a batch is one item here."""
    import torch
    from trl.trainer.sft_config import SFTConfig

    recipe = run.recipe
    how = recipe.optimisation
    gpu = torch.cuda.is_available()
    bf16 = uses_bf16(recipe) and how.precision != "pure_bf16"
    if gpu and not bf16:
        torch.set_float32_matmul_precision("high")
    return SFTConfig(
        output_dir=str(run.folder.checkpoints),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=plan.each // process_count(),
        max_steps=plan.steps,
        train_sampling_strategy="sequential",
        learning_rate=rate,
        lr_scheduler_type=how.schedule,
        warmup_steps=how.warmup,
        weight_decay=how.weight_decay,
        max_grad_norm=how.max_grad_norm or float("inf"),
        optim=OPTIMIZERS.get(how.optimizer, "adamw_torch_fused" if gpu else "adamw_torch"),
        bf16=bf16,
        fp16=False,
        use_cpu=not gpu,
        gradient_checkpointing=how.checkpointing,
        logging_steps=recipe.saving.log_steps,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.saving.steps,
        metric_for_best_model="f1" if judged else None,
        greater_is_better=True if judged else None,
        report_to=[],
        seed=recipe.seed,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        packing=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=gpu,
        fsdp="full_shard" if sharded(recipe) else None,
        fsdp_config={"version": 2, "state_dict_type": "FULL_STATE_DICT"},
        ddp_find_unused_parameters=False,
        ddp_backend=_backend(recipe, gpu) if process_count() > 1 else None,
        average_tokens_across_devices=True,
        disable_tqdm=True,
    )


def sharded(recipe: TuneRecipe) -> bool:
    """Whether the weights are spread over the GPUs (FSDP2): full on several of them, or on wish.

    On CPUs accelerate runs an FSDP request as DDP and says nothing: that is refused.
    """
    import torch

    wish = recipe.launch.sharding
    gpu = torch.cuda.is_available()
    if wish == "fsdp" and not gpu:
        raise UserError(_("launch.sharding = fsdp needs GPUs; CPUs share the work as ddp."))
    several = process_count() > 1
    return gpu and (wish == "fsdp" or (wish == "auto" and several and recipe.method == "full"))


def _backend(recipe: TuneRecipe, gpu: bool) -> str:
    wanted = recipe.launch.backend
    return wanted if wanted != "auto" else ("nccl" if gpu else "gloo")
