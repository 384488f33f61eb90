"""The window in which a new vocabulary is ordered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from glossary.i18n import _
from kwtui.services.tokenizer_types import Order
from kwtui.themes import WRONG

if TYPE_CHECKING:
    from engines.tokenizer.audit import Audit


class Choice(Static, can_focus=True):
    """One of a few values; Left, Right and Space change it."""

    class Changed(Message):
        """Another value was chosen."""

    def __init__(self, values: Sequence[str], shown: Sequence[str], *, id: str) -> None:
        super().__init__(id=id, classes="choice")
        self._values, self._shown = tuple(values), tuple(shown)
        self._at = 0

    @property
    def value(self) -> str:
        """The value that is chosen."""
        return self._values[self._at]

    def on_mount(self) -> None:
        """Show the first value."""
        self._draw()

    def on_focus(self) -> None:
        """Show the arrows that change it."""
        self._draw()

    def on_blur(self) -> None:
        """Show the value alone."""
        self._draw()

    def on_key(self, event: events.Key) -> None:
        """Change the value."""
        step = {"right": 1, "space": 1, "left": -1}.get(event.key)
        if step is not None:
            event.stop()
            self._at = (self._at + step) % len(self._values)
            self._draw()
            self.post_message(self.Changed())

    def _draw(self) -> None:
        word = self._shown[self._at]
        self.update(Content.styled(f"< {word} >", "reverse") if self.has_focus else Content(word))


class BuildScreen(ModalScreen[Order | None]):
    """What is changed, how, how many terms, and the new model's name; the result is an Order."""

    AUTO_FOCUS = "#change"
    BINDINGS = [
        Binding("escape", "close", show=False),
        Binding("enter", "accept", show=False, priority=True),
        Binding("down", "app.focus_next", show=False, priority=True),
        Binding("up", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(self, model: str, audit: Audit | None, taken: Collection[str]) -> None:
        super().__init__()
        self._model, self._audit, self._taken = model, audit, taken

    def compose(self) -> ComposeResult:
        """A field a line, what is foretold, what is wrong."""
        with Vertical(classes="window form") as window:
            window.border_title = Content(_("New vocabulary of {model}").format(model=self._model))
            window.border_subtitle = _("Enter builds, Esc closes")
            yield from self._field(_("Change"), self._changes())
            yield from self._field(_("Method"), self._methods())
            yield from self._field(_("New rows"), self._rows())
            yield from self._field(_("Terms"), Input("500", id="budget", compact=True))
            yield from self._field(_("Size"), Input("32000", id="size", compact=True))
            yield from self._field(_("Name"), Input(self._free(), id="name", compact=True))
            yield Static("", id="token-foretold")
            yield Static("", id="wrong")

    def _field(self, name: str, widget: Choice | Input) -> ComposeResult:
        with Horizontal(classes="field"):
            yield Static(name, classes="name")
            yield widget

    def _changes(self) -> Choice:
        shown = (
            _("extend: new tokens at the end"),
            _("replace: in the place of unused pieces"),
            _("retrain: learn it anew from the texts"),
        )
        return Choice(("extend", "replace", "retrain"), shown, id="change")

    def _methods(self) -> Choice:
        shown = (
            _("as fits the kind"),
            _("symbol: cut out before splitting"),
            _("merges: chained after the old ones"),
            _("piece: by a score (unigram)"),
        )
        return Choice(("auto", "symbol", "merges", "piece"), shown, id="method")

    def _rows(self) -> Choice:
        shown = (
            _("mean of the old pieces, with their length"),
            _("mean of the old pieces"),
            _("focus: weighted by likeness"),
            _("random, as a control"),
        )
        return Choice(("scaled", "mean", "focus", "random"), shown, id="rows")

    def on_mount(self) -> None:
        """Say what is foretold."""
        self._draw()

    def on_choice_changed(self) -> None:
        """Another change has other fields."""
        self._draw()

    def on_input_changed(self) -> None:
        """Another budget saves something else."""
        self._draw()

    def _draw(self) -> None:
        change = self._choice("change")
        self.query_one("#size", Input).disabled = change != "retrain"
        self.query_one("#method", Choice).disabled = change != "extend"
        self.query_one("#token-foretold", Static).update(Content(self._foretold()))
        self.query_one("#wrong", Static).update("")

    def _foretold(self) -> str:
        """What the terms would save, as measured."""
        if self._audit is None or not self._audit.savings:
            return _("Measure first to see here what it would save.")
        budget = self._number("budget")
        saved = [f.lost for f in self._audit.worst]
        wanted = budget or len(saved)
        if wanted <= len(saved):
            share = sum(saved[:wanted]) / max(1, self._audit.tokens)
        else:
            share = next(
                (s.share for s in self._audit.savings if s.terms >= wanted),
                self._audit.savings[-1].share,
            )
        return _("Foretold: up to {share} of the domain's tokens saved.").format(
            share=f"{share:.1%}"
        )

    def action_accept(self) -> None:
        """Take the order, or say what is wrong with it."""
        wrong = self._wrong()
        if wrong:
            self.query_one("#wrong", Static).update(Content.styled(wrong, WRONG))
            return
        change = self._choice("change")
        method = self._choice("method") if change == "extend" else "auto"
        self.dismiss(
            Order(
                change,
                self._model,
                self.query_one("#name", Input).value.strip(),
                self._number("budget") or 0,
                method,
                self._choice("rows"),
                self._number("size") or 0,
            )
        )

    def _wrong(self) -> str:
        name = self.query_one("#name", Input).value.strip()
        if not name or "/" in name or name.startswith("."):
            return _("The name is a word without slashes.")
        if name in self._taken:
            return _("There is a model {name} already.").format(name=name)
        if self._number("budget") is None:
            return _("Terms: a number; 0 takes all.")
        if self._choice("change") == "retrain" and not self._number("size"):
            return _("Size: the number of tokens in all.")
        return ""

    def _number(self, field: str) -> int | None:
        text = self.query_one(f"#{field}", Input).value.strip().replace(",", "")
        return int(text) if text.isdecimal() else None

    def _choice(self, field: str) -> str:
        return self.query_one(f"#{field}", Choice).value

    def _free(self) -> str:
        number, name = 1, f"{self._model}-terms"
        while name in self._taken:
            number += 1
            name = f"{self._model}-terms-{number}"
        return name

    def action_close(self) -> None:
        """Order nothing."""
        self.dismiss(None)
