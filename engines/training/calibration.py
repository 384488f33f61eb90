"""How fast this machine computes a model's layers: a short trial, kept for the next preflight.

`python -P -m engines.training.calibration` reads a Trial as JSON and prints a Pace. It computes
training steps of models with one and with three layers of the shape, random weights, by the method
itself (real 4-bit weights for qlora, the head that prompts share computed once), so that the time
of any number of layers follows; and weighs itself after its imports.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from engines.children import python_command, python_environment
from engines.training.folder import replace_file
from engines.training.shapes import Shape
from engines.workspace import state_folder
from glossary.errors import FailedError
from glossary.i18n import _

LEAST_TOKENS = 256
MOST_TOKENS = 8192
LAYERS = (1, 3)
# Of the processor's time: with more in other hands a trial is made anew when one is asked for.
BUSY = 0.25


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: a batch of a method on a shape. `threads`: of the CPU, 0: one a core.

    `head`: the first tokens that all rows share. `quantisation`: for qlora the type of the 4-bit
    code, whether its scales are quantised too, and the type of the products, as torch names them.
    """

    shape: dict[str, Any]
    method: str
    rows: int
    length: int
    answers: int
    bf16: bool
    checkpointing: bool
    rank: int
    targets: list[str] | str
    threads: int = 0
    head: int = 0
    quantisation: tuple[str, bool, str] | None = None

    @property
    def tokens(self) -> int:
        """Tokens that go through the layers in a step."""
        return self.head + self.rows * (self.length - self.head)

    @property
    def key(self) -> str:
        """Names the trial among all that were made on machines like this one."""
        from importlib.metadata import version

        from engines.hardware import cores, gpus, processor, visible

        found = visible(gpus())
        device = found[0].name if found else f"{processor()} x{cores()}"
        what = json.dumps([asdict(self), device, version("torch")], sort_keys=True)
        return hashlib.sha256(what.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of a training step on the trial's batch: per layer, and what all layers share.

    `decode_layer`, `decode_rest`: of one more token for each of 16 texts. `base`: bytes that a
    process holds once everything is imported. `busy`: the share of the trial, 0 to 1, in which
    other work had the processor; 0 on a GPU, where that is not seen.
    """

    layer: float
    rest: float
    decode_layer: float
    decode_rest: float
    tokens: int
    base: int
    busy: float = 0.0

    def step(self, layers: int) -> float:
        """Seconds of one training step of a model with so many layers."""
        return self.rest + layers * self.layer

    def decode(self, layers: int) -> float:
        """Seconds of one token for each of 16 texts."""
        return self.decode_rest + layers * self.decode_layer


def kept_file() -> Path:
    """Where the paces of this user's machines are kept."""
    return state_folder() / "calibration.json"


def kept(trial: Trial) -> Pace | None:
    """The pace of an earlier trial of the same kind on this machine."""
    values = _read().get(trial.key)
    try:
        return Pace(**values) if isinstance(values, dict) else None
    except TypeError:
        return None


def calibrate(trial: Trial, *, timeout: float = 180.0) -> Pace:
    """The pace of a trial: kept, or tried now in a process of its own (some ten seconds).

    One that was kept while the machine had other work is tried again.

    Raises FailedError when it cannot be tried.
    """
    if (found := kept(trial)) is not None and found.busy <= BUSY:
        return found
    try:
        done = subprocess.run(
            python_command("engines.training.calibration"),
            input=json.dumps(asdict(trial)),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            env=python_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(_("The trial for the time failed: {error}").format(error=error)) from None
    lines = done.stdout.strip().splitlines()
    try:
        pace = Pace(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["?"])[-1][:200]
        raise FailedError(_("The trial for the time failed: {error}").format(error=last)) from None
    _keep(trial, pace)
    return pace


def _read() -> dict[str, Any]:
    try:
        values = json.loads(kept_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _keep(trial: Trial, pace: Pace) -> None:
    with contextlib.suppress(OSError):
        kept_file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(kept_file(), json.dumps({**_read(), trial.key: asdict(pace)}, indent=1) + "\n")


def measure(trial: Trial) -> Pace:
    """Make the trial in this process."""
    import psutil
    import torch

    from engines.hardware import cores

    _import_what_a_run_imports(trial.method)
    base = int(psutil.Process().memory_info().rss)
    torch.manual_seed(7)
    torch.set_num_threads(trial.threads or cores())
    shape = Shape(**trial.shape)
    wall, own = time.perf_counter(), time.thread_time()
    steps = [_step_seconds(trial, shape, layers) for layers in LAYERS]
    decodes = [_decode_seconds(trial, shape, layers) for layers in LAYERS]
    own, wall = time.thread_time() - own, time.perf_counter() - wall
    busy = 0.0 if torch.cuda.is_available() else max(0.0, 1 - own / wall)
    (few, many), (fast, slow) = steps, decodes
    span = LAYERS[1] - LAYERS[0]
    layer, decode = max(0.0, many - few) / span, max(0.0, slow - fast) / span
    rest = max(0.0, few - LAYERS[0] * layer)
    decode_rest = max(0.0, fast - LAYERS[0] * decode)
    return Pace(layer, rest, decode, decode_rest, trial.tokens, base, round(busy, 3))


def _import_what_a_run_imports(method: str) -> None:
    """So that the process weighs what a run of the method weighs before its model is there."""
    import trl.trainer.sft_trainer  # noqa: F401

    import engines.training.sft  # noqa: F401

    if method in ("lora", "qlora"):
        import peft  # noqa: F401
    if method == "qlora":
        import bitsandbytes  # noqa: F401


def _device() -> Any:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _model(trial: Trial, shape: Shape, layers: int) -> Any:
    """A model of the shape with random weights, trained by the trial's method."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from engines.training.loss import add_answer_loss
    from engines.training.shapes import config_values

    config = AutoConfig.for_model(shape.family, **config_values(shape, layers))
    adapted = trial.method in ("lora", "qlora")
    dtype = torch.bfloat16 if trial.bf16 and adapted else torch.float32
    made: Any = AutoModelForCausalLM
    model = made.from_config(config, dtype=dtype).to(_device())
    model.config.use_cache = False
    add_answer_loss(model)
    if trial.quantisation is not None:
        _pack(model, *trial.quantisation)
    if adapted:
        from peft import LoraConfig, get_peft_model

        lora = LoraConfig(r=trial.rank, target_modules=trial.targets, task_type="CAUSAL_LM")
        model = get_peft_model(model, lora)
    if trial.checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        if adapted:
            model.enable_input_require_grads()
    return model.train()


def _pack(model: Any, code: str, double: bool, compute: str) -> None:
    """Put 4-bit layers in place of the linear ones, as transformers does when it loads a model."""
    import torch
    from bitsandbytes.nn.modules import Linear4bit, Params4bit

    from engines.training.base_model import keep_unpacked

    output, kind = model.get_output_embeddings(), cast(Any, Linear4bit)
    for name, layer in list(model.named_modules()):
        if not isinstance(layer, torch.nn.Linear) or layer is output:
            continue
        made = kind(
            layer.in_features,
            layer.out_features,
            bias=layer.bias is not None,
            compute_dtype=getattr(torch, compute),
            compress_statistics=double,
            quant_type=code,
            device="meta",
        )
        made.weight = Params4bit(
            layer.weight.data, compress_statistics=double, quant_type=code, module=made
        )
        made.bias = layer.bias
        model.set_submodule(name, made.to(layer.weight.device))
    model.requires_grad_(False)
    keep_unpacked(model)


def _rows(trial: Trial, vocabulary: int) -> dict[str, Any]:
    """The trial's batch as a run has it: random tokens behind a shared head, the last learnt."""
    import numpy as np

    from engines.training.plan import collate
    from engines.training.prompts import Tokens

    drawn = np.random.default_rng(7)
    ids = drawn.integers(3, max(4, vocabulary), (trial.rows, trial.length), dtype=np.int32)
    ids[:, : trial.head] = ids[0, : trial.head]
    rows = [Tokens(row, trial.length - trial.answers, 0) for row in ids]
    return collate(rows, 0, share_heads=trial.head > 0)


def _step_seconds(trial: Trial, shape: Shape, layers: int) -> float:
    import torch

    model, device = _model(trial, shape, layers), _device()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=device.type == "cuda")
    batch = {name: t.to(device) for name, t in _rows(trial, shape.vocabulary).items()}

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=trial.bf16):
            found = model(**batch, answer_loss=True)
        (found["total"] / found["tokens"]).backward()
        optimizer.step()
        optimizer.zero_grad()

    return _timed(step)


def _decode_seconds(trial: Trial, shape: Shape, layers: int) -> float:
    import torch

    model, device = _model(trial, shape, layers), _device()
    model.eval()
    ids = torch.randint(3, shape.vocabulary, (16, 2), device=device)

    def token() -> None:
        with torch.no_grad():
            model(input_ids=ids)

    return _timed(token)


def _timed(work: Any, seconds: float = 1.5) -> float:
    """The median time of `work`, after two times to warm up."""
    import torch

    def once() -> float:
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - started

    once()
    once()
    times = [once()]
    while sum(times) < seconds and len(times) < 20:
        times.append(once())
    return sorted(times)[len(times) // 2]


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Trial(**json.load(sys.stdin))))))
