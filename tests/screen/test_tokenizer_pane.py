"""The tokenizer pane: figures, split terms, two vocabularies side by side, a new one ordered."""

import json
from pathlib import Path

import pytest

from engines.corpus.store import Corpus
from engines.records import Example
from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from kwtui.panes.tokenizer import TokenizerPane
from tests.screen.conftest import Stage, perform
from tests.screen.test_snapshots import compare, picture

TEXTS = (
    "아세트아미노펜은 진통제이고 파스형 의약품은 임산부에게 적합합니다.",
    "아세트아미노펜과 이부프로펜을 함께 먹었습니다.",
    "비타민 C를 드십시오. 파스를 붙입니다.",
)
TERMS = ("아세트아미노펜", "이부프로펜", "진통제", "파스", "임산부", "비타민 C")
PLAYS = Path(__file__).with_name("plays")


@pytest.fixture
def domain(space: Workspace) -> Workspace:
    """A workspace with three texts and six terms."""
    with Corpus.open(space.corpus_path, create=True) as corpus:
        examples = [Example(f"t{n}", text, ()) for n, text in enumerate(TEXTS)]
        corpus.add(examples, split="train", annotator="kim", source="test")
    with Glossary.open(space.glossary_path, create=True) as glossary:
        glossary.upsert([Term("", word) for word in TERMS], author="kim")
    return space


def pane(stage: Stage) -> TokenizerPane:
    found = stage.app.pane
    assert isinstance(found, TokenizerPane)
    return found


async def measured(stage: Stage) -> None:
    await stage.press("f7")
    await stage.idle()
    await stage.press("r")
    await stage.until(lambda: pane(stage).found is not None)
    await stage.idle()
    await stage.pilot.pause()


def test_an_empty_workspace_says_what_to_do(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.press("f7")
        await stage.idle()
        assert "Nothing measured yet: r measures." in stage.text
        await stage.press("r")
        await stage.idle()
        assert "The glossary has no terms yet" in stage.text
        await stage.press("t")
        await stage.type("파스")
        await stage.press("enter")
        await stage.idle()
        assert "kw-mini 2: 파|스" in stage.text

    perform(story, space)


def test_figures_terms_and_a_search(domain: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await measured(stage)
        assert "아|세|트|아|미|노|펜" in stage.text
        assert "Worth a trial" in stage.text
        await stage.press("slash")
        await stage.type("비타")
        await stage.press("enter")
        await stage.until(lambda: "Terms with '비타': 1" in stage.text)
        assert "비|타|민| |C" in stage.text and "이|부|프" not in stage.text
        await stage.press("escape")
        await stage.until(lambda: "Terms that cost most" in stage.text)

    perform(story, domain)


def test_a_vocabulary_is_ordered_built_and_shown_beside_the_old_one(domain: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await measured(stage)
        await stage.press("e")
        await stage.until(lambda: "New vocabulary of kw-mini" in stage.text)
        assert "Foretold: up to" in stage.text
        await stage.press("down", "down", "down", "down")
        for _key in range(20):
            await stage.press("backspace")
        await stage.press("enter")
        await stage.until(lambda: "The name is a word without slashes." in stage.text)
        await stage.type("mine")
        await stage.press("enter")
        await stage.until(lambda: pane(stage).other == "mine", 120)
        await stage.idle()
        assert "mine: 5 new tokens for 5 terms (symbol)." in stage.text
        assert "mine" in stage.text.splitlines()[1]
        made = pane(stage).found
        assert made is not None and made.terms[0].pieces[1] == (made.terms[0].term,)
        await stage.press("e")
        await stage.until(lambda: "New vocabulary of kw-mini" in stage.text)
        await stage.press("right")
        await stage.until(lambda: "< replace" in stage.text)
        await stage.press("escape")

    perform(story, domain)
    origin = json.loads((domain.models / "mine" / "kwtui.json").read_text(encoding="utf-8"))
    assert len(origin["terms"]) == 5 and "비타민 C" in origin["refused"]


def test_what_was_measured_is_there_again_the_next_time(
    domain: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    async def first(stage: Stage) -> None:
        await measured(stage)

    async def second(stage: Stage) -> None:
        await stage.until(lambda: pane(stage).found is not None)
        assert "아|세|트" in stage.text

    perform(first, domain, keep=True)
    perform(second, domain, keep=True)


@pytest.mark.parametrize(
    ("name", "size", "environment"),
    [
        ("colour", (80, 24), {}),
        ("colour", (160, 45), {}),
        ("no-color", (80, 24), {"NO_COLOR": "1"}),
    ],
)
def test_tokenizer_snapshots(
    domain: Workspace,
    name: str,
    size: tuple[int, int],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    async def story(stage: Stage) -> None:
        await measured(stage)
        compare(f"tokenizer-{name}-{size[0]}x{size[1]}", picture(stage))
        if not environment:
            await stage.press("e")
            await stage.until(lambda: "New vocabulary of kw-mini" in stage.text)
            await stage.pilot.pause()
            compare(f"tokenizer-order-{size[0]}x{size[1]}", picture(stage))
            await stage.press("escape")

    perform(story, domain, size)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_tokenizer_pane_in_both_languages(
    kwtui, domain: Workspace, language: str, tmp_path: Path
) -> None:
    script = tmp_path / "tokenizer.play"
    script.write_text((PLAYS / f"tokenizer_{language}.play").read_text(encoding="utf-8"))
    done = kwtui("-w", domain.root, "play", script, env={"KWTUI_LANGUAGE": language})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / f"tokenizer_{language}.svg").exists()
    assert (domain.models / "mine" / "model.safetensors").exists()
