"""`kwtui data` as a person and a script call it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engines.corpus.store import Corpus
from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from kwtui import cli

if TYPE_CHECKING:
    from tests.conftest import Run

GOOD = [
    {"id": "a", "text": "파스를 붙였다", "keywords": ["파스"], "page": 3},
    {"text": "노인에게 적합", "keywords": ["노인"]},
]


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Data = Callable[..., Done]


@pytest.fixture
def data(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> Iterator[Data]:
    """Run `kwtui data ...` in the workspace, inside this process."""
    umask = os.umask(0o022)

    def run(*arguments: object) -> Done:
        capfd.readouterr()
        code = cli.run(["-w", str(workspace.root), "data", *map(str, arguments)])
        found = capfd.readouterr()
        return Done(code, found.out, found.err)

    yield run
    os.umask(umask)


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def put(tmp_path: Path, rows: list[dict[str, object]], name: str = "in.jsonl") -> Path:
    path = tmp_path / name
    path.write_text(lines(rows), encoding="utf-8")
    return path


def test_import_split_count_and_export(data: Data, tmp_path: Path) -> None:
    source = put(tmp_path, GOOD)
    assert data("import", source, "--json").json["new"] == 2
    assert data("split", "--shares", "train=1", "--json").json["splits"] == {"train": 2}
    assert data("stats", "--json").json["splits"]["train"]["keywords"] == 2
    assert "train" in data("stats").out
    assert data("stats", "--by", "page", "--json").json == {"train": {"": 1, "3": 1}}
    target = tmp_path / "out.jsonl"
    assert data("export", "-o", target, "--split", "train", "--json").json["written"] == 2
    rows = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert rows[0]["id"] == "a"
    assert rows[0]["meta"] == {"page": 3}
    assert rows[1]["keywords"] == [{"surface": "노인", "start": 0, "end": 2}]
    assert [json.loads(line) for line in data("export").out.splitlines()] == rows


def test_broken_lines_are_named_and_the_exit_code_says_so(kwtui: Run, workspace: Workspace) -> None:
    text = lines(GOOD) + "{broken\n"
    done = kwtui("-w", workspace.root, "data", "import", "-", "--format", "jsonl", input=text)
    assert done.returncode == 3
    assert "Standard input, line 3" in done.stderr
    done = kwtui("-w", workspace.root, "data", "import", "-", "--format", "jsonl", input="{bad\n")
    assert done.returncode == 2
    assert "nothing was imported" in done.stderr


def test_nothing_to_work_on_is_a_sentence(data: Data, workspace: Workspace) -> None:
    done = data("stats")
    assert (done.code, done.out) == (2, "")
    assert "kwtui data import" in done.err
    assert not workspace.corpus_path.exists()
    assert data("import", "none.jsonl").code == 2
    assert not workspace.corpus_path.exists()


def test_a_look_at_a_file_changes_nothing(data: Data, workspace: Workspace, tmp_path: Path) -> None:
    source = put(tmp_path, [{"text": "파스와 파스", "keywords": ["파스", "습포"]}, {"a": 1}])
    done = data("import", source, "--preview", "5", "--json")
    assert done.code == 3
    found = json.loads(done.out)
    assert found["preview"][0]["keywords"][1] == {"surface": "파스", "start": 4, "end": 6}
    counts = {name: found[name] for name in ("records", "refused", "ambiguous", "ungrounded")}
    assert counts == {"records": 1, "refused": 1, "ambiguous": 1, "ungrounded": 1}
    done = data("import", source, "--preview", "1")
    assert "파스와 파스" in done.out
    assert "nothing was imported" in done.err
    assert not workspace.corpus_path.exists()


def test_long_texts_are_cut_at_sentences(data: Data, tmp_path: Path) -> None:
    text = "파스를 붙인다. 연고를 바른다. 시럽을 먹는다."
    source = put(tmp_path, [{"id": "doc", "text": text, "keywords": ["연고", "시럽"]}])
    assert data("import", source, "--cut", "12", "--json").json["new"] == 3
    rows = [json.loads(line) for line in data("export").out.splitlines()]
    assert [(r["id"], r["meta"]["offset"]) for r in rows] == [
        ("doc/1", 0),
        ("doc/2", 9),
        ("doc/3", 18),
    ]
    assert rows[1]["keywords"] == [{"surface": "연고", "start": 0, "end": 2}]


def test_a_script_labels_undoes_and_looks_back(data: Data, tmp_path: Path) -> None:
    data("import", put(tmp_path, [{"id": n, "text": f"파스 {n}와 연고"} for n in "abc"]))
    me = ("--annotator", "ann")
    (first,) = data("next", *me, "--json").json
    assert (first["id"], first["status"]) == ("a", "new")
    assert data("next", *me, "--json").json == [first]
    done = data("label", "a", "파스", "습포", *me)
    assert done.code == 2
    assert "'습포'" in done.err
    found = data("label", "a", "파스", "연고", "--category", "제형", *me, "--json").json
    assert [k["category"] for k in found["keywords"]] == ["제형", "제형"]
    assert data("label", "b", "--flag", "애매하다", *me, "--json").json["status"] == "flagged"
    assert data("label", "b", *me).code == 2
    assert data("next", *me, "--json").json[0]["id"] == "c"
    assert data("next", "--status", "flagged", "--peek", *me, "--json").json[0]["id"] == "b"
    assert data("undo", *me, "--json").json["ids"] == ["b"]
    assert data("redo", *me, "--json").json["kind"] == "status"
    assert data("redo", *me, "--json").json is None
    events = data("history", "a", "--json").json
    assert events[0]["annotator"] == "ann"
    assert events[0]["data"]["after"]["keywords"][0]["surface"] == "파스"
    assert "ann" in data("history", "a").out
    assert data("label", "c", "--none", *me).code == 0
    assert "No text is waiting" in data("next", *me).err
    assert data("label", "a", "--skip", "--annotator", "adjudicated").code == 2


def test_two_people_agree_or_are_settled(data: Data, tmp_path: Path) -> None:
    data("import", put(tmp_path, [{"id": n, "text": f"파스 {n}와 연고"} for n in "ab"]))
    for name, words in (("ann", ["파스"]), ("bea", ["파스", "연고"])):
        for text in "ab":
            data("label", text, *words, "--annotator", name)
    data("label", "b", "파스", "--annotator", "bea")
    (pair,) = data("agreement", "--json").json["pairs"]
    assert (pair["texts"], round(pair["exact_f1"], 3)) == (2, 0.8)
    assert "ann, bea" in data("agreement").out
    (dispute,) = data("adjudicate", "--json").json
    assert dispute["id"] == "a"
    assert "bea" in data("adjudicate").out
    assert data("adjudicate", "a", "--take", "eve").code == 2
    done = data(
        "adjudicate", "a", "--take", "bea", "--note", "규칙 3", "--annotator", "eve", "--json"
    )
    assert [k["surface"] for k in done.json["keywords"]] == ["파스", "연고"]
    assert data("adjudicate", "--json").json == []
    rows = [json.loads(r) for r in data("export", "--everyone").out.splitlines()]
    assert [(r["id"], r["annotator"]) for r in rows if r["id"] == "a"] == [
        ("a", "adjudicated"),
        ("a", "ann"),
        ("a", "bea"),
    ]


def test_checks_and_one_fix_for_all(data: Data, workspace: Workspace, tmp_path: Path) -> None:
    terms = [
        Term("", "의약품", keyword=False, notes="너무 넓다"),
        Term("", "시럽", category="제형"),
    ]
    Glossary.open(workspace.glossary_path, create=True).upsert(terms, author="t")
    rows: list[dict[str, object]] = [
        {"id": "a", "text": "파스 의약품", "keywords": ["파스", "의약품"]},
        {"id": "b", "text": "파스와 시럽", "keywords": []},
    ]
    data("import", put(tmp_path, rows))
    found = data("check", "--json").json
    assert found["excluded"]["findings"][0]["note"] == "너무 넓다"
    assert found["terms"]["findings"][0]["surface"] == "시럽"
    assert found["uneven"]["findings"][0]["note"] == "1 : 1"
    assert "(uneven): 1" in data("check", "uneven", "empty").out
    assert "did you" not in data("check", "wrong").err
    assert data("check", "wrong").code == 2
    assert data("check", "--label", "파스", "--annotator", "ann", "--json").json["texts"] == 1
    assert data("check", "uneven", "--json").json["uneven"]["count"] == 0
    assert data("undo", "--annotator", "ann", "--json").json["kind"] == "edit"
    assert data("check", "--unlabel", "의약품", "--annotator", "ann", "--json").json["texts"] == 1
    assert data("check", "excluded", "--json").json["excluded"]["count"] == 0
    assert data("next", "--order", "terms", "--json").code == 0


def test_near_duplicates_stay_in_one_split(data: Data, tmp_path: Path) -> None:
    long = (
        "이 약은 {}에게 쓰는 소염 진통 파스로서 하루에 한 번 아픈 곳에 붙이면 되는 외용제이며 "
        "상처가 있는 곳에는 쓰지 않는다"
    )
    rows: list[dict[str, object]] = [
        {"id": name, "text": long.format(name)} for name in ("노인", "소아", "환자")
    ]
    data("import", put(tmp_path, rows))
    pairs = data("duplicates", "--json").json
    assert len(pairs) == 3
    assert data("split", "--json").json["joined"] == 2
    assert len(data("stats", "--json").json["splits"]) == 1
    assert data("duplicates", "--across", "--json").json == []
    assert data("split", "--by", "source").code == 2
    done = data("split", "--anew", "--by", "source", "--shares", "test=1", "--json")
    assert done.json["splits"] == {"test": 3}


def test_drafts_are_made_by_a_strategy_and_approved(
    data: Data, workspace: Workspace, tmp_path: Path
) -> None:
    forms, groups = ["파스", "시럽", "연고", "정제"], ["노인", "임산부", "영아", "환아"]
    rows: list[dict[str, object]] = [
        {"text": f"{form}형 약은 {group}에게 쓴다.", "keywords": [form, group], "split": "train"}
        for form in forms
        for group in groups
    ]
    rows += [
        {"id": "new", "text": "캡슐형 약은 소아에게 쓴다."},
        {"id": "held", "text": "좌약형 약은 소아에게 쓴다.", "split": "test"},
    ]
    data("import", put(tmp_path, rows))
    assert data("draft", "--strategy", "crf", "--annotator", "ann", "--json").json == {
        "drafted": 1,
        "left": 0,
        "unanswered": 0,
    }
    (found,) = data("next", "--order", "uncertain", "--annotator", "ann", "--json").json
    assert (found["id"], found["suggested"]) == ("new", {"crf": ["캡슐", "소아"]})
    assert data("draft", "--strategy", "crf", "--json").json["drafted"] == 0
    done = data("label", "new", "--approve", "crf", "--annotator", "ann", "--json").json
    assert [k["surface"] for k in done["keywords"]] == ["캡슐", "소아"]
    assert data("label", "held", "--approve", "crf").code == 2
    with Corpus.open(workspace.corpus_path) as corpus:
        (approved,) = [e for e in corpus.examples() if e.id == "new"]
        assert approved.meta == {"origin": "draft"}


PATTERNS = """
seed = 7
patterns = [
  "{약효}[과] {약효} 효과가 있는 {제형}형 {?약|의약품}[은] {대상}에게 {수}번 쓴다.",
  "{~파스타}[을] 먹은 뒤 {=파스}[을] 붙였다.",
]
[slots]
"대상" = ["임산부", "노인"]
[fillers]
"수" = ["2", "3"]
"""


def test_patterns_become_synthetic_texts(data: Data, workspace: Workspace, tmp_path: Path) -> None:
    terms = [Term("", word, category="약효") for word in ("진통", "해열")]
    terms.append(Term("", "파스", category="제형"))
    Glossary.open(workspace.glossary_path, create=True).upsert(terms, author="t")
    file = tmp_path / "patterns.toml"
    file.write_text(PATTERNS, encoding="utf-8")
    shown = data("synthesize", file, "--preview", "12", "--json").json
    texts = {row["text"] for row in shown}
    assert "파스타를 먹은 뒤 파스를 붙였다." in texts
    assert any(text.startswith("진통과 해열 효과") for text in texts)
    for row in shown:
        for k in row["keywords"]:
            assert row["text"][k["start"] : k["end"]] == k["surface"]
    assert data("synthesize", file, "--preview", "12", "--json").json == shown
    done = data("synthesize", file, "--count", "10", "--json").json
    assert done == {"made": 10, "new": 10, "duplicates": 0}
    assert data("stats", "--json").json["splits"] == {
        "train": {**data("stats", "--json").json["splits"]["train"], "texts": 10}
    }
    (row, *_rest) = [json.loads(line) for line in data("export").out.splitlines()]
    assert row["meta"]["origin"] == "synthetic"
    for wrong, word in (
        ('patterns = ["{제횽}"]', "Did you mean '제형'"),
        ('patterns = ["파스[이요]"]', "no josa"),
        ("patterns = 3", "list of sentences"),
        ('words = ["a"]', "unknown"),
        ("patterns = [", "not TOML"),
    ):
        file.write_text(wrong, encoding="utf-8")
        done = data("synthesize", file, "--preview", "1")
        assert done.code == 2
        assert word in done.err


def test_copies_are_made_by_hand_and_once_a_day(
    data: Data, workspace: Workspace, tmp_path: Path
) -> None:
    data("import", put(tmp_path, GOOD))
    found = data("backup", "--json").json
    assert Path(found["path"]).stat().st_size == found["bytes"]
    assert data("backup", found["path"]).code == 2
    data("label", "a", "파스")
    data("label", "a", "--none")
    daily = [p.name for p in (workspace.root / "backups").glob("corpus-????????.sqlite")]
    assert len(daily) == 1


def test_the_guideline_of_the_workspace_is_stamped_on_labels(
    data: Data, workspace: Workspace, tmp_path: Path
) -> None:
    data("import", put(tmp_path, GOOD))
    (workspace.root / "guideline.md").write_text("파스형: 파스만\n", encoding="utf-8")
    assert data("label", "a", "파스", "--annotator", "ann", "--json").json["guideline"] == 1
    (workspace.root / "guideline.md").write_text("파스형: 파스형\n", encoding="utf-8")
    assert data("label", "a", "파스", "--annotator", "bea", "--json").json["guideline"] == 2
    assert data("check", "versions", "--json").json["versions"]["count"] == 1
