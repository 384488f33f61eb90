"""What the extraction tests share: a tiny model with random weights and a real glossary."""

from pathlib import Path
from typing import Any

import pytest

from glossary.store import Glossary
from glossary.term import Term
from tests import tiny

TERMS = [
    Term("", "파스", (), "약을 바른 외용제", "제형"),
    Term("", "임산부", ("임신부",), "", "대상"),
    Term("", "노인", (), "", "대상"),
    Term("", "근육통", ("근육 통",), "근육이 아픈 것", "증상"),
    Term("", "진통", (), "", "효능"),
    Term("", "해열", (), "", "효능"),
    Term("", "의약품", keyword=False),
]


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Random weights: what it answers is noise, under the grammar noise in the right form."""
    tokenizer = tiny.sentencepiece_tokenizer(tmp_path_factory.mktemp("gemma"))
    tokenizer.chat_template = tiny.CHAT
    return tiny.loaded("gemma3_text", tokenizer)


@pytest.fixture(scope="session")
def glossary(tmp_path_factory: pytest.TempPathFactory) -> Glossary:
    path: Path = tmp_path_factory.mktemp("glossary") / "glossary.lance"
    opened = Glossary.open(path, create=True)
    opened.upsert(TERMS, author="test")
    return opened
