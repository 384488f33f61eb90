"""Examples for a prompt come from the training split, and never show the text itself."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.extraction.cases import Cases, grams, jaccard
from engines.records import Example, ground
from glossary.matching import Matcher
from glossary.term import Term

FORMS = ["파스", "연고", "시럽", "정제", "캡슐", "좌제"]
WHO = ["임산부", "노인", "영아", "소아", "수유부"]
WHAT = ["두통", "요통", "발진", "설사", "기침", "콧물"]


def example(number: int, text: str, words: list[str], split: str = "train") -> Example:
    return Example(str(number), text, ground(text, words)[0], split=split)


def made() -> list[Example]:
    draw = random.Random(7)
    examples = []
    for number in range(120):
        form, who, what = draw.choice(FORMS), draw.choice(WHO), draw.choice(WHAT)
        text = f"{number}번 {what}에는 {form}을 쓰고 {who}에게는 쓰지 않습니다"
        examples.append(example(number, text, [what, form, who]))
    for number in range(120, 150):
        examples.append(example(number, f"{number}번 매장은 {number}시에 문을 닫습니다", []))
    examples.append(example(150, "시험용 두통 파스 문장은 숨겨야 합니다", ["두통"], "test"))
    examples.append(example(151, "실제 두통 파스 문장은 숨겨야 합니다", ["두통"], "wild"))
    examples.append(example(152, "개발용 두통 파스 문장은 숨겨야 합니다", ["두통"], "dev"))
    return examples


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
    return Cases.open(tmp_path_factory.mktemp("cases") / "cases.lance", "1", made)


def test_only_the_training_split_is_shown(cases: Cases) -> None:
    assert cases.count() == 150
    found = cases.similar("두통 파스 문장은 숨겨야 합니다", 20)
    assert found and not any("숨겨야" in case.text for case in found)


def test_similar_cases_share_words_with_the_text_most_similar_last(cases: Cases) -> None:
    text = "요통에는 파스를 붙이고 노인에게는 조심합니다"
    found = cases.similar(text, 2)
    assert len(found) == 2
    assert all({"요통", "파스", "노인"} & set(case.keywords) for case in found)
    assert cases.similar(text, 2) == found
    nearness = [jaccard(grams(case.text), grams(text)) for case in found]
    assert nearness[-1] > 0.15


def test_the_text_and_its_near_duplicate_are_never_shown(cases: Cases) -> None:
    own = made()[5].text
    for text in (
        own,
        own + ".",
        own.replace(" ", ""),
        "앞 문장. " + own + " 뒤 문장이 길게 이어진다.",
    ):
        for case in cases.similar(text, 10):
            assert case.text not in text
            assert jaccard(grams(case.text), grams(text)) < 0.8


def test_a_passage_does_not_show_the_text_it_is_cut_from(cases: Cases) -> None:
    own = made()[5].text
    assert all(case.text != own for case in cases.similar(own[:12], 10, whole=own))


def test_some_cases_are_empty_and_all_are_unlike_each_other(cases: Cases) -> None:
    found = cases.similar("두통에 시럽을 소아에게", 6)
    assert sum(not case.keywords for case in found) == 1
    assert len({case.text for case in found}) == 6
    assert all(case.keywords for case in cases.similar("두통에 시럽을 소아에게", 2))


def test_glossary_terms_pull_a_case_forward(tmp_path: Path) -> None:
    texts = [("가나다 라마바 트라마돌", ["트라마돌"]), ("가나다 라마사 아자차 카타", ["아자차"])]
    near = Cases.open(
        tmp_path / "c", "1", lambda: [example(n, t, w) for n, (t, w) in enumerate(texts)]
    )
    matcher = Matcher([Term("1", "트라마돌", ("트라",)), Term("2", "먼말")])
    assert near.similar("가나다 라마사 트라", 1, matcher=matcher)[0].text == texts[0][0]


def test_the_table_is_derived(tmp_path: Path) -> None:
    path, calls = tmp_path / "cases.lance", list[str]()

    def examples(name: str) -> Iterator[Example]:
        calls.append(name)
        yield example(1, f"{name} 파스", ["파스"])

    assert Cases.open(path, "a", lambda: examples("a")).count() == 1
    assert Cases.open(path, "a", lambda: examples("again")).similar("파스", 1)[0].text == "a 파스"
    assert Cases.open(path, "b", lambda: examples("b")).similar("파스", 1)[0].text == "b 파스"
    assert calls == ["a", "b"]
    (next(path.glob("*.lance")) / "_versions").rename(tmp_path / "gone")
    assert Cases.open(path, "b", lambda: examples("c")).similar("파스", 1)[0].text == "c 파스"
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_a_place_that_cannot_be_written_still_gives_cases(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = Cases.open(tmp_path / "file" / "cases.lance", "1", made)
    assert found.count() == 150


def test_a_corpus_without_labels_has_no_cases(tmp_path: Path) -> None:
    assert Cases.open(tmp_path / "c", "1", list).similar("파스", 4) == []
    assert not (tmp_path / "c").exists()
