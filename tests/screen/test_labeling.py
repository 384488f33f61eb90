"""The dataset pane by its keys: what a key changes is on disk before it is seen."""

from __future__ import annotations

import json
from pathlib import Path

from engines.corpus.store import Corpus
from engines.records import Example, Keyword
from engines.workspace import Workspace
from kwtui.panes.dataset_adjudicate import AdjudicateView
from kwtui.panes.dataset_checks import ChecksView
from kwtui.panes.dataset_list import ListView
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import TEXTS, disagree, fill, labels, open_pane, view

PLAYS = Path(__file__).with_name("plays")


def test_a_session_of_labeling(space: Workspace) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        shown = await open_pane(stage)
        draft = shown.draft
        assert draft is not None
        assert [c.surface for c in draft.numbered][:2] == ["진통", "해열"]
        await stage.press("1")
        assert labels(space, "t1") == ("draft", ["진통"])
        await stage.press("down", "space")
        assert labels(space, "t1") == ("draft", ["진통", "해열"])
        await stage.press("backspace")
        assert labels(space, "t1") == ("draft", ["진통"])
        assert [k.surface for k in shown.draft.keywords] == ["진통"]
        await stage.press("ctrl+y")
        assert labels(space, "t1") == ("draft", ["진통", "해열"])

        # Hints, by letters and by their jamo; a half typed one is forgotten by Esc.
        await stage.press("h")
        codes = {place: code for code, place in shown.draft.starts().items()}
        ends = {place: code for code, place in shown.draft.ends(14).items()}
        await stage.press(*codes[14], *ends[16])
        assert labels(space, "t1") == ("draft", ["진통", "해열", "파스"])
        await stage.press(*codes[0], "escape", "escape")
        assert not shown.editor.hinting

        await stage.press("enter")
        assert labels(space, "t1") == ("labeled", ["진통", "해열", "파스"])
        assert shown.draft.text_id == "t2"
        assert "두통이" in stage.text
        assert shown.loaded.prepared is not None

        # Back over the end of a text, and forth again.
        await stage.press("backspace")
        assert labels(space, "t1")[0] == "draft"
        assert shown.draft.text_id == "t1"
        await stage.press("enter")
        assert shown.draft.text_id == "t2"

        # In Hangul mode the letters arrive as jamo.
        await stage.press("ㄴ")
        assert labels(space, "t2")[0] == "skipped"
        await stage.press("x")
        assert labels(space, "t3") == ("labeled", [])
        await stage.press("f")
        await stage.type("why")
        await stage.press("enter")
        await stage.until(lambda: labels(space, "t4")[0] == "flagged")
        await stage.idle()
        assert shown.draft.text_id == "t5"
        assert "4 done" in stage.text

        # Stretched by characters, with the arrows alone.
        shown.draft.go((0, 2))
        await stage.press("shift+down", "space")
        assert labels(space, "t5")[1] == ["임산부"]
        await stage.press("g")
        await stage.idle()
        assert stage.line == "임산부 added"
        await stage.press("enter", "enter")
        assert "No text is left" in stage.text
        await stage.press("enter", "1", "x", "s", "space", "h", "h")

    perform(story, space)
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        assert corpus.labelings("t4")["me"].note == "why"
        assert corpus.db.execute("SELECT count(*) FROM claims").fetchone() == (0,)


def test_the_work_goes_on_where_it_was_left_and_a_labeled_text_stays_labeled(
    space: Workspace,
) -> None:
    fill(space)

    async def first(stage: Stage) -> None:
        await open_pane(stage)
        await stage.press("1", "enter", "1")

    async def second(stage: Stage) -> None:
        shown = await open_pane(stage)
        assert shown.draft.text_id == "t2"
        assert [k.surface for k in shown.draft.keywords] == labels(space, "t2")[1]
        await stage.press("j")
        await stage.type("t1")
        await stage.press("enter")
        await stage.until(lambda: shown.draft.text_id == "t1")
        await stage.press("2")
        assert labels(space, "t1") == ("labeled", ["진통", "해열"])

        # The list: search, open, filter, go on with what is shown.
        await stage.press("tab")
        await stage.until(lambda: isinstance(view(stage), ListView))
        await stage.idle()
        assert f"{len(TEXTS)} texts" in stage.text
        await stage.press("slash")
        await stage.type("연고")
        await stage.press("enter")
        await stage.idle()
        assert "1 text" in stage.text
        await stage.press("l")
        await stage.until(lambda: view(stage) is shown and shown.draft.text_id == "t4")
        await stage.press("c", "enter")
        await stage.idle()
        assert "No text that passes the filter" in stage.text

    perform(first, space)
    perform(second, space)


