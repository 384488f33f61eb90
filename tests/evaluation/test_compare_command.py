"""`kwtui compare`: what the pane can do, for a script."""

from __future__ import annotations

import json

import pytest

from engines.corpus.moving import looks, proposals
from engines.corpus.store import Corpus
from engines.evaluation.measured import inside, pair_of, read_result
from engines.workspace import Workspace
from glossary.errors import UserError
from tests.ladders import fill


def test_compare_shows_filters_and_sends(kwtui, workspace: Workspace) -> None:
    fill(workspace)

    def run(*options: str) -> str:
        done = kwtui("-w", workspace.root, "compare", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    shown = run()
    assert "rag against prompt" in shown
    assert "won" in shown
    assert "josa attached 파스 > 파스형" in shown
    found = json.loads(run("dictionary", "rag", "--verdict", "lost", "--json"))
    assert found["verdicts"]["lost"] == 1
    assert [text["id"] for text in found["examples"]] == ["d3"]
    assert found["examples"][0]["second"]["errors"] == [{"group": "extra", "word": "날씨"}]

    run("--group", "unseen", "--word", "타이레놀", "--send", "glossary")
    run("--verdict", "lost", "--send", "labeling")
    said = run("--group", "extra", "--send", "training")
    assert "1 texts of dev moved to train" in said
    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        assert [one.surface for one in proposals(corpus)] == ["타이레놀"]
        assert corpus.labelings("d3")["me"].note == "rag: extra word 날씨"
        assert corpus.view("d3", "me").split == "train"
    result = read_result(workspace, "dev")
    assert result is not None
    assert result.rows[0].stale


def test_compare_on_test_shows_figures_and_one_text_on_record(kwtui, workspace: Workspace) -> None:
    fill(workspace)
    shown = kwtui("-w", workspace.root, "compare", "--split", "test").stdout
    assert "unseen term" in shown
    assert "소화제" not in shown
    found = json.loads(kwtui("-w", workspace.root, "compare", "--split", "test", "--json").stdout)
    assert found["examples"] == []
    assert all(not group["words"] for group in found["groups_second"])
    looked = kwtui("-w", workspace.root, "compare", "--split", "test", "--look", "t1")
    assert "소화제" in looked.stdout, looked.stderr
    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        assert looks(corpus, "test") == 1


@pytest.mark.parametrize(
    "options",
    [
        ("nobody", "rag"),
        ("rag", "rag"),
        ("--verdict", "maybe"),
        ("--group", "none"),
        ("--word", "진통"),
        ("--send", "away"),
        ("--send", "glossary"),
        ("--group", "absent", "--send", "training"),
        ("--split", "wild"),
        ("--look", "nothing"),
    ],
)
def test_what_compare_refuses_changes_nothing(
    kwtui, workspace: Workspace, options: tuple[str, ...]
) -> None:
    fill(workspace)
    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        before = corpus.position
    done = kwtui("-w", workspace.root, "compare", *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        assert corpus.position == before


def test_which_two_are_compared(workspace: Workspace) -> None:
    fill(workspace)
    result = read_result(workspace, "dev")
    assert result is not None
    assert pair_of(result) == ("prompt", "rag")
    assert pair_of(result, "rag") == ("rag", "dictionary")
    assert pair_of(result, second="dictionary") == ("prompt", "dictionary")
    assert pair_of(result, "gone", "prompt") == ("dictionary", "prompt")
    with pytest.raises(UserError, match="outside"):
        inside(workspace, "../../etc/passwd")
