"""The tour: six screens on what there is and where to begin. It only shows; it keeps nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from glossary.i18n import _
from kwtui.help import hanging

Keys = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Page:
    """One screen: a paragraph, lines of key and meaning, commands that do the same."""

    title: str
    text: str
    rows: tuple[tuple[str, str], ...]
    commands: tuple[str, ...]
    after: str = ""


def pages(key: Keys) -> tuple[Page, ...]:
    """The six screens in the language in use; `key` names the key of an action."""
    return (
        _workspace(),
        _glossary(key),
        _labeling(key),
        _extract(key),
        _training(key),
        _compare(key),
    )


def _workspace() -> Page:
    return Page(
        _("A workspace, and five strategies"),
        _(
            "A workspace is a folder with the texts, terms and models of one domain. Nothing "
            "leaves this machine unless your config.toml names a server. Five strategies find "
            "the keywords. Try them in this order, and go up only for a gain that is real:"
        ),
        (
            (_("1 Prompt"), _("an instruction, solved examples, notes; nothing is trained")),
            (_("2 Glossary"), _("the terms that a text needs go into the prompt; recommended")),
            (_("3 LoRA, QLoRA"), _("small weights, trained on about 2,000 labeled texts")),
            (_("4 Full"), _("all weights are trained, where the cost is justified")),
            (_("5 Tokenizer"), _("words of the domain as single tokens, with a measured reason")),
        ),
        ("kwtui init my-domain", "kwtui demo"),
    )


def _glossary(key: Keys) -> Page:
    return Page(
        _("F3, the glossary: what you know already"),
        _(
            "Terms, other forms of them, definitions. It is the cheapest way to better keywords: "
            "it fills the prompt, suggests labels, and finds terms by itself. Every change is "
            "kept with its author and can be undone, also tomorrow."
        ),
        (
            (key("glossary.add"), _("adds a term; beneath it stands what it matches")),
            (key("glossary.edit"), _("changes the cell under the cursor")),
            (key("glossary.filter"), _("filters while you type; initial consonants too: ㅍㅅ")),
            (
                key("glossary.import"),
                _("reads CSV, TSV, XLSX, JSONL, TBX; shows first what it does"),
            ),
            (key("glossary.undo"), _("undoes your latest change")),
            (key("glossary.next-view"), _("goes to words that the glossary lacks")),
        ),
        ("kwtui glossary import terms.csv", 'kwtui glossary match "…"'),
    )


def _labeling(key: Keys) -> Page:
    return Page(
        _("F4, the dataset: what is right"),
        _(
            "Labels decide whether training works, and measure everything. Candidates from the "
            "glossary, a strategy and a model that learns while you label stand under the text "
            "with their numbers."
        ),
        (
            ("1-9", _("labels a candidate, or takes its label off")),
            (key("dataset.approve"), _("approves the text and goes on to the next")),
            (key("dataset.mark"), _("labels what is under the cursor; Shift+arrows stretch it")),
            (key("dataset.hints"), _("two letters make any span")),
            (key("dataset.undo"), _("undoes; every key is on disk before you see it")),
            (key("dataset.next-view"), _("goes to the list, to disagreements, to checks")),
        ),
        ("kwtui data import texts.csv", "kwtui data split"),
    )


def _extract(key: Keys) -> Page:
    return Page(
        _("F2, extract: ask, correct, ask again"),
        _(
            "Type or paste a text. Under the grammar every keyword of an answer stands in the "
            "text. What you correct teaches the next strategy."
        ),
        (
            (key("extract.run"), _("extracts the keywords")),
            (key("extract.strategy"), _("chooses the strategy")),
            (key("extract.cancel"), _("goes from the text to the list of keywords, and back")),
            (key("extract.wrong"), _("on the list: this is no keyword")),
            (key("extract.missed"), _("a keyword was missed: select it, or type it")),
            (key("extract.retry"), _("asks again with your marks")),
            (key("extract.send"), _("sends the corrected keywords to the corpus")),
        ),
        ("kwtui extract texts.csv --strategy rag -o keywords.jsonl",),
    )


def _training(key: Keys) -> Page:
    return Page(
        _("F5 and F6: train, and watch"),
        _(
            "F5 takes a recipe and says beforehand what it needs: memory, time, disk. A run "
            "belongs to no terminal: close this one and it goes on. F6 shows its curves; it is "
            "judged by keyword F1 on dev texts, not by its loss."
        ),
        (
            (key("train.preset"), _("F5: chooses a recipe")),
            (key("train.start"), _("F5: starts the run")),
            (key("monitor.stop"), _("F6: stops a run; it saves a checkpoint first")),
            (key("monitor.resume"), _("F6: goes on from the checkpoint")),
            (key("monitor.mark"), _("F6: marks runs to compare them")),
            ("F7", _("how many tokens your terms take, and a vocabulary that knows them")),
        ),
        ("kwtui train --method lora --preflight", "kwtui runs watch last"),
    )


def _compare(key: Keys) -> Page:
    return Page(
        _("F8 and F9: which strategy, and out with it"),
        _(
            "The ladder asks every strategy about the same texts, with intervals, costs and "
            "advice. Its mistakes are the next work: a text goes to labeling, a word to the "
            "glossary, a group of mistakes to training."
        ),
        (
            (key("compare.run"), _("F8: runs the ladder")),
            ("Enter", _("F8: the texts on which two strategies differ")),
            (key("compare.label"), _("F8: sends a text to labeling")),
            (key("compare.report"), _("F8: writes the report")),
            (key("models.export"), _("F9: writes a model for Ollama, llama.cpp or a pipeline")),
        ),
        ("kwtui ladder", "kwtui report", "kwtui export gguf NAME"),
        _("F1 helps wherever you are. Begin: F2, paste a text, {key}.").format(
            key=key("extract.run")
        ),
    )


class TourScreen(ModalScreen[None]):
    """Six screens to turn with the arrows, Enter or the digits; Esc closes."""

    AUTO_FOCUS = "VerticalScroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,ㅂ", "close", show=False, priority=True),
        Binding("right,enter,space,pagedown,tab", "turn(1)", show=False, priority=True),
        Binding("left,backspace,pageup,shift+tab", "turn(-1)", show=False, priority=True),
        *(Binding(str(n), f"page({n})", show=False, priority=True) for n in range(1, 7)),
    ]

    def __init__(self, key: Keys) -> None:
        super().__init__()
        self._pages = pages(key)
        self._at = 0

    def compose(self) -> ComposeResult:
        """The window; its text is that of the page."""
        with VerticalScroll(classes="window page"):
            yield TourPage()

    def on_mount(self) -> None:
        """Open the first page."""
        self._draw()

    def _draw(self) -> None:
        page = self._pages[self._at]
        window = self.query_one(VerticalScroll)
        window.border_title = Content(page.title)
        window.border_subtitle = Content(
            _("{number} of {count}; arrows or Enter turn, Esc closes").format(
                number=self._at + 1, count=len(self._pages)
            )
        )
        self.query_one(TourPage).show(page)
        window.scroll_home(animate=False)

    def action_turn(self, step: int) -> None:
        """Go on or back; past the last page is out."""
        if self._at + step >= len(self._pages):
            self.dismiss(None)
        else:
            self.action_page(self._at + step + 1)

    def action_page(self, number: int) -> None:
        """Open a page by its number."""
        self._at = max(number - 1, 0)
        self._draw()

    def again(self) -> None:
        """The key of the help closes the tour too."""
        self.dismiss(None)

    def action_close(self) -> None:
        """Back to where the tour was opened."""
        self.dismiss(None)


class TourPage(Static):
    """One page: paragraph, keys in one column, commands; wrapped for the width that there is."""

    page: Page | None = None

    def show(self, page: Page) -> None:
        """Show a page."""
        self.page = page
        self.update(written(page, self.content_size.width))

    def on_resize(self) -> None:
        """Wrap it anew."""
        if self.page is not None:
            self.show(self.page)


def written(page: Page, width: int) -> Content:
    """A page as it is shown in so many columns."""
    column = max(Content(left).cell_length for left, _right in page.rows)
    rows = [line for row in page.rows for line in hanging(row[0], row[1], column, width)]
    commands = [Content.assemble("$ ", (command, "b")) for command in page.commands]
    after = [Content(""), Content(page.after)] if page.after else []
    parts = [Content(page.text), Content(""), *rows, Content(""), *commands, *after]
    return Content("\n").join(parts)
