"""What a term would match in the corpus, and which words the glossary lacks; test stays test."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.corpus.store import Corpus
from engines.corpus.vocabulary import missing_terms, nouns_of, preview
from engines.records import Example, Keyword
from glossary.term import Term


def example(name: str, text: str, *surfaces: str, split: str = "train") -> Example:
    found = tuple(Keyword(text.index(s), text.index(s) + len(s), s) for s in surfaces)
    return Example(name, text, found, split, labeled=bool(surfaces))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    made = Corpus.open(tmp_path / "corpus.sqlite", create=True)
    made.add(
        [
            example("a", "파스를 붙이고 파스타를 먹었다.", "파스"),
            example("b", "임산부는 파스형 진통제를 피한다.", "임산부"),
            example("c", "진통제와 소화제를 먹는 노인", split=""),
            example("d", "감기에는 해열제와 진통제", split="test"),
            example("e", "해열제 해열제", split="dev"),
        ]
    )
    return made


def test_a_preview_counts_whole_words_and_shows_the_first_lines(corpus: Corpus) -> None:
    found = preview(corpus, Term("", "파스", aliases=("임산부",)), lines=2, seconds=60)
    assert (found.texts, found.hits, found.read, found.total) == (2, 3, 3, 3)
    assert [(line.text_id, line.before, line.surface) for line in found.lines] == [
        ("a", "", "파스"),
        ("b", "", "임산부"),
    ]
    assert preview(corpus, Term("", "해열제"), seconds=60).hits == 0
    assert preview(corpus, Term("", "파스"), stopped=lambda: True).read == 0


def test_missing_terms_are_frequent_nouns_and_what_people_or_models_found(corpus: Corpus) -> None:
    corpus.set_labels("c", "model", [Keyword(13, 15, "노인")], status="draft", origin="draft")
    found = missing_terms(corpus, {"파스"}.__contains__, at_least=1)
    by_name = {one.surface: one for one in found}
    assert by_name["임산부"].sources == ("label", "kiwi")
    assert by_name["노인"].sources == ("model", "kiwi")
    assert by_name["진통제"].texts == 2 and by_name["진통제"].example.startswith("임산부는")
    assert "파스" not in by_name and "해열제" not in by_name and "감기" not in by_name
    assert found[0].surface in ("임산부", "노인")
    few = missing_terms(corpus, {"파스"}.__contains__)
    assert [one.surface for one in few if one.sources == ("kiwi",)] == ["진통제"]
    assert len(missing_terms(corpus, {"파스"}.__contains__, limit=1)) == 1


def test_nouns_are_runs_of_two_letters_and_more() -> None:
    assert list(nouns_of("고혈압 환자는 2일 동안 약을 먹는다.")) == ["고혈압", "환자", "동안"]
