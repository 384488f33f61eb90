"""What goes over the pipe between a host and its service, and what the services answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engines.records import Prediction
    from engines.settings import Settings
    from glossary.records import Record
    from glossary.term import Term


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message to a service: what it works in.

    `idle_seconds`: it ends after so many seconds without a request; 0: never.
    """

    settings: Settings
    workspace: Path | None
    language: str
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `stream`: partial results are wanted as they come."""

    id: int
    method: str
    params: dict[str, Any]
    background: bool
    stream: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the request `id`, whether it waits or runs."""

    id: int


@dataclass(frozen=True, slots=True)
class Leave:
    """End once nothing is left to do; `cancel`: stop everything first."""

    cancel: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The service takes requests."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is: a sentence for people, and `done` of `total` where that is known."""

    id: int
    stage: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Partial:
    """One of the results that a request gives before its end."""

    id: int
    value: Any


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a request."""

    id: int
    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that gave no result: a sentence, and the exit code of its kind of error."""

    id: int
    sentence: str
    exit_code: int
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Bye:
    """The last message of a service that ends in good order: it begins nothing any more."""


@dataclass(frozen=True, slots=True)
class StrategyInfo:
    """A strategy of the settings, for a list to choose from; `default`: it is taken unasked."""

    name: str
    kind: str
    model: str
    glossary: bool
    feedback_rounds: int
    default: bool


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What answers for a strategy; no model and no device for a dictionary.

    `notes`: sentences that a person should know. `seconds`: how long the opening took.
    """

    strategy: str
    model: str
    device: str
    dtype: str
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Extracted:
    """The end of an extraction of `count` texts.

    `predictions`, in the order of the texts, is empty when they were streamed to `on_partial`.
    `seconds` is wall-clock time without the loading of the model.
    """

    info: ModelInfo
    count: int
    seconds: float
    predictions: tuple[Prediction, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some of the context records: `total` that there are for what was looked for."""

    total: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a table: `total` that pass the filter, and the terms asked for.

    `version` grows with every change of the glossary; 0 when there is none yet. `behind`: so much
    was changed that the rows are those of before, until `warm_rows` is asked for.
    """

    total: int
    terms: tuple[Term, ...]
    version: int
    behind: bool = False
