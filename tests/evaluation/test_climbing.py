"""Rungs trained from the ladder, curves, sweeps and the search for prompts."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.children import python_environment
from engines.corpus.store import Corpus
from engines.evaluation.climbing import (
    TRAINED,
    Training,
    missing,
    model_name,
    register,
    trained_strategies,
)
from engines.evaluation.curving import measure_curve
from engines.evaluation.ladder import Wish, run
from engines.evaluation.measured import read_curve
from engines.evaluation.results import LadderResult, RungResult
from engines.evaluation.rungs import seed_models, standing
from engines.evaluation.search import search
from engines.evaluation.sweeps import parse_sweep, trained_variants, with_variants
from engines.extraction.extractor import Extractor
from engines.records import Example, Prediction, ground
from engines.settings import StrategySettings, load
from engines.training.queue import Queue
from engines.training.runs import list_runs, stop_now
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.store import Glossary
from glossary.term import Term
from tests import tiny

Run = Callable[..., subprocess.CompletedProcess[str]]
WORDS = ("진통", "해열", "파스", "임산부", "노인", "두통", "연고", "시럽", "위염", "간질환")


def texts(split: str, count: int, start: int = 0) -> list[Example]:
    found = []
    for number in range(start, start + count):
        one, other = WORDS[number % 10], WORDS[(3 * number + 1) % 10]
        text = f"{number}번: {one} 때문에 {other}을 드시는 분은 물어보세요."
        found.append(Example(f"{split}{number}", text, ground(text, [one, other])[0], split=split))
    return found


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    made = Workspace.create(tmp_path / "space")
    with Corpus.open(made.corpus_path, create=True) as corpus:
        corpus.add([*texts("train", 220), *texts("dev", 40, 300), *texts("test", 10, 400)])
    return made


def model_folder(space: Workspace, name: str, **origin: object) -> Path:
    """What the rungs read of a model: that it is there, and where it came from."""
    folder = space.models / name
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": ["GemmaForCausalLM"]}))
    if origin:
        (folder / "kwtui.json").write_text(json.dumps(origin))
    return folder


def test_what_is_missing_is_trained_in_the_order_of_the_ladder(space: Workspace) -> None:
    settings = load(space.root)
    names = ["sft", "prompt", "tokenizer", "lora"]
    training = Training(seeds=2, changes={"optimisation": {"epochs": 1.0}})
    found = missing(space, settings, names, training)
    assert [(rung.strategy, rung.model) for rung in found] == [
        ("lora", "kw-mini-lora"),
        ("lora", "kw-mini-lora-s2"),
        ("sft", "kw-mini-sft"),
        ("sft", "kw-mini-sft-s2"),
        ("tokenizer", "kw-mini-tokenizer"),
        ("tokenizer", "kw-mini-tokenizer-s2"),
    ]
    assert [rung.values["seed"] for rung in found[:2]] == [7, 8]
    assert found[4].values["model"] == "kw-mini-terms"
    assert found[0].values["optimisation"]["epochs"] == 1.0
    assert found[0].values["optimisation"]["batch_size"] == 16  # of [recipes.kw-mini]
    model_folder(space, "kw-mini-lora", method="lora")
    left = missing(space, settings, ["lora"], training)
    assert [rung.model for rung in left] == ["kw-mini-lora-s2"]


def test_a_model_of_ones_own_for_a_rung_is_used_unless_a_base_is_chosen(space: Workspace) -> None:
    model_folder(space, "mine", method="lora")
    with space.config.open("a", encoding="utf-8") as file:
        file.write('\n[strategies.lora]\nmodel = "mine"\n')
    settings = load(space.root)
    assert missing(space, settings, ["lora"], Training()) == []
    assert trained_strategies(settings, ["lora"], "kw-mini").strategies["lora"].model == "mine"
    (rung,) = missing(space, settings, ["lora"], Training("gemma-2b", chosen=True))
    assert rung.model == "gemma-2b-lora"
    chosen = trained_strategies(settings, ["lora"], "gemma-2b", chosen=True)
    assert chosen.strategies["lora"].model == "gemma-2b-lora"


def test_a_trained_strategy_is_written_into_the_workspace_once(space: Workspace) -> None:
    with space.config.open("a", encoding="utf-8") as file:
        file.write('\n[strategies.prompt]\nnotes = ["조사는 빼세요."]\n')
    settings = load(space.root)
    assert register(space, settings, TRAINED, "kw-mini") == []
    model_folder(space, "kw-mini-lora", method="lora")
    assert register(space, settings, TRAINED, "kw-mini") == ["lora"]
    known = load(space.root).strategies["lora"]
    assert known.model == "kw-mini-lora"
    assert known.notes == ["조사는 빼세요."]
    before = space.config.read_bytes()
    assert register(space, load(space.root), TRAINED, "kw-mini") == []
    assert space.config.read_bytes() == before


def test_a_rung_follows_from_the_card_of_its_model(space: Workspace) -> None:
    model_folder(space, "base")
    model_folder(space, "a", method="qlora", base="base", examples=40, run="gone")
    model_folder(space, "b", method="full", base="base", examples=41)
    model_folder(space, "words", change="extend")
    model_folder(space, "c", method="full", base="words", examples=42)
    settings = load(space.root)

    def where(**fields: object) -> tuple[int, int, int]:
        strategy = StrategySettings(**fields)  # type: ignore[arg-type]
        stands = standing(strategy, settings, space, labels=("x", 220))
        return stands.rung, stands.effort, stands.labeled_examples

    assert where(kind="dictionary") == (0, 1, 0)
    assert where(kind="crf") == (0, 2, 220)
    assert where(model="base") == (1, 1, 0)
    assert where(model="base", shots=3) == (1, 2, 220)
    assert where(model="base", glossary=True) == (2, 2, 0)
    assert where(model="a") == where(model="a", glossary=True) == (3, 3, 40)
    assert where(model="b") == (4, 4, 41)
    assert where(model="words") == (5, 5, 0)
    assert where(model="c") == (5, 5, 42)
    assert where(server="http://localhost:1/v1", model="x") == (1, 1, 0)


def test_models_of_further_seeds_are_found_by_their_names(space: Workspace) -> None:
    for seed in (1, 3):
        model_folder(space, model_name("lora", "kw-mini", seed), method="lora")
    settings = trained_strategies(load(space.root), ["lora"], "kw-mini")
    found = seed_models(settings.strategies["lora"], settings, space, 3)
    assert found == ["kw-mini-lora", "kw-mini-lora-s3"]
    assert seed_models(StrategySettings(kind="crf"), settings, space, 3) == ["kw-mini"]


def test_a_sweep_makes_a_strategy_of_each_value(space: Workspace) -> None:
    settings, names = with_variants(load(space.root), ["prompt"], parse_sweep("shots=0,2,4"))
    assert names == ["prompt shots=0", "prompt shots=2", "prompt shots=4"]
    assert [settings.strategies[name].shots for name in names] == [0, 2, 4]
    with pytest.raises(UserError, match="does not do"):
        with_variants(load(space.root), ["prompt"], parse_sweep("shots=0,many"))
    with pytest.raises(UserError, match="write it as"):
        parse_sweep("shots")


def test_a_sweep_of_a_recipe_gives_each_value_its_own_model(space: Workspace) -> None:
    sweep = parse_sweep("lora.r=4,8")
    assert sweep.of_recipe
    settings, todo = trained_variants(load(space.root), ["lora"], sweep, Training())
    assert [label for label, *_rest in todo] == ["lora lora.r=4", "lora lora.r=8"]
    models = [model for *_rest, model in todo]
    assert len(set(models)) == 2
    assert [settings.strategies[label].model for label, *_rest in todo] == models
    first = missing(space, settings, ["lora"], todo[0][2], models[0])[0]
    assert (first.model, first.values["lora"]["r"], first.values["lora"]["alpha"]) == (
        models[0], 4, 32.0,
    )  # fmt: skip
    with pytest.raises(UserError, match="field of recipes"):
        trained_variants(load(space.root), ["prompt"], sweep, Training())


def test_a_curve_of_the_crf_grows_and_is_not_measured_twice(space: Workspace) -> None:
    heard: list[int] = []
    curve = measure_curve(
        space, load(space.root), "crf", "dev", repeats=1,
        on_progress=lambda _name, done, _total: heard.append(done),
    )  # fmt: skip
    sizes = [point.examples for point in curve.points]
    assert sizes == [22, 55, 110, 220]
    assert curve.points[-1].f1 >= curve.points[0].f1 > 0
    # The pane and the report draw what was measured.
    shown = read_curve(space, "dev")
    assert shown is not None
    assert shown.strategy == "crf"
    assert [point[:2] for point in shown.points] == [(p.examples, p.f1) for p in curve.points]
    assert shown.fit == curve.fit
    assert shown.words == curve.sentence()
    started = time.perf_counter()
    assert measure_curve(space, load(space.root), "crf", "dev", repeats=1) == curve
    assert time.perf_counter() - started < 3
    with pytest.raises(UserError, match="learns nothing"):
        measure_curve(space, load(space.root), "prompt", "dev")


@pytest.fixture
def taught(space: Workspace) -> Workspace:
    """A workspace whose base is a tiny model with random weights."""
    tiny.write_model(space.models / "tiny")
    with space.config.open("a", encoding="utf-8") as file:
        file.write('\n[strategies.prompt]\nmodel = "tiny"\nmax_new_tokens = 24\n')
    return space


def test_a_search_reads_train_and_dev_and_keeps_to_its_budget(
    taught: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[str] = set()
    examples = Corpus.examples

    def watched(self: Corpus, split: str | None = None, **more: bool):  # type: ignore[no-untyped-def]
        read.add(str(split))
        return examples(self, split, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Corpus, "examples", watched)
    found = search(taught, load(taught.root), "prompt", 230)
    assert read == {"train", "dev"}
    assert found.before.texts == found.best.texts
    assert found.best.f1 >= found.before.f1
    # 60 examples; 5 prompts on 20 texts each; the present one and two others on 20 other texts.
    assert len(found.tried) == 5
    assert found.calls == 60 + 5 * 20 + 3 * 20 <= 230
    scored = {len(one.counts) for one in found.tried}
    assert scored == {20}
    with pytest.raises(UserError, match="at least"):
        search(taught, load(taught.root), "prompt", 50)


def test_a_search_that_was_stopped_asks_nothing_again(
    taught: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(taught.root)

    def stop_at(calls: int) -> Callable[[str, int, int], None]:
        def heard(_name: str, done: int, total: int) -> None:
            assert done <= total == 230
            if done == calls:
                raise KeyboardInterrupt

        return heard

    with pytest.raises(KeyboardInterrupt):
        search(taught, settings, "prompt", 230, on_progress=stop_at(97))
    asked: list[str] = []
    extract = Extractor.extract

    def watched(self: Extractor, texts: Iterable[Example], **more: Any) -> Iterator[Prediction]:
        for prediction in extract(self, texts, **more):
            asked.append(prediction.id)
            yield prediction

    monkeypatch.setattr(Extractor, "extract", watched)
    found = search(taught, settings, "prompt", 230)
    # One text more for each prompt that is left and each finalist, which warms it up.
    assert 220 - 97 < len(asked) <= 220 - 97 + 8
    asked.clear()
    assert search(taught, settings, "prompt", 230) == found
    assert asked == []


def test_a_search_may_define_terms_of_the_glossary_that_training_labels(taught: Workspace) -> None:
    Glossary.open(taught.glossary_path, create=True).upsert(
        [
            Term(id="t1", canonical="파스", definition="붙이는 외용제"),
            Term(id="t2", canonical="수액", definition="훈련 글에 없는 말"),
        ],
        author="me",
    )
    found = search(taught, load(taught.root), "prompt", 230, seed=3)
    drawn = [one.changes["definitions"] for one in found.tried if "definitions" in one.changes]
    assert {"파스": "붙이는 외용제"} in drawn
    assert all(set(one) <= {"파스"} for one in drawn)


def test_several_trainings_are_answered_and_scored_together(taught: Workspace) -> None:
    for seed in (1, 2):
        folder = taught.models / model_name("lora", "tiny", seed)
        shutil.copytree(taught.models / "tiny", folder)
        (folder / "kwtui.json").write_text(json.dumps({"method": "lora", "base": "tiny"}))
    settings = trained_strategies(load(taught.root), ["lora"], "tiny")
    result = run(taught, settings, ["prompt", "lora"], "dev", Wish(limit=6, seeds=2))
    prompt, lora = result.rows
    assert (prompt.seeds, lora.seeds) == (1, 2)
    assert (lora.texts, lora.scores.texts, lora.scores.invalid.total) == (6, 12, 12)
    assert lora.f1_low <= lora.scores.f1 <= lora.f1_high
    assert lora.delta is not None
    assert lora.delta.difference == pytest.approx(0.0, abs=1e-9)
    assert LadderResult.from_json(result.to_json()).to_json() == result.to_json()


def test_latency_is_that_of_texts_which_are_asked_alone(taught: Workspace) -> None:
    def climbed() -> tuple[RungResult, list[float]]:
        (row,) = run(taught, load(taught.root), ["prompt"], "dev", Wish(limit=24)).rows
        about = (taught.root / row.predictions).with_suffix(".json")
        return row, json.loads(about.read_text(encoding="utf-8"))["costs"]["alone"]

    row, alone = climbed()
    # Twenty of the 24 were asked again, one after the other; it is kept and not measured anew.
    assert len(alone) == 20
    assert min(alone) <= row.latency_p50 <= row.latency_p95 <= max(alone)
    kept, still = climbed()
    assert still == alone
    assert (kept.latency_p50, kept.latency_p95) == (row.latency_p50, row.latency_p95)
    # Answers that were kept before latencies were measured get theirs.
    about = (taught.root / row.predictions).with_suffix(".json")
    values = json.loads(about.read_text(encoding="utf-8"))
    del values["costs"]["alone"]
    about.write_text(json.dumps(values), encoding="utf-8")
    again, measured = climbed()
    assert again.texts_per_second == kept.texts_per_second
    assert len(measured) == 20


KILLED = """
import sys
from pathlib import Path
from engines.evaluation.climbing import Training, train_missing
from engines.settings import load
from engines.workspace import Workspace
space = Workspace.open(Path(sys.argv[1]))
changes = {"optimisation": {"steps": 12, "batch_size": 2}, "evaluation": {"texts": 4}}
train_missing(space, load(space.root), ["lora"], Training("tiny", 1, changes),
    on_note=lambda said: print(said, flush=True))
"""


@pytest.mark.long
def test_a_ladder_that_is_killed_while_it_trains_goes_on_with_the_same_run(
    taught: Workspace,
) -> None:
    command = [sys.executable, "-P", "-c", KILLED, str(taught.root)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=python_environment(), text=True)
    assert child.stdout is not None
    assert "is trained in the run" in child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    try:
        done = subprocess.run(
            command, env=python_environment(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        (only,) = list_runs(taught.runs)
        assert only.state == "finished"
    finally:
        for one in list_runs(taught.runs):
            if one.alive:
                stop_now(one)
            Queue(taught.runs).drop_if_there(one.id)
    settings = trained_strategies(load(taught.root), ["lora"], "tiny")
    result = run(taught, settings, ["prompt", "lora"], "dev", Wish(limit=10))
    lora = result.rows[-1]
    assert (lora.rung, lora.labeled_examples, lora.effort) == (3, 220, 3)
    assert lora.training_seconds > 0
    assert lora.epochs == pytest.approx(12 * 2 / 220, abs=0.01)
    assert lora.delta is not None and lora.delta.against == "prompt"
    assert "chosen on dev" in lora.note
