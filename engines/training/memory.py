"""The memory that a training step takes, by formulas over a model's shape.

Weights: bytes of their type; NF4 with double quantisation 0.5 + 1/64 + 4/(64*256) bytes a weight
(Dettmers et al. 2023, arXiv:2305.14314, section 3), embeddings and norms unpacked. Optimizer: AdamW
8 bytes a trained weight, 8-bit 2 (Dettmers et al. 2022, arXiv:2110.02861), but 8 of embeddings,
whose states transformers keeps in float32. Trained weights and gradients are float32
(Micikevicius et al. 2018, arXiv:1710.03740: 16 bytes a weight in all).

Activations are counted as what autograd keeps for the backward pass, tensor by tensor, in the
manner of Korthikanti et al. 2022 (arXiv:2205.05198) for the modules of transformers 5: RMS norms
in float32, rotary positions, grouped keys, gated feed-forward. `saved_by_layer` lists them; a test
compares it with what autograd keeps in real modules. Checkpointing keeps a layer's input only,
and one layer's activations while that is computed anew (Chen et al. 2016, arXiv:1604.06174).

Logits: `engines.training.loss` computes them for the answers' positions, in pieces of 2**26.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from engines.hardware import GIB
from engines.training.shapes import Shape

Method = Literal["lora", "qlora", "full", "scratch"]
Attention = Literal["sdpa", "flash_attention_2", "eager"]

MIB = 2**20
# Numbers in a piece of logits, as engines.training.loss.PIECE.
PIECE = 2**26
NF4_DOUBLE = 0.5 + 1 / 64 + 4 / (64 * 256)
NF4_SINGLE = 0.5 + 4 / 64
# The CUDA context, cuBLAS and cuDNN with their workspaces, kernels as they are loaded. Seen on
# Ampere and Hopper with torch 2.x at 0.5 to 0.7 GiB.
CONTEXT = round(0.6 * GIB)
# What torch's allocator holds on a GPU beyond what is in use, as a share of what comes and goes.
SLACK_GPU = 0.06
# The same of glibc's heap on the CPU where adapters make tensors of many sizes: a share, and at
# most so many bytes, for large tensors are mapped on their own. Of kw-mini's first step autograd
# keeps 244 MiB, and the heap grows by 481; by 255 with every tensor mapped on its own
# (MALLOC_MMAP_THRESHOLD_), which makes a step a quarter slower. Holes of whole runs: 187 MiB beside
# 267, 208 beside 297, 170 beside 557. Without adapters the holes of the start are filled, and 20 to
# 58 MiB were left in four runs.
HOLES, HOLES_MOST, HOLES_FULL = 0.72, 205 * MIB, 32 * MIB
EIGHT_BIT, PAGED = 2.05, 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """What one process computes at once, on one device.

    `rows` examples of `length` tokens each with `answers` learnt tokens, `head` of the tokens
    computed once for all rows; `eval_rows` texts of `eval_length` tokens extracted together with
    up to `eval_new` tokens each. `ranks`: processes; `sharded`: weights are spread over them.
    """

    method: Method
    rows: int
    length: int
    answers: int
    head: int = 0
    bf16: bool = True
    pure_bf16: bool = False
    double: bool = True
    rank: int = 8
    targets: list[str] | Literal["all-linear"] = "all-linear"
    dropout: float = 0.0
    train_embeddings: bool = False
    optimizer: str = "adamw"
    checkpointing: bool = False
    attention: Attention = "sdpa"
    masked: bool = True
    accumulation: int = 1
    eval_rows: int = 0
    eval_length: int = 0
    eval_new: int = 0
    gpu: bool = True
    ranks: int = 1
    sharded: bool = False
    base: int = 0

    @property
    def tokens(self) -> int:
        """Tokens that go through the layers."""
        return self.head + self.rows * max(0, self.length - self.head)

    @property
    def adapted(self) -> bool:
        """Whether only adapters are trained."""
        return self.method in ("lora", "qlora")

    @property
    def stream(self) -> int:
        """Bytes of a number between layers: float32 embeddings make a float32 stream."""
        return 2 if self.bf16 and (self.adapted or self.pure_bf16) else 4

    @property
    def compute(self) -> int:
        """Bytes of a number in products."""
        return 2 if self.bf16 else 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes on the fullest device. `total` is what the process holds at its peak.

    The parts are those of the peak: `temporary` is what the moment of the peak takes besides
    (logits, gradients on their way, unpacked weights), `reserve` the allocator's slack.
    """

    weights: int
    adapters: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    temporary: int
    evaluation: int
    context: int
    reserve: int
    total: int
    allocated: int
    moment: str

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


