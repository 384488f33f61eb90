"""Checkpoints on disk: written beside, named when whole, the best and the last kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

PARTIAL = ".writing"
_NAME = re.compile(r"checkpoint-(\d+)")
# What the trainer writes last; without it a checkpoint is half of one.
_LAST_FILE = "trainer_state.json"


def step_of(path: Path) -> int:
    """The optimizer step of a checkpoint's folder; -1 for any other name."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def whole_checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in `folder`, earliest first; half-written ones are passed over."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.is_dir() and step_of(path) >= 0)
    return sorted((path for path in found if is_whole(path)), key=step_of)


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint that a run goes on from."""
    return next(reversed(whole_checkpoints(folder)), None)


def is_whole(path: Path) -> bool:
    """Whether every file of a checkpoint is there in its full length.

    Tensors must reach as far as their header says, archives of torch must have their directory
    at the end, and the trainer's state must be JSON.
    """
    try:
        json.loads((path / _LAST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    tensors = list(path.rglob("*.safetensors"))
    archives = [file for suffix in ("*.pt", "*.pth") for file in path.rglob(suffix)]
    return all(map(_has_all_tensors, tensors)) and all(map(zipfile.is_zipfile, archives))


def _has_all_tensors(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(size))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        return file.stat().st_size == 8 + size + end
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return False


def average(model: Any, checkpoints: Sequence[Path]) -> None:
    """Give `model` the mean of the weights of `checkpoints`, which end with its own.

    The mean of weights on one way down is often better than the last of them (Izmailov et al.,
    Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018).
    """
    import torch
    from safetensors.torch import load_file

    if len(checkpoints) < 2:
        return
    names = dict(model.named_parameters())
    with torch.no_grad():
        for number, path in enumerate(checkpoints):
            saved = load_file(path / "model.safetensors")
            for name, parameter in names.items():
                share = saved[name].to(parameter.device) / len(checkpoints)
                parameter.copy_(share if number == 0 else parameter + share)


def name_whole(partial: Path, folder: Path) -> Path:
    """Give a checkpoint written in `folder`/.writing its name, once its bytes are on disk."""
    for file in sorted(partial.rglob("*")):
        if file.is_file():
            _sync(file)
    final = folder / partial.name
    if final.exists():
        shutil.rmtree(final)
    partial.replace(final)
    _sync(folder)
    return final


def clear_partial(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    shutil.rmtree(folder / PARTIAL, ignore_errors=True)


def rotate(folder: Path, keep: int, best: int | None, always: Iterable[int] = ()) -> None:
    """Remove all checkpoints but the last `keep`, the one of step `best` and those of `always`."""
    found = whole_checkpoints(folder)
    kept = {step_of(path) for path in found[-max(1, keep) :]} | {best, *always}
    for path in found:
        if step_of(path) not in kept:
            # Renamed first, so that a kill leaves no folder that is named but not whole.
            gone = folder / PARTIAL / path.name
            gone.parent.mkdir(exist_ok=True)
            shutil.rmtree(gone, ignore_errors=True)
            path.replace(gone)
            shutil.rmtree(gone, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
