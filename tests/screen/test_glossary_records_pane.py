"""Drug data comes into the glossary through the window for imports, by a preset that fits."""

from pathlib import Path

from engines.workspace import Workspace
from glossary.records import Record, Records
from glossary.store import Glossary
from glossary.term import Term
from tests.screen.conftest import Stage, perform
from tests.screen.sheets import fill_glossary, names, open_glossary, stored
from tests.screen.test_snapshots import compare, picture

DRUGS = Path(__file__).resolve().parents[1] / "data" / "drugs"


def test_drug_data_is_looked_into_and_becomes_records_and_terms(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("i")
        await stage.paste(str(DRUGS / "easy.json"))
        await stage.press("enter")
        await stage.until(lambda: "records new 3" in stage.text)
        assert "as easy-drug" in stage.text
        assert "가상해온시럽" in stage.text
        await stage.press("r")
        await stage.until(lambda: "fits this file" in stage.text)
        assert "hira-dur" in stage.text
        await stage.press("escape", "ctrl+s")
        await stage.until(lambda: "Imported from easy.json: 3 records and 6 terms" in stage.line)
        assert Records(space.glossary_path).count() == 3
        assert "가상해온" in names(space)
        # A table without a column for the term is taken for drug data where a preset fits.
        await stage.press("i")
        await stage.paste(str(DRUGS / "hira.csv"))
        await stage.press("enter")
        await stage.until(lambda: "as hira-dur" in stage.text)
        await stage.press("escape", "u")
        await stage.until(lambda: "Undone" in stage.line)
        assert names(space) == []

    perform(story, space)


def test_records_are_looked_through_searched_and_opened_with_their_terms(space: Workspace) -> None:
    fill_glossary(space, (Term("", "발열", definition="열이 남", category="증상"),))
    with Glossary.open(space.glossary_path) as glossary:
        term = glossary.lookup("발열")
        assert term is not None
        made = [
            Record(
                f"r{n}", "easy-drug", f"가상약{n:03}", f"이 약은 통증 {n}에 쓴다.", (), "a.json", n
            )
            for n in range(150)
        ]
        made.append(
            Record(
                "r999", "easy-drug", "가상시럽", "이 약은 발열에 쓴다.",
                (("entpName", "가상제약\x1b[31m"), ("depositMethodQesitm", "서늘한 곳")),
                "b.json", 7, (term.id, "gone"),
            )
        )  # fmt: skip
        Records(glossary.path).replace("easy-drug", "a.json", made)

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        await stage.press("tab", "tab")
        await stage.until(lambda: "151 records" in stage.text)
        await stage.until(lambda: "easy-drug, a.json row 0, names 0 terms" in stage.text)
        await stage.press("end")
        await stage.until(lambda: "가상약149" in stage.text or "가상시럽" in stage.text)
        await stage.press("slash")
        await stage.type("발열")
        await stage.until(lambda: "1 record" in stage.text and "b.json" in stage.text)
        assert "depositMethodQesitm: 서늘한 곳" in stage.text
        await stage.press("down")
        await stage.idle()
        stage.app.say("")
        await stage.pilot.pause()
        compare("glossary-records-80x24", picture(stage))
        await stage.press("enter")
        await stage.until(lambda: "Enter opens the term" in stage.text)
        assert "가상제약" in stage.text and "열이 남" in stage.text
        assert "gone" not in stage.text and "\x1b" not in stage.text
        await stage.press("enter")
        await stage.until(lambda: "열이 남" in stage.text and "Aliases" in stage.text)
        await stage.press("escape", "escape")
        await stage.until(lambda: "151 records" in stage.text)
        await stage.press("escape")
        await stage.until(lambda: "1 term" in stage.text)

    perform(story, space)


def test_what_makes_a_term_ambiguous_is_seen_and_edited_in_the_sheet(space: Workspace) -> None:
    fill_glossary(space, (Term("", "진통", category="약효", ambiguous=("진통 끝에",)),))

    async def story(stage: Stage) -> None:
        await open_glossary(stage)
        assert "? 진통" in stage.text
        assert "ambiguous: 진통 끝에" in stage.text
        await stage.press("right", "right", "right", "right", "enter")
        await stage.press("ctrl+u")
        await stage.type("진통이 오; 진통을 겪")
        await stage.press("enter")
        await stage.idle()
        term = stored(space, "진통")
        assert term is not None
        assert term.ambiguous == ("진통이 오", "진통을 겪")

    perform(story, space, size=(200, 50))
