"""All benchmarks that need a GPU, one after the other, in one call of at most nine minutes.

    python -P tests/benchmarks/gpu/all.py [--out FOLDER] [--seconds 520] [--dry-run]

The same command goes on where the last one ended, until it says that nothing is left. FOLDER then
holds a .jsonl of figures and a .md table a script, for tests/benchmarks/RESULTS.md. --dry-run:
every cell in miniature on the CPU, which tries the scripts and measures nothing.

A checkout is enough, kwtui itself need not be installed: of its packages only NEEDED are imported
here, and what they need in turn. Without bitsandbytes the cells of qlora fail, the others do not.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = ("training", "extraction", "preflight_grid")
NEEDED = (
    *("torch", "transformers", "accelerate", "peft", "trl", "datasets", "llguidance"),
    *("numpy", "psutil", "pydantic", "safetensors", "sentencepiece", "tokenizers", "tomli_w"),
    # Of datasets and pydantic, which do not say what they lack before they are imported.
    *("dill", "multiprocess", "pandas", "pyarrow", "xxhash"),
    *("annotated_types", "pydantic_core", "typing_inspection"),
)
# Less is not worth the start of a script.
LEAST = 45.0


def main() -> int:
    """Run each script with the time that is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/bench-gpu"))
    parser.add_argument("--seconds", type=float, default=520.0)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(f"not installed here, so nothing is measured: {', '.join(missing)}")
        return 1
    begun, worst = time.monotonic(), 0
    for name in SCRIPTS:
        left = options.seconds - (time.monotonic() - begun)
        if left < LEAST:
            print("time is up; the same command goes on")
            break
        print(f"== {name}", flush=True)
        command = [sys.executable, "-P", str(HERE / f"{name}.py"), "--seconds", f"{left:.0f}"]
        command += ["--out", str(options.out / f"{name}.jsonl")]
        command += ["--dry-run"] if options.dry_run else []
        worst = max(worst, subprocess.run(command, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())
