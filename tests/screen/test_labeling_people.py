"""Two people in the app: the second one sees nothing of the first before an own answer is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.corpus.browsing import Rows, matching_keys
from engines.corpus.queue import Filter, Queue
from engines.corpus.store import Corpus
from engines.extraction.quick import LEAST, learn, model_path, training_texts
from engines.records import Example, Keyword
from engines.workspace import Workspace
from tests.conftest import Run
from tests.screen.labeling import labels

# 천천히 is no noun: only somebody's labels make a candidate of it.
WORD = "천천히"
FIRST = """
size 80x24
key f4
wait "The quick model has learnt" 150
wait idle 60
expect "Learnt"
key enter
wait "24 done"
"""
SECOND = """
size 80x24
key f4
wait "0 done" 60
wait idle 60
expect "0번 약은"
expect_not "Learnt"
key tab
wait "25 texts"
expect_not "labeled"
key shift+tab
wait idle
key 1 enter
wait "1 done"
expect_not "Learnt"
key tab
wait "25 texts"
expect "labeled"
key tab
wait "kim" 60
expect "lee"
expect "천천히"
"""


@pytest.fixture
def shared(space: Workspace) -> Workspace:
    """A corpus that two people label in full, the first of them nearly through with it."""
    with space.config.open("a", encoding="utf-8") as config:
        config.write("\n[curation]\noverlap = 1.0\ndaily_copies = 0\n")
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.use_overlap(1.0)
        texts = [f"{number}번 약은 {WORD} 드세요." for number in range(25)]
        corpus.add(Example(f"t{n}", text, labeled=False) for n, text in enumerate(texts))
        for number, text in enumerate(texts[:-2]):
            corpus.set_labels(f"t{number}", "kim", [keyword(text)])
    return space


def keyword(text: str) -> Keyword:
    start = text.index(WORD)
    return Keyword(start, start + len(WORD), WORD)


def test_the_second_annotator_is_blind_to_the_first_until_both_have_labeled(
    kwtui: Run, shared: Workspace, tmp_path: Path
) -> None:
    for name, script in (("kim", FIRST), ("lee", SECOND)):
        play = tmp_path / f"{name}.play"
        play.write_text(script, encoding="utf-8")
        done = kwtui("-w", shared.root, "--annotator", name, "play", play, timeout=240)
        assert done.returncode == 0, done.stderr
    assert labels(shared, "t0", "kim") == ("labeled", [WORD])
    status, surfaces = labels(shared, "t0", "lee")
    assert (status, WORD in surfaces) == ("labeled", False)


def test_the_quick_model_of_one_knows_nothing_that_the_other_may_not_know(
    shared: Workspace,
) -> None:
    assert learn(shared, "kim").texts == 23
    assert not model_path(shared, "lee").exists()
    with Corpus.open(shared.corpus_path) as corpus:
        Queue(corpus, "lee").take(1)
        assert list(training_texts(corpus)) == []
    assert learn(shared, "lee").texts == 0
    with Corpus.open(shared.corpus_path) as corpus:
        for number in range(LEAST):
            corpus.set_labels(f"t{number}", "lee", [])
    assert learn(shared, "lee").texts == 0, "labels without a keyword teach nothing"
    with Corpus.open(shared.corpus_path) as corpus:
        assert len(list(training_texts(corpus))) == LEAST
        _key, text = corpus.text_of("t1")
        corpus.set_labels("t1", "lee", [keyword(text)])
    assert learn(shared, "lee").texts == LEAST


def test_what_another_one_has_begun_is_no_suggestion_and_the_list_does_not_tell(
    shared: Workspace,
) -> None:
    with Corpus.open(shared.corpus_path) as corpus:
        _key, text = corpus.text_of("t24")
        corpus.set_labels("t24", "kim", [keyword(text)], status="draft")
        corpus.save_draft("t24", "words", [keyword(text)], confidence=0.4)
        seen = corpus.view("t24", "lee")
        assert list(seen.drafts) == ["strategy:words"]
        assert corpus.view("t0", "lee").others == {}
    keys, _whole = matching_keys(shared.corpus_path, Filter())
    shown = {}
    for name in ("kim", "lee"):
        rows = Rows(shared.corpus_path, name)
        shown[name] = [(row.status, row.keywords) for row in rows.read(keys[:1])]
        rows.close()
    assert shown == {"kim": [("labeled", 1)], "lee": [("new", 0)]}
