"""Going on with an output file that an interrupted run left: what is in it is not asked again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.records import Example
from glossary.errors import UserError
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Begun:
    """The whole lines of an unfinished output file: how many, and the bytes that they take."""

    path: Path
    lines: int = 0
    size: int = 0


def partial_of(output: Path) -> Path:
    """Where an unfinished run keeps what belongs into `output`."""
    return output.with_name(output.name + ".partial")


def begun(output: Path, strategy: str, model: str) -> Begun:
    """What is done of `output`; UserError when another strategy or model has begun it."""
    path = partial_of(output)
    lines = size = 0
    if not path.exists():
        return Begun(path)
    with path.open("rb") as file:
        for line in file:
            record = _record(line)
            if record is None:
                break
            if (record.get("strategy"), record.get("model")) != (strategy, model):
                message = _(
                    "{path} was begun with the strategy {strategy} and the model {model}; delete "
                    "it, or go on with those."
                )
                made = {k: str(record.get(k) or "-") for k in ("strategy", "model")}
                raise UserError(message.format(path=path, **made))
            lines, size = lines + 1, size + len(line)
    return Begun(path, lines, size)


def remaining(examples: Iterable[Example], done: Begun) -> Iterator[Example]:
    """`examples` without those that are done; UserError when the file is of other texts."""
    source = iter(examples)
    if done.lines:
        with done.path.open("rb") as file:
            for number, line in zip(range(1, done.lines + 1), file, strict=False):
                record, example = _record(line) or {}, next(source, None)
                same = example is not None and (record.get("id"), record.get("text")) == (
                    example.id,
                    example.text,
                )
                if not same:
                    message = _(
                        "{path}, line {line}, is of another text than the input there; delete it, "
                        "or give the input that it was begun with."
                    )
                    raise UserError(message.format(path=done.path, line=number))
    yield from source


def _record(line: bytes) -> dict[str, object] | None:
    """The record on a whole line; None for a line that was cut off."""
    if not line.endswith(b"\n"):
        return None
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None
