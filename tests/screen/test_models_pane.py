"""The models pane: what is there, its card, and an export as a job with progress."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.workspace import Workspace
from kwtui.panes.models import ModelsPane
from kwtui.services.export_types import Found
from tests.screen.conftest import Stage, perform
from tests.screen.test_snapshots import LOOKS, compare, picture

PLAYS = Path(__file__).with_name("plays")
CARD = """# terms-lora

The adapter terms-lora, merged into gemma-3-1b in float32.

| | |
| --- | --- |
| base model | gemma-3-1b |
| labeled examples | 2000 |
| keyword F1 on the dev texts | 0.9311 |

## Proof

| type | same tokens | same keywords | F1 |
| --- | --- | --- | --- |
| q8_0 | 1000 of 1000 texts | 99 of 100 texts | 0.9298 |
"""
GEMMA = ("Gemma3ForCausalLM", 999_885_952, 1_999_811_208, "bfloat16", "chat", "", 32_768)
KNOWN = [
    Found("broken", "/models/broken", "model", "", 0, 0, "", "", "", 0, "It has no weights.", ""),
    Found("gemma-3-1b", "/models/gemma-3-1b", "model", *GEMMA, "", ""),
    Found(
        "terms-lora",
        "/models/terms-lora",
        "adapter",
        "LORA",
        3_261_440,
        13_060_000,
        "float32",
        "",
        "gemma-3-1b",
        0,
        "",
        CARD,
    ),
]


def pane(stage: Stage) -> ModelsPane:
    found = stage.app.pane
    assert isinstance(found, ModelsPane)
    return found


async def opened(stage: Stage) -> ModelsPane:
    await stage.press("f9")
    await stage.until(lambda: isinstance(stage.app.pane, ModelsPane))
    await stage.until(lambda: pane(stage).chosen is not None)
    await stage.idle()
    return pane(stage)


async def export(stage: Stage, *changes: str) -> None:
    """Order an export after `changes` of its fields, and wait for the end."""
    await stage.press("e")
    await stage.until(lambda: "Export of kw-mini" in stage.text)
    await stage.press(*changes, "enter")
    await stage.until(lambda: pane(stage).done is not None, 120)
    await stage.idle()


def test_models_with_their_cards(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await opened(stage)
        assert "kw-mini" in stage.text and "3.87M" in stage.text
        assert "second edition" in stage.text
        await stage.press("c")
        await stage.until(lambda: "Esc closes" in stage.text)
        assert "A Gemma 3 text model of 3.9 million parameters" in stage.text
        await stage.press("escape")
        await stage.press("slash")
        await stage.type("nothing")
        await stage.press("enter")
        await stage.until(lambda: "0 models" in stage.text)
        assert "kwtui models add FOLDER" in stage.text
        await stage.press("escape")
        await stage.until(lambda: "1 model" in stage.text)

    perform(story, space)


def test_one_that_cannot_be_used_says_why(space: Workspace) -> None:
    broken = space.models / "broken"
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps({"model_type": "gemma3_text"}))

    async def story(stage: Stage) -> None:
        found = await opened(stage)
        assert found.chosen is not None and found.chosen.name == "broken"
        assert "not usable" in stage.text and "has no weights" in stage.text
        await stage.press("e")
        await stage.until(lambda: "Export of broken" in stage.text)
        await stage.press("enter")
        await stage.until(lambda: stage.text.count("has no weights") >= 1)
        await stage.press("escape")

    perform(story, space)


def test_a_file_is_exported_and_the_card_is_there(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await opened(stage)
        # Type q8_0, no proof: what a proof shows is in tests/export.
        await export(stage, "down", "right", "right", "right", "down", "down", "right")
        assert "kw-mini-gguf" in stage.text and "4.2 MB" in stage.text
        await stage.press("e")
        await stage.until(lambda: "kw-mini-2-gguf" in stage.text)
        await stage.press("escape", "escape")
        await stage.until(lambda: "second edition" in stage.text)

    perform(story, space)
    folder = space.models / "kw-mini-gguf"
    assert sorted(path.name for path in folder.iterdir()) == [
        "CARD.md",
        "kw-mini-q8_0.gguf",
        "kwtui.json",
    ]


def test_a_bundle_and_a_name_that_is_taken(space: Workspace) -> None:
    (space.models / "words-bundle").mkdir()

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("e")
        await stage.until(lambda: "Export of kw-mini" in stage.text)
        await stage.press("left")
        await stage.until(lambda: "< bundle" in stage.text)
        await stage.press("down")
        for _step in range(20):
            if "< words >" in stage.text:
                break
            await stage.press("right")
        await stage.until(lambda: "words-2-bundle" in stage.text)
        await stage.press("enter")
        await stage.until(lambda: pane(stage).done is not None, 60)
        await stage.idle()
        assert "kwtui extract --bundle" in stage.text

    perform(story, space)
    assert (space.models / "words-2-bundle" / "bundle.json").is_file()


def test_the_place_in_the_list_is_kept(
    with_model: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    async def first(stage: Stage) -> None:
        await opened(stage)
        await stage.press("end")
        await stage.until(lambda: bool((f := pane(stage).chosen) and f.name == "tiny"))

    async def second(stage: Stage) -> None:
        await stage.until(lambda: isinstance(stage.app.pane, ModelsPane))
        await stage.until(lambda: bool((f := pane(stage).chosen) and f.name == "tiny"))
        await stage.idle()

    perform(first, with_model, keep=True)
    perform(second, with_model, keep=True)


CASES = [
    ("colour", (80, 24), "en"),
    ("no-color", (80, 24), "ko"),
    ("ascii", (80, 24), "en"),
    ("colour", (160, 45), "ko"),
    ("no-color", (160, 45), "en"),
]


@pytest.mark.parametrize(("look", "size", "language"), CASES)
def test_how_it_looks(
    space: Workspace,
    look: str,
    size: tuple[int, int],
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from glossary import i18n
    from kwtui.cli import CATALOGUES

    for name, value in LOOKS[look].items():
        monkeypatch.setenv(name, value)
    i18n.use(language, CATALOGUES)
    end = f"{look}-{size[0]}x{size[1]}-{language}"

    async def story(stage: Stage) -> None:
        found = await opened(stage)
        show_known(found)
        await stage.press("end")
        stage.app.say("")
        await stage.pilot.pause()
        compare(f"models-{end}", picture(stage))
        await stage.press("e")
        await stage.until(lambda: "terms-lora-gguf" in stage.text)
        await stage.pilot.pause()
        compare(f"models-export-{end}", picture(stage))
        await stage.press("right", "down", "down")
        await stage.until(lambda: "terms-lora-ollama" in stage.text)
        await stage.pilot.pause()
        compare(f"models-ollama-{end}", picture(stage))
        await stage.press("escape")

    perform(story, space, size)


def show_known(found: ModelsPane) -> None:
    """Models that are the same on every machine and in every edition."""
    found._take(KNOWN)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_an_export_in_both_languages(
    kwtui: Callable[..., Any], space: Workspace, language: str, tmp_path: Path
) -> None:
    script = tmp_path / "models.play"
    script.write_text((PLAYS / f"models_{language}.play").read_text(encoding="utf-8"))
    done = kwtui("-w", space.root, "play", script, env={"KWTUI_LANGUAGE": language})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"models_{language}.svg").exists()
    assert (space.models / "kw-mini-gguf-small" / "kw-mini-gguf-small-q8_0.gguf").is_file()
