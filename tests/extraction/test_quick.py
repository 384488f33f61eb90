"""The quick model learns again and again next to whoever labels, and keeps nothing of before."""

from __future__ import annotations

import statistics

import psutil
import pytest

from engines.corpus.store import Corpus
from engines.extraction.quick import learn
from engines.records import Example, Keyword
from engines.workspace import Workspace

WORDS = ("파스", "시럽", "진통제", "두통", "임산부", "노인", "해열", "연고")
ROUNDS, FIRST = 60, 10


@pytest.mark.long
@pytest.mark.timeout(900)
def test_learning_again_from_equal_labels_takes_no_more_memory(workspace: Workspace) -> None:
    with Corpus.open(workspace.corpus_path, create=True) as corpus:
        for number in range(80):
            word = WORDS[number % len(WORDS)]
            text = f"{number}번 환자가 묻기를 {word}은 언제 쓰면 좋은가요?"
            at = text.index(word)
            corpus.add([Example(f"l{number}", text, (Keyword(at, at + len(word), word),))])
        corpus.add(
            [
                Example(f"w{n}", f"{n}번 글에도 {WORDS[n % 8]} 하나", labeled=False)
                for n in range(80)
            ]
        )
    sizes = []
    for _round in range(ROUNDS):
        assert learn(workspace, "me") == learn(workspace, "me")
        sizes.append(psutil.Process().memory_info().rss)
    early, late = sizes[FIRST : FIRST + 15], sizes[-15:]
    assert statistics.median(late) < 1.02 * statistics.median(early)
