"""Scores without spaces, at canonical level and by length of the text: hand-worked cases."""

from __future__ import annotations

import pytest

from engines.evaluation.metrics import Counts, Scores, length_class, score
from engines.evaluation.results import _scores
from engines.evaluation.summing import summed
from engines.records import Example, Keyword, Prediction, ground


def pair(text: str, gold: list[str], answer: list[str]) -> tuple[Example, Prediction]:
    found, absent = ground(text, answer)
    return (
        Example(text[:8], text, ground(text, gold)[0]),
        Prediction(text[:8], text, found, "s", "m", ungrounded=absent),
    )


def scored(*pairs: tuple[Example, Prediction], **more: object) -> Scores:
    return score([p[0] for p in pairs], [p[1] for p in pairs], **more)  # type: ignore[arg-type]


def test_spaces_do_not_count_where_they_are_left_out() -> None:
    found = scored(pair("근육 통증과 근육통증은 같다", ["근육 통증"], ["근육통증"]))
    assert found.keywords == Counts(0, 1, 1)
    assert found.spaceless == Counts(1, 0, 0)


def test_an_alias_is_as_good_as_its_term_at_canonical_level() -> None:
    text = "임신부와 임산부에게 ASA를 주지 않는다"
    one = pair(text, ["임산부"], ["임신부", "ASA"])
    known = {"임신부": "임산부", "ASA": "아스피린"}
    found = scored(one, canonical=known)
    assert found.keywords == Counts(0, 2, 1)
    assert found.canonical == Counts(1, 1, 0)
    # What a keyword itself says of its canonical form goes before the glossary.
    gold = Example("1", text, (Keyword(9, 12, "ASA", canonical="아스피린"),))
    answer = Prediction("1", text, ground(text, ["ASA"])[0], "s", "m")
    assert score([gold], [answer]).canonical == Counts(0, 1, 1)
    assert score([gold], [answer], canonical=known).canonical == Counts(1, 0, 0)


@pytest.mark.parametrize(
    ("length", "name"), [(0, "0-49"), (49, "0-49"), (50, "50-99"), (499, "200-499"), (500, "500-")]
)
def test_texts_are_classed_by_code_points(length: int, name: str) -> None:
    assert length_class("가" * length) == name


def test_counts_by_length_add_up() -> None:
    short = pair("파스와 연고", ["파스", "연고"], ["파스"])
    long = pair("파스와 연고. " + "다른 말이 길게 이어진다. " * 10, ["연고"], ["연고", "파스"])
    found = scored(short, long)
    assert dict(found.lengths) == {"0-49": Counts(1, 0, 1), "100-199": Counts(1, 1, 0)}
    assert sum(found.lengths.values(), Counts()) == found.keywords


def test_everything_survives_json_and_several_trainings() -> None:
    one = scored(pair("파스와 연고", ["파스", "연고"], ["파스"]), seen={"파스"})
    again = _scores(one.to_json())
    assert again.to_json() == one.to_json()
    both = summed([one, one])
    assert both.keywords == Counts(2, 0, 2)
    assert both.f1 == one.f1
    assert both.seen is not None and both.seen.total == 2
    assert summed([one]) is one
    # What an older kwtui wrote has none of these.
    old = {n: v for n, v in one.to_json().items() if n not in ("spaceless", "canonical", "lengths")}
    assert _scores(old).spaceless == Counts()
