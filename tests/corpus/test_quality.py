"""What finds errors: agreement, disputes, checks, near-duplicates, splits that do not leak."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.corpus import duplicates
from engines.corpus.agreement import agreement, disputes, measure
from engines.corpus.backup import backup, copies, daily_copy
from engines.corpus.checks import Known, run, titles, uneven
from engines.corpus.fixing import label_everywhere, unlabel_everywhere
from engines.corpus.schema import ADJUDICATOR
from engines.corpus.splits import DEFAULT_SHARES, assign
from engines.corpus.store import Corpus
from engines.corpus.unseen import unseen_groups
from engines.records import Example, Keyword, ground
from glossary.errors import FailedError, UserError
from glossary.matching import Matcher
from glossary.term import Term


def example(name: str, text: str, words: list[str], split: str = "", **meta: object) -> Example:
    return Example(name, text, ground(text, words)[0], split, dict(meta))


@pytest.fixture
def corpus(tmp_path: Path) -> Iterator[Corpus]:
    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as opened:
        yield opened


SPANS = frozenset({(0, 2)})


def test_agreement_on_a_case_counted_by_hand() -> None:
    texts = {"1": "파스와 연고", "2": "시럽"}
    said = {
        "1": {"ann": frozenset({(0, 2), (4, 6)}), "bea": frozenset({(0, 3)})},
        "2": {"ann": SPANS, "bea": SPANS},
    }
    found = measure(texts, said)
    (pair,) = found.pairs
    assert (pair.one, pair.other, pair.texts) == ("ann", "bea", 2)
    assert pair.exact_f1 == pytest.approx(2 * 1 / 5)
    assert pair.partial_f1 == pytest.approx((2 * 1 + 1) / 5)
    # Tokens: 파스와연고 + 시럽. ann BIOBI BI, bea BIIOO BI: 4 of 7 the same.
    expected = (3 * 2 + 3 * 3 + 1 * 2) / 49
    assert pair.kappa == pytest.approx((4 / 7 - expected) / (1 - expected))


def test_alpha_is_one_for_agreement_and_skips_what_is_missing() -> None:
    texts = {"1": "파스와 연고", "2": "시럽을"}
    same = dict.fromkeys(("ann", "bea", "eve"), SPANS)
    found = measure(texts, {"1": same, "2": {"ann": SPANS, "eve": SPANS}})
    assert found.alpha == pytest.approx(1.0)
    assert len(found.pairs) == 3
    assert [pair.texts for pair in found.pairs] == [1, 2, 1]
    nothing = measure(texts, {"1": {"ann": frozenset(), "bea": frozenset()}})
    assert (nothing.alpha, nothing.pairs[0].kappa, nothing.pairs[0].exact_f1) == (None, None, 1.0)
    assert measure({}, {}).to_json() == {"texts": 0, "pairs": [], "alpha": None}


@given(st.integers(0, 2**32))
def test_alpha_follows_its_formula(seed: int) -> None:
    rng = random.Random(seed)
    texts = {str(n): "가나다라마" for n in range(3)}
    said = {
        name: {
            by: frozenset((a, a + 1) for a in range(5) if rng.random() < 0.4)
            for by in ("ann", "bea")
        }
        for name in texts
    }
    found = measure(texts, said).alpha
    pairs = [
        ("B" if (a, a + 1) in said[n]["ann"] else "O", "B" if (a, a + 1) in said[n]["bea"] else "O")
        for n in texts
        for a in range(5)
    ]
    values = [value for pair in pairs for value in pair]
    ones, total = values.count("B"), len(values)
    if ones in (0, total):
        assert found is None
        return
    observed = sum(a != b for a, b in pairs) / len(pairs)
    chance = 2 * ones * (total - ones) / (total * (total - 1))
    assert found == pytest.approx(1 - observed / chance)


def test_disputes_are_texts_labeled_differently_until_somebody_settles_them(corpus: Corpus) -> None:
    corpus.add([example(str(n), f"파스 {n}", []) for n in range(3)], annotator="import")
    pas = Keyword(0, 2, "파스")
    for name in ("0", "1"):
        corpus.set_labels(name, "ann", [pas])
    corpus.set_labels("0", "bea", [])
    corpus.set_labels("1", "bea", [pas])
    found = list(disputes(corpus))
    assert [d.id for d in found] == ["0", "1"]
    assert found[0].shared == frozenset()
    assert set(found[0].labelings) == {"ann", "bea", "import"}
    pair = next(p for p in agreement(corpus, ["ann", "bea"]).pairs)
    assert (pair.texts, pair.exact_f1) == (2, pytest.approx(2 / 3))
    corpus.adjudicate("0", "eve", [pas])
    assert [d.id for d in disputes(corpus)] == ["1"]


LABELED = [
    example("a", "파스를 붙인다", ["파스"], "train"),
    example("b", "파스와 연고를 바른다", ["연고"], "train"),
    example("c", "파스타를 먹는다", [], "train"),
    example("d", "임산부에게 의약품은 주의한다", ["임산부에게", "의약품"], "train"),
    example("e", "노인에게는 시럽을 준다", ["노인", "습포제"], "dev", ungrounded=("습포제",)),
    example("f", "시럽과 진통제 시럽형", ["시럽", "시럽형"], "dev"),
]


def test_checks_find_their_errors(corpus: Corpus) -> None:
    corpus.add(LABELED, annotator="ann")
    duplicates.sign(corpus)
    known = Known(Matcher([Term("1", "시럽"), Term("2", "연고")]), {"의약품": "너무 넓다"})
    results = {r.name: r for r in run(corpus, known)}
    assert list(results) == list(titles())
    uneven_places = [(f.id, f.surface, f.start) for f in results["uneven"].findings]
    assert ("b", "파스", 0) in uneven_places
    assert ("e", "시럽", 6) in uneven_places
    assert not [place for place in uneven_places if place[0] == "c"]
    assert [(f.id, f.surface) for f in results["ungrounded"].findings] == [("e", "습포제")]
    assert [(f.surface, f.note) for f in results["excluded"].findings] == [("의약품", "너무 넓다")]
    attached = {(f.surface, f.note) for f in results["attached"].findings}
    assert attached == {("임산부에게", "에게"), ("시럽형", "형")}
    assert [f.surface for f in results["terms"].findings] == ["시럽"]
    assert [f.id for f in results["empty"].findings] == ["c"]
    assert results["long"].count == 0
    (only,) = run(corpus, known, ["empty"], limit=0)
    assert (only.name, only.count, only.findings) == ("empty", 1, [])


def test_a_long_span_stands_out(corpus: Corpus) -> None:
    rows = [example(str(n), f"{n}번 파스를 쓴다", ["파스"]) for n in range(30)]
    whole = "만성 폐쇄성 폐질환의 급성 악화를 막는"
    corpus.add([*rows, example("x", f"{whole} 약", [whole])])
    (found,) = run(corpus, None, ["long"])
    assert [f.id for f in found.findings] == ["x"]


def test_texts_labeled_under_two_versions_are_shown(corpus: Corpus) -> None:
    corpus.add([example("1", "파스", []), example("2", "연고", [])])
    corpus.use_guideline("하나", "ann")
    for name in ("1", "2"):
        corpus.set_labels(name, "ann", [])
    corpus.use_guideline("둘", "ann")
    corpus.set_labels("1", "bea", [])
    (found,) = run(corpus, None, ["versions"])
    assert [(f.id, f.note) for f in found.findings] == [("1", "1, 2")]


def test_one_key_labels_a_surface_everywhere_and_one_undo_takes_it_back(corpus: Corpus) -> None:
    corpus.add(LABELED, annotator="ann")
    before = {e.id: e.keywords for e in corpus.examples()}
    assert {u.surface for u in uneven(list(corpus.examples()))} == {"파스", "시럽"}
    event, texts = label_everywhere(corpus, "파스", "bea")
    assert texts == 1
    assert corpus.labelings("b")["ann"].keywords == before["b"]
    settled = corpus.labelings("b")[ADJUDICATOR]
    assert [k.surface for k in settled.keywords] == ["파스", "연고"]
    event, texts = unlabel_everywhere(corpus, "시럽", "ann")
    assert event > 0
    assert texts == 1
    assert [k.surface for k in corpus.labelings("f")["ann"].keywords] == ["시럽형"]
    corpus.undo("ann")
    corpus.undo("bea")
    assert {e.id: e.keywords for e in corpus.examples()} == before
    assert label_everywhere(corpus, "없는말", "ann") == (0, 0)


BASE = (
    "이 약은 {}에게 쓰는 소염 진통 파스로서 하루에 한 번 아픈 곳에 붙이면 되는 외용제이며, "
    "상처가 있는 피부나 눈 가까이에는 붙이지 말고 어린이 손이 닿지 않는 곳에 두십시오"
)


def near(name: str, who: str, split: str = "") -> Example:
    return example(name, BASE.format(who), [], split)


def test_near_duplicates_are_found_within_and_across_splits(corpus: Corpus) -> None:
    corpus.add([near("a", "노인", "train"), near("b", "소아", "test"), near("c", "환자", "train")])
    corpus.add([example("z", "전혀 다른 글입니다", [], "test"), example("y", "아", [], "test")])
    assert duplicates.sign(corpus) == 5
    assert duplicates.sign(corpus) == 0
    found = {(p.id, p.other): p.across for p in duplicates.pairs(corpus)}
    assert found == {("a", "b"): True, ("a", "c"): False, ("b", "c"): True}
    results = {r.name: r.count for r in run(corpus, None, ["duplicates", "across", "leak"])}
    assert results == {"duplicates": 1, "across": 0, "leak": 2}


@given(st.text("가나다 A", max_size=30))
def test_similarity_is_one_for_the_same_letters(text: str) -> None:
    assert duplicates.similarity(text, f" {text.lower()} ") == 1.0


def test_new_texts_join_their_group_and_bridges_are_left_out(corpus: Corpus) -> None:
    corpus.add([near("a", "노인")])
    duplicates.sign(corpus)
    corpus.group_near("s")
    corpus.assign_splits(lambda _g: "test", annotator="s", reason="r")
    corpus.add([near("b", "소아"), example("z", "전혀 다른 글입니다", [])])
    corpus.add([near("s", "임부")], synthetic=True)
    duplicates.sign(corpus)
    grouped = corpus.group_near("s")
    assert grouped.joined == 1
    assert set(grouped.excluded) == {"s"}
    corpus.assign_splits(lambda _g: "train", annotator="s", reason="r")
    splits = {e.id: e.split for e in corpus.examples()}
    assert splits == {"a": "test", "b": "test", "s": "excluded", "z": "train"}
    corpus.add([near("t", "영아", "train")])
    corpus.add([near("n", "청년")])
    duplicates.sign(corpus)
    grouped = corpus.group_near("s")
    assert list(grouped.excluded) == ["n"]
    assert "test and train" in corpus.excluded()["n"]
    assert {e.id: e.split for e in corpus.examples()} == {**splits, "t": "train", "n": "excluded"}
    assert corpus.group_near("s").to_json() == {"joined": 0, "excluded": {}}


def test_texts_of_one_document_share_a_split(corpus: Corpus) -> None:
    rows = [
        example(f"{d}/{n}", f"문서 {d} 문장 {n}", [], document=str(d))
        for d in range(20)
        for n in range(5)
    ]
    corpus.add(rows)
    corpus.assign_splits(lambda g: assign(g, DEFAULT_SHARES), annotator="s", reason="r")
    splits: dict[str, set[str]] = {}
    for e in corpus.examples():
        splits.setdefault(e.meta["document"], set()).add(e.split)
    assert all(len(found) == 1 for found in splits.values())
    assert len(set.union(*splits.values())) > 1


def test_splitting_anew_meets_the_shares_in_each_stratum(corpus: Corpus) -> None:
    corpus.add([example(f"a{n}", f"가 {n}", [], kind="a") for n in range(90)])
    corpus.add([example(f"b{n}", f"나 {n}", [], kind="b") for n in range(10)])
    corpus.assign_splits(lambda _g: "train", annotator="s", reason="r")
    assert corpus.forget_splits("s", "by kind") == 100
    choose = corpus.stratified({"train": 0.8, "test": 0.2}, "kind")
    corpus.assign_splits(choose, annotator="s", reason="by kind")
    assert corpus.strata("kind") == {"test": {"a": 18, "b": 2}, "train": {"a": 72, "b": 8}}
    assert corpus.history(limit=2)[1].kind == "split anew"


def test_no_training_text_holds_a_term_of_the_unseen_split(corpus: Corpus) -> None:
    words = ["파스", *(f"{a}{b}증" for a in "가나다라마바" for b in "고노도로모보")]
    rng = random.Random(0)
    rows = []
    for n in range(200):
        one, other = rng.sample(words, 2)
        rows.append(example(str(n), f"{n} {one}와 {other}", [one, other]))
    corpus.add(rows)
    corpus.add([example("m", "기계가 쓴 파스", ["파스"])], synthetic=True)
    groups, terms = unseen_groups(corpus, 0.2)
    assert terms
    assert "파스" not in terms
    corpus.assign_splits(lambda g: "unseen" if g in groups else "train", annotator="s", reason="r")
    for e in corpus.examples():
        held = [term for term in terms if term in e.text]
        assert (e.split == "unseen") == bool(held)


def test_a_copy_is_whole_and_daily_ones_are_kept_by_number(corpus: Corpus, tmp_path: Path) -> None:
    corpus.add(LABELED)
    target = tmp_path / "copy.sqlite"
    assert backup(corpus.path, target) > 0
    with Corpus.open(target, readonly=True) as copy:
        assert list(copy.examples()) == list(corpus.examples())
    with pytest.raises(UserError, match="exists already"):
        backup(corpus.path, target)
    with pytest.raises(UserError, match="make it first"):
        backup(corpus.path, tmp_path / "none" / "copy.sqlite")
    folder = tmp_path / "backups"
    for day in ("20260101", "20260102", "20260103"):
        assert daily_copy(corpus.path, folder, 2, today=day) == folder / f"corpus-{day}.sqlite"
        assert daily_copy(corpus.path, folder, 2, today=day) is None
    assert [path.name for path in copies(folder)] == [
        "corpus-20260103.sqlite",
        "corpus-20260102.sqlite",
    ]
    assert daily_copy(corpus.path, folder, 0) is None
    assert daily_copy(tmp_path / "none.sqlite", folder, 2) is None


def test_what_a_killed_copy_left_is_cleared(corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = folder / f".corpus-20260101.sqlite.{dead.pid}.tmp"
    running = folder / f".corpus-20260101.sqlite.{os.getpid()}.tmp"
    left.touch()
    running.touch()
    assert daily_copy(corpus.path, folder, 2, today="20260102") is not None
    assert not left.exists() and running.exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux")
def test_a_copy_that_cannot_be_written_is_a_sentence(corpus: Corpus) -> None:
    with pytest.raises(FailedError, match="cannot be"):
        backup(corpus.path, Path("/proc/copy.sqlite"))
