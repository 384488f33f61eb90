"""Vectors: made by a local model only, resumed where they stopped, never mixed between models."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engines.finding import open_sources
from engines.settings import Settings
from engines.workspace import assets
from glossary.embedding import StaticEmbedder, fingerprint, open_embedder
from glossary.errors import FailedError, UserError
from glossary.retrieval import Sources, retrieve
from glossary.store import Glossary
from glossary.term import Term
from glossary.vectors import Item, Vectors, term_item

MODEL = assets() / "embedding" / "model"


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    opened = open_embedder(MODEL)
    assert isinstance(opened, StaticEmbedder)
    return opened


@pytest.mark.long
def test_the_embedded_model_is_small_and_equals_sentence_transformers(
    embedder: StaticEmbedder,
) -> None:
    from sentence_transformers import SentenceTransformer

    assert sum(p.stat().st_size for p in MODEL.rglob("*") if p.is_file()) < 10_000_000
    texts = ["진통과 해열 효과가 있는 파스", "임산부와 노인", "Ibuprofen 200mg"]
    peer = SentenceTransformer(str(MODEL), device="cpu", local_files_only=True)
    theirs = peer.encode(texts, normalize_embeddings=True).astype(np.float32)
    assert np.abs(embedder.encode(texts) - theirs).max() < 2e-3


def test_unknown_and_empty_texts_are_zeros(embedder: StaticEmbedder) -> None:
    found = embedder.encode(["", "!!!", "파스"])
    assert found.shape == (3, embedder.dimensions) and found.dtype == np.float32
    assert not found[0].any() and not found[1].any()
    assert np.linalg.norm(found[2]) == pytest.approx(1, abs=1e-5)
    assert embedder.encode([]).shape == (0, embedder.dimensions)


def other_model(tmp_path: Path) -> Path:
    folder = tmp_path / "other"
    shutil.copytree(MODEL, folder)
    pieces = folder / "tokenizer.json"
    pieces.write_text(pieces.read_text(encoding="utf-8") + " ", encoding="utf-8")
    return folder


def items(count: int) -> list[Item]:
    return [Item(f"t:{n}", f"용어 {n}") for n in range(count)]


def test_embedding_stops_and_goes_on_and_follows_changes(
    embedder: StaticEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glossary.vectors._BATCH", 10)
    seen: list[tuple[int, int]] = []
    vectors = Vectors(tmp_path, embedder)
    stopped = vectors.sync(
        items(35), on_progress=lambda *at: seen.append(at), cancelled=lambda: len(seen) == 2
    )
    assert not stopped and seen == [(10, 35), (20, 35)]
    again = Vectors(tmp_path, embedder)
    assert again.coverage().stored == 20
    seen.clear()
    assert again.sync(items(35), on_progress=lambda *at: seen.append(at))
    assert seen == [(30, 35), (35, 35)] and again.coverage().stored == 35
    seen.clear()
    changed = [*items(33), Item("t:33", "다른 말"), Item("r:1", "기록")]
    assert again.sync(changed, on_progress=lambda *at: seen.append(at))
    assert seen[-1] == (35, 35) and again.coverage().stored == 35
    assert again.search("다른 말", 1)[0][0] == "33"
    assert again.search("기록", 5, kind="r")[0][0] == "1"
    assert not again.search("!!!", 5) and Vectors(tmp_path / "none", embedder).search("가", 1) == []


def test_on_a_full_disk_terms_are_found_without_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_vectors: Vectors, _batch: object, *, fresh: bool) -> None:
        raise RuntimeError("lance error: LanceError(IO): No space left on device (os error 28)")

    monkeypatch.setattr(Vectors, "_store", full)
    with Glossary.open(tmp_path / "glossary.lance", create=True) as glossary:
        glossary.upsert([Term("", "파스")], author="kim")
        with pytest.raises(FailedError, match="No space left"):
            Vectors(glossary.path, open_embedder(MODEL)).sync(map(term_item, glossary.iterate()))
        sources, _notes = open_sources(glossary, Settings(), None)
        found = retrieve(glossary, "파스를 붙인다", limit=3, sources=sources)
        assert [one.name for one in found] == ["파스"]


def test_of_many_vectors_the_keys_are_known_in_memory(
    embedder: StaticEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = Vectors(tmp_path, embedder)
    vectors.sync(items(35))
    few = [vectors.search(f"용어 {number}", 5) for number in (3, 20)]
    monkeypatch.setattr(Vectors, "_is_large", lambda self: True)
    assert [vectors.search(f"용어 {number}", 5) for number in (3, 20)] == few
    vectors.sync([*items(30), Item("t:33", "다른 말")])
    assert vectors.search("다른 말", 1)[0][0] == "33"
    assert {key for key, _cosine in vectors.search("용어", 99)} == {*map(str, range(30)), "33"}


def test_vectors_of_another_model_are_never_searched(
    embedder: StaticEmbedder, tmp_path: Path
) -> None:
    folder = other_model(tmp_path)
    assert fingerprint(folder) != embedder.fingerprint
    Vectors(tmp_path, embedder).sync(items(5))
    mine = Vectors(tmp_path, open_embedder(folder))
    assert mine.search("용어 1", 3) == []
    with pytest.raises(UserError, match="made by model, not by other"):
        mine.require()
    mine.sync(items(5))
    mine.require()
    assert mine.coverage().stored == 5 and mine.coverage().others == ()
    assert Vectors(tmp_path, embedder).coverage().stored == 0


def test_a_term_is_found_by_its_meaning_and_the_reason_says_so(tmp_path: Path) -> None:
    glossary = Glossary.open(tmp_path / "g.lance", create=True)
    names = ("두통", "해열제", "임신부", "연고", "변비", "고혈압")
    glossary.upsert([Term("", name) for name in names], author="kim")
    glossary.upsert([Term("", "두통", definition="머리가 아픈 증상")], author="kim")
    sources, notes = open_sources(glossary, Settings(), None)
    assert notes == []
    found = retrieve(glossary, "머리가 아파요", limit=3, sources=sources)
    assert [r.name for r in found][:1] == ["두통"]
    assert found[0].how == "vector" and found[0].reason.startswith("vectors 0.")
    assert retrieve(glossary, "머리가 아파요", limit=3) == []
    assert retrieve(glossary, "두통과 연고", limit=1, sources=sources)[0].how == "exact"
    assert isinstance(sources, Sources)


def test_a_large_glossary_without_vectors_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.finding._AT_ONCE", 1)
    glossary = Glossary.open(tmp_path / "g.lance", create=True)
    glossary.upsert([Term("", "두통"), Term("", "복통")], author="kim")
    sources, notes = open_sources(glossary, Settings(), None)
    assert notes and "0 of 2 terms" in notes[0] and sources.vectors is not None
    sources.vectors.sync(map(term_item, glossary.terms()))
    assert open_sources(glossary, Settings(), None)[1] == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "neither modules.json nor config.json"),
        ({"config.json": "{}"}, "no weights"),
        ({"config.json": "{}", "pytorch_model.bin": "x"}, "pickle, which can run code"),
        ({"modules.json": "x"}, "cannot be loaded"),
        (
            {
                "modules.json": json.dumps([{"type": "sentence_transformers.x.StaticEmbedding"}]),
                "model.safetensors": "x",
                "tokenizer.json": "{}",
            },
            "cannot be loaded",
        ),
    ],
)
def test_what_is_no_model_is_a_sentence(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        open_embedder(tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        open_embedder(tmp_path / "none")
