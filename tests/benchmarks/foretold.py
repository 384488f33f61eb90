"""Foretold against real: time and memory of runs of kw-mini on the demo, on this machine's CPU.

    python -P tests/benchmarks/foretold.py [--methods lora,qlora,full] [--steps 60] [--threads 1]

Each run is a real one in a process of its own; its preflight is made first, with a trial of the
machine's pace. Time is that from the first to the last word in run.json, memory the peak of the
process as the kernel counts it (VmHWM).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engines.children import python_command, python_environment
from engines.events import read_events
from engines.settings import load
from engines.training.folder import RunFolder
from engines.training.preflight import preflight
from engines.training.recipe import checked
from engines.training.start import complete, prepare
from engines.workspace import Workspace, assets

MIB = 2**20


def measured(method: str, steps: int, threads: int) -> dict[str, Any]:
    """One run: what was foretold and what it took."""
    demo = assets() / "demo"
    with tempfile.TemporaryDirectory() as place:
        space = Workspace.create(Path(place) / "space")
        settings = load(space.root)
        values = {
            **settings.recipes["kw-mini"],
            "method": method,
            "data": {
                "sources": [{"file": str(demo / "train.jsonl")}],
                "dev": {"split": "", "file": str(demo / "dev.jsonl")},
            },
            "optimisation": {"steps": steps, "batch_size": 16, "threads": threads},
            "evaluation": {"steps": steps // 2, "texts": 100},
            "saving": {"log_steps": 5},
        }
        recipe = complete(checked(values, "benchmark"), settings, space, demo)
        found = preflight(recipe, place=space.root)
        folder: RunFolder = prepare(recipe, space.runs / method, space)
        environ = python_environment() | {"OMP_NUM_THREADS": str(threads)}
        command = python_command("engines.training.worker", str(folder.path))
        subprocess.run(command, env=environ, check=True, stderr=subprocess.DEVNULL)
        told = folder.read()
        peaks = [e["rss_peak"] for e in read_events(folder.events) if e["kind"] == "resources"]
        return {
            "method": method,
            "foretold_seconds": found.seconds,
            "real_seconds": told["ended"] - told["started"],
            "foretold_bytes": found.total,
            "real_bytes": max(peaks),
            **_parts(folder, found),
        }


def _parts(folder: RunFolder, found: Any) -> dict[str, Any]:
    """Where the time went: the start, a step, the judgements."""
    told = list(read_events(folder.events))
    steps = [e for e in told if e["kind"] == "step"]
    judged = [e["seconds"] for e in told if e["kind"] == "evaluation"]
    first = next(e["time"] for e in told if e["kind"] == "processes")
    span = sum(
        b["time"] - a["time"] for a, b in itertools.pairwise(steps) if b["step"] - a["step"] == 5
    )
    inside = sum(judged[1:-1])
    return {
        "start_seconds": round(first - folder.read()["started"], 2),
        "step_seconds": round((span - inside) / (len(steps) - 1) / 5, 3),
        "foretold_step_seconds": round(found.step_seconds or 0.0, 3),
        "judged_seconds": judged,
    }


def main() -> None:
    """Print a line a method, then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="lora,qlora,full")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    rows = [measured(name, given.steps, given.threads) for name in given.methods.split(",")]
    for row in rows:
        print(json.dumps(row))
    print("| method | time foretold | time real | off | memory foretold | memory real | off |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        time = row["foretold_seconds"] / row["real_seconds"] - 1
        memory = row["foretold_bytes"] / row["real_bytes"] - 1
        print(
            f"| {row['method']} | {row['foretold_seconds']:.0f} s | {row['real_seconds']:.0f} s | "
            f"{time:+.0%} | {row['foretold_bytes'] / MIB:.0f} MiB | "
            f"{row['real_bytes'] / MIB:.0f} MiB | {memory:+.0%} |"
        )


if __name__ == "__main__":
    main()
