"""The ladder goes on where it was killed, never serves a stale answer, and writes what it found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engines.children import python_environment
from engines.corpus.store import Corpus
from engines.evaluation.keys import Ingredients, key_of
from engines.evaluation.ladder import Wish, run
from engines.evaluation.measured import read_result
from engines.evaluation.results import LadderResult
from engines.records import Example, Keyword, ground
from engines.settings import Settings, StrategySettings, load
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.store import Glossary
from glossary.term import Term

Run = Callable[..., subprocess.CompletedProcess[str]]
CONTROLS = ["dictionary", "crf"]
WORDS = ("진통", "해열", "파스", "임산부", "노인", "두통", "연고", "시럽")


def texts(split: str, count: int, start: int = 0) -> list[Example]:
    found = []
    for number in range(start, start + count):
        one, other = WORDS[number % 8], WORDS[(3 * number + 1) % 8]
        text = f"{number}번: {one} 때문에 {other}을 드시는 분은 물어보세요."
        found.append(Example(f"{split}{number}", text, ground(text, [one, other])[0], split=split))
    return found


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    made = Workspace.create(tmp_path / "space")
    with Corpus.open(made.corpus_path, create=True) as corpus:
        corpus.add([*texts("train", 40), *texts("dev", 30, 100), *texts("test", 10, 200)])
    terms = [Term(id=f"t{n}", canonical=word) for n, word in enumerate(WORDS[:5])]
    Glossary.open(made.glossary_path, create=True).upsert(terms, author="me")
    return made


def climbed(space: Workspace, names: list[str], split: str = "dev", **wish: object) -> LadderResult:
    return run(space, load(space.root), names, split, Wish(**wish))  # type: ignore[arg-type]


def asked(space: Workspace, names: list[str], **wish: object) -> list[tuple[str, int]]:
    """What the ladder had to ask: (strategy, texts done) as it heard them."""
    heard: list[tuple[str, int]] = []
    run(
        space, load(space.root), names, "dev", Wish(**wish),  # type: ignore[arg-type]
        on_progress=lambda name, done, _total: heard.append((name, done)),
    )  # fmt: skip
    return heard


def test_controls_are_measured_without_a_language_model(space: Workspace) -> None:
    result = climbed(space, CONTROLS, command="kwtui ladder")
    assert [row.strategy for row in result.rows] == CONTROLS
    dictionary, crf = result.rows
    assert (dictionary.rung, dictionary.effort, crf.rung, crf.effort) == (0, 1, 0, 2)
    assert dictionary.scores.recall < 1 < dictionary.scores.tp
    assert crf.labeled_examples == 40
    assert crf.training_seconds > 0
    assert crf.scores.seen is not None
    assert crf.f1_low <= crf.scores.f1 <= crf.f1_high
    assert crf.texts_per_second > 0
    assert crf.latency_p95 >= crf.latency_p50 > 0
    assert crf.peak_bytes > 2**20
    assert "only 30 texts" in result.gold_problems[0]
    assert result.commands == ("kwtui ladder",)
    assert read_result(space, "dev") == LadderResult.from_json(result.to_json())


def test_what_was_answered_is_not_asked_again(space: Workspace) -> None:
    first = climbed(space, CONTROLS)
    heard = asked(space, CONTROLS)
    # Nothing is asked: each strategy is heard of once, with all its texts done.
    assert heard == [("dictionary", 30), ("crf", 30)]
    again = climbed(space, CONTROLS)
    assert [r.key for r in again.rows] == [r.key for r in first.rows]
    for one, other in zip(first.rows, again.rows, strict=True):
        assert other.texts_per_second == pytest.approx(one.texts_per_second, rel=0.01)
    assert len(asked(space, CONTROLS, fresh=True)) == 60


def test_a_cut_line_is_asked_again_and_whole_ones_are_kept(space: Workspace) -> None:
    path = space.root / climbed(space, ["crf"]).rows[0].predictions
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:7]) + lines[7][:20])
    heard = asked(space, ["crf"])
    assert heard[0] == ("crf", 8)
    assert len(heard) == 23
    kept = path.read_bytes().splitlines(keepends=True)
    assert kept[:7] == lines[:7]
    assert len(kept) == 30


def test_labels_of_the_split_change_scores_and_not_answers(space: Workspace) -> None:
    before = climbed(space, ["dictionary"]).rows[0]
    with Corpus.open(space.corpus_path) as corpus:
        corpus.set_labels("dev100", "import", ())
    after = climbed(space, ["dictionary"]).rows[0]
    assert after.key == before.key
    assert after.scores.f1 < before.scores.f1


def test_labels_that_are_learnt_from_change_the_crf_alone(space: Workspace) -> None:
    before = {row.strategy: row.key for row in climbed(space, CONTROLS).rows}
    with Corpus.open(space.corpus_path) as corpus:
        corpus.set_labels("train1", "import", ())
    after = {row.strategy: row.key for row in climbed(space, CONTROLS).rows}
    assert after["dictionary"] == before["dictionary"]
    assert after["crf"] != before["crf"]


def test_a_term_changes_what_reads_the_glossary(space: Workspace) -> None:
    before = {row.strategy: row for row in climbed(space, CONTROLS).rows}
    Glossary.open(space.glossary_path).upsert([Term(id="t9", canonical="연고")], author="me")
    after = {row.strategy: row for row in climbed(space, CONTROLS).rows}
    assert after["crf"].key == before["crf"].key
    assert after["dictionary"].key != before["dictionary"].key
    assert after["dictionary"].scores.tp > before["dictionary"].scores.tp


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "template": st.sampled_from(["ko", "en"]),
        "instruction": st.sampled_from(["", "찾으세요.", "Find."]),
        "kinds": st.lists(st.sampled_from(["약효", "제형"]), max_size=2, unique=True),
        "definitions": st.dictionaries(
            st.sampled_from(["파스", "정제"]), st.just("말"), max_size=2
        ),
        "exclude": st.lists(st.sampled_from(["약", "제품"]), max_size=2, unique=True),
        "shots": st.integers(0, 3),
        "glossary": st.booleans(),
        "glossary_limit": st.integers(1, 9),
        "constrained": st.booleans(),
        "max_new_tokens": st.integers(1, 300),
        "passes": st.sampled_from(["single", "clean_then_extract"]),
    },
)


@pytest.fixture(scope="module")
def ingredients(tmp_path_factory: pytest.TempPathFactory) -> Ingredients:
    made = Workspace.create(tmp_path_factory.mktemp("keys") / "space")
    with Corpus.open(made.corpus_path, create=True) as corpus:
        corpus.add(texts("train", 3))
    Glossary.open(made.glossary_path, create=True).upsert(
        [Term(id="t1", canonical="파스")], author="me"
    )
    return Ingredients(made, load(made.root), texts("dev", 3))


@given(one=CHANGES, other=CHANGES)
@hypothesis_settings(max_examples=150, deadline=None)
def test_two_strategies_share_a_key_only_when_they_are_equal(
    ingredients: Ingredients, one: dict[str, object], other: dict[str, object]
) -> None:
    first, second = StrategySettings(**one), StrategySettings(**other)
    keys = [key_of(ingredients.of("rag", strategy)) for strategy in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


@given(
    chars=st.integers(200, 2000),
    device=st.sampled_from(["auto", "cpu"]),
    dtype=st.sampled_from(["auto", "float32", "bfloat16"]),
    user=st.sampled_from(["{content}", "Q: {content}"]),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_a_setting_that_answers_depend_on_is_in_the_key(
    tmp_path_factory: pytest.TempPathFactory, chars: int, device: str, dtype: str, user: str
) -> None:
    space = Workspace(tmp_path_factory.getbasetemp())
    plain = Settings()
    changed = Settings.model_validate(
        {
            "extraction": {"passage_chars": chars},
            "models": {"device": device, "dtype": dtype},
            "plain_template": {"user": user},
        }
    )
    keys = [
        key_of(Ingredients(space, one, texts("dev", 2)).of("prompt", StrategySettings()))
        for one in (plain, changed)
    ]
    same = (
        plain.extraction == changed.extraction
        and plain.models == changed.models
        and plain.plain_template == changed.plain_template
    )
    assert (keys[0] == keys[1]) == same


def test_a_models_files_are_in_the_key_however_they_change(tmp_path: Path) -> None:
    space = Workspace.create(tmp_path / "space")
    folder = space.models / "tiny"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    strategy = StrategySettings(model="tiny")

    def key() -> str:
        return key_of(Ingredients(space, load(space.root), []).of("prompt", strategy))

    known = {key()}
    assert known == {key()}
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        path = folder / name
        times = path.stat()
        path.write_text("[]")
        # The same size and the old times: a copy that keeps them is seen all the same.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert key() not in known
        known.add(key())
    (folder / "CARD.md").write_text("words")
    assert key() in known


def test_the_order_of_texts_is_in_the_key_and_their_labels_are_not(space: Workspace) -> None:
    settings, some = load(space.root), texts("dev", 3)

    def key(examples: list[Example]) -> str:
        return key_of(Ingredients(space, settings, examples).of("d", StrategySettings()))

    bare = [Example(e.id, e.text, (Keyword(0, 1, e.text[0]),)) for e in some]
    assert key(some) == key(bare) != key(some[::-1])


def test_uses_of_the_test_split_are_counted(space: Workspace) -> None:
    assert climbed(space, ["dictionary"]).test_uses == 0
    assert climbed(space, ["dictionary"], "test").test_uses == 1
    assert climbed(space, ["dictionary"], "test").test_uses == 2
    assert climbed(space, ["dictionary"]).test_uses == 2


def test_a_second_ladder_refuses_while_one_is_at_work(space: Workspace) -> None:
    def second(_name: str, done: int, _total: int) -> None:
        if done == 1:
            with pytest.raises(UserError, match="at work"):
                climbed(space, ["crf"])

    run(space, load(space.root), ["dictionary"], "dev", on_progress=second)


def test_unknown_strategies_and_empty_splits_are_sentences(space: Workspace) -> None:
    with pytest.raises(UserError, match="Did you mean 'dictionary'"):
        climbed(space, ["dictionry"])
    with pytest.raises(UserError, match="holds no labeled text"):
        climbed(space, ["dictionary"], "wild")


KILLED = """
import sys, time
from engines.evaluation import answering
from engines.evaluation.kept import Kept
from engines.evaluation.ladder import run
from engines.settings import load
from engines.workspace import Workspace
space = Workspace.open(__import__("pathlib").Path(sys.argv[1]))
append = Kept.append
def slow(self, prediction):
    append(self, prediction)
    print(prediction.id, flush=True)
    time.sleep(0.02)
