"""The recipe of a model that is taught: an adapter, an adapter over 4-bit weights, all weights."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engines.settings import PlainTemplate, StrategySettings


class Part(BaseModel):
    """A table of a recipe: unknown keys and wrong types are refused."""

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )


class Source(Part):
    """Labeled texts to learn from: a split of the workspace's corpus, or a file."""

    split: str = ""
    """A split of the workspace: train. Texts of dev, test and wild are never trained on."""
    file: str = ""
    """A file of labeled records: {"text", "keywords"}, {"text", "labels"}, or {"instruction",
    "input", "output"}; JSON Lines, CSV, Parquet or XLSX."""
    weight: float = Field(default=1.0, gt=0, le=1000)
    """How often each text is seen in an epoch; 0.5: every other one, drawn anew."""
    limit: int = Field(default=0, ge=0)
    """Only so many of its texts, evenly spread; 0: all."""


class Data(Part):
    """What is learnt, and what the model is judged by on the way."""

    workspace: str = ""
    """Folder of the workspace whose corpus, glossary and prompts are used; filled in."""
    sources: list[Source] = Field(default_factory=lambda: [Source(split="train")], min_length=1)
    """Where the texts come from."""
    dev: Source = Field(default_factory=lambda: Source(split="dev"))
    """Texts whose keyword F1 chooses the best checkpoint. Without one (split and file empty) a
    share of the training texts is held back."""
    dev_share: float = Field(default=0.1, ge=0, lt=1)
    """The share held back where there are no dev texts; 0: train on all, judge by none."""
    max_length: int = Field(default=1024, ge=32, le=1_000_000)
    """Longest example in tokens. Longer texts are split, never through a keyword."""


class Prompting(Part):
    """What the model reads during training: the prompts of a strategy, token for token."""

    strategy: str = "prompt"
    """The strategy whose template, kinds, definitions and exclusions are used."""
    settings: StrategySettings | None = None
    """That strategy as it was when the run was made; filled in."""
    glossary: float = Field(default=0.0, ge=0, le=1)
    """Share of prompts with the glossary entries that their text needs, as the rag strategy."""
    shots: float = Field(default=0.0, ge=0, le=1)
    """Share of prompts with similar labeled examples."""
    kinds: float = Field(default=0.0, ge=0, le=1)
    """Share of prompts that ask for some of the kinds only; needs labels with these categories."""
    bare: float = Field(default=0.0, ge=0, le=1)
    """Share of prompts with nothing but the instruction and the text."""
    own_instruction: bool = True
    """Use a record's own instruction, word for word, where it has one."""
    passage_chars: int = Field(default=0, ge=0, le=1_000_000)
    """Longer texts are split at sentences; 0: as the settings say for extraction."""
    passage_overlap: int = Field(default=0, ge=0, le=100_000)
    """Code points that two pieces share at most; with passage_chars 0 that of the settings."""
    plain: PlainTemplate | None = None
    """How a base model without a chat template is asked; filled in from the settings."""


class Lora(Part):
    """The adapter (Hu et al. 2021, arXiv:2106.09685); for lora and qlora."""

    r: int = Field(default=8, ge=1, le=1024)
    """Rank of the two matrices."""
    alpha: float = Field(default=16.0, gt=0)
    """Scale: the adapter counts alpha / r."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout before the adapter."""
    targets: list[str] | Literal["all-linear"] = Field(
        default_factory=lambda: ["q_proj", "k_proj", "v_proj"]
    )
    """Names of the linear layers that get one, or "all-linear"."""
    bias: Literal["none", "all", "lora_only"] = "none"
    """Which biases are trained."""
    rslora: bool = False
    """Scale by alpha / sqrt(r) instead (arXiv:2312.03732)."""
    train_embeddings: bool = False
    """Train the embedding matrix too, as after new tokens; tied matrices stay tied."""


class NewRows(Part):
    """Rows of new tokens, after `kwtui tokenizer extend`, taught before the rest."""

    first: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps, from the first on, in which only these rows learn."""
    only: bool = False
    """Of the embedding matrices these rows alone learn, also after that."""


class Quantisation(Part):
    """How qlora holds the frozen weights (Dettmers et al. 2023, arXiv:2305.14314)."""

    type: Literal["nf4", "fp4"] = "nf4"
    """The 4-bit code."""
    double: bool = True
    """Quantise the scales too: 0.4 bits a weight less."""
    compute: Literal["auto", "bfloat16", "float32"] = "auto"
    """Type of the products; auto: that of `precision`."""


class Optimisation(Part):
    """How the weights are moved."""

    epochs: float = Field(default=3.0, gt=0, le=10_000)
    """Passes over the data."""
    steps: int = Field(default=0, ge=0)
    """Optimizer steps instead of epochs; 0: as many as the epochs take."""
    batch_size: int = Field(default=8, ge=1, le=65_536)
    """Examples that a GPU computes at once."""
    batch_tokens: int = Field(default=0, ge=0)
    """Padded tokens that a GPU computes at once, instead of batch_size; 0: by batch_size."""
    accumulation: int = Field(default=1, ge=1, le=65_536)
    """Such batches added up before the weights move."""
    learning_rate: float = Field(default=0.0, ge=0, le=1)
    """0: by method and size: 2e-4 for lora and qlora, 2e-5 for full; under 100 million parameters
    3e-3 and 1e-3."""
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    """How the learning rate falls."""
    warmup: float = Field(default=0.05, ge=0)
    """Share of the steps over which it rises; 1 and more: so many steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decay."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Longer gradients are scaled down to this norm; 0: never."""
    optimizer: Literal["auto", "adamw", "adamw_8bit", "paged_adamw_8bit"] = "auto"
    """auto: AdamW, fused on a GPU. The 8-bit ones (bitsandbytes) take a quarter of its memory."""
    precision: Literal["auto", "bf16", "float32", "pure_bf16"] = "auto"
    """auto: bf16 products on a GPU that has them, float32 on the CPU. pure_bf16 holds the trained
    weights in bf16 too: half the memory of full, and less exact."""
    checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: slower, smaller."""
    share_heads: bool = True
    """Compute the head that all prompts of a batch share once. The same loss with less work; off
    with checkpointing."""
    packing: bool = False
    """Put the examples of a batch into one row without padding, kept apart by their positions; a
    trial before the first step proves it for the model. Pays with FlashAttention 2."""
    attention: Literal["auto", "sdpa", "flash_attention_2", "eager"] = "auto"
    """Kind of attention; auto: FlashAttention 2 where it is installed, else the model's best."""
    threads: int = Field(default=0, ge=0, le=1024)
    """CPU threads; 0: those of the settings."""
    nan_steps: int = Field(default=3, ge=1)
    """Steps in a row without a finite loss that end the run; such a step moves nothing."""
    halve_on_oom: bool = True
    """Out of memory: halve the batch, double the accumulation, go on from the last checkpoint."""


