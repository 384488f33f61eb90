"""Long texts are split without losing a character, and merged back by offset."""

from hypothesis import given
from hypothesis import strategies as st

from engines.extraction.passages import merge, split
from engines.records import ground

TEXTS = st.text(alphabet="가나다 .!?\n", min_size=1, max_size=300)


@given(TEXTS, st.integers(2, 60), st.integers(0, 20))
def test_passages_are_pieces_that_cover_the_text(text: str, limit: int, overlap: int) -> None:
    passages = split(text, limit, min(overlap, limit - 1))
    covered = 0
    for passage in passages:
        assert passage.text == text[passage.start : passage.start + len(passage.text)]
        assert 0 < len(passage.text) <= limit
        assert passage.start <= covered
        assert passage.start + len(passage.text) > covered
        covered = passage.start + len(passage.text)
    assert covered == len(text)


def test_passages_end_at_sentences_and_share_some() -> None:
    text = "하나 둘 셋. 넷 다섯. 여섯 일곱. 여덟 아홉."
    passages = [passage.text for passage in split(text, 16, 8)]
    assert passages == ["하나 둘 셋. 넷 다섯. ", "넷 다섯. 여섯 일곱. ", "여섯 일곱. 여덟 아홉."]


@given(st.lists(st.sampled_from(["파스", "임산부", "노인", "두통"]), min_size=1, max_size=60))
def test_a_word_shorter_than_the_overlap_is_whole_somewhere(words: list[str]) -> None:
    text = "".join(words)
    passages = split(text, 12, 4)
    for start in range(len(text) - 3):
        piece = text[start : start + 4]
        at = [(p.start, p.start + len(p.text)) for p in passages]
        assert any(low <= start and start + len(piece) <= high for low, high in at)


def test_merged_keywords_stand_where_they_say_once_in_order() -> None:
    text = "파스를 붙인 노인. " * 40 + "임산부는 안 된다."
    passages = split(text, 60, 20)
    assert len(passages) > 5
    parts = [(p, ground(p.text, ["임산부", "노인", "파스"])[0]) for p in passages]
    merged = merge(parts)
    assert [keyword.surface for keyword in merged] == ["파스", "노인", "임산부"]
    assert all(text[k.start : k.end] == k.surface for k in merged)
    assert merged[0].start == 0