Kept.append = slow
run(space, load(space.root), ["dictionary", "crf"])
"""


@pytest.mark.parametrize("after", [1, 17, 45])
def test_a_killed_ladder_goes_on_and_ends_as_one_that_was_not(
    space: Workspace, tmp_path: Path, after: int
) -> None:
    climbed(space, ["crf"], limit=1)  # the CRF is there: the kill comes while texts are answered
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", KILLED, str(space.root)],
        stdout=subprocess.PIPE,
        env=python_environment(),
        text=True,
    )
    assert child.stdout is not None
    told = [child.stdout.readline() for _number in range(after)]
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert all(told)
    heard = asked(space, CONTROLS)
    # Every answer that was told before the kill is kept: what is asked now is at most the rest.
    assert sum(1 for _name, done in heard if done) <= 60 - after + 1
    result = climbed(space, CONTROLS)
    for row in result.rows:
        lines = (space.root / row.predictions).read_text(encoding="utf-8").splitlines()
        ids = [json.loads(line)["id"] for line in lines]
        assert ids == [f"dev{number}" for number in range(100, 130)]


def test_the_command_prints_table_and_advice_and_json(space: Workspace, kwtui: Run) -> None:
    done = kwtui("-w", space.root, "ladder", "--strategies", "dictionary,crf")
    assert done.returncode == 0, done.stderr
    assert "dictionary" in done.stdout
    assert "95 % bootstrap over 30 texts of dev" in done.stdout
    done = kwtui("-w", space.root, "ladder", "--strategies", "dictionary,crf", "--json")
    assert [row["strategy"] for row in json.loads(done.stdout)["rows"]] == CONTROLS


def test_evaluation_takes_little_beside_answers(space: Workspace) -> None:
    """A ladder over kept answers reads, scores and draws 10,000 times in well under a second."""
    climbed(space, CONTROLS)
    started = time.perf_counter()
    climbed(space, CONTROLS)
    assert time.perf_counter() - started < 5


def test_without_a_name_what_can_run_is_measured(tmp_path: Path, kwtui: Run) -> None:
    made = Workspace.create(tmp_path / "bare")
    with Corpus.open(made.corpus_path, create=True) as corpus:
        corpus.add(texts("dev", 5))
    with made.config.open("a", encoding="utf-8") as file:
        file.write('\n[strategies.prompt]\nmodel = "nowhere"\n')
    done = kwtui("-w", made.root, "ladder")
    # No glossary and no training labels: prompt alone is left, and its model is not there.
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert not (made.reports / "ladder" / "cache").exists()