def weight_bytes(shape: Shape, job: Job) -> int:
    """The model's weights as they are loaded for a method."""
    if job.method == "qlora":
        packed = shape.linear * (NF4_DOUBLE if job.double else NF4_SINGLE)
        # In main memory the file that was packed stays mapped: embeddings are read from it.
        mapped = 0 if job.gpu else shape.linear * job.compute
        return round(packed + shape.outside * job.compute) + mapped
    if job.adapted or job.pure_bf16:
        return shape.total * (2 if job.bf16 else 4)
    return shape.total * 4


def trained_weights(shape: Shape, job: Job) -> int:
    """How many weights are trained."""
    if not job.adapted:
        return shape.total
    extra = shape.embedding if job.train_embeddings else 0
    return shape.adapters(job.rank, job.targets) + extra


def optimizer_bytes(shape: Shape, job: Job, trained: int) -> int:
    """The optimizer's states: AdamW's two in the weights' type, or in 8 bits.

    transformers has bitsandbytes keep those of embeddings in float32 (Trainer.create_optimizer).
    """
    if job.optimizer == "paged_adamw_8bit":
        return round(trained * PAGED)
    if job.optimizer != "adamw_8bit":
        return trained * (4 if job.pure_bf16 and not job.adapted else 8)
    embedded = 0 if job.adapted and not job.train_embeddings else shape.embedding
    return round((trained - embedded) * EIGHT_BIT + embedded * 8)


def estimate(shape: Shape, job: Job) -> Estimate:
    """The memory of a run at its peak: the fullest moment of a step, or an evaluation."""
    parts = job.ranks if job.sharded else 1
    trained = trained_weights(shape, job)
    each = 2 if job.pure_bf16 and not job.adapted else 4
    weights = weight_bytes(shape, job) // parts
    adapters = trained * each if job.adapted else 0
    gradients = trained * each // parts
    optimizer = optimizer_bytes(shape, job, trained) // parts
    # DistributedDataParallel keeps a copy of all gradients in its buckets (Li et al. 2020,
    # arXiv:2006.15704).
    buckets = gradients if job.ranks > 1 and not job.sharded else 0
    # Sharded: two layers at a time are there as a whole.
    whole = 2 * shape.layer_linear * job.compute if job.sharded else 0
    fixed = weights + adapters + optimizer + buckets + whole
    kept, logits = activations(shape, job), logit_bytes(shape, job)
    copies = _cast_weights(shape, job)
    held = gradients if job.accumulation > 1 else 0
    moments = _moments(shape, job, gradients, kept + copies + held, logits, each)
    moment = max(moments, key=lambda name: sum(moments[name]))
    stays, heads, passing = moments[moment]
    allocated = fixed + stays + heads + passing
    context = CONTEXT if job.gpu else job.base
    reserve = _reserve(job, stays + heads + passing)
    with_gradients = moment in ("gradients", "step") or held > 0
    return Estimate(
        weights=weights + whole,
        adapters=adapters,
        gradients=(gradients if with_gradients else 0) + buckets,
        optimizer=optimizer,
        activations=kept + copies if moment in ("loss", "backward") else 0,
        logits=heads,
        temporary=0 if moment == "evaluation" else passing,
        evaluation=passing if moment == "evaluation" else 0,
        context=context,
        reserve=reserve,
        total=allocated + context + reserve,
        allocated=allocated,
        moment=moment,
    )


def _reserve(job: Job, passing: int) -> int:
    """What the allocator holds beyond what is in use, by the bytes that come and go."""
    if job.gpu:
        return round(SLACK_GPU * passing) + 16 * MIB
    return min(round(HOLES * passing), HOLES_MOST) if job.adapted else HOLES_FULL


