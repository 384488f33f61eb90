"""What is said when memory ran out: what was foretold, and who else is on the GPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engines import hardware
from engines.hardware import GIB, Gpu
from engines.training.preflight_file import foretold_bytes
from glossary.i18n import _


def memory_words(folder: Path, devices: Sequence[Gpu] | None = None) -> str:
    """Sentences to follow "Out of memory", each with a space before it; "" without anything known.

    `devices`: those that this process sees; None: as the driver and CUDA_VISIBLE_DEVICES say.
    """
    seen = hardware.visible(hardware.gpus()) if devices is None else devices
    said = ""
    if need := foretold_bytes(folder):
        said += " " + _("{gib} GiB were foretold.").format(gib=f"{need / GIB:.1f}")
    for gpu in seen:
        others = [p for p in gpu.strangers({os.getpid()}) if p.used]
        if others:
            people = ", ".join(f"{p.user or p.pid} {(p.used or 0) / GIB:.1f} GiB" for p in others)
            message = _("Others are on GPU {index}: {people}; --queue waits until it is free.")
            said += " " + message.format(index=gpu.index, people=people)
    return said
