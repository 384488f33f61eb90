"""What is wrong with the gold is said before any figure, by the ids of the texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engines.corpus.store import Corpus
from engines.evaluation.goldcheck import FEW, gold_problems
from engines.evaluation.ladder import Wish, run
from engines.records import Example, ground
from engines.settings import load
from engines.workspace import Workspace

TRAINED = "두통이 심하면 타이레놀을 드세요."


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    made = Workspace.create(tmp_path / "space")
    with Corpus.open(made.corpus_path, create=True) as corpus:
        corpus.add([Example("r1", TRAINED, ground(TRAINED, ["두통"])[0], split="train")])
    return made


def clean(split: str = "test", count: int = FEW) -> list[Example]:
    texts = (f"{number}번 환자는 진통제를 드세요." for number in range(count))
    return [Example(f"t{n}", t, ground(t, ["진통제"])[0], split) for n, t in enumerate(texts)]


def said(space: Workspace, texts: Sequence[Example], split: str = "test") -> tuple[str, ...]:
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        return gold_problems(corpus, split, texts)


def test_nothing_is_said_of_gold_without_problems(space: Workspace) -> None:
    assert said(space, clean()) == ()


def another(name: str, text: str, **meta: Any) -> Example:
    return Example(name, text, (), "test", meta)


def test_gold_words_that_do_not_stand_in_their_text(space: Workspace) -> None:
    one = [another("a", "오늘은 맑습니다.", ungrounded=("없음",))]
    assert said(space, [*clean(), *one]) == (
        "1 text has a gold keyword that does not stand in it: a.",
    )
    more = [another(f"x{n}", f"{n}일은 맑습니다.", ungrounded=("없음", "비")) for n in range(4)]
    assert said(space, [*clean(), *more]) == (
        "4 texts have gold keywords that do not stand in them: x0, x1, x2 (+1).",
    )


def test_texts_that_stand_twice(space: Workspace) -> None:
    twice = [another("a", "Mg 와 파스"), another("b", "mg와 파스"), another("c", "MG 와  파스")]
    assert said(space, [*clean(), *twice]) == (
        "2 texts equal another one of the split but for spaces and case: b, c.",
    )
    assert said(space, [*clean(), *twice[:2]])[0].startswith("1 text equals another one")


def test_test_texts_that_were_trained_on(space: Workspace) -> None:
    leak = another("a", "두통이  심하면 타이레놀을 드세요.")
    near = another("b", "두통이 심하면 타이레놀을 드시지 마세요.")
    assert said(space, [*clean(), leak, near]) == ("1 text also stands in the training split: a.",)
    assert said(space, clean("train"), "train") == (
        "These texts are trained on: the scores say nothing about new ones.",
    )


def test_synthetic_texts_and_few_ones(space: Workspace) -> None:
    made = another("a", "만든 글입니다.", origin="synthetic")
    assert said(space, [*clean(), made]) == ("1 text is marked as synthetic: a.",)
    assert said(space, clean(count=FEW - 1)) == (
        f"There are only {FEW - 1} texts to measure by: intervals are wide.",
    )


def test_a_ladder_says_them_first_in_its_result(space: Workspace) -> None:
    outside = Example("o1", "오늘은 맑습니다.", (), split="dev", meta={"ungrounded": ("없음",)})
    with Corpus.open(space.corpus_path) as corpus:
        corpus.add([*clean("dev", 4), outside])
        corpus.add([Example("new", "라벨이 없습니다.", (), split="dev", labeled=False)])
    found = run(space, load(space.root), ["crf"], "dev", Wish()).gold_problems
    assert found == (
        "1 text has a gold keyword that does not stand in it: o1.",
        "1 text of dev has no label yet and is not scored.",
        "There are only 5 texts to measure by: intervals are wide.",
    )
