"""The machine: GPUs with driver and CUDA, 4-bit kernels, memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from engines.hardware import GIB, Gpu, gpus, memory, visible
from glossary.i18n import _
from kwtui.doctor import Finding

LEAST_MEMORY = 4 * GIB


def examine(*, quick: bool = False) -> Iterator[Finding]:
    """GPUs first, then what is built on them, then main memory."""
    cards = gpus()
    yield from _cards(cards)
    if not quick:
        yield from _torch(cards)
        yield _four_bits()
    yield _memory()


def _cards(cards: list[Gpu]) -> Iterator[Finding]:
    if not cards:
        found = _("none, or no driver")
        cure = _("Training needs one for models beyond the size of kw-mini; the rest does not.")
        yield Finding("gpu", "gpus", "note", found, cure)
        return
    seen = visible(cards)
    for card in cards:
        free = f"{card.free / GIB:.1f} / {card.total / GIB:.1f} GiB"
        found = _("{name}, {free} free").format(name=card.name, free=free)
        state, cure = "ok", ""
        if card not in seen:
            state, found = "note", _("{found}; hidden by CUDA_VISIBLE_DEVICES").format(found=found)
        elif card.free < card.total / 4:
            who = ", ".join(sorted({p.user or str(p.pid) for p in card.processes})) or "?"
            state = "warning"
            cure = _("Mostly in use by {who}: wait, queue the run, or choose another GPU.")
            cure = cure.format(who=who)
        yield Finding("gpu", f"gpu {card.index}", state, found, cure)  # type: ignore[arg-type]


def _torch(cards: list[Gpu]) -> Iterator[Finding]:
    """Whether torch can use the GPUs that the driver knows."""
    try:
        import torch
    except Exception as error:  # a broken library raises whatever it likes
        cure = _("Install torch again: pip install --force-reinstall torch.")
        yield Finding("gpu", "torch", "error", _line(error), cure)
        return
    built = torch.version.cuda or torch.version.hip
    found = f"{torch.__version__}, CUDA {built or '-'}"
    if not cards:
        yield Finding("gpu", "torch", "ok", found)
        return
    driver, most = _driver()
    yield Finding("gpu", "driver", "ok", _("{v}, up to CUDA {cuda}").format(v=driver, cuda=most))
    if not built:
        cure = _("This torch has no CUDA; install its wheel for CUDA {cuda} or lower.")
        yield Finding("gpu", "torch", "error", found, cure.format(cuda=most))
    elif not torch.cuda.is_available():
        cure = _(
            "The driver knows CUDA {cuda}: install a torch for that or lower, or a newer driver; "
            "look at CUDA_VISIBLE_DEVICES too."
        )
        yield Finding("gpu", "torch", "error", found, cure.format(cuda=most))
    else:
        yield Finding("gpu", "torch", "ok", found)
        yield from _architectures(torch)


def _architectures(torch: Any) -> Iterator[Finding]:
    known = {int(a[3:].rstrip("af")) for a in torch.cuda.get_arch_list() if a.startswith("sm_")}
    for index in range(torch.cuda.device_count()):
        major, minor = torch.cuda.get_device_capability(index)
        # Kernels run on the same major architecture with a minor number as high or higher.
        if known and not any(a // 10 == major and a % 10 <= minor for a in known):
            found = _("compute capability {v}, not in this torch").format(v=f"{major}.{minor}")
            cure = _("Install a torch that was built for it.")
            yield Finding("gpu", f"gpu {index}", "error", found, cure)


def _driver() -> tuple[str, str]:
    """The driver's version, and the highest CUDA that it knows."""
    try:
        import pynvml

        pynvml.nvmlInit()
        version = pynvml.nvmlSystemGetDriverVersion()
        number = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
        pynvml.nvmlShutdown()
    except Exception:
        return "?", "?"
    text = version.decode() if isinstance(version, bytes) else str(version)
    return text, f"{number // 1000}.{number % 1000 // 10}"


def _four_bits() -> Finding:
    """Whether bitsandbytes can pack and unpack weights, where the model will be."""
    # What it lacks for speed on the CPU is no finding.
    logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
    try:
        import torch
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit

        place = "cuda" if torch.cuda.is_available() else "cpu"
        weights = torch.linspace(-1, 1, 4096, device=place).reshape(64, 64)
        packed, state = quantize_4bit(weights, quant_type="nf4")
        error = float((dequantize_4bit(packed, state) - weights).abs().max())
    except Exception as fault:  # a library without kernels raises whatever it likes
        cure = _("QLoRA will not run; install bitsandbytes for this CUDA, or train with lora.")
        return Finding("gpu", "bitsandbytes", "warning", _line(fault), cure)
    if error > 0.2:
        cure = _("QLoRA would learn from wrong weights: install another bitsandbytes.")
        return Finding("gpu", "bitsandbytes", "error", _("wrong numbers in 4 bits"), cure)
    found = _("4-bit kernels work on {place}").format(place=place)
    return Finding("gpu", "bitsandbytes", "ok", found)


def _memory() -> Finding:
    now = memory()
    found = _("{free} of {total} GiB free").format(
        free=f"{now.available / GIB:.1f}", total=f"{now.total / GIB:.1f}"
    )
    if now.available < LEAST_MEMORY:
        cure = _("Loading a model needs about its size in memory: close other programs.")
        return Finding("machine", "memory", "warning", found, cure)
    return Finding("machine", "memory", "ok", found)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
