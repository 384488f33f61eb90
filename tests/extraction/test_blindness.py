"""A text for two people: what one labeled does not reach the other one through a strategy."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from engines.corpus.queue import Queue
from engines.corpus.ranking import Answer, save_predictions
from engines.corpus.store import Corpus
from engines.extraction.blindness import withheld
from engines.extraction.cases import Cases
from engines.records import Example, Keyword
from engines.settings import load
from engines.workspace import Workspace
from kwtui.panes.dataset_store import Store
from tests.conftest import Run

TEXT = "이 약은 천천히 드세요."
CONFIG = """
[curation]
annotator = "lee"
overlap = 1.0
daily_copies = 0
[strategies.before]
model = "before"
[strategies.after]
model = "after"
[strategies.learns]
kind = "crf"
[strategies.words]
kind = "dictionary"
[strategies.shown]
shots_choice = "fixed"
cases = [{ text = "이 약은  천천히 드세요.", keywords = ["천천히"] }]
"""
KNOWING = {"after", "learns", "shown", "gone"}


@pytest.fixture
def shared(workspace: Workspace) -> Workspace:
    """A text that kim has labeled and lee is to label, and models made before and after that."""
    with workspace.config.open("a", encoding="utf-8") as config:
        config.write(CONFIG)
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        corpus.use_overlap(1.0)
        corpus.add([Example("t", TEXT, labeled=False), Example("u", "다른 글", labeled=False)])
        corpus.set_labels("t", "kim", [found()])
        for name in (*KNOWING, "before", "words"):
            save_predictions(corpus, name, [Answer("t", (found(),)), Answer("u", ())])
    now = datetime.now(UTC)
    for name, made in (("before", now - timedelta(hours=1)), ("after", now + timedelta(hours=1))):
        folder = workspace.models / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        origin = {"run": name, "made": made.strftime("%Y-%m-%dT%H:%M:%S%z")}
        (folder / "kwtui.json").write_text(json.dumps(origin))
    return workspace


def found() -> Keyword:
    start = TEXT.index("천천히")
    return Keyword(start, start + 3, "천천히")


def kept_from(space: Workspace, text_id: str, annotator: str) -> set[str]:
    names = [*KNOWING, "before", "words"]
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        view = corpus.view(text_id, annotator)
        return set(withheld(corpus, view, annotator, names, load(space.root), space.root))


def test_a_blind_annotator_is_shown_no_strategy_that_may_know(shared: Workspace) -> None:
    assert kept_from(shared, "t", "lee") == KNOWING
    assert kept_from(shared, "t", "kim") == set(), "one's own labels are no secret"
    assert kept_from(shared, "u", "lee") == set(), "nobody has said anything yet"
    with Corpus.open(shared.corpus_path) as corpus:
        corpus.set_labels("t", "lee", [])
    assert kept_from(shared, "t", "lee") == set(), "both have labeled"


def test_neither_the_pane_nor_the_command_shows_them(shared: Workspace, kwtui: Run) -> None:
    store = Store(shared, load(shared.root), on_note=lambda _note: None)
    text = asyncio.run(store.load("t"))
    assert set(text.suggested) == {"before", "words"}
    assert text.withheld >= KNOWING - {"gone"}
    store.close()
    done = kwtui("-w", shared.root, "data", "next", "-n", "2", "--json")
    assert done.returncode == 0, done.stderr
    first, other = json.loads(done.stdout)
    assert set(first["suggested"]) == {"before", "words"}
    assert set(other["suggested"]) == {*KNOWING, "before", "words"}
    refused = kwtui("-w", shared.root, "data", "label", "t", "--approve", "after")
    assert refused.returncode == 2


def test_similar_cases_are_never_the_text_itself(shared: Workspace) -> None:
    with Corpus.open(shared.corpus_path) as corpus:
        corpus.add([Example("v", "이 약은 식후에 천천히 물과 함께 드세요.", (), "train")])
        corpus.assign_splits(lambda _group: "train", annotator="a", reason="r")
        Queue(corpus, "lee").take(1)
        cases = Cases.open(shared.cases_path, "now", lambda: corpus.examples("train"))
        assert cases.count() == 2
        assert [case.text for case in cases.similar(TEXT, 4)] == [
            "이 약은 식후에 천천히 물과 함께 드세요."
        ]