def test_disagreements_are_settled_and_errors_mended_everywhere(space: Workspace) -> None:
    fill(space)
    disagree(space)

    async def story(stage: Stage) -> None:
        await open_pane(stage)
        await stage.press("tab", "tab")
        await stage.until(lambda: isinstance(view(stage), AdjudicateView))
        await stage.idle()
        shown = view(stage)
        assert isinstance(shown, AdjudicateView)
        assert [one.id for one in shown.disputes] == ["t1", "t4"]
        assert "kim, lee: F1 0." in stage.text
        await stage.press("down", "space", "enter")
        assert labels(space, "t1", "adjudicated") == ("adjudicated", ["진통", "파스"])
        await stage.press("1")
        assert labels(space, "t4", "adjudicated")[1] == ["연고", "발진"]
        assert "Nothing is in dispute." in stage.text
        await stage.press("backspace")
        await stage.idle()
        assert [one.id for one in shown.disputes] == ["t4"]
        await stage.press("2")

        # 임산부 is a keyword in t5 and none in t1.
        await stage.press("tab")
        await stage.until(lambda: isinstance(view(stage), ChecksView))
        await stage.idle()
        checks = view(stage)
        assert isinstance(checks, ChecksView)
        assert checks.found is not None
        assert [(u.surface, u.labeled, u.unlabeled) for u in checks.found.uneven] == [
            ("임산부", 1, 1)
        ]
        await stage.press("enter", "a")
        await stage.idle()
        assert labels(space, "t1", "adjudicated")[1] == ["진통", "파스", "임산부"]
        assert checks.found.uneven == ()
        await stage.press("backspace")
        await stage.idle()
        assert labels(space, "t1", "adjudicated")[1] == ["진통", "파스"]
        await stage.press("d")
        await stage.idle()
        assert labels(space, "t5", "adjudicated") == ("adjudicated", ["시럽"])
        assert labels(space, "t5", "kim") == ("labeled", ["임산부", "시럽"])

    perform(story, space)


def test_the_guideline_is_shown_changed_and_numbered(space: Workspace) -> None:
    fill(space)
    (space.root / "guideline.md").write_text("Never 의약품.", encoding="utf-8")

    async def story(stage: Stage) -> None:
        await open_pane(stage)
        await stage.press("f2")
        assert "Never 의약품." in stage.text
        await stage.press("e", "A", "ctrl+s")
        await stage.idle()
        await stage.press("f2")
        assert "ANever" in stage.text
        await stage.press("f2", "tab")
        await stage.idle()
        await stage.press("f2")
        assert stage.app.current == "extract"

    perform(story, space)
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        assert corpus.guideline() == (2, "ANever 의약품.")


def test_a_whole_session_from_import_to_export(kwtui, space: Workspace, tmp_path: Path) -> None:
    fill(space, ())
    with Corpus.open(space.corpus_path) as corpus:
        corpus.add([Example("both", "연고와 파스", labeled=False)])
        corpus.set_labels("both", "kim", [Keyword(0, 2, "연고"), Keyword(4, 6, "파스")])
        corpus.set_labels("both", "lee", [Keyword(0, 2, "연고")])
    source = tmp_path / "texts.txt"
    source.write_text("\n".join([*TEXTS, *(f"{t} 그리고 두통약도." for t in TEXTS)]))
    assert kwtui("-w", space.root, "data", "import", source).returncode == 0
    script = tmp_path / "labeling.play"
    script.write_text((PLAYS / "labeling.play").read_text(encoding="utf-8"))
    done = kwtui("-w", space.root, "play", script)
    assert done.returncode == 0, done.stderr
    assert kwtui("-w", space.root, "data", "split").returncode == 0
    out = tmp_path / "out.jsonl"
    exported = kwtui("-w", space.root, "data", "export", "-o", out)
    assert exported.returncode == 0, exported.stderr
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 11
    (settled,) = [row for row in rows if row["id"] == "both"]
    assert [k["surface"] for k in settled["keywords"]] == ["연고"]
