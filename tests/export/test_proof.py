"""Each kind of model that kwtui makes is the same in llama.cpp: tokens, then keywords."""

import json
from pathlib import Path
from typing import Any

import pytest

from engines.export.exporting import Order, export, proof_texts
from engines.export.llamacpp import LlamaCpp
from engines.export.merge import merge
from engines.export.proof import Prover, require
from engines.export.ties import NEAR, Judge
from engines.extraction.decoding import Request
from engines.settings import Settings, StrategySettings, load
from engines.workspace import assets
from glossary.errors import FailedError

MODELS = ("base", "merged", "extended")


def folder_of(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if name == "merged":
        adapter = request.getfixturevalue("adapter")
        return merge(adapter, tmp_path / "merged", folders=[assets()]).path
    found: Path = request.getfixturevalue(name)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_thousand_texts_and_a_hundred_answers(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kinds = ("f32", "q8_0", "q4_k_m") if name == "base" else ("f32",)
    order = Order(folder_of(name, request, tmp_path), tmp_path / "out-gguf", kinds)
    report = export(order, Settings(), None, threads=1)
    full, *smaller = report.proofs
    assert (full.token_texts, full.same_tokens) == (1000, 1000)
    assert full.keyword_texts == 100
    assert full.same_keywords + full.ties == 100 and full.ties <= 2
    assert full.method == "llguidance"
    assert full.against == "gold"
    for proof in smaller:
        assert proof.same_tokens == 1000
        assert abs(proof.difference) < 0.05
    sizes = [file.size for file in report.files]
    assert sizes == sorted(sizes, reverse=True)
    card = (report.folder / "CARD.md").read_text(encoding="utf-8")
    assert "1000 of 1000 texts" in card and "f32" in card
    told = json.loads((report.folder / "kwtui.json").read_text(encoding="utf-8"))
    assert [proof["type"] for proof in told["proofs"]] == list(kinds)


def prover(loaded: Any, texts: int, answers: int) -> Prover:
    strategy = StrategySettings()
    tokens, examples = proof_texts(None)
    return Prover(loaded, strategy, Settings(), tokens[:texts], examples[:answers])


def test_another_models_file_is_no_proof(adapter: Path, base: Path, tmp_path: Path) -> None:
    from engines.export.gguf import export_gguf
    from engines.models.loading import load as load_model

    path = tmp_path / "base.gguf"
    export_gguf(base, path, "f32")
    loaded = load_model(adapter, device="cpu", dtype="float32", folders=[assets()])
    proof = prover(loaded, 20, 20).prove(path, "f32", threads=1)
    assert proof.same_tokens == 20 and not proof.holds
    assert proof.first_difference
    with pytest.raises(FailedError, match="other keywords"):
        require(proof, path)


def test_a_file_with_other_tokens_is_no_proof(extended: Path, base: Path, tmp_path: Path) -> None:
    from engines.export.gguf import export_gguf
    from engines.models.loading import load as load_model

    path = tmp_path / "base.gguf"
    export_gguf(base, path, "f32")
    proof = prover(load_model(extended, device="cpu", dtype="float32"), 50, 1).prove(
        path, "f16", threads=1
    )
    assert proof.same_tokens < 50 and not proof.holds
    with pytest.raises(FailedError, match="other tokens"):
        require(proof, path)


def test_a_failed_proof_leaves_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.export.exporting.KEYWORD_TEXTS", 4)
    monkeypatch.setattr("engines.export.proof.Prover._tokens", lambda *_: (0, "가: a / b"))
    order = Order(base, tmp_path / "out", ("f32",))
    with pytest.raises(FailedError, match="is not the model"):
        export(order, Settings(), None)
    assert list(tmp_path.iterdir()) == []


def test_grammars_of_both_kinds_give_one_answer(base: Path, tmp_path: Path) -> None:
    from engines.export.gguf import export_gguf
    from engines.export.proof import requests_for
    from engines.models.loading import load as load_model

    path = tmp_path / "base.gguf"
    export_gguf(base, path, "f32")
    loaded = load_model(base, device="cpu", dtype="float32")
    _texts, examples = proof_texts(None)
    requests = requests_for(loaded, StrategySettings(), Settings(), examples[:12])
    with LlamaCpp(path, context=1024, threads=1) as llama:
        assert llama.method() == "llguidance"
        one = llama.generate(requests, max_new_tokens=128)
        llama._method = "gbnf"
        assert [a.raw for a, _t in llama.generate(requests, max_new_tokens=128)] == [
            a.raw for a, _t in one
        ]
        judge = Judge(loaded)
        for request, (_answer, tokens) in zip(requests, one, strict=True):
            assert judge.gap(request, tokens) <= NEAR
        other = Request(requests[0].prompt_ids, requests[0].text, stop_ids=requests[0].stop_ids)
        assert judge.gap(other, loaded.tokenizer.encode("[]")[-1:]) > NEAR


def test_a_broken_file_ends_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(200))
    with pytest.raises(FailedError, match=r"llama.cpp cannot load .*broken.gguf"):
        LlamaCpp(path, context=64)


def test_the_test_split_is_never_read(workspace: Any) -> None:
    from engines.corpus.store import Corpus
    from engines.records import Example

    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        for split in ("train", "test"):
            example = Example("", f"{split} 글이다", ())
            corpus.add(iter([example]), split=split, annotator="me", source="here")
    texts, _examples = proof_texts(workspace)
    assert "train 글이다" in texts and "test 글이다" not in texts
    assert load(workspace.root).export.llama_cpp == ""
