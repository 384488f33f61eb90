"""A tiny model with a real tokenizer, labeled texts to teach it, and queues of runs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engines import hardware
from engines.children import python_environment
from engines.hardware import Gpu
from engines.training import runs, supervisor
from engines.training.detached import Terms
from engines.training.folder import RunFolder
from engines.training.liveness import whoami
from engines.training.queue import Queue
from engines.workspace import Workspace
from tests.tiny import write_model

ROWS = [
    (
        "진통과 해열 효과가 있는 파스형 의약품은 임산부와 노인에게 적합합니다.",
        ["진통", "해열", "파스"],
    ),
    ("두통, 치통, 생리통이 있을 때 한 알을 드십시오.", ["두통", "치통", "생리통"]),
    ("아세트아미노펜과 이부프로펜은 간질환 환자가 조심해야 합니다.", ["아세트아미노펜", "간질환"]),
    ("이 연고는 눈에 넣지 마십시오.", ["연고"]),
    ("노인과 임산부는 의사와 상의하십시오.", ["노인", "임산부"]),
    ("운전 전에는 먹지 마십시오.", []),
    ("위염 환자용 현탁액으로, 하루 3회 10 mL씩 복용합니다.", ["위염", "현탁액"]),
    ("소화불량에는 이 정제를 드십시오.", ["소화불량", "정제"]),
]


def labeled(path: Path, times: int = 3) -> Path:
    """Records {"text", "labels"}, each text `times` times with another head."""
    with path.open("w", encoding="utf-8") as file:
        for time in range(times):
            for text, words in ROWS:
                row = {"text": f"{'가나다라마바'[time]}. {text}", "labels": words}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the model `tiny`, as a name in settings finds it."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "tiny")
    return folder


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labeled(tmp_path_factory.mktemp("data") / "texts.jsonl")


_KILLED = """
import os, signal, sys
from pathlib import Path
from engines.training.folder import RunFolder
from engines.training.worker import work

def kill(step, steps):
    if step == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

work(RunFolder(Path(sys.argv[1])), on_step=kill)
"""


def run_and_kill(folder: RunFolder, step: int) -> None:
    """Run a prepared folder in a process of its own that SIGKILL ends after a step."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _KILLED, str(folder.path), str(step)],
        env=python_environment() | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of this test only, and one thread a process."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def queue(workspace: Workspace) -> Queue:
    return Queue(workspace.runs)


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Terms]]:
    """What the supervisor starts; the process that would train is this test."""
    found: list[tuple[str, Terms]] = []

    def start(run: runs.Run, terms: Terms) -> int:
        found.append((run.id, terms))
        run.folder.write({**whoami(os.getpid()), "state": "running", "id": run.id})
        return os.getpid()

    monkeypatch.setattr(supervisor, "resume", start)
    return found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Gpu]:
    """The GPUs that NVML reports, to be filled by the test."""
    found: list[Gpu] = []
    monkeypatch.setattr(hardware, "gpus", lambda: list(found))
    return found
