"""Cells of a benchmark: each measured once, a JSON line each in a file, over as many calls as it
takes.

A call begins no cell that it may not finish in its time, judged by the slowest cell so far. What
failed has a line too, so that it is not tried again and again; --retry tries it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
# A command on a lent machine has ten minutes.
SECONDS = 500.0

Row = dict[str, Any]


def arguments(doc: str, out: str) -> argparse.ArgumentParser:
    """What every script takes."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/bench-gpu") / out)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for this call")
    parser.add_argument("--cell", action="append", default=[], help="only this cell")
    parser.add_argument("--retry", action="store_true", help="try what failed again")
    parser.add_argument("--dry-run", action="store_true", help="tiny, on the CPU")
    parser.add_argument("--inside", default="", help=argparse.SUPPRESS)
    return parser


def rows(out: Path) -> dict[str, Row]:
    """The cells that are measured, by name; the last line of a cell counts."""
    if not out.exists():
        return {}
    lines = out.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return {row["cell"]: row for row in found}


def failed(row: Row | None) -> bool:
    """Whether a cell has no figures."""
    return row is None or bool(row.get("failed"))


def left(names: Iterable[str], out: Path, *, retry: bool = False) -> list[str]:
    """The cells without a line; with `retry` those that failed too."""
    known = rows(out)
    return [n for n in names if n not in known or (retry and failed(known[n]))]


def work_through(
    names: Sequence[str],
    options: argparse.Namespace,
    measure: Callable[[str, float], Row],
) -> list[str]:
    """Measure what is left, as far as the time goes; the names of what is left then.

    `measure` gets a cell and the seconds that it may take; TimeoutExpired says that it took more.
    """
    out: Path = options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    wanted = [n for n in names if not options.cell or n in options.cell]
    todo = left(wanted, out, retry=options.retry)
    for count, name in enumerate(todo):
        room = options.seconds - (time.monotonic() - begun)
        slowest = max((row.get("wall_seconds", 0.0) for row in rows(out).values()), default=0.0)
        if count and room < 1.5 * slowest:
            break
        started = time.monotonic()
        try:
            figures = measure(name, room)
        except subprocess.TimeoutExpired:
            if count:
                break  # it began late: the next call gives it more
            figures = {"failed": f"took longer than {room:.0f} s"}
        row = {"cell": name, **figures, "wall_seconds": round(time.monotonic() - started, 1)}
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
    return left(wanted, out)


def apart(script: str, name: str, room: float, options: argparse.Namespace) -> Row:
    """The figures of a cell from a process of its own, which `--inside` measures."""
    command = [sys.executable, "-P", script, "--inside", name, "--out", str(options.out)]
    done = subprocess.run(
        [*command, "--dry-run"] if options.dry_run else command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=room,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"failed": done.stderr[-800:] or "no output"}


def finish(out: Path, missing: Sequence[str], header: str, lines: Sequence[str]) -> None:
    """Print a Markdown table and write it beside the figures; say what is left."""
    cells = [part.strip() for part in header.split("|")]
    table = ["| " + " | ".join(cells) + " |", "|" + "---|" * len(cells), *lines]
    out.with_suffix(".md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))
    if missing:
        print(f"{len(missing)} cells are left; the same command goes on: {', '.join(missing)}")


def line(*values: object) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(str(value) for value in values) + " |"


def reason(row: Row) -> str:
    """Why a cell has no figures, in a few words."""
    words = str(row.get("failed", "")).strip().splitlines() or ["?"]
    return "failed: " + words[-1][:90].replace("|", "/")
