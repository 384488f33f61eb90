"""`kwtui demo`: strategies side by side on the embedded workspace, and what the table says."""

import json
import re
from pathlib import Path
from typing import Any

from engines.evaluation.measuring import measure, spread
from engines.extraction.extractor import Extractor
from engines.records import Example, ground
from engines.settings import StrategySettings, load
from engines.workspace import assets
from glossary.store import Glossary
from kwtui.columns import cells, table
from kwtui.commands.demo import report
from tests import tiny
from tests.conftest import Run

GOLD = [
    Example(str(n), text, ground(text, ["임산부", "노인", "두통", "해열"])[0], "test")
    for n, text in enumerate(tiny.TEXTS)
]


def test_the_demo_runs_headless_and_makes_its_workspace_once(kwtui: Run, own_home: Path) -> None:
    first = kwtui("demo", "--quick", "--strategies", "dictionary", "--limit", "0")
    assert first.returncode == 0, first.stderr
    assert "Making the demo's workspace" in first.stderr
    (row,) = [line.split() for line in first.stdout.splitlines() if line.startswith("dictionary")]
    assert 0.55 <= float(row[1]) <= 0.80
    assert "says nothing about Gemma" in first.stdout
    (space,) = (own_home / "state" / "kwtui").iterdir()
    again = kwtui("demo", "--strategies", "dictionary", "--limit", "30", "--json")
    assert (again.returncode, again.stderr) == (0, "")
    document = json.loads(again.stdout)
    assert document["workspace"] == str(space)
    (rung,) = document["rungs"]
    assert {name: part["texts"] for name, part in rung["splits"].items()} == {
        "test": 30,
        "wild": 30,
    }
    assert rung["invalid"] == rung["hallucinated"] == 0 < rung["peak_bytes"]


def test_the_demo_leaves_another_workspace_alone(kwtui: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert kwtui("init", own).returncode == 0
    before = sorted(p.name for p in own.iterdir())
    done = kwtui("demo", "-w", own)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is another workspace and stays as it is" in done.stderr
    assert sorted(p.name for p in own.iterdir()) == before
    unknown = kwtui("demo", "--strategies", "dictionry", "-w", tmp_path / "demo")
    assert "Did you mean 'dictionary'" in unknown.stderr


def test_the_kinds_the_demo_offers_are_those_of_its_guideline() -> None:
    config = (assets() / "demo" / "config.toml").read_text("utf-8")
    guideline = (assets() / "demo" / "guideline.md").read_text("utf-8")
    offered = re.search(r"^#\s+kinds = \[(.*)\]$", config, re.M)
    assert offered
    kinds = re.findall(r'"([^"]+)"', offered[1])
    assert len(kinds) == 9
    assert all(re.search(rf"^\| {kind}\b", guideline, re.M) for kind in kinds)


def test_feedback_stands_beside_the_same_strategy_without_it(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text((assets() / "demo" / "config.toml").read_text("utf-8"))
    strategies = load(tmp_path).strategies
    said = {"feedback_rounds", "feedback_sources"}
    beside = strategies["rag-feedback"].model_dump(exclude=said)
    assert beside == strategies["rag"].model_dump(exclude=said)
    assert strategies["rag-feedback"].feedback_rounds and not strategies["rag"].feedback_rounds


def test_a_rung_has_scores_and_costs(gemma: Any, glossary: Glossary) -> None:
    lookup = Extractor("dictionary", StrategySettings(kind="dictionary"), glossary=glossary)
    heard: list[int] = []
    rung = measure(lookup, {"test": GOLD, "wild": GOLD[:3]}, on_progress=heard.append)
    assert (rung.texts, rung.invalid, rung.hallucinated, rung.model) == (len(GOLD) + 3, 0, 0, "")
    assert rung.scores["test"].recall < 1 and rung.scores["test"].tp > 0
    assert rung.peak_bytes > 2**20 and rung.texts_per_second > 0
    assert heard[-1] == rung.texts
    prompt = StrategySettings(max_new_tokens=16, batch_size=4)
    other = measure(Extractor("prompt", prompt, loaded=gemma), {"test": GOLD, "wild": GOLD[:3]})
    assert other.model == gemma.name and other.invalid == 0
    lines = report([rung, other], {"test": len(GOLD), "wild": 3}).splitlines()
    header, *rows = lines[2:5]
    assert [row.split()[0] for row in rows] == ["dictionary", "prompt"]
    assert len(header) == len(rows[0]) == len(rows[1])


def test_columns_line_up_under_wide_letters() -> None:
    lines = table([["전략", "값"], ["rag", "0.5"], ["사전찾기", "10"]])
    assert [cells(line) for line in lines] == [13, 13, 13]


def test_a_sample_is_spread_over_the_whole_split() -> None:
    assert [e.id for e in spread(GOLD, 4)] == ["0", "2", "4", "6"]
    assert spread(GOLD, 0) == spread(GOLD, 99) == GOLD
