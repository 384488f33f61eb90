"""Orders of work in the labeling view: sorted when chosen, taken up again at the next start."""

from __future__ import annotations

import json
from pathlib import Path

from engines.corpus.queue import Filter, Queue
from engines.corpus.ranking import Answer, save_predictions
from engines.corpus.statistics import progress
from engines.corpus.store import Corpus
from engines.records import Example
from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from kwtui.panes.dataset_empty import empty_state
from tests.conftest import Run
from tests.screen.conftest import Stage, perform
from tests.screen.labeling import fill, open_pane


def test_new_glossary_terms_come_first_and_still_do_next_time(space: Workspace) -> None:
    fill(space)
    with Glossary.open(space.glossary_path, create=True) as glossary:
        glossary.upsert([Term("", "소화제"), Term("", "제산제"), Term("", "연고")], author="lee")

    async def choose(stage: Stage) -> None:
        shown = await open_pane(stage)
        assert shown.loaded is not None and shown.loaded.id == "t1"
        await shown.work_on("terms", None)
        await stage.idle()
        assert shown.loaded is not None and shown.loaded.id == "t6"

    async def again(stage: Stage) -> None:
        shown = await open_pane(stage)
        assert shown.order == "terms"
        assert shown.loaded is not None and shown.loaded.id == "t6"

    perform(choose, space, keep=True)
    perform(again, space, keep=True)


def test_without_a_glossary_the_order_stays(space: Workspace) -> None:
    fill(space)

    async def story(stage: Stage) -> None:
        shown = await open_pane(stage)
        await shown.work_on("terms", None)
        assert shown.order == "imported"
        assert "needs a glossary" in stage.line

    perform(story, space)


def test_drafts_come_in_the_order_of_their_uncertainty(
    kwtui: Run, space: Workspace, tmp_path: Path
) -> None:
    """`kwtui data draft` tells how sure the CRF was, and the pane and `data next` go by it."""
    fill(space, ())
    taught = [f"{word}에 쓰는 파스형 약." for word in ("두통", "요통", "치통", "복통", "생리통")]
    rows = [{"id": f"s{n}", "text": t, "keywords": [t[:-11], "파스"]} for n, t in enumerate(taught)]
    waiting = {
        "sure": "두통에 쓰는 파스형 약.",
        "middle": "두통에 바르는 파스형 연고.",
        "unsure": "코로나19 백신은 임산부에게 맞힌다.",
    }
    rows += [{"id": name, "text": f"{text} "} for name, text in waiting.items()]
    source = tmp_path / "texts.jsonl"
    source.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    assert kwtui("-w", space.root, "data", "import", source).returncode == 0
    drafted = kwtui("-w", space.root, "data", "draft", "--strategy", "crf", "--json")
    assert drafted.returncode == 0, drafted.stderr
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        sure = {name: corpus.view(name, "me").drafts["strategy:crf"].confidence for name in waiting}
    wanted = sorted(waiting, key=lambda name: sure[name] or 0.0)
    assert wanted != list(waiting), "the order of import would be the same"
    asked = ("data", "next", "--order", "uncertain", "-n", "9", "--peek", "--json")
    shown = kwtui("-w", space.root, *asked)
    assert [row["id"] for row in json.loads(shown.stdout)] == wanted

    async def story(stage: Stage) -> None:
        shown = await open_pane(stage)
        await stage.press("o")
        await stage.until(lambda: "Order of work" in stage.text)
        await stage.type("uncertain")
        await stage.press("enter")
        await stage.until(lambda: shown.order == "uncertain")
        for name in wanted:
            await stage.until(lambda: "Draft" in stage.text)
            assert shown.loaded is not None and shown.loaded.id == name
            await stage.press("enter")
        await stage.until(lambda: "No text is left" in stage.text)

    perform(story, space)


def test_the_uncertainty_of_each_strategy_is_an_order_of_its_own(space: Workspace) -> None:
    fill(space)
    with Corpus.open(space.corpus_path) as corpus:
        for strategy, doubts in (("crf", (0.1, 0.2, 0.3)), ("lora", (0.9, 0.1, 0.2))):
            answers = [Answer(f"t{n}", (), doubt) for n, doubt in enumerate(doubts, 1)]
            save_predictions(corpus, strategy, answers)

    async def choose(stage: Stage) -> None:
        shown = await open_pane(stage)
        await stage.press("o")
        await stage.until(lambda: "Order of work" in stage.text)
        await stage.type("of lora")
        await stage.press("enter")
        await stage.until(lambda: shown.ranking == "lora")
        await stage.idle()
        assert "most uncertain of lora first" in stage.text
        assert shown.loaded is not None and shown.loaded.id == "t1"
        await shown.work_on("uncertain", None)
        assert shown.loaded.id == "t3"
        await shown.work_on("uncertain", None, "lora")

    async def again(stage: Stage) -> None:
        shown = await open_pane(stage)
        assert (shown.order, shown.ranking) == ("uncertain", "lora")
        await stage.press("enter")
        assert shown.loaded is not None and shown.loaded.id == "t3"

    perform(choose, space, keep=True)
    perform(again, space, keep=True)


def test_where_no_text_is_left_it_says_what_to_do_and_looks_again(space: Workspace) -> None:
    fill(space, ("두통약",))

    async def story(stage: Stage) -> None:
        shown = await open_pane(stage)
        await stage.press("enter")
        assert "No text is left: all are labeled" in stage.text
        for word in (
            "look again",
            "choose other texts",
            "another order",
            "adjudicate",
            "data draft",
        ):
            assert word in stage.text
        with Corpus.open(space.corpus_path) as corpus:
            corpus.add([Example("new", "감기약", labeled=False)])
        await stage.press("enter")
        await stage.until(lambda: shown.loaded is not None and shown.loaded.id == "new")
        await shown.work_on("imported", Filter(statuses=("flagged",)))
        assert "No text that passes the filter" in stage.text

    perform(story, space)


def test_texts_that_others_are_at_are_said_to_be_so(space: Workspace) -> None:
    fill(space, ("두통약",))
    with Corpus.open(space.corpus_path) as corpus:
        assert len(Queue(corpus, "lee").take(1)) == 1
        assert Queue(corpus, "me").take(1) == []
        lines = empty_state(("1", "2", "3", "4"), progress(corpus, "me", 10), filtered=False)
    assert "somebody else is at the one that waits" in lines[0].plain
