"""One reader for every input: each format, each encoding, each refusal as a sentence."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.children import python_environment
from engines.corpus.formats import BadLine, Record, open_records, read_text_strict
from glossary.errors import UserError

if TYPE_CHECKING:
    from tests.corpus.conftest import Unprivileged

RECORD = '{"id": "a", "text": "파스를 붙였다", "keywords": ["파스"]}\n'


def records(path: Path | str, **options: object) -> list[Record]:
    items = list(open_records(path, **options))  # type: ignore[arg-type]
    assert all(isinstance(item, Record) for item in items), items
    return [item for item in items if isinstance(item, Record)]


def put(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def refusal(path: Path | str, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        list(open_records(path, **options))  # type: ignore[arg-type]
    sentence = caught.value.sentence
    assert sentence.endswith("."), sentence
    assert caught.value.exit_code == 2
    return sentence


def test_text_is_one_record_a_line_numbered_as_in_the_file(tmp_path: Path) -> None:
    found = records(put(tmp_path, "a.txt", "파스\r\n\n연고\n"))
    assert [(r.line, r.example.id, r.example.text) for r in found] == [
        (1, "1", "파스"),
        (3, "3", "연고"),
    ]
    assert not found[0].example.labeled


def test_jsonl_keeps_ids_and_reads_every_record_shape(tmp_path: Path) -> None:
    shapes = [
        {"id": "a", "text": "파스와 연고", "keywords": ["파스", "연고"]},
        {"text": "파스와 연고", "labels": [{"surface": "연고", "start": 4, "end": 6}]},
        {"instruction": "찾아라", "input": "파스와 연고", "output": '["파스"]'},
    ]
    path = put(tmp_path, "a.jsonl", "\n".join(json.dumps(s, ensure_ascii=False) for s in shapes))
    found = records(path)
    assert [r.example.id for r in found] == ["a", "2", "3"]
    assert [[k.surface for k in r.example.keywords] for r in found] == [
        ["파스", "연고"],
        ["연고"],
        ["파스"],
    ]


def test_broken_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    deep = "[" * 100_000
    number = '{"text": "a", "n": ' + "1" * 5000 + "}"
    lines = [RECORD.strip(), '{"text": "a"', "[1]", '{"text": 5}', deep, number, RECORD.strip()]
    path = put(tmp_path, "a.jsonl", "\n".join(lines))
    items = list(open_records(path))
    bad = [item for item in items if isinstance(item, BadLine)]
    assert [item.line for item in bad] == [2, 3, 4, 5, 6]
    assert all(item.reason.endswith(".") for item in bad)
    assert isinstance(items[0], Record)
    assert isinstance(items[-1], Record)
    assert bad[0].sentence(path) == f"{path}, line 2: {bad[0].reason}"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be-bom", "cp949", "euc-kr"])
def test_encodings_are_told_apart_and_said(tmp_path: Path, encoding: str) -> None:
    text = "임산부에게 파스를\n연고\n"
    if encoding == "utf-16-be-bom":
        data = b"\xfe\xff" + text.encode("utf-16-be")
    else:
        data = text.encode(encoding)
    notes: list[str] = []
    found = records(put(tmp_path, "a.txt", data), on_note=notes.append)
    assert [r.example.text for r in found] == ["임산부에게 파스를", "연고"]
    assert len(notes) == (0 if encoding == "utf-8-sig" else 1)


def test_the_encoding_is_decided_on_the_whole_file(tmp_path: Path) -> None:
    late = "plain ascii, long enough that no sample holds the end\n" * 30_000 + "파스\n"
    found = records(put(tmp_path, "a.txt", late.encode("cp949")))
    assert found[-1].example.text == "파스"


def test_a_named_encoding_overrides_the_trial(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", "Ärzte\n".encode("latin-1"))
    assert records(path, encoding="latin-1")[0].example.text == "Ärzte"
    assert "utf-8" in refusal(path, encoding="utf-8")
    assert "unknown" in refusal(path, encoding="klingon")


def test_decomposed_hangul_is_composed_and_offsets_follow(tmp_path: Path) -> None:
    text = unicodedata.normalize("NFD", "진통 파스")
    at = text.index(unicodedata.normalize("NFD", "파스"))
    keyword = {"surface": text[at:], "start": at, "end": len(text)}
    line = json.dumps({"text": text, "keywords": [keyword]}, ensure_ascii=False)
    (found,) = records(put(tmp_path, "a.jsonl", line))
    (only,) = found.example.keywords
    assert (found.example.text, only.start, only.end) == ("진통 파스", 3, 5)


def test_a_line_of_ten_megabytes_is_one_record(tmp_path: Path) -> None:
    text = "가" * 5_000_000
    (found,) = records(put(tmp_path, "a.txt", text))
    assert len(found.example.text) == 5_000_000
    (found,) = records(put(tmp_path, "a.jsonl", json.dumps({"text": text}, ensure_ascii=False)))
    assert len(found.example.text) == 5_000_000


def test_a_line_past_the_limit_is_refused_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.corpus.formats.LINE_LIMIT", 10)
    items = list(open_records(put(tmp_path, "a.txt", "x" * 35 + "\nshort\n" + "y" * 10)))
    kinds = [(type(item), item.line) for item in items]
    assert kinds == [(BadLine, 1), (Record, 2), (BadLine, 3)]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for number in range(15_000):
            file.write(json.dumps({"text": f"문장 {number}" * 40, "keywords": []}) + "\n")
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    count = sum(1 for _ in open_records(path))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 15_000
    assert peak < 5_000_000


def test_csv_columns_in_korean_and_keywords_in_a_cell(tmp_path: Path) -> None:
    csv = 'id,본문,키워드\n1,"파스, 연고","파스, 연고"\n2,"두\n줄",\n3,비타민 1mg,"[""비타민""]"\n'
    found = records(put(tmp_path, "a.csv", csv.encode("cp949")))
    assert [r.example.text for r in found] == ["파스, 연고", "두\n줄", "비타민 1mg"]
    assert [[k.surface for k in r.example.keywords] for r in found] == [
        ["파스", "연고"],
        [],
        ["비타민"],
    ]
    assert [r.example.labeled for r in found] == [True, False, True]
    assert [r.line for r in found] == [2, 3, 5]


@pytest.mark.parametrize("mark", ["\t", ";"])
def test_csv_with_other_separators(tmp_path: Path, mark: str) -> None:
    path = put(tmp_path, "a.tsv", f"id{mark}text{mark}keywords\nx{mark}파스, 연고{mark}파스|연고\n")
    (found,) = records(path)
    assert [k.surface for k in found.example.keywords] == ["파스", "연고"]


def test_broken_csv_rows_are_named(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", 'id,text\n1,a\n2,"b"c\n3,d,e\n4,f,,\n5,"open\n')
    items = list(open_records(path))
    assert [(type(i), i.line) for i in items] == [
        (Record, 2),
        (BadLine, 3),
        (BadLine, 4),
        (Record, 5),
        (BadLine, 6),
    ]


def test_the_text_column_can_be_named(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "제품명,효능\n후시딘,상처\n")
    assert "제품명, 효능" in refusal(path)
    (found,) = records(path, text_column="효능")
    assert (found.example.text, found.raw["제품명"]) == ("상처", "후시딘")


def test_xlsx_reads_the_first_sheet_and_says_so(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    for row in [
        ["id", "text", "keywords"],
        [7, "파스와 연고", "파스;연고"],
        [None] * 3,
        [8.0, 2.0, None],
    ]:
        sheet.append(row)
    book.create_sheet("other")
    path = tmp_path / "a.xlsx"
    book.save(path)
    notes: list[str] = []
    found = records(path, on_note=notes.append)
    assert [(r.line, r.example.id, r.example.text) for r in found] == [
        (2, "7", "파스와 연고"),
        (4, "8", "2"),
    ]
    assert len(notes) == 1
    renamed = path.rename(tmp_path / "a.dat")
    assert len(records(renamed)) == 2


def test_parquet_with_lists_of_words(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.table({"text": ["파스", "연고"], "labels": [["파스"], None], "n": [1, 2]})
    pq.write_table(rows, tmp_path / "a.parquet")
    found = records(tmp_path / "a.parquet")
    assert [[k.surface for k in r.example.keywords] for r in found] == [["파스"], []]
    assert [r.example.labeled for r in found] == [True, False]


def test_what_is_no_input_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.txt")
    assert "folder" in refusal(tmp_path)
    assert "empty" in refusal(put(tmp_path, "a.txt", b""))
    assert "no record" in refusal(put(tmp_path, "b.txt", b"\n \n"))
    assert "binary" in refusal(put(tmp_path, "c.txt", b"ab\0cd"))
    both = refusal(put(tmp_path, "d.txt", b"ok\n\xff\xfe\x80\n"))
    assert "UTF-8" in both
    assert "cp949" in both
    assert "pdftotext" in refusal(put(tmp_path, "e.pdf", b"%PDF-1.7\n"))
    assert "HWP" in refusal(
        put(tmp_path, "f.hwp", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 50)
    )
    assert "HWPX" in refusal(put(tmp_path, "g.hwpx", b"PK\x03\x04" + b"\0" * 50))
    assert "PARQUET" in refusal(put(tmp_path, "h.parquet", b"nothing"))
    assert "cannot be read" in refusal(put(tmp_path, "i.parquet", b"PAR1 and then nothing"))
    assert "XLSX" in refusal(put(tmp_path, "j.xlsx", b"nothing"))
    assert "JSON list" in refusal(put(tmp_path, "k.json", '[{"text": "a"}'))
    assert "unknown" in refusal(put(tmp_path, "l.txt", b"a"), format="pdf")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_an_unreadable_file_is_refused() -> None:
    assert "cannot be read" in refusal("/proc/self/mem")


def test_a_file_without_permission_is_refused(
    open_folder: Path, unprivileged: Unprivileged
) -> None:
    path = put(open_folder, "a.txt", "a")
    path.chmod(0)
    assert "permission" in str(unprivileged(lambda: refusal(path)))


def test_a_named_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=("파스\n".encode("cp949"),))
    writer.start()
    (found,) = records(pipe)
    writer.join()
    assert found.example.text == "파스"


READ = """
import sys
from engines.corpus.formats import open_records
for item in open_records("-", encoding=sys.argv[1] or None):
    print(item.example.text, flush=True)
