"""The table of the compare pane: what is missing, what is elsewhere, what does not fit."""

from __future__ import annotations

import json

from engines.workspace import Workspace
from tests.ladders import fill
from tests.screen.conftest import Stage, perform
from tests.screen.test_compare_pane import opened


def test_missing_rungs_are_trained_only_after_asking(space: Workspace) -> None:
    fill(space)
    folder = space.models / "kw-mini-lora"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("m")
        await stage.until(lambda: "Train qlora, sft, tokenizer?" in stage.text)
        await stage.press("escape")
        await stage.idle()
        await stage.until(lambda: "Train qlora" not in stage.text)

    perform(story, space, (100, 30))
    assert not (space.reports / "ladder" / "ladder.log").exists()


def test_without_a_result_on_dev_the_splits_that_have_one_are_named(space: Workspace) -> None:
    fill(space)
    (space.reports / "ladder" / "dev.json").unlink()

    async def story(stage: Stage) -> None:
        pane = await opened(stage)
        await stage.until(lambda: "Measured are: test. s shows them." in stage.text)
        await stage.press("s")
        await stage.idle()
        assert pane.split == "test"
        assert "Measured are" not in stage.text

    perform(story, space, (100, 30))


def test_advice_that_does_not_fit_is_read_on_a_page_of_its_own(space: Workspace) -> None:
    fill(space)
    path = space.reports / "ladder" / "dev.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["advice"] = [f"Sentence {number} of many." for number in range(30)]
    path.write_text(json.dumps(values), encoding="utf-8")

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.until(lambda: "a shows all of it" in stage.text)
        assert "Sentence 29" not in stage.text
        await stage.press("a")
        await stage.until(lambda: len(stage.app.screen_stack) > 1 and "Sentence 5" in stage.text)
        await stage.press("end")
        await stage.until(lambda: "Sentence 29" in stage.text)
        await stage.press("escape")
        await stage.until(lambda: "Sentence 29" not in stage.text)

    perform(story, space, (80, 24))
