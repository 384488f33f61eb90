"""How long a fresh `kwtui extract` takes to its first answer, beside plain transformers.

    python -P tests/benchmarks/first_answer.py [--rounds 5]

Each command is a new process that answers one text with kw-mini and ends; the peer imports torch
and transformers, loads the same weights and generates as many tokens. `import torch` and `import
lancedb` alone say what the floor is. They run in turn, medians are compared; CPU seconds do not
depend on what else the machine does (target: prompt within 4 s).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engines.children import python_command, python_environment
from engines.workspace import assets

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다."
PEER = """
import sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
turns = [{"role": "user", "content": sys.argv[2]}]
asked = tokenizer.apply_chat_template(
    turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
answer = model.generate(**asked, max_new_tokens=16, do_sample=False)
print(tokenizer.decode(answer[0]))
"""


def once(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock and of CPU, of the command and its children."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime


def main() -> None:
    """Run everything in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        environment = python_environment() | {
            "XDG_STATE_HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "OMP_NUM_THREADS": "1",
        }
        space = str(Path(folder) / "space")
        once(python_command("kwtui", "demo", "--prepare", "-w", space), environment)
        ask = ["kwtui", "-w", space, "extract", "--text", TEXT, "--strategy"]
        plain = [sys.executable, "-P", "-c"]
        commands = {
            "transformers": [*plain, PEER, str(assets() / "kw-mini"), TEXT],
            "import torch": [*plain, "import torch"],
            "import lancedb": [*plain, "import lancedb"],
            "dictionary": python_command(*ask, "dictionary"),
            "prompt": python_command(*ask, "prompt"),
            "rag": python_command(*ask, "rag"),
        }
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            for name, command in commands.items():
                figures = once(command, environment)
                if number:
                    took[name].append(figures)
    wall = {name: statistics.median(w for w, _cpu in found) for name, found in took.items()}
    cpu = {name: statistics.median(c for _wall, c in found) for name, found in took.items()}
    for name in commands:
        ratio = f"{cpu[name] / cpu['transformers']:.2f} times transformers by CPU"
        print(f"{name}: {wall[name]:.2f} s, CPU {cpu[name]:.2f} s, {ratio}", flush=True)


if __name__ == "__main__":
    main()
