"""What `kwtui doctor` looks at: each finding says what is there and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `cure`: what to do, "" where nothing is wrong."""

    topic: str
    name: str
    state: State
    found: str
    cure: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as an object."""
        return asdict(self)


def examine(*, quick: bool = False) -> Iterator[Finding]:
    """Every finding about this machine, this terminal and this workspace, one after the other.

    `quick`: without loading torch and without reading whole databases.
    """
    from kwtui.doctor import machine, packages, surroundings, work

    parts: list[Iterable[Finding]] = [
        packages.examine(),
        machine.examine(quick=quick),
        surroundings.examine(),
        work.examine(quick=quick),
    ]
    for part in parts:
        yield from part
