"""What is written is read back, and appears whole or not at all."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.corpus.formats import Record, open_records
from engines.corpus.writers import open_writer, output_format, write_examples
from engines.records import Example, Keyword
from glossary.errors import FailedError, UserError
from glossary.text import normalise


@st.composite
def examples(draw: st.DrawFn) -> Example:
    letters = st.text("가나다 ab=+-@'\",;|[]\n\t\\1", min_size=1, max_size=20)
    text = normalise(draw(letters.filter(lambda t: t.strip())))
    keywords = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        if text[start:end].strip() == text[start:end]:
            category = draw(st.sampled_from([None, "effect"]))
            keywords.append(Keyword(start, end, text[start:end], category))
    labeled = draw(st.booleans())
    spans = {(k.start, k.end): k for k in keywords} if labeled else {}
    return Example(
        id=draw(st.text("ab1=-'", min_size=1, max_size=4)),
        text=text,
        keywords=tuple(spans[s] for s in sorted(spans)),
        split=draw(st.sampled_from(["", "train"])),
        meta=draw(st.dictionaries(st.text("mn", min_size=1), st.integers(), max_size=2)),
        labeled=labeled,
    )


@pytest.mark.parametrize(
    "format", ["jsonl", "prodigy", "labelstudio", "csv", "xlsx", "parquet", "hf"]
)
@settings(max_examples=20, deadline=None)
@given(rows=st.lists(examples(), min_size=1, max_size=4))
def test_what_is_written_is_read_back(format: str, rows: list[Example]) -> None:
    rows = sorted(rows, key=lambda row: row.split) if format == "hf" else rows
    assert read_again(format, rows) == rows


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(examples(), min_size=1, max_size=4))
def test_doccano_keeps_places_and_kinds(rows: list[Example]) -> None:
    assert read_again("doccano", rows) == rows


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(examples(), min_size=1, max_size=4))
def test_tags_keep_what_does_not_overlap(rows: list[Example]) -> None:
    rows = [replace(row, keywords=_taggable(row.keywords)) for row in rows]
    assert read_again("conll", rows) == rows


@pytest.mark.parametrize("format", ["labels", "instruction"])
@settings(max_examples=20, deadline=None)
@given(rows=st.lists(examples(), min_size=1, max_size=4))
def test_surfaces_alone_come_back_where_no_place_is_written(
    format: str, rows: list[Example]
) -> None:
    found = read_again(format, rows)
    for one, other in zip(found, rows, strict=True):
        assert (one.id, one.text, one.split, one.meta) == (
            other.id,
            other.text,
            other.split,
            other.meta,
        )
        assert {k.surface for k in one.keywords} == {k.surface for k in other.keywords}
        assert one.labeled == other.labeled


def read_again(format: str, rows: list[Example]) -> list[Example]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("out.json" if format == "labelstudio" else f"out.{format}")
        assert write_examples(path, rows, format) == len(rows)
        items = list(open_records(path))
        assert [entry.name for entry in Path(folder).iterdir()] == [path.name]
    assert all(isinstance(item, Record) for item in items), items
    return [item.example for item in items if isinstance(item, Record)]


def _taggable(keywords: tuple[Keyword, ...]) -> tuple[Keyword, ...]:
    """Keywords that tags can show: apart from each other, without leading or trailing spaces."""
    kept: list[Keyword] = []
    for keyword in sorted(keywords, key=lambda k: (k.start - k.end, k.start)):
        if all(keyword.end <= other.start or other.end <= keyword.start for other in kept):
            kept.append(keyword)
    return tuple(sorted(kept, key=lambda k: k.start))


def test_cells_that_look_like_formulas_are_guarded(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_examples(path, [Example("1", "=HYPERLINK(1)"), Example("2", "-20도 보관")], "csv")
    raw = path.read_text("utf-8-sig")
    assert "'=HYPERLINK(1)" in raw
    assert "'-20도" in raw
    assert raw.splitlines()[0] == "id,text,keywords,split,meta"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    with pytest.raises(RuntimeError), open_writer(path) as write:
        write({"id": "1", "text": "a"})
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
@pytest.mark.parametrize("format", ["jsonl", "conll", "csv", "parquet"])
def test_a_full_disk_is_a_sentence(format: str) -> None:
    rows = (Example(str(n), "가" * 1000) for n in range(2000))
    with pytest.raises(FailedError, match="No space left"):
        write_examples("/dev/full", rows, format)


def test_targets_that_cannot_be_written_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        write_examples(tmp_path, [Example("1", "a")])
    with pytest.raises(UserError, match="make it first"):
        write_examples(tmp_path / "none" / "a.jsonl", [Example("1", "a")])
    with pytest.raises(FailedError, match="cannot be written"):
        write_examples(Path("/proc/nothing.jsonl"), [Example("1", "a")])


def test_the_format_follows_the_name(tmp_path: Path) -> None:
    assert output_format("a.csv") == "csv"
    assert output_format("a.out") == output_format("-") == "jsonl"
    with pytest.raises(UserError, match="docx"):
        output_format("a.docx", "docx")
    with pytest.raises(UserError, match="file only"):
        output_format("-", "parquet")