def _moments(
    shape: Shape, job: Job, gradients: int, kept: int, logits: int, each: int
) -> dict[str, tuple[int, int, int]]:
    """Bytes of each full moment beside what is always there: staying, of the head, passing."""
    return {
        # Everything kept, the head's logits and their gradient.
        "loss": (kept, logits, 0),
        # The last layer's backward pass, all others' activations still there.
        "backward": (kept, 0, _backward(shape, job)),
        # The end of the backward pass: all gradients, and one more of the embedding matrix.
        "gradients": (gradients, 0, _embedding_gradient(shape, job, each)),
        "step": (gradients, 0, _step(shape, job, each)),
        "evaluation": (0, 0, evaluation_bytes(shape, job)),
    }


def saved_by_layer(shape: Shape, job: Job) -> dict[str, int]:
    """Bytes that autograd keeps of one decoder layer, by part."""
    n, c, s = job.tokens, job.compute, job.stream
    h, m, q, kv = shape.hidden, shape.intermediate, shape.query, shape.keys
    full = not job.adapted
    norms = shape.norms * n * (h + 1) * 4
    if full:
        # The weight's gradient needs the normed input: float32 in Gemma, the stream elsewhere.
        norms += shape.norms * n * h * (4 if shape.family.startswith("gemma") else s)
    if shape.head_norms:
        norms += n * (q + kv) * (4 + (4 if full else 0))
    found = {
        "norms": norms,
        "attention": _attention(shape, job),
        # gate before and after its nonlinearity, and up.
        "feed-forward": 3 * n * m * c,
        "rotary": 0,
    }
    inputs = {"q_proj": h, "k_proj": h, "v_proj": h, "o_proj": q, "gate_proj": h, "up_proj": h}
    inputs["down_proj"] = m
    if full:
        # Autocast rounds a float32 input anew for each of the layers that read it.
        times = (3, 2) if c < s else (1, 1)
        found["inputs"] = n * c * (h * sum(times) + (0 if shares_output(job) else q) + m)
    else:
        found["inputs"] = sum(_adapter_input(job, n, width, name) for name, width in inputs.items())
        found["adapters"] = shape.adapters(job.rank, job.targets) // shape.layers * c
    return found


def shares_output(job: Job) -> bool:
    """Whether the output projection reads the very tensor that attention keeps."""
    return job.attention != "eager"


def _adapter_input(job: Job, n: int, width: int, name: str) -> int:
    """What an adapter keeps of a linear layer's input: PEFT turns it into float32, drops some of
    it (a byte of mask each), autocast rounds it; and the adapter's own small state."""
    if job.targets != "all-linear" and name not in job.targets:
        return 0
    # A CUDA kernel keeps a byte of the drawn mask, the CPU a float32.
    mask = n * width * (1 if job.gpu else 4) if job.dropout else 0
    kept = 0 if _reads_what_is_kept(job, name) else n * width * job.compute
    return mask + kept + n * job.rank * job.compute


def _reads_what_is_kept(job: Job, name: str) -> bool:
    """Whether an adapter keeps the very tensor that another one, or attention, keeps already.

    So it is where nothing is dropped and nothing is rounded.
    """
    if job.dropout or job.compute < 4:
        return False
    if name == "o_proj":
        return shares_output(job)
    before = {"k_proj": ("q_proj",), "v_proj": ("q_proj", "k_proj"), "up_proj": ("gate_proj",)}
    chosen = before.get(name, ())
    return any(job.targets == "all-linear" or other in job.targets for other in chosen)


def _attention(shape: Shape, job: Job) -> int:
    """Queries, keys, values and the output; SDPA with a mask repeats keys for each query head."""
    n, c = job.tokens, job.compute
    q, kv = shape.query, shape.keys
    # Keys and values of a shared head are laid out for every row.
    k = job.rows * job.length
    if job.attention == "flash_attention_2":
        return c * (2 * n * q + 2 * k * kv) + 4 * n * shape.heads
    repeated = q if job.masked and shape.kv_heads != shape.heads else kv
    pairs = job.rows * (job.length - job.head) * job.length
    if job.attention == "sdpa":
        # The mask is turned into numbers for each layer.
        mask = pairs * c if job.masked else 0
        return c * (2 * n * q + 2 * k * repeated) + 4 * n * shape.heads + mask
    # Softmax in float32 and its rounded copy are kept, and tanh where scores are capped.
    score = 4 + (c if c < 4 else 0) + (c if shape.softcap else 0)
    return c * q * (n + 2 * k) + pairs * shape.heads * score


