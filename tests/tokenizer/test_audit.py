"""The figures of an audit are those that one counts by hand."""

from pathlib import Path

import pytest

from engines.tokenizer.advice import advice
from engines.tokenizer.audit import audit
from engines.tokenizer.build import Material, Wish, extend
from engines.tokenizer.files import Tokenizer
from engines.tokenizer.places import POSITIONS, Finder, Places, made, position
from tests.tokenizer.conftest import KW_MINI


def test_counts_by_hand() -> None:
    tokenizer = Tokenizer.open(KW_MINI)
    found = audit(tokenizer, ["파스를 샀다", "파스 뷁"], ["파스", "다음"])
    assert (found.texts, found.words, found.characters) == (2, 4, 10)
    assert found.tokens == 6 + 3 + 3
    assert found.byte_share == 3 / 12
    assert found.unknown_share == 0
    assert (found.term_tokens, found.alone) == (1.5, 0.5)
    assert [(w.term, w.count, w.pieces, w.lost) for w in found.worst[:1]] == [
        ("파스", 2, ("파", "스"), 2)
    ]
    assert [(s.terms, s.share) for s in found.savings] == [(2, 2 / 12)]
    assert found.context == 4096 and found.over_context == 0
    assert set(found.positions) == {*POSITIONS, "all"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("파스 처방", "start"),
        ("그 파스 처방", "middle"),
        ("(파스), 끝", "middle"),
        ("파스는 싫다", "josa"),
        ("그 파스에게서 왔다", "josa"),
        ("파스형 약", "compound"),
        ("파스타 먹다", "compound"),
        ("새파스 처방", "compound"),
    ],
)
def test_positions(text: str, where: str) -> None:
    start = text.index("파스")
    assert position(text, start, start + 2) == where


def test_made_sentences_cover_every_position_with_the_right_josa() -> None:
    for term in ("파스", "진통", "Ibuprofen"):
        assert {where for where, _text in made(term)} == set(POSITIONS)
    assert any("진통은 " in text for _where, text in made("진통"))
    assert any("파스는 " in text for _where, text in made("파스"))


def test_the_longest_term_counts_at_a_place() -> None:
    places = Places(Finder(["진통", "진통제"]))
    places.look("진통제와 진통")
    assert dict(places.counts) == {"진통제": 1, "진통": 1}


def test_what_was_foretold_is_saved(material: Material, tmp_path: Path) -> None:
    old = Tokenizer.open(KW_MINI)
    before = audit(old, material.texts(), material.terms, general=material.general)
    built = extend(KW_MINI, tmp_path / "new", material, Wish(budget=50))
    after = audit(Tokenizer.open(built.path), material.texts(), material.terms)
    got = 1 - after.tokens / before.tokens
    assert abs(got - before.savings[0].share) < 0.005
    assert after.alone > before.alone
    assert before.general_tokens > 0


def test_what_is_spelt_alike_in_text_and_answer(bpe: Path) -> None:
    """One piece a letter copies everywhere; a piece with the space before it does not."""
    terms = ["파스", "진통"]
    letters = audit(Tokenizer.open(KW_MINI), ["파스를 샀다"], terms)
    assert letters.copied == 1.0
    merged = audit(Tokenizer.open(bpe), ["그 대한민국은", "대한민국"], ["대한민국"])
    assert merged.copied < 1.0


def test_byte_level_pieces_are_shown_as_letters(bpe: Path) -> None:
    tokenizer = Tokenizer.open(bpe)
    assert "".join(tokenizer.shown("그 대한민국 ABC")).replace("\ufffd", "") != ""
    found = audit(tokenizer, ["그 대한민국 뷁뷁"], ["대한민국"])
    assert found.byte_share > 0


def test_advice_follows_the_figures() -> None:
    tokenizer = Tokenizer.open(KW_MINI)
    few = audit(tokenizer, ["그는 오늘 집에 갔고 내일은 파스를 산다고 하였다."], ["파스"])
    assert advice(few)[0].startswith("Leave the vocabulary")
    many = audit(tokenizer, ["아세트아미노펜 파스"], ["아세트아미노펜", "파스"])
    assert advice(many)[0].startswith("Worth a trial")
    assert advice(audit(tokenizer, [], []))[0].startswith("There are no texts")
