"""Windows over the panes: help, a list to choose from, a line to type."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from glossary.i18n import _
from kwtui.help import Section, page
from kwtui.themes import WRONG

_CLOSE = [Binding("escape", "close", show=False)]


class HelpScreen(ModalScreen[bool]):
    """The help page; Esc and q close it, the key of the help once more asks for the tour (True)."""

    AUTO_FOCUS = "VerticalScroll"
    BINDINGS = [*_CLOSE, Binding("q,ㅂ,enter", "close", show=False, priority=True)]

    def __init__(self, title: str, text: str, parts: Sequence[Section]) -> None:
        super().__init__()
        self._title, self._text, self._parts = title, text, parts

    def compose(self) -> ComposeResult:
        """A scrolling page."""
        with VerticalScroll(classes="window page") as window:
            window.border_title = Content(self._title)
            window.border_subtitle = Content(_("F1 again: the tour, Esc closes"))
            yield HelpPage(self._text, self._parts)

    def again(self) -> None:
        """The key of the help: close, and open the tour."""
        self.dismiss(True)

    def action_close(self) -> None:
        """Back to the pane."""
        self.dismiss(False)


class HelpPage(Static):
    """The text of the page, wrapped for the width that there is."""

    def __init__(self, text: str, parts: Sequence[Section]) -> None:
        super().__init__("")
        self._text, self._parts = text, parts

    def on_resize(self) -> None:
        """Wrap it."""
        self.update(page(self._text, self._parts, self.content_size.width))


class ChooseScreen(ModalScreen[int | None]):
    """A list with a line to filter it; the result is the index of the chosen row, or None."""

    AUTO_FOCUS = "Input"
    BINDINGS = [
        *_CLOSE,
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]
    SHOWN = 300

    def __init__(self, title: str, rows: Sequence[tuple[str, str]], chosen: int = 0) -> None:
        super().__init__()
        self._title, self._rows, self._chosen = title, rows, chosen

    def compose(self) -> ComposeResult:
        """The filter and the list under it."""
        with Vertical(classes="window") as window:
            window.border_title = Content(self._title)
            window.border_subtitle = _("Enter chooses, Esc closes")
            yield Input(placeholder=_("type to filter"), compact=True)
            yield OptionList(markup=False, compact=True)

    def on_mount(self) -> None:
        """Show every row."""
        self._fill("")
        options = self.query_one(OptionList)
        options.can_focus = False
        if self._chosen < options.option_count:
            options.highlighted = self._chosen

    def on_input_changed(self, event: Input.Changed) -> None:
        """Keep the rows that hold what was typed."""
        self._fill(event.value)

    def on_input_submitted(self) -> None:
        """Choose the highlighted row."""
        options = self.query_one(OptionList)
        if options.highlighted is not None:
            option = options.get_option_at_index(options.highlighted)
            self.dismiss(int(option.id or 0))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Choose the row that was clicked."""
        self.dismiss(int(event.option.id or 0))

    def action_move(self, step: int) -> None:
        """Move the highlight."""
        options = self.query_one(OptionList)
        if options.option_count:
            at = (options.highlighted or 0) + step
            options.highlighted = min(max(at, 0), options.option_count - 1)

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)

    def _fill(self, typed: str) -> None:
        wanted = typed.casefold().strip()
        options = self.query_one(OptionList)
        options.clear_options()
        found = [
            Option(Content.assemble((name, "b"), "  ", (note, "not bold")), id=str(index))
            for index, (name, note) in enumerate(self._rows)
            if not wanted or wanted in f"{name} {note}".casefold()
        ]
        options.add_options(found[: self.SHOWN])
        if found:
            options.highlighted = 0


class AskScreen(ModalScreen[str | None]):
    """One line to type; `check` returns a sentence when the value will not do."""

    AUTO_FOCUS = "Input"
    BINDINGS = [*_CLOSE]

    def __init__(
        self,
        title: str,
        value: str = "",
        *,
        check: Callable[[str], str] | None = None,
        placeholder: str = "",
    ) -> None:
        super().__init__()
        self._title, self._value, self._check = title, value, check
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """The line and, under it, what is wrong with it."""
        with Vertical(classes="window small") as window:
            window.border_title = Content(self._title)
            window.border_subtitle = _("Enter accepts, Esc closes")
            yield Input(self._value, placeholder=self._placeholder, compact=True)
            yield Static("", id="wrong")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the value, or say what is wrong with it."""
        wrong = self._check(event.value) if self._check else ""
        if wrong:
            self.query_one("#wrong", Static).update(Content.styled(wrong, WRONG))
        else:
            self.dismiss(event.value)

    def action_close(self) -> None:
        """Take nothing."""
        self.dismiss(None)