def activations(shape: Shape, job: Job) -> int:
    """Bytes that autograd keeps of all layers until the backward pass."""
    n = job.tokens
    layer = sum(saved_by_layer(shape, job).values())
    last = n * shape.hidden * (4 + job.stream)
    ids = n * 8 * 3
    if job.checkpointing:
        return shape.layers * n * shape.hidden * job.stream + layer + last + ids
    # Without trained embeddings nothing before the first adapter is kept of the first layer.
    return shape.layers * layer + last + ids


def logit_bytes(shape: Shape, job: Job) -> int:
    """The largest piece of logits with its gradient: compute type, float32, softmax, gradients."""
    positions = job.rows * job.answers
    numbers = min(positions * shape.vocabulary, max(PIECE, shape.vocabulary))
    copies = 4 + 4 + 4 + (2 * job.compute if job.compute < 4 else 0)
    copies += 8 if shape.softcap else 0
    return numbers * copies + positions * shape.hidden * (job.stream + job.compute)


def _cast_weights(shape: Shape, job: Job) -> int:
    """Rounded copies of float32 weights, which autograd keeps beside them under autocast."""
    if job.adapted or job.pure_bf16 or not job.bf16:
        return 0
    layers = min(1, shape.layers) if job.checkpointing else shape.layers
    copies = layers * shape.layer_linear * 2
    return copies // (job.ranks if job.sharded else 1) + shape.embedding * 2


def _backward(shape: Shape, job: Job) -> int:
    """What the backward pass of one layer takes besides: its gradients and unpacked weights."""
    n, c = job.tokens, job.compute
    flows = n * (3 * shape.intermediate * c + 2 * shape.hidden * 4)
    largest = max(a * b for a, b in shape.linears.values())
    if job.method == "qlora":
        return flows + largest * c
    if job.adapted:
        return flows + n * shape.intermediate * 4 * (1 if job.dropout else 0)
    return flows + largest * (c + 4 if c < 4 else 4)


def _embedding_gradient(shape: Shape, job: Job, each: int) -> int:
    """The gradient of the embedding matrix is dense, and is there twice when it is added up."""
    if job.adapted and not job.train_embeddings:
        return 0
    return shape.embedding * each


def _step(shape: Shape, job: Job, each: int) -> int:
    """What the optimizer takes besides: nothing fused on a GPU, two of the largest matrix else."""
    if job.gpu:
        return 0
    largest = max([a * b for a, b in shape.linears.values()] + [shape.embedding])
    if job.adapted and not job.train_embeddings:
        largest = job.rank * max(a + b for a, b in shape.linears.values())
    return 2 * largest * each


def evaluation_bytes(shape: Shape, job: Job) -> int:
    """Extraction of dev texts: keys and values of all tokens, a prefill's tensors, last logits."""
    if not job.eval_rows:
        return 0
    tokens = job.eval_rows * (job.eval_length + job.eval_new)
    size = job.compute if job.adapted or job.pure_bf16 else 4
    cache = tokens * shape.layers * 2 * shape.keys * size
    prefill = job.eval_rows * job.eval_length
    passing = prefill * size * (3 * shape.intermediate + 2 * shape.query + 4 * shape.hidden)
    # The decoder proposes tokens and checks a few positions a row at once.
    logits = job.eval_rows * 8 * shape.vocabulary * (size + 4)
    return cache + passing + logits


def halved(job: Job) -> Job | None:
    """The same with half the rows and twice the accumulation; None for one row."""
    if job.rows <= 1:
        return None
    rows = (job.rows + 1) // 2
    return replace(job, rows=rows, accumulation=job.accumulation * 2)
