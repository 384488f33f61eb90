"""How far the work is: the pace of one annotator and what it means for the goal."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engines.corpus.statistics import progress
from engines.corpus.store import Corpus
from engines.records import Example
from engines.workspace import Workspace


@pytest.mark.parametrize(("goal", "texts"), [(10, 5), (4, 35), (5, 35), (1000, 35)])
def test_the_time_is_that_to_the_goal_or_for_what_is_left(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, goal: int, texts: int
) -> None:
    moments = (datetime(2026, 1, 1, 9, 0, second, tzinfo=UTC) for second in range(0, 60, 6))

    class Clock:
        @staticmethod
        def now(_zone: object) -> datetime:
            return next(moments)

    monkeypatch.setattr("engines.corpus.core.datetime", Clock)
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        corpus.add([Example(f"t{n}", f"글 {n}", labeled=False) for n in range(40)])
        for number in range(5):
            corpus.set_labels(f"t{number}", "ann", [])
        now = progress(corpus, "ann", goal)
    assert (now.labeled, now.left, now.seconds) == (5, 35, 6.0)
    assert now.left_seconds == 6.0 * texts
