"""What a run tells besides its loss: load and memory, TensorBoard's files, MFU, its end."""

import json
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from engines.events import EventLog, read_events
from engines.training import ending
from engines.training.folder import RunFolder
from engines.training.mfu import flops_per_token, peak_of
from engines.training.monitoring import Meter, MonitorCallback
from engines.training.plan import Plan
from engines.training.prompts import Tokens
from engines.training.samples import Judgements
from engines.training.shapes import GEMMA_2B
from engines.training.tensorboard import BoardWriter, crc32c, framed
from engines.workspace import Workspace


class State:
    is_world_process_zero = True
    global_step = 5
    max_steps = 9


def test_memory_and_load_are_told_between_steps_too(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.jsonl") as log:
        watch = MonitorCallback(tmp_path, log, interval=0.05)
        watch.on_train_begin(None, State, None)
        while len(list(read_events(log.path))) < 4:
            time.sleep(0.01)
        watch.on_train_end(None, State, None)
        told = list(read_events(log.path))
    assert {event["kind"] for event in told} == {"resources"}
    one = told[-1]
    assert one["step"] == 5 and 0 < one["rss"] <= one["rss_peak"]
    assert one["cpu"] >= 0 and 0 < one["memory_free"] <= one["memory_total"]
    assert json.loads((tmp_path / "series.json").read_text())["curves"]["cpu"]
    assert Meter().resources().keys() >= {"rss", "rss_peak", "cpu"}


def records(data: bytes) -> list[bytes]:
    found = []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        assert framed(data[12 : 12 + size]) == data[: 16 + size], "a check sum is wrong"
        found.append(data[12 : 12 + size])
        data = data[16 + size :]
    return found


def test_tensorboard_files_hold_every_figure(tmp_path: Path) -> None:
    # RFC 3720, B.4: 32 bytes of zeros.
    assert crc32c(bytes(32)) == 0x8A9136AA
    writer = BoardWriter(tmp_path / "tensorboard")
    events = [
        {"kind": "step", "time": 1.5, "step": 300, "loss": 0.5, "learning_rate": None},
        {"kind": "evaluation", "time": 2.0, "step": 300, "f1": 0.75, "samples": []},
        {"kind": "checkpoint", "step": 300},
    ]
    writer.take(events)
    writer.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    assert file.name.startswith("events.out.tfevents.")
    head, loss, f1 = records(file.read_bytes())
    assert b"brain.Event:2" in head
    assert loss == b"\x09" + struct.pack("<d", 1.5) + b"\x10\xac\x02" + b"\x2a\x13\x0a\x11" + (
        b"\x0a\x0atrain/loss\x15" + struct.pack("<f", 0.5)
    )
    assert b"dev/f1" in f1 and struct.pack("<f", 0.75) in f1


def test_useful_operations_are_counted_by_hand() -> None:
    """Two examples of 100 tokens with a shared head of 40: the head is computed once."""
    ids = np.arange(100, dtype=np.int32)
    examples = [Tokens(ids, 90, 0), Tokens(np.concatenate([ids[:40], ids[40:] + 500]), 90, 1)]
    plan = Plan.__new__(Plan)
    object.__setattr__(plan, "batches", [[0, 1]])
    shape = GEMMA_2B
    linear = shape.linear
    for full, passes in ((True, 6), (False, 4)):
        apart = flops_per_token(shape, examples, plan, full=full, share_heads=False)
        attention = 12 * shape.layers * shape.query * 10_000
        assert apart == pytest.approx(
            (passes * (linear * 200 + shape.embedding * 20) + attention) / 200
        )
        shared = flops_per_token(shape, examples, plan, full=full, share_heads=True)
        attention = 12 * shape.layers * shape.query * (20_000 - 40 * 40) / 2
        assert shared == pytest.approx(
            (passes * (linear * 160 + shape.embedding * 20) + attention) / 200
        )
    assert peak_of("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_of("NVIDIA H100 PCIe") == 756e12
    assert peak_of("Some GPU") is None


def test_a_command_of_the_users_hears_of_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = Workspace.create(tmp_path / "space")
    folder = RunFolder(space.runs / "run")
    folder.path.mkdir(parents=True)
    folder.recipe.write_text(f'[data]\nworkspace = "{space.root}"\n')
    folder.log.write_text("")
    out = tmp_path / "said"
    program = (
        "import os, sys; "
        f"open({str(out)!r}, 'w').write(' '.join([os.environ['TRAINING_RUN'], *sys.argv[1:]]))"
    )
    line = f"[commands]\nrun-ended = {json.dumps([sys.executable, '-c', program])}\n"
    with space.config.open("a", encoding="utf-8") as config:
        config.write(line)
    ending.tell_end(folder, {"state": "finished"})
    assert not out.exists(), "a workspace's own command waits for `kwtui trust`"
    user = tmp_path / "user"
    user.mkdir()
    (user / "config.toml").write_text(line)
    monkeypatch.setattr("engines.settings.user_folder", lambda *_: user)
    ending.tell_end(folder, {"state": "finished"})
    assert out.read_text() == f"{folder.path} finished run"
    (user / "config.toml").write_text('[commands]\nrun-ended = ["/no/such/program"]\n')
    ending.tell_end(folder, {"state": "failed"})


def test_judgements_are_found_among_many_events_and_those_made_again_count(tmp_path: Path) -> None:
    with EventLog(tmp_path / "events.jsonl") as log:
        for step in (0, 4, 8):
            log.write("step", step=step, loss=1.0)
            log.write("evaluation", step=step, f1=step / 10, samples=[])
        found = Judgements(log.path)
        assert [one["step"] for one in found.look()] == [0, 4, 8]
        log.write("evaluation", step=4, f1=0.9, samples=[])
        assert [(one["step"], one["f1"]) for one in found.look()] == [(0, 0.0), (4, 0.9)]


def test_a_child_process_speaks_the_language_of_who_started_it() -> None:
    from engines.children import python_environment
    from glossary import i18n
    from kwtui.startup import CATALOGUES

    before = i18n.language()
    try:
        i18n.use("ko", CATALOGUES)
        environ = python_environment()
        i18n.use("en")
        i18n.take_over(environ)
        assert i18n.language() == "ko" and i18n._("waiting") == "대기"
    finally:
        i18n.use(before)