class Evaluation(Part):
    """The dev texts extracted by the real Extractor while the model learns."""

    per_epoch: float = Field(default=1.0, ge=0, le=1000)
    """Evaluations an epoch; 0: only at the end."""
    steps: int = Field(default=0, ge=0)
    """Optimizer steps between two evaluations, instead of per_epoch; 0: by per_epoch."""
    texts: int = Field(default=100, ge=0)
    """Dev texts extracted, evenly spread; 0: all."""
    patience: int = Field(default=0, ge=0)
    """End after so many evaluations without a better F1; 0: never."""
    constrained: bool = True
    """Extract under the grammar, as the strategy would."""
    separate: bool = False
    """Judge the saved checkpoints in a process of its own while the training goes on; always so
    where the weights are spread (FSDP2). Its verdicts come late, and patience waits for them."""


class Saving(Part):
    """Checkpoints and logs."""

    steps: int = Field(default=200, ge=1)
    """Optimizer steps between two checkpoints; each evaluation makes one too."""
    keep: int = Field(default=2, ge=1)
    """The last checkpoints kept, beside the best."""
    waiting: int = Field(default=3, ge=1)
    """Most checkpoints without a verdict where a process of its own judges (evaluation.separate,
    FSDP2): with more the training waits for it. They come to those that are kept."""
    log_steps: int = Field(default=10, ge=1)
    """Optimizer steps between two log events."""
    tensorboard: bool = True
    """Write TensorBoard's event files too, into tensorboard/ of the run."""


class Launch(Part):
    """Where the run runs."""

    gpus: list[int] = Field(default_factory=list)
    """Indices of the GPUs; empty: one, or as CUDA_VISIBLE_DEVICES says."""
    processes: int = Field(default=1, ge=1, le=4096)
    """Processes on each node; one a GPU."""
    nodes: int = Field(default=1, ge=1, le=4096)
    """Machines."""
    node: int = Field(default=0, ge=0)
    """Which of them this one is."""
    host: str = "127.0.0.1"
    """Where the processes meet: the address of node 0."""
    port: int = Field(default=29_500, ge=1024, le=65_535)
    """Its port."""
    backend: Literal["auto", "nccl", "gloo"] = "auto"
    """How they talk; auto: nccl between GPUs, gloo between CPUs."""
    sharding: Literal["auto", "ddp", "fsdp"] = "auto"
    """auto: FSDP2 for full on several GPUs, else DDP."""


class TuneRecipe(Part):
    """A model that is there, taught with labeled texts."""

    method: Literal["lora", "qlora", "full"] = "lora"
    """An adapter, an adapter over 4-bit weights, or all weights."""
    name: str = Field(default="", pattern=r"^[^/\\\x00-\x1f]*$")
    """Name of the model that comes out; empty: MODEL-METHOD."""
    model: str = "kw-mini"
    """Name of a local model, or its folder."""
    seed: int = Field(default=7, ge=0)
    """Decides the order of the data, the drawn prompts, dropout and new weights."""
    data: Data = Field(default_factory=Data)
    prompt: Prompting = Field(default_factory=Prompting)
    lora: Lora = Field(default_factory=Lora)
    new_rows: NewRows = Field(default_factory=NewRows)
    quantisation: Quantisation = Field(default_factory=Quantisation)
    optimisation: Optimisation = Field(default_factory=Optimisation)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    saving: Saving = Field(default_factory=Saving)
    launch: Launch = Field(default_factory=Launch)


SMALL = 100_000_000


def default_rate(method: str, parameters: int) -> float:
    """The learning rate where the recipe names none.

    2e-4 is that of the QLoRA paper for models up to 13B, 2e-5 that of most full fine-tunings of
    7B models; those for small models were chosen on kw-mini (3.9M parameters) and the demo's dev
    split: F1 after one epoch 0.896 with 1e-3 and 0.809 with 5e-4 for full.
    """
    if parameters < SMALL:
        return 1e-3 if method == "full" else 3e-3
    return 2e-5 if method == "full" else 2e-4
