"""Splits: the same text, the same split, whatever came before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.corpus.duplicates import sign
from engines.corpus.splits import DEFAULT_SHARES, assign, digest, group_key, parse_shares
from engines.corpus.store import Corpus
from engines.records import Example
from glossary.errors import UserError


def test_shares_are_met_on_many_texts() -> None:
    counts = Counter(assign(digest(str(n)), DEFAULT_SHARES, 0) for n in range(20_000))
    for name, share in DEFAULT_SHARES.items():
        assert counts[name] / 20_000 == pytest.approx(share, abs=0.01)


def test_the_split_is_fixed_for_ever() -> None:
    found = [assign(group_key(t), DEFAULT_SHARES, 7) for t in ("진통", "해열", "파스", "임산부")]
    assert found == ["train", "train", "dev", "train"]


def test_another_seed_gives_another_split() -> None:
    groups = [digest(str(n)) for n in range(300)]
    one, two = ([assign(g, DEFAULT_SHARES, seed) for g in groups] for seed in (0, 1))
    assert one != two


@given(st.text(max_size=20))
def test_spaces_letter_case_and_composition_do_not_split_a_text(text: str) -> None:
    assert group_key(text) == group_key(f"  {text}\n") == group_key(text.replace(" ", ""))


@given(st.text(), st.integers(), st.dictionaries(st.text("abc", min_size=1), st.floats(0.1, 9)))
def test_only_named_splits_are_given(text: str, seed: int, weights: dict[str, float]) -> None:
    shares = {**weights, "train": 1.0}
    total = sum(shares.values())
    found = assign(digest(text), {n: w / total for n, w in shares.items()}, seed)
    assert found in shares


def test_shares_are_read_as_ratios() -> None:
    assert parse_shares("train=8, dev=1,test=1") == pytest.approx(DEFAULT_SHARES)
    assert parse_shares("train=1") == {"train": 1.0}
    for wrong in (
        "",
        "train",
        "train=x",
        "train=-1",
        "train=0",
        "a=1,a=2",
        "a b=1",
        "t=inf",
        "t=nan",
    ):
        with pytest.raises(UserError, match="write train="):
            parse_shares(wrong)


def test_a_later_split_moves_no_text(tmp_path: Path) -> None:
    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as corpus:
        corpus.add([Example(str(n), f"문장 {n}") for n in range(200)])
        corpus.assign_splits(lambda g: assign(g, DEFAULT_SHARES, 1), annotator="a", reason="r")
        before = {e.id: e.split for e in corpus.examples(labeled=False)}
        corpus.add([Example(f"new {n}", f"새 문장 {n}") for n in range(100)])
        corpus.assign_splits(lambda g: assign(g, DEFAULT_SHARES, 2), annotator="a", reason="r")
        after = {e.id: e.split for e in corpus.examples(labeled=False)}
    assert {name: after[name] for name in before} == before
    assert "" not in after.values()
    assert len(set(before.values())) == 3


def _shape(corpus: Corpus) -> tuple[object, ...]:
    """Everything of a corpus that splitting changes, and its indexes and triggers."""
    queries = (
        "SELECT id, grp, split FROM texts ORDER BY key",
        "SELECT grp, split, reason FROM splits ORDER BY grp",
        "SELECT * FROM tallies WHERE texts ORDER BY split, status",
        "SELECT type, name, sql FROM sqlite_master ORDER BY type, name",
        "SELECT grouped FROM signatures ORDER BY text_key",
        "SELECT kind, data FROM events ORDER BY seq",
    )
    return tuple(corpus.db.execute(query).fetchall() for query in queries)


def _whole(corpus: Corpus, heard: Callable[[int, int], None]) -> None:
    """What `kwtui data split --anew` does."""
    links = corpus.near_links(everything=True)
    with corpus.transaction():
        corpus.forget_splits("a", "anew", heard)
        corpus.group_near("a", links, heard)
        corpus.assign_splits(
            lambda g: assign(g, DEFAULT_SHARES, 3), annotator="a", reason="r", on_progress=heard
        )


@pytest.fixture
def split_already(tmp_path: Path) -> Iterator[Corpus]:
    """Texts with splits, some of them near-duplicates that came later, signed."""
    with Corpus.open(tmp_path / "corpus.sqlite", create=True) as corpus:
        corpus.add(
            Example(str(n), f"{n} 번째 문장은 다른 문장과 {n * n} 다르다") for n in range(120)
        )
        corpus.assign_splits(lambda g: assign(g, DEFAULT_SHARES, 1), annotator="a", reason="r")
        corpus.add(
            Example(f"n{n}", f"{n} 번째 문장은 다른 문장과 {n * n} 다르다!") for n in range(9)
        )
        sign(corpus)
        yield corpus


def test_many_texts_are_split_as_few_are(
    split_already: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.sqlite"
    split_already.db.execute("VACUUM INTO ?", (str(copy),))
    _whole(split_already, lambda done, total: None)
    monkeypatch.setattr("engines.corpus.splitting.MANY", 1)
    monkeypatch.setattr("engines.corpus.bulk._STEP", 7)
    heard: list[tuple[int, int]] = []
    with Corpus.open(copy) as corpus:
        _whole(corpus, lambda done, total: heard.append((done, total)))
        assert _shape(corpus) == _shape(split_already)
        corpus.add([Example("late", "나중에 온 문장")])
        corpus.assign_splits(lambda _g: "late", annotator="a", reason="r")
        assert corpus.splits()["late"] == 1
    last = heard[-1]
    assert last[0] == last[1]
    assert len(heard) > 20


@pytest.mark.parametrize("many", [1, 1000])
def test_a_split_that_is_stopped_changes_nothing(
    split_already: Corpus, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr("engines.corpus.splitting.MANY", many)
    monkeypatch.setattr("engines.corpus.bulk._STEP", 25)
    before = _shape(split_already)
    stopped = 0
    for number in range(0, 60, 4):
        left = iter(range(number))

        def heard(done: int, total: int, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        try:
            _whole(split_already, heard)
        except KeyboardInterrupt:
            stopped += 1
            assert _shape(split_already) == before
    assert stopped > 2
