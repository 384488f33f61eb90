"""The folder of a run: everything that a run is lies in it as files.

`recipe.toml` reproduces the run; `run.json` says how it stands and is replaced as a whole;
`events.jsonl` and `log.txt` grow; `checkpoints/` holds whole checkpoints only; a file `stop` asks
the run to save and end.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glossary.errors import UserError
from glossary.i18n import _

State = Literal["waiting", "starting", "running", "stopped", "finished", "failed"]
HEARTBEAT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the parts of one run lie; `path` is absolute."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The complete recipe."""
        return self.path / "recipe.toml"

    @property
    def state_file(self) -> Path:
        """How the run stands: one JSON object."""
        return self.path / "run.json"

    @property
    def events(self) -> Path:
        """What happened, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        """What the libraries said, and tracebacks."""
        return self.path / "log.txt"

    @property
    def checkpoints(self) -> Path:
        """Whole checkpoints, `checkpoint-STEP` each."""
        return self.path / "checkpoints"

    @property
    def stop_file(self) -> Path:
        """Asks the run to save and end after its present step."""
        return self.path / "stop"

    def read(self) -> dict[str, Any]:
        """The content of run.json, {} when there is none yet; UserError when it is no object."""
        try:
            values = json.loads(self.state_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            message = _("{path} cannot be read: {error}.")
            raise UserError(message.format(path=self.state_file, error=error)) from None
        if not isinstance(values, dict):
            raise UserError(_("{path} holds no JSON object.").format(path=self.state_file))
        return values

    def write(self, values: dict[str, Any]) -> None:
        """Replace run.json as a whole."""
        text = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
        replace_file(self.state_file, text)


def replace_file(path: Path, text: str) -> None:
    """Put `text` into `path` so that a reader, or a power cut, sees the old file or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def boot_id() -> str:
    """What changes when the machine starts anew; "" where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def process_start(pid: int) -> float:
    """When a process started; 0 when there is none. A pid alone may be another process's since.

    In seconds since the boot where the system tells (proc_pid_stat(5)), for those since the epoch
    move with every clock that is set; on other systems since the epoch.
    """
    import psutil

    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(words.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        pass
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


class Status:
    """run.json as the running process keeps it: who it is, how far it is, that it lives.

    Use as a context manager: a thread renews the heartbeat every `HEARTBEAT_SECONDS`.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._values = folder.read() | {
            "pid": os.getpid(),
            "process_start": process_start(os.getpid()),
            "host": socket.gethostname(),
            "boot_id": boot_id(),
        }
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")

    def __enter__(self) -> Status:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        self._thread.join()

    def update(self, **values: Any) -> None:
        """Change these values and write them all."""
        with self._lock:
            self._values |= values | {"heartbeat": round(time.time(), 3)}
            self._folder.write(self._values)

    def note(self, **values: Any) -> None:
        """Change these values; they are written with the next heartbeat."""
        with self._lock:
            self._values |= values

    def _beat(self) -> None:
        while not self._end.wait(HEARTBEAT_SECONDS):
            try:
                self.update()
            except OSError:
                # A full disk must not end the thread: the next beat may find room again.
                continue
