"""A vocabulary learnt anew: what both have keeps its row, specials keep their ids."""

from pathlib import Path

import pytest

from engines.tokenizer.build import Material, Wish
from engines.tokenizer.embeddings import load_model
from engines.tokenizer.files import Tokenizer
from engines.tokenizer.rebuild import Anew, retrain
from engines.tokenizer.texts import general_texts
from glossary.errors import UserError
from tests.tokenizer.conftest import KW_MINI


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_kept_pieces_carry_their_rows_and_specials_their_ids(
    kind: str, material: Material, tmp_path: Path
) -> None:
    anew = Anew(size=4500, kind=kind, general=general_texts(limit=6000))
    built = retrain(KW_MINI, tmp_path / "new", material, anew, Wish(budget=60, rows="mean"))
    assert all(check.passed for check in built.checks)
    old, new = Tokenizer.open(KW_MINI), Tokenizer.open(built.path)
    assert new.kind == f"sentencepiece-{kind}" and new.size == 4500
    for token, number in old.added.items():
        assert new.vocabulary[token] == number
    before = load_model(KW_MINI).get_input_embeddings().weight
    after = load_model(built.path).get_input_embeddings().weight
    assert (after[new.vocabulary["파"]] == before[old.vocabulary["파"]]).all()
    piece = next(t for t, n in new.vocabulary.items() if n in built.new_ids and len(t) == 3)
    mean = before[old.encode(new.piece(new.vocabulary[piece]))].mean(0)
    assert (after[new.vocabulary[piece]] - mean).abs().max() < 1e-6
    text = "파스형 의약품은 임산부에게 적합합니다. 뷁"
    assert new.decode(new.encode(text)) == text


def test_a_byte_level_vocabulary_is_learnt_with_its_own_splitting(
    bpe: Path, material: Material, tmp_path: Path
) -> None:
    anew = Anew(size=4000, general=general_texts(limit=3000))
    built = retrain(bpe, tmp_path / "new", material, anew, Wish(budget=30, growth=0.5))
    new = Tokenizer.open(built.path)
    assert new.byte_level and new.size == 4000
    assert len(new.encode(built.terms[0])) == 1


@pytest.mark.parametrize("name", ["kw-mini", "bpe"])
def test_a_size_that_the_texts_do_not_carry_is_told_with_the_largest(
    name: str, bpe: Path, material: Material, tmp_path: Path
) -> None:
    base = KW_MINI if name == "kw-mini" else bpe
    anew = Anew(size=500_000, general=material.general[:200])
    with pytest.raises(UserError, match=r"largest they can is \d+") as caught:
        retrain(base, tmp_path / "new", material, anew)
    largest = int(str(caught.value).split("largest they can is ")[1].split(":")[0])
    assert 300 < largest < 500_000
    assert not list(tmp_path.iterdir())


def test_a_size_without_room_for_the_special_tokens_is_refused(
    material: Material, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="at least 300"):
        retrain(KW_MINI, tmp_path / "new", material, Anew(size=100))
