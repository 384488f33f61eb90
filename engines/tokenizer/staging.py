"""A model folder made beside its place and named when it is whole: nothing is half-written."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engines.tokenizer.files import CONFIG_FILE
from glossary.errors import FailedError, UserError
from glossary.i18n import _

ORIGIN, CARD = "kwtui.json", "CARD.md"
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx")
_LEFT_OUT = (ORIGIN, CARD, "README.md", "model.safetensors.index.json", "training.json")


@contextmanager
def staged(final: Path) -> Iterator[Path]:
    """A folder to build in; it becomes `final` when the block ends well, else it is removed.

    Raises UserError when `final` exists or its folder cannot be written to, FailedError when the
    disk is full. What a killed build left is removed by the next one.
    """
    if final.exists():
        message = _("{path} exists; give the new model another name.")
        raise UserError(message.format(path=final))
    fresh = final.with_name(f".{final.name}.building-{os.getpid()}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final)
        fresh.mkdir()
    except OSError as error:
        message = _("Cannot write into {path}: {reason}.")
        reason = error.strerror or str(error)
        raise UserError(message.format(path=final.parent, reason=reason)) from None
    try:
        yield fresh
        _flush(fresh)
        fresh.replace(final)
    except OSError as error:
        message = _("The model could not be written into {path}: {reason}. Nothing was left there.")
        reason = error.strerror or str(error)
        raise FailedError(message.format(path=final.parent, reason=reason)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _sweep(final: Path) -> None:
    """Remove what builds of processes that are gone left."""
    for left in final.parent.glob(f".{final.name}.building-*"):
        number = left.name.rpartition("-")[2]
        if number.isdigit() and not _lives(int(number)):
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    import psutil

    return pid == os.getpid() or psutil.pid_exists(pid)


def _flush(folder: Path) -> None:
    """Have every byte on the disk before the folder gets its name."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def copy_small_files(base: Path, folder: Path) -> None:
    """Everything of a model folder but its weights and its card."""
    for path in sorted(base.iterdir()):
        wanted = path.is_file() and not path.name.endswith(_WEIGHTS)
        if wanted and path.name not in _LEFT_OUT:
            shutil.copyfile(path, folder / path.name)
    if not (folder / CONFIG_FILE).is_file():
        (folder / CONFIG_FILE).write_text("{}\n", encoding="utf-8")


def write_origin(folder: Path, values: Mapping[str, Any]) -> None:
    """What the model was made from: kwtui.json, and a card for people."""
    made = {**values, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
    (folder / ORIGIN).write_text(text, encoding="utf-8")
    lines = [f"- {check['name']}: {check['sentence']}" for check in values["checks"]]
    card = (
        f"# {values['name']}\n\n"
        f"{values['base']} with another vocabulary ({values['change']}, {values['method']}; new "
        f"rows: {values['rows']}), made by kwtui on {made['made']}.\n\n"
        f"{values['new_tokens']} new tokens for {len(values['terms'])} terms; the names of both, "
        "and of the terms that were refused, stand in kwtui.json.\n\n"
        + "\n".join(lines)
        + "\n\nTeach the new rows before you use it: `kwtui train --model NAME --method full`.\n"
    )
    (folder / CARD).write_text(card, encoding="utf-8")
