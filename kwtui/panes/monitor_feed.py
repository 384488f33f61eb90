"""What the monitor shows, read from the files of the runs in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.hardware import Gpu, Memory
from engines.training.board import Board, Row
from engines.training.comparing import Comparison, compared
from engines.training.runs import Run, checkpoints, sweep
from engines.training.samples import Judgements
from engines.training.series import Bucket
from engines.workspace import Workspace
from glossary.text import printable
from kwtui.columns import cells

TAIL = 2**17
MARKED = 4


@dataclass(frozen=True, slots=True)
class Chosen:
    """All about the run that is looked at; `curves` by name, of each marked run by id."""

    row: Row
    curves: dict[str, dict[str, list[Bucket]]]
    checkpoints: tuple[int, ...] = ()
    log: tuple[str, ...] = ()
    judgements: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """One look: the runs, the chosen one, and what the view in front wants besides."""

    rows: tuple[Row, ...] = ()
    chosen: Chosen | None = None
    paused: bool = False
    gpus: tuple[Gpu, ...] = ()
    memory: Memory | None = None
    load: float | None = None
    comparison: Comparison | None = None


@dataclass(slots=True)
class Wish:
    """What is to be looked at: a run by id ("": the newest), marked ones, and the view in front.

    `others`: folders of runs outside the workspace.
    """

    run: str = ""
    marked: list[str] = field(default_factory=list)
    view: str = "curves"
    others: list[str] = field(default_factory=list)


class Feed:
    """Looks at the runs of a workspace; not for two threads at once."""

    def __init__(self, workspace: Workspace) -> None:
        self.board = Board(workspace.runs)
        self._judgements: dict[str, Judgements] = {}
        self._swept = False

    def look(self, wish: Wish) -> View:
        """One look at everything that is wanted."""
        if not self._swept:
            self._swept = True
            sweep(self.board.runs)
            self._wake()
        rows = self.board.look([Path(folder) for folder in wish.others])
        row = next((r for r in rows if r.run.id == wish.run), rows[0] if rows else None)
        chosen = None if row is None else self._chosen(row, rows, wish)
        more: dict[str, Any] = {}
        if wish.view == "machine":
            more = _machine()
        if wish.view == "compare" and row is not None:
            more["comparison"] = compared([r.run for r in self._together(row, rows, wish)])
        return View(tuple(rows), chosen, self._paused(), **more)

    def _wake(self) -> None:
        """A queue whose supervisor is gone gets one, as by any command."""
        from engines.training.queue import wake

        wake(self.board.runs)

    def _paused(self) -> bool:
        queue = self.board.queue
        return queue.file.exists() and queue.paused

    def _together(self, row: Row, rows: list[Row], wish: Wish) -> list[Row]:
        """The chosen run and the marked ones, at most four."""
        marked = [r for r in rows if r.run.id in wish.marked and r.run.id != row.run.id]
        return [row, *marked][:MARKED]

    def _chosen(self, row: Row, rows: list[Row], wish: Wish) -> Chosen:
        curves = {}
        for one in self._together(row, rows, wish):
            series = self.board.watcher(one.run).series
            if not series.curves:
                series.catch_up()
            curves[one.run.id] = {name: list(curve) for name, curve in series.curves.items()}
        more: dict[str, Any] = {}
        if wish.view == "log":
            more["log"] = tail(row.run.folder.log)
        if wish.view == "samples":
            more["judgements"] = tuple(self._judged(row.run))
        return Chosen(row, curves, tuple(checkpoints(row.run)), **more)

    def _judged(self, run: Run) -> list[dict[str, Any]]:
        if run.id not in self._judgements:
            self._judgements[run.id] = Judgements(run.folder.events)
        return list(self._judgements[run.id].look())


def tail(path: Path, size: int = TAIL) -> tuple[str, ...]:
    """The last lines of a file, out of at most `size` bytes."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(0, end - size))
            data = file.read(size)
    except OSError:
        return ()
    lines = data.decode("utf-8", "replace").splitlines()
    return tuple(lines[1:] if end > size else lines)


def folded(lines: Iterable[str], width: int) -> Iterator[str]:
    """Lines as they fit into so many terminal cells; what is too long goes on in the next one."""
    for line in lines:
        plain = printable(line)
        while cells(plain) > width > 2:
            end = width
            while cells(plain[:end]) > width:
                end -= 1
            yield plain[:end]
            plain = plain[end:]
        yield plain


def _machine() -> dict[str, Any]:
    import psutil

    from engines import hardware

    return {
        "gpus": tuple(hardware.gpus()),
        "memory": hardware.memory(),
        "load": psutil.getloadavg()[0],
    }
