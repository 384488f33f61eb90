"""Where the soak happens: the demo as a scratch workspace on a small disk of its own."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from engines.children import python_command, python_environment
from engines.corpus.store import Corpus
from engines.records import Example
from engines.workspace import Workspace, assets
from tests.soak.acks import Acks

DISK_MIB = 400
TEXTS = 3000
SHIM = Path(__file__).resolve().parent / "shim"
CONFIG = """
[curation]
overlap = 0.0
goal = 100000
daily_copies = 2

[recipes.kw-mini]
model = "kw-mini"
lora = {r = 4, targets = "all-linear", dropout = 0.0}
optimisation = {steps = 60, batch_size = 2, threads = 1, warmup = 0.1}
evaluation = {texts = 2, steps = 30}
saving = {steps = 5, log_steps = 1}
"""
_WORD = re.compile(r"[가-힣]{2,}")


@dataclass
class Place:
    """A folder with a disk, a workspace on it, and the environment of everything that runs.

    `mounted`: the disk is a file system of its own; `moved`: the clock can be moved.
    """

    root: Path
    mounted: bool
    moved: bool
    acks: Acks
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def disk(self) -> Path:
        """What can be filled."""
        return self.root / "disk"

    @property
    def space(self) -> Workspace:
        """The workspace."""
        return Workspace(self.disk / "space")

    @property
    def clock(self) -> Path:
        """The seconds by which the clocks of all processes are ahead."""
        return self.root / "clock"

    @property
    def state(self) -> Path:
        """Logs of the services and the state of the screen."""
        return self.root / "state" / "kwtui"

    def environment(self, role: str, annotator: str = "") -> dict[str, str]:
        """The variables of a process of this soak; its children inherit them."""
        name = json.dumps(annotator or role)
        clock = {"LD_PRELOAD": str(self.root / "clock.so")} if self.moved else {}
        return clock | {
            "HOME": str(self.root / "home"),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "XDG_STATE_HOME": str(self.root / "state"),
            "TMPDIR": str(self.root / "tmp"),
            "KWTUI_CURATION__ANNOTATOR": name,
            "PYTHONPATH": str(SHIM),
            "SOAK_CLOCK": str(self.clock),
            "SOAK_MARK": self.mark,
            "SOAK_ROLE": role,
            "LOGNAME": annotator or role,
            "OMP_NUM_THREADS": "1",
            "LC_ALL": "C.UTF-8",
        }

    def set_clock(self, seconds: float) -> None:
        """Let every process of the soak be so far ahead of the machine."""
        with self.clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    def texts(self) -> list[tuple[str, list[str]]]:
        """Ids of texts that are labeled by command, with words that stand in each."""
        with Corpus.open(self.space.corpus_path, readonly=True) as corpus:
            rows = corpus.db.execute("SELECT id, text FROM texts WHERE id LIKE 'h%'").fetchall()
        return [(str(i), list(dict.fromkeys(_WORD.findall(text)))) for i, text in rows]

    def leave(self) -> None:
        """Take the disk away, and everything with it."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)
        shutil.rmtree(self.root, ignore_errors=True)


def make(root: Path, acks: Acks, *, small: bool = False) -> Place:
    """The place in the new folder `root`. `small`: few texts, for a short soak."""
    for name in ("disk", "home", "config", "state", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "clock").write_bytes(struct.pack("d", 0.0))
    place = Place(root, _mount(root / "disk"), _clock(root / "clock.so"), acks)
    environment = python_environment() | place.environment("maker")
    command = python_command("kwtui", "demo", "--prepare", "-w", str(place.space.root))
    subprocess.run(command, env=environment, check=True, capture_output=True)
    with place.space.config.open("a", encoding="utf-8") as config:
        config.write(CONFIG)
    with Corpus.open(place.space.corpus_path) as corpus:
        corpus.use_overlap(0.0)
        corpus.add(_texts(300 if small else TEXTS), source="soak")
    return place


def _mount(disk: Path) -> bool:
    """Whether a file system of its own was mounted there, which root may do."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "soak", str(disk)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _clock(library: Path) -> bool:
    """Whether what moves the clock of a process could be built; it takes a C compiler."""
    command = ["cc", "-shared", "-fPIC", "-O1", str(SHIM / "clock.c"), "-o", str(library), "-ldl"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _texts(count: int) -> list[Example]:
    """Numbered copies of the demo's unlabeled texts: a tenth of them for the command line."""
    file = assets() / "demo" / "unlabeled.jsonl"
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        Example(f"{'h' if n % 10 == 0 else 's'}{n}", f"{n}. {texts[n % len(texts)]}", labeled=False)
        for n in range(count)
    ]
