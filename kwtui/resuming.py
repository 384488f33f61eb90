"""Going on with an output file: answers in it are not asked for again, texts without one are.

The file is OUT.partial, which an interrupted run left, else OUT itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engines.records import Example, Prediction
from glossary.errors import UserError
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Begun:
    """The whole lines of an unfinished output file: how many, and the bytes that they take.

    `lost`: the lines, counted from 1, whose text has no answer, with that text.
    """

    path: Path
    lines: int = 0
    size: int = 0
    lost: tuple[tuple[int, Example], ...] = ()


def partial_of(output: Path) -> Path:
    """Where an unfinished run keeps what belongs into `output`."""
    return output.with_name(output.name + ".partial")


def begun(output: Path, strategy: str, model: str) -> Begun:
    """What is done of `output`; UserError when another strategy or model has begun it."""
    path = partial_of(output)
    if not path.exists():
        if not output.is_file():
            return Begun(path)
        path = output
    lines = size = 0
    lost: list[tuple[int, Example]] = []
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
            if record.get("error"):
                lost.append((lines, Example(str(record.get("id")), str(record.get("text")))))
    return Begun(path, lines, size, tuple(lost))


def corrected(done: Begun, answers: Mapping[int, Prediction], partial: Path) -> Begun:
    """The same lines in `partial`, with these answers in the place of theirs, counted from 1."""
    if not answers and done.path == partial:
        return done
    fresh = partial.with_name(f".{partial.name}.{os.getpid()}")
    size = 0
    with done.path.open("rb") as old, fresh.open("wb") as new:
        for number, line in zip(range(1, done.lines + 1), old, strict=False):
            if number in answers:
                values = answers[number].to_json()
                line = (json.dumps(values, ensure_ascii=False) + "\n").encode()
            size += new.write(line)
    fresh.replace(partial)
    return Begun(partial, done.lines, size)


def remaining(examples: Iterable[Example], done: Begun) -> Iterator[Example]:
    """`examples` without those that are done, which are looked at before this returns.

    UserError when the file is of other texts.
    """
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
    return source


def _record(line: bytes) -> dict[str, object] | None:
    """The record on a whole line; None for a line that was cut off."""
    if not line.endswith(b"\n"):
        return None
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None
