"""The glossary pane in scripts of both languages and in a real terminal with a real editor."""

from pathlib import Path

import pytest

from engines.workspace import Workspace
from tests.screen.sheets import TERMS, fill_glossary, names, stored
from tests.screen.test_terminal import Terminal

PLAYS = Path(__file__).with_name("plays")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_glossary_pane_in_both_languages(
    kwtui, space: Workspace, language: str, tmp_path: Path
) -> None:
    fill_glossary(space, TERMS[:5])
    script = tmp_path / "glossary.play"
    script.write_text((PLAYS / f"glossary_{language}.play").read_text(encoding="utf-8"))
    done = kwtui("-w", space.root, "play", script, env={"KWTUI_LANGUAGE": language})
    assert done.returncode == 0, done.stderr
    assert "붙이는" in (tmp_path / f"glossary_{language}.svg").read_text(encoding="utf-8")
    assert sorted(names(space)) == sorted(term.canonical for term in TERMS[:5])


def test_a_real_terminal_edits_a_cell_and_hands_the_definition_to_the_editor(
    space: Workspace, tmp_path: Path
) -> None:
    fill_glossary(space)
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "둘째 줄\\n" >> "$1"\n')
    editor.chmod(0o755)
    made = Terminal("-w", space.root, EDITOR=str(editor), VISUAL="", KWTUI_LANGUAGE="en")
    try:
        made.wait("Nothing extracted yet.")
        made.send("\x1bOR")
        made.wait("6 terms")
        made.send("/ㅍㅅ")
        # The lines beneath the sheet say what the first row is now.
        made.wait("파스  제형")
        made.raw = b""
        made.send("\r")
        made.wait("e Form")
        made.send("\x1b[C\x1b[C\r")
        made.wait("Enter keeps")
        # In pieces, as slow connections cut them.
        for part in ("; ", "파스", "제"):
            made.send(part)
        made.wait("파스제")
        made.send("\r")
        made.wait("Kept: 파스")
        made.send("v")
        made.wait("둘째")
        made.send("\x11")
        assert made.end() == 0
    finally:
        made.close()
    term = stored(space, "파스")
    assert term is not None
    assert term.canonical == "파스"
    assert term.definition == "약을 바른 외용제\n둘째 줄"
