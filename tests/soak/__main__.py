"""`make soak`: hours of work on the demo beside kills, full disks and clock jumps.

    python -m tests.soak [--minutes N] [--seed N] [--out FOLDER]

Exit code 0 when nothing was found. In FOLDER stay acks.jsonl (everything that happened) and
summary.json.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from tests.soak.soaking import Length, soak


def main(arguments: list[str]) -> int:
    """Soak as the command line says."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--out", type=Path, default=Path("dist/soak"))
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}, {given.minutes:g} minutes, {given.out}", flush=True)
    summary = soak(given.out, str(given.seed), Length(given.minutes * 60))
    for line in summary.lines():
        print(line)
    return 1 if summary.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
