"""The compare pane by its keys: what differs, what is sent on, and test that stays test."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path

import pytest

from engines.corpus.moving import looks, proposals
from engines.corpus.store import Corpus
from engines.records import Example, Prediction, ground
from engines.workspace import Workspace
from kwtui.panes.compare import ComparePane
from kwtui.panes.compare_errors import ErrorsView
from kwtui.panes.compare_table import TableView
from kwtui.panes.compare_texts import TextsView
from kwtui.panes.dataset import DatasetPane
from tests.ladders import TEXTS, fill, write, write_curve
from tests.screen.conftest import Stage, perform

PLAYS = Path(__file__).with_name("plays")


async def opened(stage: Stage) -> ComparePane:
    await stage.idle()
    await stage.press("f8")
    await stage.idle()
    pane = stage.app.pane
    assert isinstance(pane, ComparePane)
    # Laid out: the line of facts under the table is the last thing that is drawn.
    await stage.until(lambda: pane.view is not None and pane.view.size.width > 0)
    await stage.pilot.pause()
    return pane


def test_the_table_the_texts_the_mistakes_and_the_plots(space: Workspace) -> None:
    fill(space)
    write_curve(space)

    async def story(stage: Stage) -> None:
        pane = await opened(stage)
        assert isinstance(pane.view, TableView)
        assert pane.split == "dev"
        assert "rag against prompt, 3 won, 1 lost" in stage.text
        assert "rag is the rung to stand on." in stage.text
        assert "test scored 2 times" in stage.text

        # Against the dictionary; the letters also work in Hangul mode.
        await stage.press("home", "space")
        await stage.idle()
        assert pane.opened is not None
        assert (pane.opened.pair.first, pane.opened.pair.second) == ("dictionary", "rag")
        await stage.press("end", "enter")
        await stage.idle()
        assert isinstance(pane.view, TextsView)
        assert pane.view.count == 6
        assert "missed" in stage.text
        await stage.press("ㅍ")
        await stage.idle()
        assert pane.wanted.verdict == "won"
        assert [t.id for t in pane.view._pages[0]] == ["d1", "d5", "d6"]
        await stage.press("x")
        await stage.idle()
        assert pane.view.count == 1
        await stage.press("x", "escape")
        await stage.idle()
        assert pane.view.count == 6

        await stage.press("tab")
        await stage.idle()
        assert isinstance(pane.view, ErrorsView)
        at = next(n for n, line in enumerate(pane.view.lines) if line.word == "타이레놀")
        pane.view.table.cursor = at
        await stage.press("enter")
        await stage.idle()
        assert isinstance(pane.view, TextsView)
        assert [t.id for t in pane.view._pages[0]] == ["d2"]
        await stage.press("tab", "tab")
        await stage.idle()
        assert "0.818" in stage.text
        await stage.press("f")
        assert "1 dictionary" in stage.text
        await stage.press("f")
        assert "josa attached" in stage.text
        await stage.press("f")
        assert "2,000 more: +4.1 points" in stage.text
        assert "5,900" in stage.text

    perform(story, space)


def test_mistakes_go_to_labeling_to_the_glossary_and_to_training(space: Workspace) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        pane = await opened(stage)
        await stage.press("enter", "down")
        await stage.idle()
        # One missed word: no question is asked.
        await stage.press("g")
        await stage.idle()
        assert "타이레놀 waits among the candidates" in stage.line
        await stage.press("l")
        await stage.idle()
        assert "d2 is flagged" in stage.line
        with Corpus.open(space.corpus_path, readonly=True) as corpus:
            assert [one.surface for one in proposals(corpus)] == ["타이레놀"]
            labeling = corpus.labelings("d2")["me"]
        assert labeling.status == "flagged"
        assert labeling.note == "prompt: unseen term 타이레놀; rag: unseen term 타이레놀"
        assert [k.surface for k in labeling.keywords] == ["두통", "타이레놀"]

        # Two missed words: one is chosen.
        assert isinstance(pane.view, TextsView)
        pane.view.table.cursor = 3
        await stage.press("g", "down", "enter")
        await stage.idle()
        with Corpus.open(space.corpus_path, readonly=True) as corpus:
            assert [one.surface for one in proposals(corpus)] == ["발진", "타이레놀"]

        # The mistakes of a group train; that is asked, and what was measured is stale then.
        await stage.press("tab")
        await stage.idle()
        assert isinstance(pane.view, ErrorsView)
        at = next(n for n, line in enumerate(pane.view.lines) if line.group == "unseen")
        pane.view.table.cursor = at
        await stage.press("t")
        await stage.idle()
        assert "Move 2 texts of dev" in stage.text
        await stage.press("escape")
        await stage.press("t")
        await stage.idle()
        await stage.press("up", "enter")
        await stage.idle()
        assert "2 texts of dev moved to train" in stage.line
        assert pane.opened is not None
        assert pane.opened.summary.texts == 4
        await stage.press("shift+tab", "shift+tab")
        await stage.idle()
        assert "run the ladder again" in stage.text

        # Label it now: the text is shown in the labeling view.
        await stage.press("enter")
        await stage.idle()
        await stage.press("home", "o")
        await stage.until(lambda: isinstance(stage.app.pane, DatasetPane))
        shown = stage.app.pane
        assert isinstance(shown, DatasetPane)
        await stage.until(lambda: (view := shown.label_view()) is not None and bool(view.loaded))
        await stage.idle()
        view = shown.label_view()
        assert view is not None
        assert view.loaded is not None
        assert view.loaded.id == "d1"

    perform(story, space)
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        assert {e.id: e.split for e in corpus.examples()}["d2"] == "train"


def test_test_stays_test(space: Workspace) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        pane = await opened(stage)
        await stage.press("s")
        await stage.idle()
        assert pane.split == "test"
        await stage.press("enter")
        await stage.idle()
        assert isinstance(pane.view, TextsView)
        for word in ("소화제", "소염", "항생제"):
            assert word not in stage.text
        assert all(text.id == text.text == "" for text in pane.view._pages[0])
        await stage.press("l")
        assert "Look at the text first" in stage.line
        # Asked first; leaving it is what Enter does.
        await stage.press("enter", "enter")
        await stage.idle()
        assert "소화제" not in stage.text
        await stage.press("enter", "up", "enter")
        await stage.idle()
        assert "소화제" in stage.text
        assert pane.looks == 1
        with Corpus.open(space.corpus_path, readonly=True) as corpus:
            assert looks(corpus, "test") == 1
            assert corpus.history("t1")[0].annotator == "me"
        await stage.press("l")
        await stage.idle()
        assert "1 text of test moved to train" in stage.line
        await stage.press("tab")
        await stage.idle()
        assert isinstance(pane.view, ErrorsView)
        assert not [line for line in pane.view.lines if line.word]
        for word in ("소염", "정제", "항생제", "설사"):
            assert word not in stage.text
        await stage.press("shift+tab", "shift+tab")
        await stage.idle()
        assert "1 test text looked at" in stage.text, stage.text
        assert "run the ladder again" in stage.text

    perform(story, space)


def test_without_a_ladder_the_pane_says_what_to_do(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await opened(stage)
        assert "r runs the ladder" in stage.text
        for _view in range(4):
            await stage.press("tab", "enter", "v", "g", "t", "l", "o", "x", "space")
            await stage.idle()
        await stage.press("s")
        await stage.idle()
        assert "Only dev has been measured." in stage.line

    perform(story, space)


@pytest.mark.parametrize("damage", ["{", '{"rows": [{"strategy": 1}]}'])
def test_a_damaged_result_is_a_sentence(space: Workspace, damage: str) -> None:
    fill(space)
    (space.reports / "ladder" / "dev.json").write_text(damage, encoding="utf-8")

    async def story(stage: Stage) -> None:
        await opened(stage)
        assert "no result of a ladder" in stage.text

    perform(story, space, (160, 45))


def test_a_result_that_names_files_elsewhere_is_refused(space: Workspace, tmp_path: Path) -> None:
    fill(space)
    path = space.reports / "ladder" / "dev.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    for row in values["rows"]:
        row["predictions"] = f"../{tmp_path.name}.jsonl"
    path.write_text(json.dumps(values), encoding="utf-8")

    async def story(stage: Stage) -> None:
        await opened(stage)
        assert "outside the workspace" in stage.text

    perform(story, space)


def test_a_ladder_that_was_run_meanwhile_is_shown_and_the_pair_is_kept(space: Workspace) -> None:
    fill(space)

    async def first(stage: Stage) -> None:
        pane = await opened(stage)
        await stage.press("home", "space")
        await stage.idle()
        text = TEXTS["d3"][1]
        example = Example("d3", text, split="dev")
        found, _absent = ground(text, ["날씨"])
        answers = {
            name: [Prediction("d3", text, keywords, name, "")]
            for name, keywords in (("dictionary", found), ("rag", ()), ("sft", ()))
        }
        time.sleep(0.01)
        write(space, "dev", [example], answers)
        await stage.until(lambda: "sft" in stage.text)
        await stage.idle()
        assert pane.pair is not None
        assert (pane.pair.first, pane.pair.second) == ("dictionary", "rag")

    async def second(stage: Stage) -> None:
        pane = await opened(stage)
        assert pane.pair is not None
        assert pane.pair.first == "dictionary"

    perform(first, space, keep=True)
    perform(second, space, keep=True)


def test_a_ladder_at_work_is_seen_and_one_that_fails_says_why(space: Workspace) -> None:
    fill(space)
    folder = space.reports / "ladder"
    with space.config.open("a", encoding="utf-8") as config:
        config.write('\n[strategies.prompt]\nmodel = "no-such-model"\n')

    async def story(stage: Stage) -> None:
        await opened(stage)
        # Another program's ladder, by its lock and its last answers.
        with (folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            await stage.until(lambda: "the ladder is at work: rag" in stage.text)
            # While it trains, no answers come: what its log says last is shown.
            (folder / "ladder.log").write_text("kw-mini-lora\n", encoding="utf-8")
            await stage.until(lambda: "the ladder is at work: kw-mini-lora" in stage.text)
        await stage.until(lambda: "rag against prompt" in stage.text)
        await stage.press("r")
        await stage.until(lambda: "The ladder has ended:" in stage.text, 90)
        assert "no-such-model" in (folder / "ladder.log").read_text(encoding="utf-8")

    perform(story, space, (160, 45))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_ladder_that_the_pane_starts_outlives_the_app(space: Workspace) -> None:
    fill(space)
    path = space.reports / "ladder" / "dev.json"
    before = path.stat().st_mtime_ns

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("home", "r")
        await stage.idle()
        assert "ladder.log" in stage.line

    perform(story, space, (160, 45))
    for _round in range(8000):
        if path.stat().st_mtime_ns != before:
            break
        time.sleep(0.1)
    log = (space.reports / "ladder" / "ladder.log").read_text(encoding="utf-8")
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert "prompt" in [row["strategy"] for row in rows], log
    assert "key" in rows[0]


def test_the_report_is_written_from_the_pane(space: Workspace) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        await opened(stage)
        await stage.press("w")
        await stage.idle()
        assert "ladder-dev.html" in stage.line

    perform(story, space, (160, 45))
    assert (space.reports / "ladder-dev.html").is_file()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_play_in_both_languages(kwtui, space: Workspace, language: str, tmp_path: Path) -> None:
    fill(space)
    script = tmp_path / "compare.play"
    script.write_text((PLAYS / f"compare_{language}.play").read_text(encoding="utf-8"))
    done = kwtui("-w", space.root, "play", script, env={"KWTUI_LANGUAGE": language})
    assert done.returncode == 0, done.stderr
    svg = (tmp_path / f"compare_{language}.svg").read_text(encoding="utf-8")
    assert "파스" in svg
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        assert [one.surface for one in proposals(corpus)] == ["타이레놀"]
