"""Answers as they lie on disk: written text by text, so that a killed ladder loses none."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from engines.records import Example, Prediction, RecordError
from engines.training.folder import replace_file


@dataclass(frozen=True, slots=True)
class Costs:
    """What the answers cost beside their time, which each of them holds itself.

    Bytes are peaks; `training_seconds` is that of a control that learns here. `alone`: seconds
    until the answers to some texts that were asked alone.
    """

    peak_bytes: int = 0
    gpu_peak_bytes: int | None = None
    training_seconds: float = 0.0
    model: str = ""
    alone: tuple[float, ...] = ()

    def merged(self, other: Costs) -> Costs:
        """Those of two sessions, of which the second went on where the first was cut off."""
        gpu = [n for n in (self.gpu_peak_bytes, other.gpu_peak_bytes) if n is not None]
        return Costs(
            max(self.peak_bytes, other.peak_bytes),
            max(gpu) if gpu else None,
            max(self.training_seconds, other.training_seconds),
            other.model or self.model,
            other.alone or self.alone,
        )


class Kept:
    """The answers under one key: `<key>.jsonl` grows, `<key>.json` says what they were made of."""

    def __init__(self, folder: Path, key: str, made_of: Mapping[str, Any]) -> None:
        self.path = folder / f"{key}.jsonl"
        self._about = folder / f"{key}.json"
        self._made_of = dict(made_of)
        self._file: BinaryIO | None = None

    def drop(self) -> None:
        """Forget everything under this key."""
        self.path.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    def read(self, texts: Sequence[Example]) -> list[Prediction]:
        """The answers to the first of these texts that are whole; what follows them is cut off."""
        found: list[Prediction] = []
        whole = 0
        try:
            with self.path.open("rb") as file:
                for example, line in zip(texts, file, strict=False):
                    prediction = _parsed(line, example)
                    if prediction is None:
                        break
                    found.append(prediction)
                    whole += len(line)
            if self.path.stat().st_size > whole:
                os.truncate(self.path, whole)
        except FileNotFoundError:
            return []
        return found

    def costs(self) -> Costs:
        """What the answers cost so far."""
        try:
            values = json.loads(self._about.read_text(encoding="utf-8"))
            known = values["costs"]
            return Costs(**known | {"alone": tuple(map(float, known.get("alone", ())))})
        except (OSError, ValueError, KeyError, TypeError):
            return Costs()

    def write_costs(self, costs: Costs) -> None:
        """Put down what the answers are made of and what they cost."""
        values = {"made_of": self._made_of, "costs": asdict(costs)}
        replace_file(self._about, json.dumps(values, ensure_ascii=False, indent=1) + "\n")

    def __enter__(self) -> Kept:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab")
        return self

    def rewrite(self, predictions: Sequence[Prediction]) -> None:
        """Put these answers in the place of all that are kept, at once."""
        assert self._file is not None
        self._file.close()
        replace_file(self.path, "".join(map(_line, predictions)))
        self._file = self.path.open("ab")

    def append(self, prediction: Prediction) -> None:
        """Write one more answer; it survives this process when the method returns."""
        assert self._file is not None
        self._file.write(_line(prediction).encode())
        self._file.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None


def _line(prediction: Prediction) -> str:
    return json.dumps(prediction.to_json(), ensure_ascii=False) + "\n"


def _parsed(line: bytes, example: Example) -> Prediction | None:
    """The answer of a whole line to this very text, else None."""
    if not line.endswith(b"\n"):
        return None
    try:
        prediction = Prediction.from_json(json.loads(line))
    except (ValueError, RecordError, KeyError, TypeError):
        return None
    same = prediction.id == example.id and prediction.text == example.text
    return prediction if same else None
