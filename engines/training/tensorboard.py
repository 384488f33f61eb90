"""TensorBoard's event files, written without TensorBoard: two numbers a record need no server.

The package brings grpc, a web server and a data server of some 20 MB along; what it writes for a
scalar is one small protobuf message in a frame with two check sums:
https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto and
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from engines.training.series import CURVES

_PREFIX = {"step": "train", "evaluation": "dev", "resources": "machine"}


class BoardWriter:
    """Writes events of a run as scalars; a new file each time a run starts or goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None

    def take(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Append the figures of these events. Raises OSError."""
        wrote = False
        for event in events:
            prefix, step = _PREFIX.get(str(event.get("kind"))), event.get("step")
            if prefix is None or not isinstance(step, int):
                continue
            moment = float(event.get("time") or time.time())
            for name in CURVES[str(event["kind"])]:
                value = event.get(name)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    self._append(scalar(f"{prefix}/{name}", float(value), step, moment))
                    wrote = True
        if wrote and self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file; the next event opens another."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, message: bytes) -> None:
        if self._file is None:
            self._folder.mkdir(exist_ok=True)
            name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}"
            self._file = (self._folder / name).open("ab")
            self._file.write(framed(_double(1, time.time()) + _bytes(3, b"brain.Event:2")))
        self._file.write(framed(message))


def scalar(tag: str, value: float, step: int, moment: float) -> bytes:
    """An Event with one simple value; `moment` in seconds since the epoch."""
    short = value if math.isfinite(value) else math.nan
    inner = _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", short)
    return _double(1, moment) + b"\x10" + _varint(max(0, step)) + _bytes(5, _bytes(1, inner))


def framed(message: bytes) -> bytes:
    """A TFRecord: length, its check sum, the message, its check sum."""
    length = struct.pack("<Q", len(message))
    return length + _masked(length) + message + _masked(message)


def _masked(data: bytes) -> bytes:
    sum_ = crc32c(data)
    return struct.pack("<I", (((sum_ >> 15) | (sum_ << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(data: bytes) -> int:
    """The Castagnoli check sum (RFC 3720), bytewise."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _entry(number: int) -> int:
    for _bit in range(8):
        number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
    return number


_TABLE = tuple(_entry(number) for number in range(256))


def _double(field: int, value: float) -> bytes:
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
