"""Versions, named moments and candidates in the glossary pane, read back from disk."""

from dataclasses import replace

from engines.workspace import Workspace
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import TEXTS, fill
from tests.screen.sheets import fill_glossary, go_to, names, open_glossary, rewrite, stored


def test_a_version_of_a_term_comes_back_from_its_history(space: Workspace) -> None:
    fill_glossary(space)
    term = stored(space, "두통")
    assert term is not None
    rewrite(space, replace(term, definition="틀린 말"))

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await go_to(stage, "두통")
        await stage.press("h")
        await stage.until(lambda: "History of '두통'" in stage.text)
        assert "머리가 아픈 것 틀린 말" in stage.text
        await stage.press("down", "r")
        await stage.until(lambda: "Brought back: 두통" in stage.line)
        back = stored(space, "두통")
        assert back is not None
        assert back.definition == "머리가 아픈 것"

    perform(story, space)


def test_moments_get_names_and_are_restored_compared_and_taken_back(space: Workspace) -> None:
    fill_glossary(space)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("shift+tab")
        await stage.until(lambda: "1 change" in stage.text)
        await stage.press("n")
        await stage.type("v1")
        await stage.press("enter")
        await stage.until(lambda: "[v1]" in stage.text)
        await stage.press("escape")
        await go_to(stage, "연고")
        await stage.press("d")
        await stage.until(lambda: "1 term deleted" in stage.line)
        await stage.press("shift+tab")
        await stage.until(lambda: "2 changes" in stage.text)
        assert "- 연고" in stage.text
        await stage.press("down", "c")
        await stage.until(lambda: "Since change #1: 1 term" in stage.text)
        await stage.press("escape", "r", "enter")
        await stage.until(lambda: "1 term restored." in stage.line)
        assert "연고" in names(space)
        await stage.press("t")
        await stage.until(lambda: "Undone: #3" in stage.line)
        assert "연고" not in names(space)
        await stage.press("end", "d")
        await stage.until(lambda: "Forgotten: v1" in stage.line)
        assert "[v1]" not in stage.text

    perform(story, space)


def test_candidates_are_taken_with_one_key_and_come_back_when_undone(space: Workspace) -> None:
    fill_glossary(space)
    fill(space, [*TEXTS, "시럽과 연고를 임산부가 쓴다.", "임산부와 시럽"])

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("tab")
        await stage.until(lambda: "2 words" in stage.text)
        await stage.idle()
        assert "in 4 texts of the corpus" in stage.text
        await stage.press("a")
        await stage.until(lambda: "Added: 임산부" in stage.line)
        assert "임산부" in names(space)
        await stage.press("x")
        await stage.until(lambda: "Not a keyword: 시럽" in stage.line)
        term = stored(space, "시럽")
        assert term is not None
        assert not term.keyword
        await stage.press("u", "u")
        await stage.until(lambda: "2 words" in stage.text)
        assert "임산부" not in names(space)

    perform(story, space)