"""


def child(encoding: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", READ, encoding],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=python_environment() | {"PYTHONIOENCODING": "utf-8"},
    )


def test_standard_input_is_decoded_strictly_and_jsonl_is_recognised() -> None:
    with child("") as reader:
        out, _err = reader.communicate(RECORD.encode("cp949"))
    assert out.decode().strip() == "파스를 붙였다"


def test_standard_input_streams_when_its_encoding_is_named() -> None:
    with child("utf-8") as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for word in ("파스", "연고"):
            reader.stdin.write(f"{word}\n".encode())
            reader.stdin.flush()
        reader.stdin.write(b"more\n" * 3000)
        reader.stdin.flush()
        assert reader.stdout.readline().decode().strip() == "파스"
        reader.stdin.close()


def test_a_whole_file_as_strict_text(tmp_path: Path) -> None:
    path = put(tmp_path, "a.txt", "한 줄\r\n".encode("cp949"))
    assert read_text_strict(path) == ("한 줄\r\n", "cp949")


@given(st.binary(max_size=200), st.sampled_from(["txt", "jsonl", "csv", "parquet", "xlsx", "zz"]))
def test_any_bytes_give_records_or_a_sentence(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder), f"a.{suffix}", data)
        try:
            for item in open_records(path):
                assert item.line >= 1
        except UserError as error:
            assert error.sentence


keys = st.sampled_from(["text", "keywords", "id", "x"])
values = st.one_of(st.none(), st.text(max_size=9), st.integers(), st.lists(st.text(max_size=3)))


@settings(max_examples=40)
@given(st.lists(st.dictionaries(keys, values)))
def test_any_json_gives_one_item_a_line(rows: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = io.StringIO()
        for row in rows:
            lines.write(json.dumps(row) + "\n")
        path = put(Path(folder), "a.jsonl", lines.getvalue() or "{}")
        assert [item.line for item in open_records(path)] == list(range(1, max(1, len(rows)) + 1))
