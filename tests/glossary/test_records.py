"""Drug data in every public shape becomes records of clean sentences and terms linked to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.finding import fitting_presets, preset
from engines.settings import Settings, load
from engines.workspace import Workspace
from glossary.cleaning import Product, chunks, plain, product, with_josa
from glossary.errors import UserError
from glossary.presets import Harvest, harvest
from glossary.public_data import read_rows
from glossary.record_import import import_records, look
from glossary.records import Records, Replaced
from glossary.store import Glossary
from kwtui.cli import run

DATA = Path(__file__).resolve().parents[1] / "data" / "drugs"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load(None, environ={}, user=tmp_path_factory.mktemp("none") / "config.toml")


@pytest.fixture
def read(settings: Settings) -> Callable[[str, str], Harvest]:
    return lambda name, file: harvest(preset(settings, name), DATA / file)


Read = Callable[[str, str], Harvest]


def terms(found: Harvest) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {term.canonical: (term.category, term.aliases) for term in found.terms}


def test_easy_drug_json_with_html_inside(read: Read) -> None:
    found = read("easy-drug", "easy.json")
    text = " ".join(r.text for r in found.records if r.title.startswith("가상디페인정"))
    assert text.startswith(
        "가상디페인정(디클로페낙나트륨)은(는) 가온약품(주)의 의약품이다. 효능: 이 약은"
    )
    assert "상의하십시오. 체중 < 40kg이면 줄입니다." in text and "부작용: 구역. 발진." in text
    assert "경고" not in text and "<p>" not in text and "&lt;" not in text
    assert all(len(r.text) <= 300 for r in found.records) and len(found.records) >= 3
    first = found.records[0]
    assert (first.kind, first.source, first.row) == ("easy-drug", "easy.json", 1)
    assert dict(first.fields) == {"itemSeq": "900000001", "entpName": "가온약품(주)"}
    assert terms(found) == {
        "가상디페인": ("제품", ("가상디페인정",)),
        "정": ("제형", ()),
        "디클로페낙나트륨": ("성분", ()),
        "가온약품(주)": ("제조사", ()),
        "가상해온": ("제품", ("가상해온시럽",)),
        "시럽": ("제형", ()),
    }


def test_dur_xml_of_the_drug_authority(read: Read) -> None:
    found = read("dur", "dur.xml")
    assert [r.title for r in found.records] == ["병용금기: 가상파스롤", "임부금기: 가상도닌"]
    assert found.records[0].text == (
        "가상파스롤은 병용금기 성분이다. 가상파스롤은 가상도닌과 함께 쓰지 않는다. "
        "제품: 가상롤정10밀리그램(가상파스롤). 제형: 정제. 분류: 해열.진통.소염제. 심한 부작용."
    )
    assert terms(found)["가상파스롤"] == ("성분", ("Pasrol",))
    assert terms(found)["해열.진통.소염제"] == ("약효군", ())
    assert terms(found)["병용금기"] == ("안전성", ())


def test_hira_csv_in_euc_kr_says_a_pair_once(read: Read) -> None:
    found = read("hira-dur", "hira.csv")
    assert found.rows == 2 and len(found.records) == 1
    assert found.records[0].text == (
        "가상파스롤과 가상도닌은 함께 쓰지 않는다. 혈중 농도 증가, 출혈."
    )
    names = found.names[found.records[0].id]
    assert {"가상파스롤", "가상도닌", "가상롤", "다른롤", "나래제약", "다솜제약"} <= set(names)


def test_pill_identification_and_approval_documents(read: Read) -> None:
    pill = read("pill", "pill.json")
    assert pill.records[0].text.endswith(
        "분류: 해열.진통.소염제. 성상: 흰색의 원형 정제. 표시: NR."
    )
    approval = read("approval", "approval.json")
    text = " ".join(record.text for record in approval.records)
    assert "효능: 1. 효능효과. 주효능: 통증 & 발열. 류마티스 관절염." in text
    assert "주의: 1. 사용상의주의사항. 임부에게 투여하지 말 것." in text
    assert {"가상파스롤", "가상도닌", "가상롤", "연질캡슐"} <= set(terms(approval))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("디페인정(디클로페낙나트륨)", ("디페인", "정", "", "디클로페낙나트륨")),
        ("치큐원정600밀리그램(디오스민)", ("치큐원", "정", "600밀리그램", "디오스민")),
        ("벤투룩스30mg캡슐(수출용)", ("벤투룩스", "캡슐", "30mg", "")),
        (
            "아모닐정250밀리그램(아모다피닐(미분화))",
            ("아모닐", "정", "250밀리그램", "아모다피닐(미분화)"),
        ),
        (
            "조비프리필드시린지주(프레마네주맙,유전자재조합)",
            ("조비", "프리필드시린지주", "", "프레마네주맙"),
        ),
        ("대한포도당주사액(10%)", ("대한포도당", "주사액", "10%", "")),
        ("마구내신주사액<황산마그네슘수화물>", ("마구내신", "주사액", "", "황산마그네슘수화물")),
        ("카르민주0.8%(인디고카르민)", ("카르민", "주", "0.8%", "인디고카르민")),
        ("자모", ("자모", "", "", "")),
    ],
)
def test_product_names_are_taken_apart(name: str, parts: tuple[str, str, str, str]) -> None:
    assert product(name) == Product(*parts)


def test_josa_are_chosen_and_markup_goes() -> None:
    assert with_josa("약은(는) 파스와(과) 물으로(로) 약을(를)") == "약은 파스와(과) 물로 약을"
    assert plain("<b>굵게</b> a &lt; b<script>x()</script> [M012345]포도당") == "굵게 a < b 포도당"
    assert plain("주사액<황산마그네슘>") == "주사액<황산마그네슘>"


@given(st.text(st.characters(codec="utf-8"), max_size=900))
def test_chunks_lose_no_letter_and_keep_the_limit(text: str) -> None:
    pieces = chunks(text, 50)
    assert all(0 < len(piece) <= 50 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_an_import_links_records_repeats_without_change_and_follows_the_file(
    settings: Settings, tmp_path: Path
) -> None:
    glossary = Glossary.open(tmp_path / "g.lance", create=True)
    easy = preset(settings, "easy-drug")
    file = tmp_path / "easy.json"
    file.write_bytes((DATA / "easy.json").read_bytes())
    first = import_records(glossary, easy, file, author="kim")
    assert first.terms_new == 6 and first.records.new == len(list(Records(glossary.path).all()))
    brand = glossary.lookup("가상해온")
    assert brand and brand.id in [t for r in Records(glossary.path).all() for t in r.terms]
    again = import_records(glossary, easy, file, author="kim")
    assert again.records == Replaced(0, 0, first.records.new, 0)
    assert (again.terms_new, again.terms_changed, again.terms_same) == (0, 0, 6)
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    del values["body"]["items"][1]
    file.write_text(json.dumps(values), encoding="utf-8")
    fewer = import_records(glossary, easy, file, author="kim")
    assert fewer.records.removed > 0 and glossary.lookup("가상해온") == brand
    records = Records(glossary.path)
    assert {r.title for r in records.all()} == {"가상디페인정(디클로페낙나트륨)"}
    pain = glossary.lookup("디클로페낙나트륨")
    assert pain and [r.title for r in records.naming([pain.id], 1)] == [
        "가상디페인정(디클로페낙나트륨)"
    ]
    assert records.search("근육통에 먹는 약", 3) and records.naming(["x' OR '1'='1"], 3) == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("easy.json", "easy-drug"), ("dur.xml", "dur"), ("hira.csv", "hira-dur"),
        ("pill.json", "pill"), ("approval.json", "approval"),
    ],
)  # fmt: skip
def test_the_preset_of_a_file_is_found_by_its_fields(
    settings: Settings, file: str, name: str
) -> None:
    assert fitting_presets(settings, DATA / file)[0] == name


def test_a_look_tells_what_an_import_will_do_and_changes_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    easy, folder = preset(settings, "easy-drug"), tmp_path / "glossary.lance"
    first = look(None, easy, DATA / "easy.json")
    assert not folder.exists() and first.records == Replaced(3, 0, 0, 0) and first.terms_new == 6
    assert [r.row for r in first.some_records] == [1, 2, 2]
    with Glossary.open(folder, create=True) as glossary:
        assert look(glossary, easy, DATA / "easy.json") == first and glossary.count() == 0
        done = import_records(glossary, easy, DATA / "easy.json", author="kim")
        assert (done.records, done.terms_new) == (first.records, first.terms_new)
        again = look(glossary, easy, DATA / "easy.json")
        assert again.records == Replaced(0, 0, 3, 0) and again.terms_same == 6
        assert Records(glossary.path).kinds() == {"easy-drug": 3} and not again.some_terms


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x><item><A>&a;</A></item></x>', "document type"),
        ("a.xml", "<items><item></items>", "not valid XML"),
        ("a.xml", "<items/>", "holds no <item>"),
        ("a.json", '{"a": [', "not valid JSON"),
        ("a.json", '{"header": {"x": 1}}', "no list of items"),
        ("a.csv", "\n", "is empty"),
        ("a.csv", "이름,값\n가,나\n", "none of the fields of the preset easy-drug"),
    ],
)
def test_what_is_no_drug_data_is_a_sentence(
    settings: Settings, tmp_path: Path, name: str, content: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        harvest(preset(settings, "easy-drug"), path)
    with pytest.raises(UserError, match="There are: approval, drug"):
        preset(settings, "none")


def test_one_item_json_lines_and_missing_files(tmp_path: Path) -> None:
    lines = tmp_path / "a.json"
    lines.write_text('{"a": "1"}\n{"a": null}\n', encoding="utf-8")
    assert list(read_rows(lines)) == [(1, {"a": "1"}), (2, {"a": ""})]
    lines.write_text('{"body": {"items": {"item": {"a": 1}}}}', encoding="utf-8")
    assert list(read_rows(lines)) == [(1, {"a": "1"})]
    with pytest.raises(UserError, match="cannot be read"):
        list(read_rows(tmp_path / "none.json"))


def test_the_commands_import_embed_and_retrieve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(Workspace.create(tmp_path / "domain").root)

    def call(*arguments: str) -> str:
        capsys.readouterr()
        assert run(["-w", root, "glossary", *arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    seen = json.loads(
        call("import", "--records", "auto", str(DATA / "dur.xml"), "--dry-run", "--json")
    )
    assert not Workspace(Path(root)).glossary_path.exists()
    done = json.loads(call("import", "--records", "dur", str(DATA / "dur.xml"), "--json"))
    assert seen == done and json.loads(call("stats", "--json"))["records"] == {"dur": 2}
    assert done["records"]["new"] == 2 and done["terms"]["new"] == 11
    assert json.loads(call("embed", "--json"))["stored"] == 13
    text = "가상파스롤을 먹는데 가상도닌과 같이 먹어도 되나요"
    found = json.loads(call("retrieve", text, "--json"))
    assert [one["name"] for one in found[:2]] == ["가상파스롤", "가상도닌"]
    record = next(one for one in found if one["kind"] == "record")
    assert record["how"] == "linked" and "names 2 terms of the text" in record["reason"]
    listed = json.loads(call("records", "--json"))
    assert listed["total"] == 2 and listed["kinds"] == {"dur": 2}
    one, other = listed["records"]
    assert one["source"] == "dur.xml" and one["row"] == 1 and one["terms"] and one["fields"]
    shown = call("records", one["id"])
    assert one["title"] in shown and all(value in shown for value in one["fields"].values())
    assert all(term["canonical"] in shown for term in one["terms"])
    found = json.loads(call("records", other["title"], "--limit", "1", "--json"))["records"]
    assert [record["id"] for record in found] == [other["id"]]
    assert json.loads(call("records", "--offset", "1", "--json"))["records"] == [other]
    assert run(["-w", root, "glossary", "import", "--records", "x", str(DATA / "dur.xml")]) == 2
    (tmp_path / "a.csv").write_text("어떤,것\n가,나\n", encoding="utf-8")
    assert (
        run(["-w", root, "glossary", "import", "--records", "auto", str(tmp_path / "a.csv")]) == 2
    )
