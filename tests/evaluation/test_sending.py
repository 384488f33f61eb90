"""What is learnt from a held-out text moves it to train, with its near-duplicates."""

from __future__ import annotations

import json

import pytest

from engines.corpus.moving import looks, moves, proposals, settled_position, would_move
from engines.corpus.store import Corpus
from engines.corpus.vocabulary import missing_terms
from engines.evaluation.measured import mark_stale, result_file
from engines.evaluation.sending import (
    look,
    to_glossary,
    to_labeling,
    to_training,
)
from engines.records import Example, ground
from engines.workspace import Workspace
from glossary.errors import UserError

TEXTS = {
    "d1": ("dev", "진통과 해열 효과", ["진통", "해열"]),
    "d2": ("dev", "파스를 붙였다", ["파스"]),
    "t1": ("test", "임산부와 노인", ["임산부", "노인"]),
    "t2": ("test", "임산부와노인", []),
    "t3": ("test", "연고를 발랐다", ["연고"]),
    "r1": ("train", "시럽을 먹었다", ["시럽"]),
}


@pytest.fixture
def space(workspace: Workspace) -> Workspace:
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        corpus.add(
            Example(name, text, ground(text, words)[0], split=split)
            for name, (split, text, words) in TEXTS.items()
        )
    for split in ("dev", "test"):
        path = result_file(workspace, split)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"strategy": "prompt", "stale": False}, {"strategy": "rag", "stale": False}]
        path.write_text(json.dumps({"split": split, "rows": rows}), encoding="utf-8")
    return workspace


def stale(space: Workspace, split: str) -> bool:
    rows = json.loads(result_file(space, split).read_text(encoding="utf-8"))["rows"]
    assert len({row["stale"] for row in rows}) == 1
    return bool(rows[0]["stale"])


def splits(space: Workspace) -> dict[str, str]:
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        return {e.id: e.split for e in corpus.examples(labeled=False)}


def test_a_test_text_that_is_sent_leaves_the_test_with_its_near_duplicates(
    space: Workspace,
) -> None:
    with Corpus.open(space.corpus_path) as corpus:
        assert would_move(corpus, ["t1", "d1", "r1"]) == {"test": 2, "dev": 1}
        sent = to_labeling(space, corpus, ["t1"], "me", "prompt: missed 임산부")
        assert (sent.count, sent.moved) == (1, {"test": 2})
        labeling = corpus.labelings("t1")["me"]
        assert (labeling.status, labeling.note) == ("flagged", "prompt: missed 임산부")
        assert [k.surface for k in labeling.keywords] == ["임산부", "노인"]
        assert moves(corpus, "test") == 2
    found = splits(space)
    assert (found["t1"], found["t2"], found["t3"]) == ("train", "train", "test")
    assert stale(space, "test")
    assert not stale(space, "dev")


def test_a_dev_text_is_labeled_again_in_dev_and_trains_only_when_it_is_sent_there(
    space: Workspace,
) -> None:
    with Corpus.open(space.corpus_path) as corpus:
        assert to_labeling(space, corpus, ["d1"], "me", "").moved == {}
        assert to_glossary(space, corpus, "해열", ["d1"], "me").moved == {}
        assert not stale(space, "dev")
        assert to_training(space, corpus, ["d1", "d2", "r1"], "me", "josa").moved == {"dev": 2}
    assert stale(space, "dev")
    assert splits(space)["d2"] == "train"


def test_a_missed_word_waits_among_the_candidates_of_the_glossary(space: Workspace) -> None:
    with Corpus.open(space.corpus_path) as corpus:
        to_glossary(space, corpus, "연고", ["t3"], "me")
        (one,) = proposals(corpus)
        assert (one.surface, one.texts, one.example) == ("연고", 1, "연고를 발랐다")
        found = missing_terms(corpus, lambda word: word == "시럽")
        assert found[0].surface == "연고"
        assert found[0].sources[0] == "sent"
        assert missing_terms(corpus, lambda word: word == "연고")[0].surface != "연고"
    assert splits(space)["t3"] == "train"


def test_looking_is_on_record_once_a_text_and_changes_nothing(space: Workspace) -> None:
    with Corpus.open(space.corpus_path) as corpus:
        before = settled_position(corpus)
        assert [look(corpus, name, "me") for name in ("t1", "t1", "t3", "r1")] == [
            True,
            True,
            True,
            False,
        ]
        assert looks(corpus, "test") == 2
        assert settled_position(corpus) == before
        assert corpus.history("t1")[0].kind == "look"
        with pytest.raises(UserError):
            look(corpus, "none", "me")
    assert splits(space)["t1"] == "test"


def test_there_may_be_no_result_to_mark(workspace: Workspace) -> None:
    assert not mark_stale(workspace, "dev")
