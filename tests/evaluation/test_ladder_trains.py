"""Seeds, curves, sweeps and the search for a prompt, each with real trainings of a tiny model."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.corpus.store import Corpus
from engines.evaluation.climbing import Training, train_missing, trained_strategies
from engines.evaluation.curving import measure_curve
from engines.evaluation.ladder import Wish, run
from engines.evaluation.measured import read_curve
from engines.evaluation.report import write_report
from engines.settings import load
from engines.training.queue import Queue
from engines.training.runs import list_runs, stop_now
from engines.workspace import Workspace
from tests import tiny
from tests.conftest import Run
from tests.evaluation.test_climbing import texts

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
# Seconds for a command: a machine with much else to do takes long for two trainings.
PATIENCE = 900

SHORT = ("--set", "optimisation.steps=4", "--set", "optimisation.batch_size=2")
EVEN_SHORTER = {"optimisation": {"steps": 2, "batch_size": 2}, "evaluation": {"texts": 2}}


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose base is a tiny model with random weights; no run outlives the test."""
    made = Workspace.create(tmp_path / "space")
    with Corpus.open(made.corpus_path, create=True) as corpus:
        corpus.add([*texts("train", 220), *texts("dev", 40, 300)])
    tiny.write_model(made.models / "tiny")
    with made.config.open("a", encoding="utf-8") as file:
        file.write('\n[strategies.prompt]\nmodel = "tiny"\nmax_new_tokens = 24\n')
    yield made
    for one in list_runs(made.runs):
        if one.alive:
            stop_now(one)
        Queue(made.runs).drop_if_there(one.id)


def ladder(kwtui: Run, space: Workspace, *options: str) -> dict[str, object]:
    done = kwtui(
        "-w",
        space.root,
        "ladder",
        "--base",
        "tiny",
        "--limit",
        "6",
        "--json",
        *options,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_seeds_are_trained_scored_together_and_said(kwtui: Run, space: Workspace) -> None:
    options = ("--strategies", "prompt,lora", "--seeds", "2", "--train-missing", *SHORT)
    found = ladder(kwtui, space, *options, "--set", "evaluation.texts=2")
    prompt, lora = found["rows"]  # type: ignore[misc]
    assert (prompt["seeds"], lora["seeds"]) == (1, 2)
    assert {run.values["name"] for run in _recipes(space)} == {"tiny-lora", "tiny-lora-s2"}
    seeds = [run.values["seed"] for run in _recipes(space)]
    assert len(set(seeds)) == 2
    assert lora["labeled_examples"] == 220
    assert lora["training_seconds"] > 0
    # Nothing is trained again, and the sentence under the table names the trainings.
    done = kwtui(
        "-w", space.root, "ladder", "--base", "tiny", "--limit", "6", *options, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert "over up to 2 trainings" in done.stdout
    assert len(_recipes(space)) == 2


class _Recipe:
    def __init__(self, path: Path) -> None:
        self.values = tomllib.loads(path.read_text(encoding="utf-8"))


def _recipes(space: Workspace) -> list[_Recipe]:
    return [_Recipe(run.folder.path / "recipe.toml") for run in list_runs(space.runs)]


def test_a_field_of_a_recipe_is_swept_with_a_training_for_each_value(
    kwtui: Run, space: Workspace
) -> None:
    options = ("--strategies", "lora", "--sweep", "lora.r=2,4", *SHORT)
    found = ladder(kwtui, space, *options, "--set", "evaluation.texts=2")
    rows = found["rows"]
    assert [row["strategy"] for row in rows] == ["lora lora.r=2", "lora lora.r=4"]  # type: ignore[attr-defined]
    assert sorted(run.values["lora"]["r"] for run in _recipes(space)) == [2, 4]
    (kept,) = (space.reports / "ladder" / "sweeps").glob("*.json")
    assert json.loads(kept.read_text(encoding="utf-8"))["rows"] == rows
    # A sweep is no result of the split: the pane goes on showing the last ladder.
    assert not (space.reports / "ladder" / "dev.json").exists()


def test_a_field_of_a_prompt_is_swept_without_a_training(kwtui: Run, space: Workspace) -> None:
    found = ladder(kwtui, space, "--strategies", "prompt", "--sweep", "shots=0,2")
    plain, shown = found["rows"]  # type: ignore[misc]
    assert plain["prompt_tokens"] < shown["prompt_tokens"]
    assert (plain["effort"], shown["effort"]) == (1, 2)
    assert plain["delta"] is None
    assert shown["delta"]["against"] == "prompt shots=0"
    (sentence,) = found["advice"]  # type: ignore[misc]
    assert "prompt shots=0" in sentence
    assert _recipes(space) == []


def test_a_learning_curve_of_adapters_is_measured_and_drawn(space: Workspace) -> None:
    settings = load(space.root)
    training = Training("tiny", changes=EVEN_SHORTER)
    curve = measure_curve(space, settings, "lora", "dev", limit=6, repeats=1, training=training)
    assert [point.examples for point in curve.points] == [22, 55, 110, 220]
    sizes = [run.values["examples"] for run in list_runs(space.runs)]
    assert sorted(sizes) == [22, 55, 110, 220]
    assert measure_curve(space, settings, "lora", "dev", limit=6, repeats=1, training=training) == (
        curve
    )
    assert len(list_runs(space.runs)) == 4
    run(space, settings, ["prompt"], "dev", Wish(limit=6, curve=curve))
    assert read_curve(space, "dev") is not None
    page, _text = write_report(space, "dev", [space.models])
    assert "F1 by number of labeled texts, lora" in page.read_text(encoding="utf-8")


def test_every_rung_is_trained_and_measured(space: Workspace) -> None:
    names = ["prompt", "lora", "qlora", "sft"]
    train_missing(space, load(space.root), names, Training("tiny", changes=EVEN_SHORTER))
    settings = trained_strategies(load(space.root), names, "tiny")
    rows = run(space, settings, names, "dev", Wish(limit=6)).rows
    assert [(row.strategy, row.rung) for row in rows] == [
        ("prompt", 1), ("lora", 3), ("qlora", 3), ("sft", 4),
    ]  # fmt: skip
    assert all(row.latency_p50 > 0 for row in rows)


def test_a_search_gives_a_section_that_config_toml_takes(kwtui: Run, space: Workspace) -> None:
    options = ("ladder", "--strategies", "prompt", "--search", "230")
    done = kwtui("-w", space.root, *options, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert "after 220 calls" in done.stderr
    if done.stdout:
        with space.config.open("a", encoding="utf-8") as file:
            file.write("\n" + done.stdout)
        assert "prompt-searched" in load(space.root).strategies
    done = kwtui("-w", space.root, *options, "--json", timeout=PATIENCE)
    assert json.loads(done.stdout)["calls"] == 220
