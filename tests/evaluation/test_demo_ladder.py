"""`kwtui demo --headless`: rungs trained and measured, the tables, the advice and the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.evaluation.measured import read_result
from engines.workspace import Workspace
from tests.conftest import Run


def test_the_demo_climbs_its_ladder_and_writes_the_report(kwtui: Run, tmp_path: Path) -> None:
    root = tmp_path / "demo"
    asked = ("-w", root, "demo", "--headless", "--strategies", "dictionary", "--limit", "10")
    done = kwtui(*asked)
    assert done.returncode == 0, done.stderr
    for split in ("test", "wild"):
        assert f"10 texts of {split}:" in done.stdout
        for kind in ("html", "md"):
            path = root / "reports" / f"ladder-{split}.{kind}"
            assert f"Report: {path}" in done.stdout
            assert path.stat().st_size > 2000
    assert "Only control was measured (dictionary" in done.stdout
    assert "says nothing about Gemma" in done.stdout
    found = [read_result(Workspace.open(root), split) for split in ("test", "wild")]
    results = [result for result in found if result is not None]
    assert [result.commands for result in results] == [
        (f"kwtui ladder --split {split} --strategies dictionary --limit 10",)
        for split in ("test", "wild")
    ]
    # Each split is measured by a process of its own, with the memory of nothing else in it.
    peaks = [result.rows[0].peak_bytes for result in results]
    assert max(peaks) < 1.2 * min(peaks)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demo_trains_a_rung_says_examples_and_epochs_and_goes_on(
    kwtui: Run, tmp_path: Path
) -> None:
    root = tmp_path / "demo"
    asked = ("-w", root, "demo", "--headless", "--strategies", "dictionary,prompt,lora")
    small = ("--limit", "5", "--epochs", "0.1")
    done = kwtui(*asked, *small, timeout=1500)
    assert done.returncode == 0, done.stderr
    costs = [line.split() for line in done.stdout.splitlines() if line.startswith("lora ")]
    assert any("2,000" in line and "0.1" in line for line in costs)
    assert "What is usually recommended" in done.stdout
    page = (root / "reports" / "ladder-test.md").read_text(encoding="utf-8")
    assert "kwtui train runs/" in page
    assert "[strategies.lora]" in page
    runs = sorted(path.name for path in (root / "runs").iterdir() if path.is_dir())
    again = kwtui(*asked, *small, "--json", timeout=600)
    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    assert [row["strategy"] for row in document["wild"]["rows"]] == ["dictionary", "prompt", "lora"]
    assert sorted(path.name for path in (root / "runs").iterdir() if path.is_dir()) == runs
