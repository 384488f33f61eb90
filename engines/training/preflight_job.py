"""From a recipe and its data to the job that memory and time are foretold for."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engines.training.memory import Attention, Job, trained_weights
from engines.training.recipe import Recipe
from engines.training.scratch_recipe import ScratchRecipe
from engines.training.shapes import Shape, shape_from, shape_of
from engines.training.tune_recipe import TuneRecipe
from glossary.errors import UserError
from glossary.i18n import _

# Characters of a new vocabulary, before its texts are counted.
SCRATCH_VOCABULARY = 4096
EVAL_ROWS = 16
# Batches that are asked for the head that their prompts share.
BATCHES = 64
SCRATCH_FAMILY = "gemma3_text"


@dataclass(frozen=True, slots=True)
class DataShape:
    """The recipe's batches in tokens; the largest one decides the memory, the usual one the time.

    `rows` x `length` is the largest batch, `head` of it shared; `answers` learnt tokens a row.
    `usual_tokens`: of a batch on its way through the layers, the shared head once; `usual_answers`:
    learnt tokens a row in the mean. `dev_length` and
    `dev_new`: most tokens of a dev prompt and of its right answer; `dev_prompts` and `dev_answers`:
    of all of them together.
    """

    examples: int
    tokens: int
    rows: int
    length: int
    answers: int
    head: int
    usual_rows: int
    usual_length: int
    usual_tokens: int
    steps: int
    per_epoch: float
    dev_texts: int = 0
    dev_length: int = 0
    dev_new: int = 0
    usual_head: int = 0
    dev_prompts: int = 0
    dev_answers: int = 0
    usual_answers: int = 0
    histogram: list[list[int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a recipe says, as far as memory and time depend on it."""

    shape: Shape
    method: str
    bf16: bool
    rank: int
    targets: list[str] | str
    checkpointing: bool
    threads: int
    accumulation: int
    eval_rows: int
    keep: int
    recipe: Recipe
    gpu: bool

    @property
    def quantisation(self) -> tuple[str, bool, str] | None:
        """How 4-bit weights are held: their code, whether doubly, and the type of products."""
        if not isinstance(self.recipe, TuneRecipe) or self.method != "qlora":
            return None
        how = self.recipe.quantisation
        compute = "bfloat16" if self.bf16 else "float32"
        return how.type, how.double, compute if how.compute == "auto" else how.compute

    @property
    def trained(self) -> int:
        """How many weights are trained."""
        return trained_weights(self.shape, self.job(EMPTY))

    def job(self, data: DataShape) -> Job:
        """The largest batch as a job of one process."""
        recipe = self.recipe
        if isinstance(recipe, ScratchRecipe):
            return Job(
                "scratch", data.rows, data.length, data.answers, bf16=self.bf16, gpu=self.gpu
            )
        how, lora = recipe.optimisation, recipe.lora
        ranks = recipe.launch.processes * recipe.launch.nodes
        sharding = recipe.launch.sharding
        sharded = sharding == "fsdp" or (sharding == "auto" and recipe.method == "full")
        return Job(
            recipe.method,
            data.rows,
            data.length,
            data.answers,
            data.head,
            bf16=self.bf16,
            pure_bf16=how.precision == "pure_bf16",
            double=recipe.quantisation.double,
            rank=lora.r,
            targets=lora.targets,
            dropout=lora.dropout,
            train_embeddings=lora.train_embeddings,
            optimizer="adamw" if how.optimizer == "auto" else how.optimizer,
            checkpointing=how.checkpointing,
            attention=attention_of(self.shape, how.attention, gpu=self.gpu),
            masked=data.rows > 1 or data.head > 0 or how.packing,
            accumulation=how.accumulation,
            eval_rows=self.eval_rows if data.dev_texts else 0,
            eval_length=data.dev_length,
            eval_new=data.dev_new,
            gpu=self.gpu,
            ranks=ranks,
            sharded=sharded and ranks > 1 and self.gpu,
        )

    def disk(self, data: DataShape) -> int:
        """Bytes of the checkpoints that lie there at the same time, and of the model made.

        A checkpoint has the trained weights and AdamW's two states; the best, one being written,
        those that wait for a judge of their own and the model made come to those that are kept.
        """
        job = self.job(data)
        each = 2 if job.pure_bf16 and not job.adapted else 4
        checkpoint = self.trained * each * 3
        return (
            (self.keep + 2 + self._waiting(data)) * checkpoint
            + self.trained * each
            + data.tokens * 4
            + 2**20
        )

    def _waiting(self, data: DataShape) -> int:
        """Checkpoints that may wait for a judge of their own."""
        recipe = self.recipe
        if not isinstance(recipe, TuneRecipe) or not data.dev_texts:
            return 0
        apart = recipe.evaluation.separate or self.job(data).sharded
        return recipe.saving.waiting if apart else 0

    def evaluations(self, data: DataShape) -> int:
        """How often the dev texts are judged, the start and the end included."""
        if not isinstance(self.recipe, TuneRecipe) or not data.dev_texts:
            return 0
        how = self.recipe.evaluation
        if how.steps:
            return 1 + -(-data.steps // how.steps)
        epochs = data.steps / data.per_epoch if data.per_epoch else 1
        return 1 + max(1, math.ceil(round(epochs * how.per_epoch, 2)))


EMPTY = DataShape(0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1.0)


def setting_of(recipe: Recipe, *, gpu: bool) -> Setting:
    """What matters of a completed recipe; UserError where its model is not there."""
    if isinstance(recipe, ScratchRecipe):
        o = recipe.optimisation
        return Setting(
            scratch_shape(recipe),
            "scratch",
            o.precision == "bf16",
            0,
            "all-linear",
            False,
            o.threads,
            1,
            0,
            2,
            recipe,
            gpu,
        )
    from engines.training.preview import model_path

    how = recipe.optimisation
    bf16 = how.precision in ("bf16", "pure_bf16") or (how.precision == "auto" and gpu)
    return Setting(
        _shape(model_path(recipe)),
        recipe.method,
        bf16,
        recipe.lora.r,
        recipe.lora.targets,
        how.checkpointing,
        how.threads,
        how.accumulation,
        min(EVAL_ROWS, recipe.prompt.settings.batch_size if recipe.prompt.settings else EVAL_ROWS),
        recipe.saving.keep,
        recipe,
        gpu,
    )


@lru_cache(maxsize=16)
def _shape(path: Path) -> Shape:
    return shape_of(path)


def scratch_shape(recipe: ScratchRecipe) -> Shape:
    """The shape of a model that is to be made."""
    model = recipe.model
    return shape_from(
        {
            "model_type": SCRATCH_FAMILY,
            "num_hidden_layers": model.layers,
            "hidden_size": model.hidden_size,
            "intermediate_size": model.intermediate_size,
            "num_attention_heads": model.heads,
            "num_key_value_heads": model.kv_heads,
            "head_dim": model.head_dim,
            "vocab_size": SCRATCH_VOCABULARY,
            "tie_word_embeddings": True,
        }
    )


def attention_of(shape: Shape, wanted: str, *, gpu: bool) -> Attention:
    """The kind of attention that a run gets: Gemma 2 has no SDPA in transformers 5."""
    if wanted == "flash_attention_2" or (
        wanted == "auto" and gpu and find_spec("flash_attn") is not None
    ):
        return "flash_attention_2"
    if wanted == "eager" or shape.family == "gemma2":
        return "eager"
    return "sdpa"


def measure(recipe: Recipe, folder: Path | None = None) -> DataShape:
    """Tokenise a recipe's data and plan its batches as the run would.

    What lies in the run's `folder` already is taken, and what is made is kept there. Raises
    UserError where the data is not right.
    """
    if isinstance(recipe, ScratchRecipe):
        return _scratch_data(recipe)
    from engines.training import dataset
    from engines.training.base_model import tokenizer_for_training
    from engines.training.plan import make_plan
    from engines.training.preview import model_path, prompt_tools

    found = dataset.saved(folder) if folder is not None and folder.is_dir() else None
    if found is None:
        path = model_path(recipe)
        tokenizer = tokenizer_for_training(path)
        found = dataset.build(recipe, prompt_tools(recipe, path, tokenizer))
        if folder is not None and folder.is_dir():
            dataset.save(found, folder)
    if not found.examples:
        raise UserError(_("There is nothing to train on: no example is left."))
    processes = recipe.launch.processes * recipe.launch.nodes
    plan = make_plan(found.examples, recipe.optimisation, recipe.seed, processes=processes)
    return data_shape(found.examples, plan, recipe, found.dev_examples, found.notes, len(found.dev))


def data_shape(
    examples: Sequence[Any],
    plan: Any,
    recipe: TuneRecipe,
    dev: Sequence[Any] = (),
    notes: Sequence[str] = (),
    dev_texts: int = 0,
) -> DataShape:
    """The figures of tokenised examples in planned batches."""
    from engines.training.plan import shared_head

    how = recipe.optimisation
    lengths = [len(example) for example in examples]
    filled = [batch for batch in plan.batches if batch]
    sizes = [(len(batch), max(lengths[i] for i in batch)) for batch in filled]
    at = max(range(len(sizes)), key=lambda n: sizes[n][0] * sizes[n][1])
    rows, length = sizes[at]
    chosen = [examples[i] for i in filled[at]]
    shares = how.share_heads and not how.checkpointing and not how.packing
    learnt = sum(len(example) - example.answer for example in chosen)
    if how.packing:
        rows, length = 1, sum(lengths[i] for i in filled[at])
    limit = recipe.evaluation.texts
    return DataShape(
        examples=len(examples),
        tokens=sum(lengths),
        rows=rows,
        length=length,
        answers=-(-learnt // rows),
        head=shared_head(chosen) if shares and rows > 1 else 0,
        **_usual(examples, filled, sizes, shares=shares),
        steps=plan.steps,
        per_epoch=plan.per_epoch,
        dev_texts=min(dev_texts, limit) if limit else dev_texts,
        dev_length=max((e.answer for e in dev), default=0),
        dev_new=max((len(e) - e.answer for e in dev), default=0),
        dev_prompts=sum(e.answer for e in dev),
        dev_answers=sum(len(e) - e.answer for e in dev),
        histogram=histogram(lengths),
        notes=list(notes),
    )


def _usual(
    examples: Sequence[Any],
    batches: Sequence[Sequence[int]],
    sizes: Sequence[tuple[int, int]],
    *,
    shares: bool,
) -> dict[str, int]:
    """The usual batch: rows, longest, shared head, and tokens on their way through the layers."""
    from engines.training.plan import shared_head

    heads = [0]
    if shares:
        looked_at = [b for b in batches[:: max(1, len(batches) // BATCHES)] if len(b) > 1]
        heads = [shared_head([examples[i] for i in batch]) for batch in looked_at] or heads
    head = statistics.median_low(heads)
    return {
        "usual_rows": round(statistics.median(rows for rows, _longest in sizes)),
        "usual_length": round(statistics.median(longest for _rows, longest in sizes)),
        "usual_tokens": round(statistics.fmean(head + n * (long - head) for n, long in sizes)),
        "usual_head": head,
        "usual_answers": round(statistics.fmean(len(e) - e.answer for e in examples)),
    }


def histogram(lengths: Sequence[int], bars: int = 16) -> list[list[int]]:
    """[from, to, count] of token counts in steps of equal width, `to` exclusive."""
    if not lengths:
        return []
    width = max(1, -(-(max(lengths) + 1) // bars))
    counts: dict[int, int] = {}
    for length in lengths:
        counts[length // width] = counts.get(length // width, 0) + 1
    return [[n * width, (n + 1) * width, counts.get(n, 0)] for n in range(max(counts) + 1)]


def _scratch_data(recipe: ScratchRecipe) -> DataShape:
    o = recipe.optimisation
    rows = max(1, o.tokens_per_batch // o.max_length)
    length = min(o.max_length, o.tokens_per_batch)
    steps = max(1, o.tokens // o.tokens_per_batch)
    return DataShape(
        examples=0,
        tokens=o.tokens,
        rows=rows,
        length=length,
        answers=length - 1,
        head=0,
        usual_rows=rows,
        usual_length=length,
        usual_tokens=o.tokens_per_batch,
        steps=steps,
        per_epoch=float(steps),
    )
