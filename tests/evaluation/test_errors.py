"""Mistakes are grouped by what to do about them; a comparison says who was right where."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.corpus.store import Corpus
from engines.evaluation.comparing import (
    BOTH_RIGHT,
    BOTH_WRONG,
    LOST,
    WON,
    Comparison,
    Wanted,
    compare,
)
from engines.evaluation.errors import errors_of
from engines.evaluation.errors_index import Labels, open_index
from engines.evaluation.metrics import score
from engines.records import Example, Prediction, ground
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError

TEXT = "진통과 해열 효과가 있는 파스형 의약품은 알레르기 비염 환자와 임산부에게 적합합니다."


def grouped(gold: list[str], found: list[str], text: str = TEXT, **more: object) -> list[tuple]:
    wanted, outside = ground(text, gold)
    answered, absent = ground(text, found)
    errors = errors_of(wanted, answered, outside=outside, absent=absent, **more)  # type: ignore[arg-type]
    return [(e.group, e.word, e.found.surface if e.found else e.absent) for e in errors]


@pytest.mark.parametrize(
    ("gold", "found", "expected"),
    [
        (["진통"], ["진통"], []),
        (["진통", "해열"], ["진통"], [("missed", "해열", "")]),
        (["진통"], ["진통과"], [("josa", "진통", "진통과")]),
        (["파스"], ["파스형"], [("josa", "파스", "파스형")]),
        (["임산부"], ["임산부에게"], [("josa", "임산부", "임산부에게")]),
        (["진통"], ["진통", "의약품"], [("extra", "의약품", "의약품")]),
        (["알레르기 비염"], ["비염"], [("compound", "알레르기 비염", "비염")]),
        (
            ["알레르기 비염"],
            ["알레르기", "비염"],
            [
                ("compound", "알레르기 비염", "알레르기"),
                ("compound", "알레르기 비염", "비염"),
            ],
        ),
        (["진통", "해열"], ["진통과 해열"], [("compound", "진통", "진통과 해열")]),
        (["의약품"], ["약품"], [("boundary", "의약품", "약품")]),
        (["진통"], ["진통", "타이레놀"], [("absent", "타이레놀", "타이레놀")]),
        ([], [], []),
        ([], ["효과"], [("extra", "효과", "효과")]),
    ],
)
def test_each_mistake_has_its_group(
    gold: list[str], found: list[str], expected: list[tuple]
) -> None:
    assert grouped(gold, found) == expected


def test_a_missed_word_that_training_never_held_is_unseen() -> None:
    assert grouped(["진통", "해열"], [], seen={"진통"}) == [
        ("missed", "진통", ""),
        ("unseen", "해열", ""),
    ]


def test_a_word_of_the_gold_that_the_text_lacks_counts_as_missed() -> None:
    assert grouped(["타이레놀"], []) == [("missed", "타이레놀", "")]
    assert grouped(["타이레놀"], ["타이레놀"]) == []


def test_the_same_word_at_another_place_is_right() -> None:
    text = "파스타를 먹은 뒤 파스를 붙였다"
    second = text.index("파스", 2)
    from engines.records import Keyword

    gold = (Keyword(second, second + 2, "파스"),)
    assert errors_of(gold, (Keyword(0, 2, "파스"),)) == ()
    assert [e.group for e in errors_of(gold, (Keyword(0, 3, "파스타"),))] == ["boundary"]


pieces = st.lists(st.sampled_from(["진통", "진통과", "해열", "파스형", "파스", "효과", "없음"]))


@given(pieces, pieces)
def test_there_are_mistakes_exactly_where_the_score_sees_some(
    gold: list[str], found: list[str]
) -> None:
    wanted, outside = ground(TEXT, gold)
    answered, absent = ground(TEXT, found)
    example = Example("1", TEXT, wanted, meta={"ungrounded": outside})
    counts = score([example], [Prediction("1", TEXT, answered, "s", "m", ungrounded=absent)])
    errors = errors_of(wanted, answered, outside=outside, absent=absent)
    assert bool(errors) == bool(counts.fp + counts.fn)
    assert len(errors) <= counts.fp + counts.fn
    extra = [e for e in errors if e.found or e.absent]
    assert len(extra) >= counts.fp - len(set(outside) | set(absent))


# Indexes and comparisons


def write(path: Path, rows: list[tuple[Example, list[str]]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for example, words in rows:
        found, absent = ground(example.text, words)
        one = Prediction(example.id, example.text, found, path.stem, "m", ungrounded=absent)
        lines.append(json.dumps(one.to_json(), ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def filled(space: Workspace) -> list[Example]:
    texts = [
        ("a", "진통과 해열 효과", ["진통", "해열"]),
        ("b", "파스형 의약품", ["파스"]),
        ("c", "임산부와 노인", ["임산부", "노인"]),
        ("d", "오늘은 맑다", []),
    ]
    examples = [Example(i, t, ground(t, words)[0], split="dev") for i, t, words in texts]
    train = Example("z", "진통 효과", ground("진통 효과", ["진통"])[0], split="train")
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add([*examples, train])
    return examples


def opened(space: Workspace, corpus: Corpus, first: Path, second: Path) -> Comparison:
    return compare(space, corpus, "dev", (first.stem, second.stem), (first, second))


def test_a_comparison_says_who_was_right_where(workspace: Workspace) -> None:
    a, b, c, d = filled(workspace)
    folder = workspace.reports / "ladder" / "cache"
    one = write(folder / "one.jsonl", [(a, ["진통"]), (b, ["파스"]), (c, []), (d, [])])
    other = write(
        folder / "other.jsonl", [(d, []), (b, ["파스형"]), (c, ["임산부"]), (a, ["진통", "해열"])]
    )
    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        found = opened(workspace, corpus, one, other)
        assert found.summary.verdicts == {WON: 1, LOST: 1, BOTH_WRONG: 1, BOTH_RIGHT: 1}
        won, lost, wrong = (
            found.read(corpus, found.select(Wanted(v)))[0] for v in (WON, LOST, BOTH_WRONG)
        )
        assert (won.id, lost.id, wrong.id) == ("a", "b", "c")
        assert [e.group for e in won.first.errors] == ["missed"]
        assert [k.surface for k in lost.second.keywords] == ["파스형"]
        groups = {g.group: (g.count, g.texts, g.words) for g in found.summary.groups_second}
        assert groups["josa"] == (1, 1, (("파스", 1),))
        assert groups["unseen"] == (1, 1, (("노인", 1),))
        assert found.ids(found.select(Wanted(group="unseen", word="노인"))) == ["c"]
        assert found.ids(found.select(Wanted(group="unseen", word="없음"))) == []
        assert found.ids(found.select(Wanted(verdict=WON, group="josa"))) == []


def test_an_index_is_kept_and_made_anew_when_labels_change(workspace: Workspace) -> None:
    a, *_rest = filled(workspace)
    path = write(workspace.reports / "ladder" / "cache" / "one.jsonl", [(a, ["진통"])])
    with Corpus.open(workspace.corpus_path) as corpus:
        made = open_index(workspace, path, "dev", corpus)
        assert made.wrong.tolist() == [1]
        (kept,) = (workspace.reports / "ladder" / "errors").iterdir()
        stamp = kept.stat().st_mtime_ns
        again = open_index(workspace, path, "dev", corpus)
        assert kept.stat().st_mtime_ns == stamp
        assert again.words == made.words == ["해열"]
        corpus.set_labels("a", "me", ground(a.text, ["진통"])[0])
        assert open_index(workspace, path, "dev", corpus).wrong.tolist() == [0]
        kept.write_bytes(b"no archive")
        assert open_index(workspace, path, "dev", corpus).wrong.tolist() == [0]


@given(st.lists(st.tuples(st.sampled_from("abcd"), pieces), max_size=6))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_index_that_took_changes_in_is_the_one_made_anew(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, list[str]]]
) -> None:
    space = Workspace.create(tmp_path_factory.mktemp("space") / "w")
    examples = filled(space)
    texts = {example.id: example.text for example in examples}
    path = write(space.reports / "one.jsonl", [(e, ["진통", "파스형", "없음"]) for e in examples])
    with Corpus.open(space.corpus_path) as corpus:
        open_index(space, path, "dev", corpus)
        for name, words in changes:
            corpus.set_labels(name, "me", ground(texts[name], words)[0])
        if len(changes) > 2:
            corpus.undo("me")
        taken = open_index(space, path, "dev", corpus)
        again = open_index(space, path, "dev", corpus)
        for file in (space.reports / "ladder" / "errors").iterdir():
            file.unlink()
        anew = open_index(space, path, "dev", corpus)
    for index in (taken, again):
        assert index.wrong.tolist() == anew.wrong.tolist()
        assert index.groups.tolist() == anew.groups.tolist()
        entries = [
            sorted(zip(one.rows.tolist(), one.kinds.tolist(), one.words, strict=True))
            for one in (index, anew)
        ]
        assert entries[0] == entries[1]


def test_a_line_that_is_still_written_is_left_out_and_a_broken_one_named(
    workspace: Workspace,
) -> None:
    a, b, *_rest = filled(workspace)
    path = write(workspace.reports / "ladder" / "one.jsonl", [(a, []), (b, [])])
    whole = path.read_bytes()
    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        path.write_bytes(whole[:-3])
        assert open_index(workspace, path, "dev", corpus).texts == 1
        path.write_bytes(b"{}\n" + whole)
        with pytest.raises(FailedError, match="line 1"):
            open_index(workspace, path, "dev", corpus)
        path.write_bytes(whole.replace("파스형".encode(), "연고형".encode()))
        with pytest.raises(UserError, match="text b"):
            open_index(workspace, path, "dev", corpus)
        path.unlink()
        with pytest.raises(FailedError, match="gone"):
            open_index(workspace, path, "dev", corpus)


def test_a_comparison_agrees_with_the_scores_of_random_answers(workspace: Workspace) -> None:
    words = ["진통", "해열", "파스", "노인", "발진"]
    draw = random.Random(3)
    examples = []
    for number in range(200):
        text = f"{number} " + "과 ".join(draw.sample(words, 3))
        gold = draw.sample(words, 2)
        examples.append(Example(f"t{number}", text, ground(text, gold)[0], split="dev"))
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        corpus.add(examples)
        files = [
            write(
                workspace.reports / f"{name}.jsonl",
                [(e, draw.sample(words, draw.randint(0, 3))) for e in examples],
            )
            for name in ("one", "other")
        ]
        found = opened(workspace, corpus, *files)
        assert len(Labels(corpus, "dev").gold) == 200
        read = found.read(corpus, np.arange(200))
        for side, name in enumerate(("first", "second")):
            lines = files[side].read_text(encoding="utf-8").splitlines()
            answers = [Prediction.from_json(json.loads(line)) for line in lines]
            counts = score(examples, answers).per_text
            errors = [getattr(one, name).errors for one in read]
            assert [bool(e) for e in errors] == [bool(c.fp + c.fn) for c in counts]
            index = open_index(workspace, files[side], "dev", corpus)
            assert index.wrong.tolist() == [c.fp + c.fn for c in counts]
