"""`kwtui score` as a person calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Run

TEXTS = ["진통과 해열 효과", "파스형 의약품", "영업 시간 안내"]
GOLD = [["진통", "해열"], ["파스"], []]
PRED = [["진통"], ["파스", "의약품"], []]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, words in (("gold", GOLD), ("pred", PRED), ("best", GOLD)):
        rows = [{"text": t, "keywords": w} for t, w in zip(TEXTS, words, strict=True)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_object_holds_counts_rates_and_intervals(kwtui: Run, files: Path) -> None:
    done = kwtui("score", "pred.jsonl", "gold.jsonl", "--json", "--against", "best.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["tp"], found["fp"], found["fn"]) == (2, 1, 1)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["f1_interval"]["texts"] == 3
    assert found["f1_difference"]["value"] == pytest.approx(-1 / 3)
    assert found["empty_exact"] == {"count": 1, "total": 1, "rate": 1.0}


def test_the_table_is_for_people(kwtui: Run, files: Path) -> None:
    done = kwtui("score", "pred.jsonl", "gold.jsonl", "--train", "gold.jsonl")
    assert done.returncode == 0
    assert "0.667" in done.stdout
    (recall,) = [line for line in done.stdout.splitlines() if line.startswith("recall of terms")]
    assert recall.endswith("2/3 (66.7 %)")


def test_mismatches_and_broken_files_are_sentences(kwtui: Run, files: Path) -> None:
    short = files / "short.jsonl"
    short.write_text((files / "pred.jsonl").read_text("utf-8").splitlines()[0] + "\n{broken\n")
    done = kwtui("score", "short.jsonl", "gold.jsonl")
    assert (done.returncode, done.stdout) == (2, "")
    assert "short.jsonl, line 2" in done.stderr
    short.write_text('{"text": "다른 글", "keywords": []}\n', encoding="utf-8")
    assert "another text" in kwtui("score", "short.jsonl", "gold.jsonl", "--allow-missing").stderr
    plain = files / "plain.txt"
    plain.write_text("글\n", encoding="utf-8")
    done = kwtui("score", "pred.jsonl", "plain.txt")
    assert done.returncode == 2
    assert "is it the gold file?" in done.stderr
