"""The glossary pane as a person uses it, each effect read back from disk by another connection."""

from dataclasses import replace
from pathlib import Path

from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import fill
from tests.screen.sheets import (
    fill_glossary,
    go_to,
    names,
    open_glossary,
    rewrite,
    stored,
    table_file,
)


def test_an_empty_glossary_says_what_to_do_and_its_first_term_can_be_undone(
    space: Workspace,
) -> None:
    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        assert "No terms yet: a adds one, i imports" in stage.text
        await stage.press("ㅁ")  # a, in Hangul mode
        await stage.type("파스")
        await stage.press("tab")
        await stage.type("첩부제")
        await stage.press("enter")
        await stage.type("패치")
        await stage.press("ctrl+s")
        await stage.until(lambda: "1 term" in stage.text)
        term = stored(space, "패치")
        assert term is not None
        assert term.canonical == "파스"
        assert term.aliases == ("첩부제", "패치")
        await stage.press("u")
        await stage.until(lambda: "Undone:" in stage.line)
        assert names(space) == []
        await stage.press("y")
        await stage.until(lambda: "Redone:" in stage.line)
        assert names(space) == ["파스"]

    perform(story, space)


def test_a_cell_is_edited_where_it_stands(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await go_to(stage, "연고")
        await stage.press("right", "right", "enter")
        await stage.type("바르는약; 크림")
        await stage.press("tab")
        await stage.until(lambda: "바르는약, 크림" in stage.text)
        term = stored(space, "연고")
        assert term is not None
        assert term.aliases == ("바르는약", "크림")
        # Tab has gone on to the definition.
        await stage.press("ctrl+u")
        await stage.type("살갗에 바르는 약")
        await stage.press("enter")
        await stage.idle()
        changed = stored(space, "연고")
        assert changed is not None
        assert changed.definition == "살갗에 바르는 약"
        assert stage.line == "Kept: 연고"
        await stage.press("enter")
        await stage.type("!!")
        await stage.press("escape")
        await stage.idle()
        assert stored(space, "연고") == changed

    perform(story, space)


def test_a_name_that_another_term_has_is_refused_and_the_two_can_be_merged(
    space: Workspace,
) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await go_to(stage, "해열")
        await stage.press("right", "right", "enter")
        await stage.type("두통")
        await stage.until(lambda: "is itself the term '두통'" in stage.text)
        await stage.press("enter")
        await stage.idle()
        assert "is itself the term '두통'" in stage.text
        before = stored(space, "해열")
        assert before is not None
        assert before.aliases == ()
        await stage.press("ctrl+g")
        await stage.until(lambda: "One term now: 두통, 머리 아픔, 해열" in stage.line)
        merged = stored(space, "해열")
        assert merged is not None
        assert merged.canonical == "두통"
        await stage.press("u")
        await stage.until(lambda: "Undone" in stage.line)
        assert {"두통", "해열"} <= set(names(space))

    perform(story, space)


def test_a_new_term_of_a_known_name_shows_the_known_one(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("insert")
        await stage.type("파스")
        await stage.press("tab")
        await stage.type("붙이는약")
        await stage.until(lambda: "in the glossary already, as '파스'" in stage.text)
        await stage.press("ctrl+s")
        await stage.idle()
        assert "in the glossary already" in stage.text
        await stage.press("ctrl+g")
        await stage.until(lambda: "One term now: 파스, 첩부제, 붙이는약" in stage.line)
        assert len(names(space)) == 6

    perform(story, space)


def test_the_filter_finds_initial_consonants_kinds_and_orders(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        pane = await open_glossary(stage)
        await stage.press("slash")
        await stage.type("ㅍㅅ")
        await stage.until(lambda: "1 term" in stage.text)
        assert "첩부제" in stage.text
        assert "연고" not in stage.text
        await stage.press("enter", "escape")
        await stage.until(lambda: "6 terms" in stage.text)
        await stage.press("c")
        await stage.until(lambda: "all kinds" in stage.text)
        await stage.type("약효")
        await stage.press("enter")
        await stage.until(lambda: "2 terms | 약효" in stage.text)
        await stage.press("escape")
        await stage.until(lambda: "6 terms" in stage.text)
        await stage.press("k", "k")
        await stage.until(lambda: "only the not-a-keyword list" in stage.text)
        assert "의약품" in stage.text
        await stage.press("k", "o", "down", "enter")
        await stage.until(lambda: "by term, backwards" in stage.text)
        assert pane.view is not None
        await stage.idle()
        rows = [pane.view.rows.term(row).canonical for row in range(6)]  # type: ignore[attr-defined]
        assert rows == sorted(names(space), reverse=True)

    perform(story, space)


def test_marked_terms_change_go_and_come_back_together(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await go_to(stage, "두통")
        await stage.press("space", "space")
        await stage.until(lambda: "2 marked" in stage.text)
        await stage.press("b", "enter")
        await stage.type("아픔")
        await stage.press("enter")
        await stage.until(lambda: "2 terms changed." in stage.line)
        term = stored(space, "두통")
        assert term is not None
        assert term.category == "아픔"
        await stage.press("ctrl+a", "d")
        await stage.until(lambda: "Delete 6 terms" in stage.text)
        await stage.press("enter")
        await stage.until(lambda: "6 terms deleted; u takes that back." in stage.line)
        assert names(space) == []
        await stage.press("u")
        await stage.until(lambda: "Undone" in stage.line)
        assert len(names(space)) == 6
        await go_to(stage, "연고")
        await stage.press("x")
        await stage.until(lambda: "1 term changed." in stage.line)
        term = stored(space, "연고")
        assert term is not None
        assert not term.keyword

    perform(story, space)


def test_what_others_change_meanwhile_is_seen_and_never_lost(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await go_to(stage, "연고")
        await stage.press("right", "right", "right", "enter")
        term = stored(space, "연고")
        assert term is not None
        rewrite(space, replace(term, category="외용제"))
        await stage.type("이다")
        await stage.press("enter")
        await stage.idle()
        both = stored(space, "연고")
        assert both is not None
        assert (both.category, both.definition) == ("외용제", "바르는 약이다")
        await stage.press("enter")
        rewrite(space, replace(both, definition="다른 뜻"))
        await stage.type("!")
        await stage.press("enter")
        await stage.until(lambda: "was changed meanwhile by lee" in stage.text)
        await stage.press("escape")
        await stage.until(lambda: "다른 뜻" in stage.text)
        there = stored(space, "해열")
        assert there is not None
        rewrite(space, replace(there, definition="새로 쓴 말"))
        await stage.until(lambda: "새로 쓴 말" in stage.text)

    perform(story, space)


def test_an_over_eager_alias_is_seen_while_it_is_typed(space: Workspace) -> None:
    fill_glossary(space)
    fill(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await go_to(stage, "해열")
        assert "in 1 text of the corpus" in stage.text
        await stage.press("right", "right", "enter")
        await stage.type("날씨; 발진")
        await stage.until(lambda: "in 3 texts of the corpus" in stage.text)
        await stage.press("escape")
        await stage.until(lambda: "in 1 text of the corpus" in stage.text)

    perform(story, space)


def test_a_file_is_looked_into_before_it_is_imported(space: Workspace, tmp_path: Path) -> None:
    fill_glossary(space)
    file = table_file(tmp_path)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("i")
        await stage.paste(str(file))
        await stage.press("enter")
        await stage.until(lambda: "No column is known to hold the term" in stage.text)
        await stage.press("enter")
        await stage.until(lambda: "type to filter" in stage.text)
        await stage.type("품목")
        await stage.press("enter")
        await stage.until(lambda: "new 2, changed 1" in stage.text)
        assert "5 refused" in stage.text
        await stage.press("ctrl+s")
        await stage.until(lambda: "Imported from terms.csv: new 2, changed 1" in stage.line)
        term = stored(space, "파스")
        assert term is not None
        assert term.definition == "살갗에 붙이는 약"
        assert "두통약" in names(space)
        await stage.press("u")
        await stage.until(lambda: "Undone" in stage.line)
        assert "두통약" not in names(space)
        await stage.press("w")
        await stage.until(lambda: "Write all terms" in stage.text)
        await stage.press("enter")
        await stage.until(lambda: "6 terms:" in stage.line)
        assert "첩부제" in (space.root / "glossary.csv").read_text(encoding="utf-8")
        await stage.press("w", "enter")
        await stage.until(lambda: "is there already" in stage.text)
        await stage.press("escape")

    perform(story, space)


def test_the_sheet_stands_where_it_was_left(space: Workspace) -> None:
    fill_glossary(space)

    async def leave(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("slash")
        await stage.type("약")
        await stage.press("enter", "down", "right")
        await stage.idle()

    async def come_back(stage: Stage) -> None:
        await stage.until(lambda: stage.app.current == "glossary")
        await stage.idle()
        pane = stage.app.pane
        view = pane.view  # type: ignore[attr-defined]
        assert (view.wanted.filter, view.sheet.cursor, view.sheet.chosen) == ("약", 1, 2)

    perform(leave, space, keep=True)
    perform(come_back, space, keep=True)


def test_what_is_typed_before_a_line_is_open_is_text_and_no_key(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        from textual.events import Key

        await open_glossary(stage)
        for key, letter in (("slash", "/"), ("ㅍ", "ㅍ"), ("ㅅ", "ㅅ")):
            stage.app.post_message(Key(key, letter))
        await stage.until(lambda: "1 term" in stage.text)
        await stage.press("enter", "right")
        for key in ("enter", "d", "u"):
            stage.app.post_message(Key(key, key if len(key) == 1 else None))
        await stage.until(lambda: "제형du" in stage.text)
        await stage.press("escape")
        for key in ("a", "d", "x"):
            stage.app.post_message(Key(key, key))
        await stage.until(lambda: "New term" in stage.text and "dx" in stage.text)
        assert len(names(space)) == 6

    perform(story, space)


def test_missing_vectors_are_made_in_the_background(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("ctrl+e")
        await stage.until(lambda: "6 vectors by" in stage.line)
        await stage.press("ctrl+e")
        await stage.until(lambda: "6 vectors by" in stage.line)

    perform(story, space)


def test_an_edit_that_waits_for_another_program_says_so(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await go_to(stage, "연고")
        with Glossary.open(space.glossary_path) as other:
            with other.write_lock("lee", "a long import"):
                await stage.press("x")
                await stage.until(lambda: "lee" in stage.line)
                assert "a long import" in stage.line
            await stage.until(lambda: "1 term changed." in stage.line)
        term = stored(space, "연고")
        assert term is not None
        assert not term.keyword

    perform(story, space)


def test_thousands_of_changes_of_another_program_come_while_the_sheet_is_used(
    space: Workspace,
) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.until(lambda: "6 terms" in stage.text and "Reading" not in stage.text)
        await go_to(stage, "연고")
        with Glossary.open(space.glossary_path) as glossary:
            glossary.upsert([Term("", f"가{n:04}") for n in range(2_100)], author="lee")
        await stage.until(lambda: "2,106 terms" in stage.text)
        await stage.until(lambda: "연고" in stage.text)
        await stage.press("slash")
        await stage.type("가0007")
        await stage.until(lambda: "1 term" in stage.text)

    perform(story, space)
