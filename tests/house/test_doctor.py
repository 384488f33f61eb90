"""`kwtui doctor` finds what is wrong and says what to do; its exit code tells an error."""

import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path

import pytest

from engines.children import python_environment
from engines.hardware import GIB, Gpu, GpuProcess
from engines.workspace import Workspace
from kwtui import context
from kwtui.doctor import Finding, machine, packages, surroundings, work
from kwtui.doctor.work import file_system
from tests.conftest import Run


def asked(kwtui: Run, *arguments: str | Path, code: int = 0, **options: object) -> dict[str, dict]:  # type: ignore[type-arg]
    done = kwtui(*arguments, "doctor", "--quick", "--json", **options)
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["errors"] == sum(f["state"] == "error" for f in document["findings"])
    for finding in document["findings"]:
        assert finding["state"] in ("ok", "note") or finding["cure"], finding
    return {finding["name"]: finding for finding in document["findings"]}


def test_a_good_machine_has_no_error(kwtui: Run, workspace: Workspace) -> None:
    done = kwtui("-w", workspace.root, "doctor")
    assert done.returncode == 0, done.stdout
    assert "torch:" in done.stdout and "bitsandbytes: 4-bit kernels work" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 errors, ")
    found = asked(kwtui, "-w", workspace.root)
    assert found["workspace"]["found"] == str(workspace.root)
    assert found["python"]["state"] == "ok" and found["offline"]["state"] == "ok"
    assert found["models"]["found"] == "1: kw-mini"
    assert found["terminal"]["state"] == "note"
    assert not (workspace.root / "corpus.sqlite").exists()


def test_a_fault_of_the_settings_is_an_error(kwtui: Run, workspace: Workspace) -> None:
    whole = workspace.config.read_text()
    workspace.config.write_text(whole + "[extraction]\nstrategi = 'rag'\n")
    found = asked(kwtui, "-w", workspace.root, code=1)
    assert "strategi" in found["config.toml"]["found"]


def test_what_the_workspace_lacks_is_told(kwtui: Run, workspace: Workspace) -> None:
    with workspace.config.open("a") as config:
        config.write('[strategies.big]\nmodel = "gemma-99b"\n[servers.lab]\naddress = "http://x"\n')
    (workspace.models / "broken").mkdir()
    (workspace.models / "broken" / "config.json").write_text("{")
    workspace.corpus_path.write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    found = asked(kwtui, "-w", workspace.root, code=1)
    assert "kwtui models add" in found["big"]["cure"]
    assert "broken JSON" in found["broken"]["found"]
    assert found["corpus"]["state"] == "error" and "backups/" in found["corpus"]["cure"]
    assert "servers.lab.address" in found["trust"]["found"]


