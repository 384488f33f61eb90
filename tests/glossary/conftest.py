"""A real glossary in a folder of its own."""

from pathlib import Path

import pytest

from glossary.store import Glossary
from glossary.term import Term

TERMS = (
    Term("", "파스", aliases=("첩부제",), definition="약을 바른 외용제", category="제형"),
    Term("", "임산부", aliases=("임신부",), category="대상"),
    Term("", "근육통", category="증상"),
    Term("", "두통", category="증상"),
    Term("", "이부프로펜", aliases=("Ibuprofen",), category="성분"),
    Term("", "알레르기 비염", category="질환"),
    Term("", "의약품", keyword=False),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "glossary.lance"


@pytest.fixture
def glossary(folder: Path) -> Glossary:
    made = Glossary.open(folder, create=True)
    made.upsert(TERMS, author="kim", reason="seed")
    return made
