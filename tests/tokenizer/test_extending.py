"""Terms become tokens, by every method and kind, and nothing else changes."""

import json
from pathlib import Path

import pytest

from engines.tokenizer.build import Built, Material, Wish, extend
from engines.tokenizer.embeddings import load_model
from engines.tokenizer.files import Tokenizer
from engines.tokenizer.methods import METHODS
from engines.tokenizer.places import POSITIONS, Finder, Places, one_token
from engines.tokenizer.rebuild import replace
from tests.tokenizer.conftest import KW_MINI

CHECKS = ["one_token", "round_trip", "general_text", "special_tokens", "ids"]
FIT = {
    "sentencepiece-bpe": ("symbol", "merges"),
    "sentencepiece-unigram": ("piece", "symbol"),
    "bpe": ("symbol", "merges"),
}


def figures(built: Built) -> dict[str, dict[str, float]]:
    assert all(check.passed for check in built.checks), [c.sentence for c in built.checks]
    return {check.name: check.figures for check in built.checks}


@pytest.mark.parametrize("method", METHODS[1:])
def test_every_accepted_term_is_one_token_in_all_positions(
    base: Path, method: str, material: Material, tmp_path: Path
) -> None:
    old = Tokenizer.open(base)
    if method not in FIT[old.kind]:
        pytest.skip("no method for this kind")
    built = extend(base, tmp_path / "new", material, Wish(method=method, budget=120))
    found = figures(built)
    in_step = ["in_step"] if old.proto is not None else []
    assert list(found) == [*CHECKS, *in_step, "sizes", "old_rows"]
    assert [found["one_token"][where] for where in POSITIONS] == [1.0] * 4
    assert found["round_trip"]["failures"] == 0
    assert found["general_text"]["general"] <= 0.003
    assert found["general_text"]["domain"] < -0.005
    new = Tokenizer.open(built.path)
    assert new.size == old.size + built.new_tokens
    text = "어제 " + built.terms[0] + "은 없었습니다."
    assert new.decode(new.encode(text)) == text
    assert built.terms[0] in [piece.strip() for piece in new.shown(text)]


def test_chains_reach_a_term_where_single_pieces_do_not(bpe: Path, material: Material) -> None:
    """What a method reports is what comes out: terms that merges do not reach are named."""
    from engines.tokenizer.draft import Draft

    old = Tokenizer.open(bpe)
    draft = Draft(old)
    term = "알코올중독자"
    letters = [old.fast.id_to_token(n) for n in old.encode(term)]
    draft.add_chain(letters)
    trial = draft.trial()
    assert len(trial.encode(term)) == 1
    places = Places(Finder([term]))
    shares = one_token(trial, places.sentences([term]))
    assert 0 < shares.share() <= 1


def test_pieces_that_merges_cannot_reach_are_refused_with_a_place(
    material: Material, unigram: Path, bpe: Path, tmp_path: Path
) -> None:
    built = extend(bpe, tmp_path / "new", material, Wish(method="merges", budget=150))
    reasons = set(built.refused.values())
    assert any(reason.startswith('is not one token in "') for reason in reasons)
    assert not set(built.terms) & set(built.refused)


def test_short_and_ambiguous_terms_are_refused_with_their_harm(
    unigram: Path, texts: list[str], tmp_path: Path, material: Material
) -> None:
    wanted = ["위", "간", "알코올중독자", "학령기 아동"]
    mine = Material(wanted, lambda: texts, material.general)
    built = extend(unigram, tmp_path / "new", mine, Wish(method="symbol"))
    assert built.terms == ("알코올중독자",)
    assert "space" in built.refused["학령기 아동"]
    for term in ("위", "간"):
        assert (
            any(char.isdigit() for char in built.refused[term])
            or "already" in (built.refused[term])
        )


def test_a_symbol_that_lengthens_general_text_is_refused_by_its_tokens(
    bpe: Path, material: Material, tmp_path: Path, texts: list[str]
) -> None:
    old = Tokenizer.open(bpe)
    word = next(
        old.piece(n).strip()
        for n in range(2999, 600, -1)
        if len(old.piece(n).strip()) == 3 and old.piece(n).strip().isalpha()
    )
    mine = Material([word[1:], "알코올중독자"], lambda: texts, material.general)
    built = extend(bpe, tmp_path / "new", mine, Wish())
    assert built.refused[word[1:]]


def test_replacing_keeps_the_size_and_every_other_row(
    base: Path, material: Material, tmp_path: Path
) -> None:
    built = replace(base, tmp_path / "new", material, Wish(budget=40))
    found = figures(built)
    old, new = Tokenizer.open(base), Tokenizer.open(built.path)
    assert new.size == old.size and len(built.removed) == len(built.terms)
    assert found["old_rows"] == {"rows": len(old.vocabulary) - len(built.terms), "changed": 0}
    assert not set(built.removed) & set(new.vocabulary)


@pytest.mark.parametrize("rows", ["scaled", "mean", "focus", "random"])
def test_new_rows_are_composed_and_tied_matrices_stay_tied(
    rows: str, material: Material, tmp_path: Path
) -> None:
    built = extend(KW_MINI, tmp_path / "new", material, Wish(rows=rows, budget=20))
    old, new = Tokenizer.open(KW_MINI), Tokenizer.open(built.path)
    before = load_model(KW_MINI).get_input_embeddings().weight
    model = load_model(built.path)
    after = model.get_input_embeddings().weight
    assert after.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    assert (after[: len(before)] == before).all()
    term = built.terms[0]
    mean = before[old.encode(term)].mean(0)
    given = after[new.vocabulary[term]]
    if rows == "mean":
        assert (given - mean).abs().max() < 1e-6
    elif rows == "scaled":
        length = before[old.encode(term)].norm(dim=1).mean()
        assert abs(given.norm() - length) < 1e-4
        assert (given / given.norm() - mean / mean.norm()).abs().max() < 1e-5
    else:
        assert (given - mean).abs().max() > 1e-3
        alike = (given @ mean) / (given.norm() * mean.norm())
        assert (alike > 0.5) == (rows == "focus")


def test_untied_matrices_get_rows_of_their_own(
    bpe: Path, material: Material, tmp_path: Path
) -> None:
    built = extend(bpe, tmp_path / "new", material, Wish(budget=5, rows="mean"))
    model = load_model(built.path)
    row = Tokenizer.open(built.path).vocabulary[built.terms[0]]
    inward, outward = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert inward.data_ptr() != outward.data_ptr()
    assert not (inward[row] == outward[row]).all()
    pieces = Tokenizer.open(bpe).encode(built.terms[0])
    assert (outward[row] - outward[pieces].mean(0)).abs().max() < 1e-6


def test_the_folder_says_what_it_is_and_loads_as_any_model(
    material: Material, tmp_path: Path
) -> None:
    from engines.extraction.extractor import Extractor
    from engines.models.loading import load
    from engines.models.registry import check_folder
    from engines.settings import StrategySettings

    built = extend(KW_MINI, tmp_path / "models" / "new", material, Wish(budget=30))
    check_folder(built.path)
    origin = json.loads((built.path / "kwtui.json").read_text(encoding="utf-8"))
    assert origin["base"] == "kw-mini" and origin["terms"] == list(built.terms)
    assert origin["new_ids"] == [[2827, 2856]]
    assert "one_token" in (built.path / "CARD.md").read_text(encoding="utf-8")
    extractor = Extractor("prompt", StrategySettings(), loaded=load(built.path))
    assert next(extractor.extract(["두통이 있을 때 드십시오."])).valid
