"""Files of other tools come in with spans, metadata and reasons; words are put where they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.corpus.adding import Given
from engines.corpus.alignment import align, pieces, words_in
from engines.corpus.alignment import given as given_of
from engines.corpus.bio import rebuild
from engines.corpus.formats import BadLine, Record, open_records
from engines.records import Example, Keyword, ground
from glossary.errors import UserError

DATA = Path(__file__).resolve().parents[1] / "data" / "corpus"


def read(path: Path, **options: Any) -> list[Record]:
    items = list(open_records(path, **options))
    assert all(isinstance(item, Record) for item in items), items
    return [item for item in items if isinstance(item, Record)]


def one(tmp_path: Path, obj: object) -> Record:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(obj, ensure_ascii=False), encoding="utf-8")
    (found,) = read(path)
    return found


def spans(record: Record) -> list[tuple[str, int, str | None]]:
    return [(k.surface, k.start, k.category) for k in record.example.keywords]


@pytest.mark.parametrize(
    "obj",
    [
        {"text": "진통과 해열", "label": [[0, 2, "효과"], [4, 6, "KW"]]},
        {"text": "진통과 해열", "labels": [[0, 2, "효과"], [4, 6, "KEYWORD"]]},
        {
            "text": "진통과 해열",
            "entities": [
                {"id": 1, "start_offset": 0, "end_offset": 2, "label": "효과"},
                {"id": 2, "start_offset": 4, "end_offset": 6, "label": "KW"},
            ],
        },
        {
            "text": "진통과 해열",
            "spans": [{"start": 0, "end": 2, "label": "효과"}, {"start": 4, "end": 6}],
            "tokens": [{"text": "진통과", "start": 0, "end": 3, "id": 0}],
            "answer": "accept",
            "_input_hash": 1,
        },
        {"tokens": ["진통", "과", " ", "해열"], "ner_tags": ["효과-B", "O", "O", "B-KW"]},
    ],
)
def test_spans_of_other_tools_are_keywords(tmp_path: Path, obj: dict[str, Any]) -> None:
    found = one(tmp_path, obj)
    assert spans(found) == [("진통", 0, "효과"), ("해열", 4, None)]
    assert not {"label", "spans", "tokens", "_input_hash"} & set(found.raw)


def test_prodigy_says_who_and_whether(tmp_path: Path) -> None:
    base = {"text": "진통", "spans": [{"start": 0, "end": 2, "label": "KW"}], "_session_id": "ann"}
    found = one(tmp_path, {**base, "answer": "accept"})
    assert (found.annotator, found.status, len(found.example.keywords)) == ("ann", "labeled", 1)
    for answer in ("reject", "ignore"):
        found = one(tmp_path, {**base, "answer": answer})
        assert (found.status, found.example.labeled) == ("skipped", False)


def test_a_label_studio_export_gives_each_annotator(tmp_path: Path) -> None:
    def result(start: int, end: int, text: str) -> dict[str, Any]:
        value = {"start": start, "end": end, "text": text, "labels": ["약효"]}
        return {"type": "labels", "from_name": "l", "to_name": "t", "value": value}

    task = {
        "id": 7,
        "data": {"text": "😀 진통과 해열", "page": 3},
        "annotations": [
            {"completed_by": {"email": "a@x"}, "result": [result(3, 5, "진통")]},
            {"completed_by": 2, "result": [result(3, 5, "진통"), result(7, 9, "해열")]},
            {"completed_by": 3, "was_cancelled": True, "result": []},
        ],
    }
    path = tmp_path / "export.json"
    path.write_text(json.dumps([task, {"data": {"text": "연고"}, "annotations": []}]), "utf-8")
    found = read(path)
    assert [(r.annotator, r.status, len(r.example.keywords)) for r in found] == [
        ("a@x", "labeled", 1),
        ("2", "labeled", 2),
        ("3", "skipped", 0),
        ("", "labeled", 0),
    ]
    assert spans(found[0]) == [("진통", 2, "약효")]
    assert found[0].example.meta == {"page": 3}
    assert found[0].example.id == "7"
    assert not found[3].example.labeled


def test_wrong_spans_are_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows: list[object] = [
        {"text": "진통", "label": [[0, 9, "KW"]]},
        {"text": "진 통", "label": [[1, 2, "KW"]]},
        {"data": {"text": "진통"}, "annotations": [{"nothing": 1}]},
        {"data": {"a": "1", "b": "2"}, "annotations": []},
        {"tokens": ["진통"], "tags": ["B-KW", "O"]},
        {"tokens": ["진통"], "tags": ["?"]},
        [1],
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    items = list(open_records(path))
    assert [item.line for item in items] == list(range(1, 8))
    reasons = [item.reason for item in items if isinstance(item, BadLine)]
    assert len(reasons) == 7
    for reason, word in zip(
        reasons, ("outside", "blank", "result", "text", "2 tags", "no tag", "object"), strict=True
    ):
        assert word in reason
        assert reason.endswith(".")


def test_bc5cdr_comes_in_whole() -> None:
    found = read(DATA / "bc5cdr.tsv")
    assert len(found) == 40
    first = found[0].example
    assert first.text.startswith(
        "Selegiline-induced postural hypotension in Parkinson's disease: a"
    )
    assert [(k.surface, k.category) for k in first.keywords] == [
        ("Selegiline", "Chemical"),
        ("postural hypotension", "Disease"),
        ("Parkinson's disease", "Disease"),
    ]
    assert all(
        e.example.text[k.start : k.end] == k.surface for e in found for k in e.example.keywords
    )


def test_konne_comes_in_whole_with_and_without_places() -> None:
    plain, spanned = read(DATA / "konne.jsonl"), read(DATA / "konne.spans.jsonl")
    assert len(plain) == len(spanned) == 40
    for words, places in zip(plain, spanned, strict=True):
        assert words.example.text == places.example.text
        assert {k.surface for k in places.example.keywords} >= {
            k.surface for k in words.example.keywords
        }
    assert spanned[0].example.keywords[0].category == "QT_COUNT"


def test_split_morphemes_are_put_together_again(tmp_path: Path) -> None:
    path = tmp_path / "kbmc.csv"
    sentence = "전이 성 뇌종양 은 뇌 로 전이 된 암 이다 ."
    tags = "O O Disease-B O Body-B O O O Disease-B O O"
    path.write_text(f"Sentence,Tags\n{sentence},{tags}\n", encoding="utf-8")
    (found,) = read(path)
    assert found.example.text == "전이성 뇌종양은 뇌로 전이된 암이다."
    assert spans(found) == [("뇌종양", 4, "Disease"), ("뇌", 9, "Body"), ("암", 16, "Disease")]


def test_tags_of_every_scheme_mark_the_same(tmp_path: Path) -> None:
    tokens = ["Parkinson", "'", "s", "disease", "is", "PD"]
    for tags in (
        ["B-D", "I-D", "I-D", "I-D", "O", "B-D"],
        ["I-D", "I-D", "I-D", "I-D", "O", "I-D"],
        ["B-D", "I-D", "I-D", "E-D", "O", "S-D"],
        ["B-D", "I-D", "I-D", "L-D", "O", "U-D"],
        ["D-B", "D-I", "D-I", "D-I", "O", "D-B"],
    ):
        found = rebuild(tokens, tags)
        assert found.text == "Parkinson's disease is PD"
        assert [k["surface"] for k in found.keywords] == ["Parkinson's disease", "PD"]
    klue = (
        "## klue-1\t<파스:CV>를\n파\tB-CV\n스\tI-CV\n를\tO\n \tO\n써\tO\n\n## klue-2\t약\n약\tO\n"
    )
    path = tmp_path / "klue.tsv"
    path.write_text(klue, encoding="utf-8")
    found_records = read(path)
    assert [r.example.id for r in found_records] == ["klue-1", "klue-2"]
    assert found_records[0].example.text == "파스를 써"
    assert spans(found_records[0]) == [("파스", 0, "CV")]


def test_a_broken_tag_refuses_its_text_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("a\tO\nb\tWRONG?\n\nc\tO\nd\n\ne\tB-X\n", encoding="utf-8")
    items = list(open_records(path))
    assert [(type(item), item.line) for item in items] == [(BadLine, 1), (BadLine, 5), (Record, 7)]


def test_words_without_a_place_are_put_everywhere_and_ambiguity_is_said(tmp_path: Path) -> None:
    found = align("파스와 파스형 연고, 파스", ["파스", "파스형 연고", "습포"])
    assert [(k.start, k.end) for k in found.keywords] == [(0, 2), (4, 10), (12, 14)]
    assert (found.ambiguous, found.missing) == (("파스",), ("습포",))
    taken = one(tmp_path, {"text": "파스와 파스", "keywords": ["파스"], "page": 2})
    given_one = given_of(taken)
    assert (len(given_one.example.keywords), given_one.places) == (2, 1)
    assert given_one.example.meta == {"page": 2}
    placed = {"surface": "파스", "start": 4, "end": 6}
    known = given_of(one(tmp_path, {"text": "파스와 파스", "keywords": [placed]}))
    assert [k.start for k in known.example.keywords] == [4]


def test_a_word_that_stands_only_inside_another_keeps_its_place() -> None:
    found = align("알레르기 비염", ["알레르기 비염", "비염"])
    assert [(k.start, k.end) for k in found.keywords] == [(0, 7), (5, 7)]


@given(st.text("가나 ", max_size=12), st.lists(st.text("가나", min_size=1, max_size=3)))
def test_alignment_finds_what_is_there(text: str, words: list[str]) -> None:
    found = align(text, words)
    assert {k.surface for k in found.keywords} == {w for w in words if w in text}
    assert set(found.missing) == {w for w in words if w not in text}
    assert all(text[k.start : k.end] == k.surface for k in found.keywords)


def test_words_that_a_person_names_have_to_stand_in_the_text() -> None:
    assert [k.surface for k in words_in("1", "파스와 연고", ["연고", "파스"])] == ["파스", "연고"]
    with pytest.raises(UserError, match="'습포'"):
        words_in("1", "파스", ["파스", "습포"])


@settings(max_examples=60)
@given(st.integers(5, 60), st.integers(1, 12))
def test_a_document_is_cut_at_sentences_and_keeps_its_offsets(limit: int, count: int) -> None:
    text = " ".join(f"제{n}조. 파스는 노인에게 쓴다.\n" for n in range(count))
    keywords = ground(text, ["파스", "조. 파스"])[0]
    parts = list(pieces(Given(Example("d", text, keywords)), limit))
    if len(parts) == 1:
        assert parts[0].example.text in (text, text.strip())
    for part in parts:
        example = part.example
        offset = example.meta.get("offset", 0)
        assert text[offset : offset + len(example.text)] == example.text
        assert all(example.text[k.start : k.end] == k.surface for k in example.keywords)
    kept = {
        (k.start + p.example.meta.get("offset", 0), k.surface)
        for p in parts
        for k in p.example.keywords
    }
    assert kept == {(k.start, k.surface) for k in keywords}
    assert len({p.example.id for p in parts}) == len(parts)


def test_a_datasets_folder_with_class_labels_comes_in(tmp_path: Path) -> None:
    import datasets

    names = datasets.ClassLabel(names=["O", "B-약", "I-약"])
    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(names)}
    )
    rows = {"tokens": [["파스", "를", " ", "써"]], "ner_tags": [[1, 0, 0, 0]]}
    part = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": part}).save_to_disk(str(tmp_path / "d"))
    (found,) = read(tmp_path / "d")
    assert (found.example.text, found.example.split) == ("파스를 써", "train")
    assert spans(found) == [("파스", 0, "약")]
    with pytest.raises(UserError, match="cannot be read"):
        (tmp_path / "e").mkdir()
        (tmp_path / "e" / "state.json").write_text("{}")
        read(tmp_path / "e")


def test_keyword_offsets_follow_normalisation(tmp_path: Path) -> None:
    found = one(tmp_path, {"text": "진\u200b통 파스", "label": [[4, 6, "KW"]]})
    assert found.example.keywords == (Keyword(3, 5, "파스"),)