def test_a_damaged_database_is_found_by_reading_it(kwtui: Run, workspace: Workspace) -> None:
    source = workspace.root / "in.jsonl"
    rows = [{"text": f"글 {n} " + "가" * 50} for n in range(400)]
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    assert kwtui("-w", workspace.root, "data", "import", source).returncode == 0
    data = bytearray(workspace.corpus_path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = b"\xff" * 20_000
    workspace.corpus_path.write_bytes(bytes(data))
    context.name_workspace(workspace.root)
    try:
        found = {finding.name: finding for finding in work.examine()}
    finally:
        context.name_workspace(None)
    assert found["corpus"].state == "error" and "backups/" in found["corpus"].cure


def test_locale_and_offline_switches(kwtui: Run) -> None:
    found = asked(kwtui, env={"LC_ALL": "C", "HF_HUB_OFFLINE": "0"})
    assert "C.UTF-8" in found["locale"]["cure"]
    assert "HF_HUB_OFFLINE=0" in found["offline"]["found"]


def test_other_versions_than_tested_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = packages.constraints()
    assert pins["torch"] and pins["pyyaml"]
    monkeypatch.setattr(packages, "constraints", lambda: {**pins, "numpy": "0.0.1"})
    found = {finding.name: finding for finding in packages.examine()}
    assert "numpy" in found["constraints"].found and "(0.0.1)" in found["constraints"].found
    monkeypatch.setattr(packages, "_required", lambda extra="": ["absent-package"])
    found = {finding.name: finding for finding in packages.examine()}
    assert found["packages"].state == "error" and "absent-package" in found["packages"].found


def test_what_is_not_installed_and_could_be_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def required(extra: str = "") -> list[str]:
        return {"serve": ["fastapi", "absent-package"], "": []}.get(extra, [])

    monkeypatch.setattr(packages, "_required", required)
    found = {finding.name: finding for finding in packages.examine()}
    assert found["extra serve"].state == "note"
    assert "kwtui[serve]" in found["extra serve"].cure and "extra llamacpp" not in found


def test_runs_that_broke_off_and_a_wrong_folder_of_llama_cpp_are_told(
    kwtui: Run, workspace: Workspace
) -> None:
    run = workspace.runs / "broke-off"
    run.mkdir(parents=True)
    gone = {"state": "running", "pid": 2**22 + 1, "host": os.uname().nodename, "boot": "another"}
    (run / "run.json").write_text(json.dumps(gone))
    (run / "recipe.toml").write_text("")
    with workspace.config.open("a") as config:
        config.write('[export]\nllama_cpp = "/nowhere/llama.cpp"\n')
    assert kwtui("trust", workspace.root, "--yes").returncode == 0
    found = asked(kwtui, "-w", workspace.root)
    assert "broke-off" in found["runs"]["found"] and "kwtui runs resume" in found["runs"]["cure"]
    assert "/nowhere/llama.cpp" in found["llama.cpp"]["found"]


def test_gpus_that_others_use_or_that_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    free = Gpu(0, "GPU-0", "Test", 24 * GIB, 0, 24 * GIB)
    busy = replace(free, index=1, free=GIB, processes=(GpuProcess(7, "ana", "python", None),))
    monkeypatch.setattr(machine, "gpus", lambda: [free, busy])
    found = {finding.name: finding for finding in machine.examine(quick=True)}
    assert found["gpu 0"].state == "ok" and "24.0 / 24.0 GiB" in found["gpu 0"].found
    assert found["gpu 1"].state == "warning" and "ana" in found["gpu 1"].cure
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert next(iter(machine.examine(quick=True))).state == "note"
    # A torch without CUDA beside a GPU is an error (this one is built for the CPU or sees none).
    import torch

    if not torch.cuda.is_available():
        named = [f for f in machine.examine() if f.name == "torch"]
        assert named[0].state == "error" and "install" in named[0].cure.lower()


class Screen:
    """A terminal with `columns` whose cells per character the test chooses."""

    def __init__(self, columns: int, wide: int, line: int) -> None:
        self.columns, self.wide, self.line = columns, wide, line

    def run(self, **env: str) -> dict[str, Finding]:
        """The findings of `kwtui doctor --quick --json`, whose questions are answered."""
        host, guest = pty.openpty()
        ioctl(guest, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self.columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "kwtui", "doctor", "--quick", "--json"],
            stdin=guest,
            stdout=subprocess.PIPE,
            stderr=guest,
            start_new_session=True,
            preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0) and None,
            env=python_environment(
                {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "TMUX")} | env
            ),
        )
        os.close(guest)
        assert process.stdout is not None
        seen, deadline = b"", time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([host], [], [], 0.05)[0]:
                try:
                    seen = self._answer(host, seen + os.read(host, 4096))
                except OSError:  # the last process on the other side has ended
                    break
        rows = json.loads(process.stdout.read())["findings"]
        process.stdout.close()
        os.close(host)
        return {row["name"]: Finding(**row) for row in rows}

    def _answer(self, host: int, seen: bytes) -> bytes:
        for text, cells in (("가", self.wide), ("─", self.line)):
            question = text.encode() + b"\x1b[6n"
            if question in seen:
                os.write(host, f"\x1b[1;{cells + 1}R".encode())
                seen = seen.replace(question, b"")
        if b"\x1b[?u" in seen:
            os.write(host, b"\x1b[?0u")
            seen = seen.replace(b"\x1b[?u", b"")
        return seen


def test_a_terminal_is_measured(own_home: Path) -> None:
    good = Screen(100, 2, 1).run(TERM="xterm-256color", COLORTERM="truecolor")
    assert {good[name].state for name in ("size", "colours", "width", "keys")} == {"ok"}
    bad = Screen(60, 2, 2).run(TERM="xterm", COLORTERM="", TEXTUAL_DISABLE_KITTY_KEY="0")
    assert bad["size"].state == "warning" and bad["size"].found == "60x24"
    assert 'borders = "ascii"' in bad["width"].cure
    assert 'colors = "16"' in bad["colours"].cure
    assert "TEXTUAL_DISABLE_KITTY_KEY" in bad["keys"].cure


def test_tmux_that_waits_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"-V": "tmux 3.1c", "-sv": "500", "-gv": "screen"}
    monkeypatch.setattr(surroundings, "_output", lambda *c: said[next(p for p in c if p in said)])
    found = {finding.name: finding for finding in surroundings.tmux()}
    assert {finding.state for finding in found.values()} == {"warning"}
    assert "escape-time 20" in found["tmux escape-time"].cure
    said |= {"-V": "tmux 3.5a", "-sv": "10", "-gv": "tmux-256color"}
    assert [finding.state for finding in surroundings.tmux()] == ["ok"]


def test_the_file_system_is_known(tmp_path: Path) -> None:
    assert file_system(tmp_path) not in ("", "nfs")
    assert file_system(Path("/proc/self")) == "proc"
