"""A small glossary on the screen, and what a test reads of it from another connection."""

from __future__ import annotations

from pathlib import Path

from engines.workspace import Workspace
from glossary.store import Glossary
from glossary.term import Term
from kwtui.panes.glossary import GlossaryPane
from kwtui.panes.glossary_terms import TermsView
from tests.screen.conftest import Stage

TERMS = (
    Term("", "파스", ("첩부제",), "약을 바른 외용제", "제형"),
    Term("", "연고", (), "바르는 약", "제형"),
    Term("", "두통", ("머리 아픔",), "머리가 아픈 것", "증상"),
    Term("", "진통", (), "아픔을 줄임", "약효", ambiguous=("진통",)),
    Term("", "해열", (), "열을 내림", "약효"),
    Term("", "의약품", keyword=False),
)


def fill_glossary(space: Workspace, terms: tuple[Term, ...] = TERMS) -> None:
    """Some terms, written by somebody else."""
    with Glossary.open(space.glossary_path, create=True) as glossary:
        glossary.upsert(terms, author="lee", reason="start")


def stored(space: Workspace, name: str) -> Term | None:
    """A term as it is on disk."""
    with Glossary.open(space.glossary_path) as glossary:
        return glossary.lookup(name)


def rewrite(space: Workspace, term: Term) -> None:
    """Another program changes a term."""
    with Glossary.open(space.glossary_path) as glossary:
        glossary.upsert([term], author="lee")


def names(space: Workspace) -> list[str]:
    """All canonical forms on disk."""
    with Glossary.open(space.glossary_path) as glossary:
        return [term.canonical for term in glossary.terms()]


async def open_glossary(stage: Stage) -> GlossaryPane:
    """The glossary pane with its terms there."""
    await stage.idle()
    await stage.press("f3")
    await stage.until(lambda: isinstance(stage.app.pane, GlossaryPane))
    await stage.idle()
    pane = stage.app.pane
    assert isinstance(pane, GlossaryPane)
    return pane


async def go_to(stage: Stage, name: str) -> None:
    """Put the cursor of the sheet on a term."""
    pane = stage.app.pane
    assert isinstance(pane, GlossaryPane) and isinstance(pane.view, TermsView)
    view = pane.view
    for row in range(view.rows.total):
        term = view.rows.term(row)
        if term is not None and term.canonical == name:
            view.sheet.cursor = row
            await stage.idle()
            return
    raise AssertionError(f"{name} is not in the sheet\n{stage.text}")


def table_file(folder: Path) -> Path:
    """A file of terms with headers that need a choice."""
    path = folder / "terms.csv"
    path.write_text(
        "품목,다른이름,뜻,갈래\n"
        "가글액,가글제,입안을 헹구는 약,제형\n"
        "파스,,살갗에 붙이는 약,제형\n"
        "두통약,두통,머리 아플 때,약효\n"
        ",,이름이 없다,\n",
        encoding="utf-8",
    )
    return path
