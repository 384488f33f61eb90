"""How long `kwtui --help` takes against `python -c "import typer"` (target: at most 1.5 times).

Both are started in turn, so that a busy machine slows both; the medians are compared.
"""

import statistics
import subprocess
import sys
import time

from engines.children import python_command, python_environment

ROUNDS = 25
TARGET = 1.5


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=python_environment())
    return time.perf_counter() - start


def main() -> None:
    ours = python_command("kwtui", "--help")
    peer = [ours[0], "-P", "-c", "import typer"]
    for command in (ours, peer):
        seconds(command)
    pairs = [(seconds(ours), seconds(peer)) for _round in range(ROUNDS)]
    help_time, typer_time = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = help_time / typer_time
    sys.stdout.write(
        f"kwtui --help {help_time * 1000:.0f} ms, import typer {typer_time * 1000:.0f} ms: "
        f"{ratio:.2f} times (target {TARGET})\n"
    )


if __name__ == "__main__":
    main()
