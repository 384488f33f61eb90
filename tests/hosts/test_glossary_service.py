"""The glossary behind a pipe: listed, found, matched, changed, and seen as it is now."""

import asyncio
from typing import Any

import pytest

from engines.settings import Settings
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.store import Glossary
from glossary.term import Term
from kwtui.hosts import Hosts
from kwtui.services.messages import Page

TEXT = "진통 효과가 있는 파스형 의약품은 임신부에게 맞지 않고 파스타와 다릅니다."


def test_terms_are_listed_filtered_sorted_found_and_matched(
    space: Workspace, settings: Settings
) -> None:
    async def ask() -> None:
        hosts = Hosts(settings, space)
        host = hosts["glossary"]

        async def rows(**params: Any) -> tuple[int, list[str]]:
            page: Page = await host.request("rows", **{"offset": 0, "limit": 9, **params})
            return page.total, [term.canonical for term in page.terms]

        assert await rows() == (5, ["노인", "의약품", "임산부", "진통", "파스"])
        assert await rows(offset=1, limit=2) == (5, ["의약품", "임산부"])
        assert await rows(filter="대상", sort="-canonical") == (2, ["임산부", "노인"])
        assert await rows(filter="외용") == (1, ["파스"])
        assert await rows(which="excluded") == (1, ["의약품"])
        term = await host.request("lookup", surface="임신부")
        assert term.canonical == "임산부" and await host.request("get", term_id=term.id) == term
        assert [t.canonical for t in await host.request("search", text="임신", limit=3)] == [
            "임산부"
        ]
        stages: list[str] = []
        assert await host.request("warm", on_progress=lambda p: stages.append(p.stage)) == 5
        assert stages == ["Opening the glossary", "Loading the morphemes", "Reading the terms"]
        assert await rows(filter="ㅍㅅ") == (1, ["파스"])
        assert await host.request("place", term_id=term.id) == 2
        facets = await host.request("facets")
        assert facets["language"] == {"ko": 5}
        found = await host.request("match", text=TEXT)
        assert [(m.surface, TEXT[m.start : m.end]) for m in found] == [
            (surface, surface) for surface in ("진통", "파스", "의약품", "임신부")
        ]
        assert len(await host.request("match", text=TEXT, everything=True)) == 5
        await hosts.close()

    asyncio.run(ask())


def test_changes_of_this_and_of_other_processes_are_seen(start: Any, tmp_path: Any) -> None:
    own = Workspace.create(tmp_path / "own")
    host = start("glossary", workspace=own)

    def ask(method: str, **params: Any) -> Any:
        return host.submit(method, params).result(20)

    assert (
        ask("version") == 0
        and ask("count") == 0
        and ask("rows", offset=0, limit=5) == Page(0, (), 0)
    )
    assert ask("upsert", terms=[Term("", "해열"), Term("", "두통")], author="kim") == 2
    with pytest.raises(UserError) as refused:
        ask("upsert", terms=[Term("", "  ")], author="kim")
    assert refused.value.exit_code == 2
    Glossary.open(own.glossary_path).upsert([Term("", "치통")], author="lee")
    assert ask("version") == 2
    page = ask("rows", offset=0, limit=5)
    assert [(t.canonical, t.author) for t in page.terms] == [
        ("두통", "kim"),
        ("치통", "lee"),
        ("해열", "kim"),
    ]
    assert ask("delete", ids=[page.terms[0].id, "nothing"], author="kim") == 1
    assert ask("count") == 2


def test_changes_are_undone_merged_previewed_and_imported(start: Any, tmp_path: Any) -> None:
    own = Workspace.create(tmp_path / "own")
    host = start("glossary", workspace=own)

    def ask(method: str, **params: Any) -> Any:
        return host.submit(method, params).result(30)

    assert ask("batches") == ask("snapshots") == ask("missing_terms") == ()
    ask("upsert", terms=[Term("", "두통"), Term("", "편두통")], author="kim")
    refused = ask("check", terms=[Term("", "치통", aliases=("두통",))]).refused
    kept, other = ask("lookup", surface="두통"), ask("lookup", surface="편두통")
    assert refused[0].other == kept.id
    assert ask("merge", kept=kept.id, other=other.id, author="kim").aliases == ("편두통",)
    assert ask("undo", author="kim").removed == 1 and ask("count") == 2
    assert ask("history", term_id=other.id)[0].batch.kind == "undo"
    ask("snapshot", name="v1", author="kim")
    file = tmp_path / "a.csv"
    file.write_text("용어,정의\n두통,머리가 아픔\n치통,\n", encoding="utf-8")
    assert ask("show_table", file=file).columns == {"canonical": "용어", "definition": "정의"}
    assert [row.outcome for row in ask("preview_import", file=file).rows] == ["changed", "new"]
    assert ask("import_file", file=file, author="kim")["new"] == 1
    assert len(ask("diff", since="v1")) == 2 and ask("restore", moment="v1", author="lee") == 2
    assert ask("export_file", file=tmp_path / "b.tbx") == 2
    assert ask("preview_term", term=Term("", "두통")).total == 0


def test_without_a_workspace_the_glossary_is_empty_and_takes_no_terms(start: Any) -> None:
    host = start("glossary", workspace=None)
    assert host.submit("count").result(20) == 0
    with pytest.raises(UserError, match="no workspace here"):
        host.submit("upsert", {"terms": [Term("", "해열")], "author": ""}).result(20)
