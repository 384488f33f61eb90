"""Small models of every kind of tokenizer, with terms and texts of the demo."""

from pathlib import Path

import pytest

from engines.tokenizer.build import Material, Wish
from engines.tokenizer.rebuild import Anew, retrain
from engines.tokenizer.texts import file_terms, file_texts, general_texts
from engines.workspace import assets
from tests import tiny

KW_MINI = assets() / "kw-mini"
GENERAL = 1500


@pytest.fixture(scope="session")
def terms() -> list[str]:
    return file_terms(assets() / "demo" / "glossary.jsonl")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return list(file_texts(assets() / "demo" / "train.jsonl"))[:800]


@pytest.fixture(scope="session")
def material(terms: list[str], texts: list[str]) -> Material:
    return Material(terms, lambda: texts, general_texts(limit=GENERAL))


@pytest.fixture(scope="session")
def unigram(tmp_path_factory: pytest.TempPathFactory, material: Material) -> Path:
    """kw-mini with a SentencePiece unigram vocabulary that knows no demo term."""
    folder = tmp_path_factory.mktemp("unigram") / "unigram"
    general = general_texts(limit=8000)
    plain = Material(["대한민국"], lambda: general, material.general)
    anew = Anew(size=5000, kind="unigram", general=general)
    return retrain(KW_MINI, folder, plain, anew, Wish(growth=1.0)).path


@pytest.fixture(scope="session")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen with a byte-level BPE vocabulary (tokenizer.json alone), matrices not tied."""
    folder = tmp_path_factory.mktemp("bpe") / "bpe"
    tokenizer = tiny.byte_tokenizer(general_texts(limit=3000), size=3000)
    tokenizer.chat_template = tiny.CHAT
    tokenizer.save_pretrained(folder)
    model = tiny.random_model("qwen2", len(tokenizer) + 8, tie_word_embeddings=False)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(params=["sentencepiece-bpe", "sentencepiece-unigram", "bpe"])
def base(request: pytest.FixtureRequest) -> Path:
    """A model of each kind."""
    names = {"sentencepiece-unigram": "unigram", "bpe": "bpe"}
    if request.param == "sentencepiece-bpe":
        return KW_MINI
    found: Path = request.getfixturevalue(names[request.param])
    return found
