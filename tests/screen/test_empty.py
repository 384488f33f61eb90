"""A fresh workspace: every pane and view says what to do next, by key and by command."""

import re

import pytest

from engines.workspace import Workspace
from glossary import i18n
from kwtui import cli
from tests.screen.conftest import Stage, perform
from tests.screen.test_help import views

KEY = re.compile(r"F[1-9]|\^[A-Z]|\b(Tab|Esc|Enter)\b|(?<![\w`])[a-z](?![\w`])")


def told(stage: Stage) -> str:
    """What stands between the line of tabs and that of keys."""
    return " ".join("\n".join(stage.text.splitlines()[1:-2]).split())


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_empty_view_names_a_key_and_a_command(workspace: Workspace, language: str) -> None:
    i18n.use(language, cli.CATALOGUES)

    async def story(stage: Stage) -> None:
        for spec in stage.app.specs:
            await stage.press(spec.key)
            await stage.idle()
            for view in views(spec.id) or [""]:
                if (spec.id, view) == ("train", "text"):
                    await stage.press("escape", "tab", "tab")
                    continue
                await stage.until(lambda: "kwtui " in told(stage))
                said = told(stage)
                assert re.search(r"`?kwtui [a-z]+", said), (spec.id, view, said)
                assert KEY.search(said), (spec.id, view, said)
                await stage.press("tab")
                await stage.idle()

    perform(story, workspace)
