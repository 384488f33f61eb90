"""`kwtui notes`: what the extract pane keeps, a script can keep too."""

from __future__ import annotations

import json

import pytest

from engines.extraction.prompt import PromptFields, strategy_template
from engines.settings import load
from engines.workspace import Workspace
from kwtui import cli


@pytest.fixture
def space(workspace: Workspace) -> Workspace:
    """A workspace whose config has a comment."""
    own = '\n# Ours.\n[strategies.own]\nmodel = "kw-mini"  # small\n'
    before = workspace.config.read_text(encoding="utf-8")
    workspace.config.write_text(before + own, encoding="utf-8")
    return workspace


def test_notes_are_kept_once_and_listed(
    space: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    root = str(space.root)
    given = ["파스형은 파스만.", "--missed", "임산부", "--wrong", "의약품"]
    assert cli.run(["-w", root, "notes", "own", *given]) == 0
    assert "3 notes kept" in capfd.readouterr().err
    assert cli.run(["-w", root, "notes", "own", "파스형은 파스만.", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    notes = ["파스형은 파스만.", "'임산부' 키워드입니다.", "'의약품' 키워드가 아닙니다."]
    assert found == {"strategy": "own", "notes": notes, "new": []}
    text = space.config.read_text(encoding="utf-8")
    assert "# Ours." in text and "# small" in text


def test_who_has_no_prompt_takes_no_notes(
    space: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    root, before = str(space.root), space.config.read_bytes()
    assert cli.run(["-w", root, "notes", "dictionary", "a"]) == 2
    assert "no prompt for notes" in capfd.readouterr().err
    assert cli.run(["-w", root, "notes", "nosuch", "a"]) == 2
    assert space.config.read_bytes() == before


def test_the_rules_of_the_guideline_become_notes_of_the_prompt(
    space: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    root = str(space.root)
    assert cli.run(["-w", root, "notes", "own", "--guideline"]) == 2
    assert "guideline.md does not exist" in capfd.readouterr().err
    guideline = space.root / "guideline.md"
    guideline.write_text("# 지침\n\n그냥 글.\n", encoding="utf-8")
    assert cli.run(["-w", root, "notes", "own", "--guideline"]) == 2
    assert "has no list" in capfd.readouterr().err
    text = "1. **조사는 뺀다.** 파스형은\n   파스만.\n\n글.\n- 의약품: never\n그 밖에.\n"
    guideline.write_text(text, encoding="utf-8")
    assert cli.run(["-w", root, "notes", "own", "--guideline", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["new"] == ["조사는 뺀다. 파스형은 파스만.", "의약품: never"]
    strategy = load(space.root).strategies["own"]
    prompt = strategy_template(strategy).render(PromptFields("글", notes=tuple(strategy.notes)))
    assert "참고: 의약품: never" in prompt
