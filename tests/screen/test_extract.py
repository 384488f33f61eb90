"""The Extract pane: what it finds, and what a person says to it, on disk before it is said."""

import json
import time
from pathlib import Path

from textual.widgets import TextArea

from engines.corpus.store import Corpus
from engines.workspace import Workspace
from kwtui.widgets.record_table import RecordTable
from tests.screen.conftest import SENTENCE, Stage, perform


def labeled(space: Workspace) -> dict[str, list[tuple[int, int, str]]]:
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        return {
            example.text: [(k.start, k.end, k.surface) for k in example.keywords]
            for example in corpus.examples()
        }


def test_keywords_with_offsets_marks_and_the_corpus(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.extract()
        assert "Keywords: 4" in stage.text
        row = next(line for line in stage.text.splitlines() if "임산부" in line and "23" in line)
        assert "23-26" in row
        assert "glossary" in row
        await stage.press("escape", "down", "down", "x")
        assert "x 파스" in stage.text
        await stage.press("m")
        await stage.type("없는말")
        await stage.press("enter")
        assert "does not hold '없는말'" in stage.text
        await stage.press(*["backspace"] * 3)
        await stage.type("노인")
        await stage.press("enter")
        await stage.pilot.pause()
        assert "+ 노인" in stage.text
        await stage.press("r")
        assert "nobody to ask again" in stage.line
        await stage.press("n")
        assert "no prompt for notes" in stage.line
        await stage.press("s")
        await stage.until(lambda: "In the corpus with 4 keywords" in stage.line)
        assert labeled(space) == {
            SENTENCE: [(0, 2, "진통"), (4, 6, "해열"), (23, 26, "임산부"), (28, 30, "노인")]
        }
        # The same text again, corrected otherwise: one text, the newer labels.
        await stage.press("down", "x", "s")
        await stage.until(lambda: "with 3 keywords" in stage.line or "with 5" in stage.line)
        assert len(labeled(space)) == 1

    perform(story, space)


def test_a_selected_word_is_marked_where_it_stands(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.extract("약은 약사에게, 약은 약국에서")
        area = stage.app.query_one("#text", TextArea)
        area.selection = area.selection.__class__((0, 9), (0, 10))
        await stage.press("ctrl+l")
        await stage.pilot.pause()
        assert "9-10" in stage.text
        assert "marked as missed" in stage.line

    perform(story, space)


def test_a_changed_text_takes_its_marks_away(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.extract()
        await stage.type("!")
        await stage.pilot.pause()
        assert "the text has changed" in stage.text
        await stage.press("escape", "s")
        assert "Extract first" in stage.line
        assert not space.corpus_path.exists()

    perform(story, space)


def test_text_is_data_not_markup_and_normalised_at_the_door(space: Workspace) -> None:
    nasty = "[red]진통[/red] \x1b[31m해열\x1b]52;c;QQ==\x07 [/] \u1112\u1161\u11ab글\t끝"

    async def story(stage: Stage) -> None:
        await stage.extract(nasty)
        text = stage.app.query_one("#text", TextArea).text
        assert text == "[red]진통[/red] [31m해열]52;c;QQ== [/] 한글 끝"
        assert "[red]진통[/red]" in stage.text
        assert "Keywords: 2" in stage.text
        await stage.press("escape", "m")
        await stage.type("[/")
        await stage.press("enter")
        await stage.pilot.pause()
        assert "+ [/" in stage.text
        assert "'[/' is marked" in stage.line

    perform(story, space)


def test_a_book_is_refused_and_an_empty_text_too(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("ctrl+r")
        assert "no text yet" in stage.line
        await stage.paste("가" * 200_001)
        assert stage.app.query_one("#text", TextArea).text == ""
        assert "200,001 characters" in stage.text

    perform(story, space)


def test_a_result_goes_to_a_file_and_to_the_clipboard(space: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"

    async def story(stage: Stage) -> None:
        await stage.extract()
        await stage.press("escape", "x", "c")
        assert json.loads(stage.app.clipboard) == ["해열", "파스", "임산부"]
        for _time in range(2):
            await stage.press("w", "ctrl+a", "ctrl+k")
            await stage.paste(str(target))
            await stage.press("enter")
            await stage.until(lambda: "Written to" in stage.line)
        await stage.press("w", "ctrl+a", "ctrl+k")
        await stage.paste("/nowhere/x.jsonl")
        await stage.press("enter")
        await stage.until(lambda: "/nowhere/x.jsonl" in stage.line)

    perform(story, space)
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [[k["surface"] for k in line["keywords"]] for line in lines] == [
        ["해열", "파스", "임산부"]
    ] * 2


def test_a_text_of_the_corpus_is_picked(kwtui, space: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "texts.jsonl"
    rows = [{"text": f"{number}번 약의 글"} for number in range(500)]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    assert kwtui("-w", space.root, "data", "import", file).returncode == 0

    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("ctrl+o")
        await stage.until(lambda: "500 texts of the corpus" in stage.text)
        await stage.type("49")
        await stage.until(lambda: "15 texts of the corpus" in stage.text)
        await stage.press("down", "enter")
        await stage.pilot.pause()
        assert stage.app.query_one("#text", TextArea).text == "149번 약의 글"

    perform(story, space)


def test_a_model_is_loaded_while_one_types_and_takes_a_persons_word(
    with_model: Workspace,
) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("ctrl+t")
        await stage.type("tiny")
        await stage.press("enter")
        await stage.paste("임산부와 노인은 ")
        await stage.until(lambda: "Loading" in stage.line or "is ready" in stage.line)
        await stage.type("파스")
        await stage.press("ctrl+r")
        assert " s ─" in stage.text
        await stage.type("형")
        await stage.press("backspace")
        await stage.idle()
        await stage.until(lambda: "tokens/s" in stage.text)
        await stage.press("ctrl+g")
        await stage.pilot.pause()
        assert "글: 임산부와 노인은 파스" in stage.text
        await stage.press("ctrl+g", "m")
        word = next(w for w in ("임산부", "노인", "파스") if f"   {w} " not in stage.text)
        await stage.type(word)
        await stage.press("enter", "r")
        await stage.idle()
        await stage.pilot.pause()
        assert "2 rounds" in stage.text or "The model" in stage.line
        await stage.press("n")
        await stage.until(lambda: "kept for tiny" in stage.line)
        config = with_model.config.read_text(encoding="utf-8")
        assert f"'{word}' 키워드입니다." in config
        assert "# A comment that stays." in config
        await stage.press("n")
        await stage.until(lambda: "already" in stage.line)
        await stage.press("ctrl+r")
        await stage.idle()
        await stage.until(lambda: "참고: '" in stage.app.query_one("#pane-extract").prompt)  # type: ignore[attr-defined]

    perform(story, with_model)


def test_a_failed_load_is_a_sentence_and_the_text_stays(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("ctrl+t")
        await stage.type("tiny")
        await stage.press("enter")
        await stage.extract("가나다")
        assert "tiny" in stage.line
        assert stage.app.query_one("#text", TextArea).text == "가나다"

    perform(story, space)


def test_escape_stops_an_extraction(with_model: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        await stage.press("ctrl+t")
        await stage.type("tiny")
        await stage.press("enter")
        await stage.paste("임산부")
        await stage.press("ctrl+r", "escape")
        await stage.idle()
        assert stage.line == "Stopped."

    perform(story, with_model)


def test_a_table_of_a_million_rows_opens_at_once(space: Workspace) -> None:
    rows = 1_000_000

    async def story(stage: Stage) -> None:
        asked = 0

        def fetch(offset: int, limit: int) -> list[tuple[str, str]]:
            nonlocal asked
            asked += 1
            return [(str(n), "진통 [b]") for n in range(offset, min(rows, offset + limit))]

        await stage.press("f2")
        table = stage.app.query_one("#found", RecordTable)
        table._fetch = fetch
        start = time.perf_counter()
        table.reload(rows)
        table.focus()
        await stage.pilot.pause()
        await stage.press("end", "pageup", "home", "pagedown", "end")
        assert time.perf_counter() - start < 5
        assert table.cursor == rows - 1
        assert asked < 12
        assert "[b]" in stage.text

    perform(story, space)
