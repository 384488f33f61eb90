"""A wall clock that is set moves the boot time, and with it the times at which processes began.

Python imports this module by its name at its start. clock.c moves the clock itself.
"""

import os
import struct
from pathlib import Path

import psutil._pslinux as linux

_clock = Path(os.environ["SOAK_CLOCK"])
_boot_time = linux.boot_time


def boot_time() -> float:
    """Seconds since the epoch, as a machine would say whose clock was set so."""
    return float(_boot_time()) + float(struct.unpack("d", _clock.read_bytes()[:8])[0])


if "LD_PRELOAD" in os.environ:
    linux.boot_time = boot_time
