"""The form of one term: every field, what is wrong with them, what the term would match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Input, Label, TextArea

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import Term
from kwtui.panes.glossary_preview import Previewer, matched, refused
from kwtui.widgets.area import Area
from kwtui.widgets.lines import Lines

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.panes.glossary import GlossaryPane

_PAUSE = 0.2
_LINES = {"canonical": 1, "aliases": 3, "definition": 4, "notes": 2, "ambiguous": 2}
_SHORT = ("category", "language", "source")
_LISTS = ("aliases", "ambiguous")


class TermForm(ModalScreen[tuple[str, str, Term] | None]):
    """A term to fill in. The result: "kept" and its id, or "merge" and the other's, and the draft.

    A term without an id is new. The change is on disk before the window closes.
    """

    BINDINGS = [
        Binding("escape", "close", show=False),
        Binding("ctrl+s", "keep", show=False, priority=True),
        Binding("ctrl+e", "editor", show=False, priority=True),
        Binding("ctrl+g", "merge", show=False, priority=True),
        Binding("ctrl+k", "flag", show=False, priority=True),
    ]

    def __init__(self, pane: GlossaryPane, term: Term, field: str = "canonical") -> None:
        super().__init__()
        self.pane, self.seen = pane, term
        self.keyword = term.keyword
        self.preview = Previewer(self, lambda: self.bench, self._draw)
        self._first = field
        self._trouble = ""
        self._other = ""
        self._timer: Timer | None = None
        self._keeping = False
        self._refused: Term | None = None

    @property
    def bench(self) -> Workbench:
        """The app."""
        return cast("Workbench", self.app)

    def compose(self) -> ComposeResult:
        """A line or a few for each field."""
        titles = _titles()
        with Vertical(classes="window form") as window:
            window.border_title = Content(_("Term") if self.seen.id else _("New term"))
            window.border_subtitle = Content(
                _("Ctrl+S keeps, Ctrl+E editor, Ctrl+K keyword or not, Esc closes")
            )
            for name, height in _LINES.items():
                with Horizontal(classes="field"):
                    yield Label(titles[name], classes="name")
                    yield from self._inputs(name, height)
            with Horizontal(classes="field"):
                for name in _SHORT:
                    yield Label(titles[name], classes="name" if name == _SHORT[0] else "short")
                    value = getattr(self.seen, name)
                    yield Input(value, id=f"field-{name}", compact=True, select_on_focus=False)
            yield Lines(id="form-about")

    def _inputs(self, name: str, height: int) -> Iterator[Input | TextArea]:
        value = getattr(self.seen, name)
        text = "\n".join(value) if isinstance(value, tuple) else value
        if height == 1:
            yield Input(text, id=f"field-{name}", compact=True, select_on_focus=False)
            return
        area = Area(text, id=f"field-{name}", tab_behavior="focus", soft_wrap=True, compact=True)
        area.styles.height = height
        area.cursor_blink = False
        yield area

    def on_mount(self) -> None:
        """Begin with the field that was chosen."""
        self.set_focus(self.query_one(f"#field-{self._first}"))
        self.preview.of(self.seen if self.seen.canonical else None)
        self._draw()

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        """Ask nothing any more."""
        self.preview.stop()

    # What stands in the fields

    def draft(self) -> Term:
        """The term as it stands in the form."""
        values: dict[str, object] = {"keyword": self.keyword}
        for name in (*_LINES, *_SHORT):
            widget = self.query_one(f"#field-{name}")
            text = widget.value if isinstance(widget, Input) else cast(TextArea, widget).text
            values[name] = tuple(filter(None, text.split("\n"))) if name in _LISTS else text
        return replace(self.seen, **values)  # type: ignore[arg-type]

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _typed(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE, self._look)

    async def _look(self) -> None:
        """Say what is wrong, and what the term would match."""
        self._timer = None
        if self._keeping or not self.is_current:
            return
        draft = self.draft()
        if draft == self._refused:
            return
        if not draft.canonical.strip():
            self._trouble = self._other = ""
            self.preview.of(None)
            self._draw()
            return
        try:
            plan = await self.pane.request("check", terms=[draft])
        except UserError as error:
            self._trouble, self._other = error.sentence, ""
        else:
            self._trouble = plan.refused[0].reason if plan.refused else ""
            self._other = plan.refused[0].other if plan.refused else ""
            if not self._trouble:
                self.preview.of(draft)
        self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        lines = self.query_one("#form-about", Lines)
        flag = _("a keyword") if self.keyword else _("on the not-a-keyword list")
        found = [Content.styled(f" {flag}", "" if self.keyword else "b reverse")]
        if self._trouble:
            offer = _("Ctrl+G merges the two") if self._other else ""
            found += refused(self._trouble, lines.size.width, offer)
        if self.preview.term is not None:
            found += matched(self.preview.found, lines.size.height - len(found))
        lines.show(found)

    # Keys

    def on_input_submitted(self) -> None:
        """Enter in a line goes to the next field."""
        self.focus_next()

    def action_flag(self) -> None:
        """A keyword, or one of the words that are none."""
        self.keyword = not self.keyword
        self._draw()

    def action_editor(self) -> None:
        """The text of the field in the person's own editor."""
        from kwtui.panes.glossary_editor import edit_text

        area = self.focused if isinstance(self.focused, TextArea) else None
        area = area or self.query_one("#field-definition", TextArea)
        try:
            area.text = edit_text(self.app, area.text)
        except UserError as error:
            self._trouble, self._other = error.sentence, ""
            self._draw()

    async def action_keep(self) -> None:
        """Have it on disk, then close; or say why not."""
        from kwtui.panes.glossary import author

        if self._keeping:
            return
        self._keeping = True
        draft = self.draft()
        try:
            made = await self._write(draft, author())
        except UserError as error:
            self._trouble, self._refused = error.sentence, draft
            plan = await self.pane.request("check", terms=[draft])
            self._other = plan.refused[0].other if plan.refused else ""
            self._draw()
        else:
            self.dismiss(("kept", made, draft))
        finally:
            self._keeping = False

    async def _write(self, draft: Term, who: str) -> str:
        if self.seen.id:
            made = await self.pane.request("revise", seen=self.seen, wanted=draft, author=who)
            return str(made.id)
        return str((await self.pane.request("add", term=draft, author=who)).id)

    def action_merge(self) -> None:
        """Close, and merge with the term that has the name."""
        if self._other:
            self.dismiss(("merge", self._other, self.draft()))

    def action_close(self) -> None:
        """Change nothing."""
        self.dismiss(None)


def _titles() -> dict[str, str]:
    from kwtui.panes.glossary_terms import field_titles

    return field_titles()
