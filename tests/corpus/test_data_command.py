"""`kwtui data` as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from engines.workspace import Workspace

if TYPE_CHECKING:
    from tests.conftest import Run

GOOD = [
    {"id": "a", "text": "파스를 붙였다", "keywords": ["파스"], "page": 3},
    {"text": "노인에게 적합", "keywords": ["노인"]},
]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_import_split_count_and_export(kwtui: Run, workspace: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(lines(GOOD), encoding="utf-8")
    space = ("-w", workspace.root)
    done = kwtui(*space, "data", "import", source, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["new"] == 2
    done = kwtui(*space, "data", "split", "--shares", "train=1", "--json")
    assert json.loads(done.stdout) == {"assigned": 2, "splits": {"train": 2}}
    done = kwtui(*space, "data", "stats", "--json")
    assert json.loads(done.stdout)["splits"]["train"]["keywords"] == 2
    assert "train" in kwtui(*space, "data", "stats").stdout
    target = tmp_path / "out.jsonl"
    assert kwtui(*space, "data", "export", "-o", target, "--split", "train").returncode == 0
    rows = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert rows[0]["id"] == "a"
    assert rows[0]["meta"] == {"page": 3}
    assert rows[1]["keywords"] == [{"surface": "노인", "start": 0, "end": 2}]
    done = kwtui(*space, "data", "export")
    assert [json.loads(line) for line in done.stdout.splitlines()] == rows


def test_broken_lines_are_named_and_the_exit_code_says_so(kwtui: Run, workspace: Workspace) -> None:
    text = lines(GOOD) + "{broken\n"
    done = kwtui("-w", workspace.root, "data", "import", "-", "--format", "jsonl", input=text)
    assert done.returncode == 3
    assert "Standard input, line 3" in done.stderr
    done = kwtui("-w", workspace.root, "data", "import", "-", "--format", "jsonl", input="{bad\n")
    assert done.returncode == 2
    assert "nothing was imported" in done.stderr


def test_nothing_to_work_on_is_a_sentence(kwtui: Run, workspace: Workspace) -> None:
    done = kwtui("-w", workspace.root, "data", "stats")
    assert (done.returncode, done.stdout) == (2, "")
    assert "kwtui data import" in done.stderr
    assert not workspace.corpus_path.exists()
    done = kwtui("-w", workspace.root, "data", "import", "none.jsonl")
    assert done.returncode == 2
    assert not workspace.corpus_path.exists()
