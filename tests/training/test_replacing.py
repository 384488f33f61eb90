"""Other words in place of keywords: text, keywords and spans stay true to each other."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.training.replacing import Labeled, Namesakes, ends_in_consonant, invent, swap
from engines.training.scratch_recipe import Variety
from engines.training.variety import PromptMaker

SEOUL = Labeled("서울에서 철수는 밥을 먹었다", ("서울", "철수"), ((0, 2, "PLACE"), (5, 7, "NAME")))
OTHERS = (
    Labeled("부산과 영희", ("부산", "영희"), ((0, 2, "PLACE"), (4, 6, "NAME"))),
    Labeled("대구는 덥다", ("대구",), ((0, 2, "PLACE"),)),
    Labeled("인천공항은 넓다", ("인천공항",), ((0, 4, "PLACE"), (0, 2, "CITY"))),
    SEOUL,
)
NAMESAKES = Namesakes(OTHERS)


def true_to_itself(record: Labeled) -> bool:
    words = {record.text[start:end] for start, end, _label in record.spans}
    return all(word in record.text and word in words for word in record.keywords)


@settings(max_examples=200, deadline=None)
@given(st.integers(), st.sampled_from(OTHERS))
def test_keywords_and_spans_name_the_words_of_the_new_text(seed: int, record: Labeled) -> None:
    rng = random.Random(seed)
    for made in (swap(rng, record, NAMESAKES), invent(rng, record)):
        assert true_to_itself(made)
        assert len(made.keywords) == len(record.keywords)
        assert [x for _s, _e, x in made.spans] == [x for _s, _e, x in record.spans]


def test_a_keyword_gives_way_to_one_of_its_kind_whose_josa_fits() -> None:
    seen = {swap(random.Random(seed), SEOUL, NAMESAKES) for seed in range(60)}
    places = {made.keywords[0] for made in seen}
    assert places == {"서울", "부산", "인천공항"}  # 대구 ends in a vowel
    assert {made.keywords[1] for made in seen} == {"철수", "영희"}
    assert all(made.text.endswith("는 밥을 먹었다") for made in seen)


def test_a_keyword_with_another_inside_stays() -> None:
    nested = OTHERS[2]
    assert all(swap(random.Random(seed), nested, NAMESAKES) == nested for seed in range(20))


def test_a_final_consonant_is_told_from_a_vowel() -> None:
    assert ends_in_consonant("서울") and not ends_in_consonant("철수")
    assert not ends_in_consonant("") and not ends_in_consonant("B12")


def test_bare_prompts_are_swapped_too_and_none_when_the_share_is_nothing() -> None:
    def texts(share: float) -> set[str]:
        maker = PromptMaker(OTHERS, [], Variety(swapped=share), seed=1)
        return {maker.sample(SEOUL, index, plain=True).text for index in range(40)}

    assert texts(0.0) == {SEOUL.text}
    assert len(texts(1.0)) > 3
