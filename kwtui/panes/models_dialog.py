"""The window in which an export is ordered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from glossary.i18n import _
from kwtui.panes.tokenizer_dialog import Choice
from kwtui.services.export_types import KINDS, Found, Wanted
from kwtui.themes import MUTED, WRONG

_ENDINGS = {"gguf": "-gguf", "ollama": "-ollama", "merge": "-merged", "bundle": "-bundle"}


class ExportScreen(ModalScreen[Wanted | None]):
    """What is written, in which types, with whose prompts it is proven, under which name."""

    AUTO_FOCUS = "#what"
    BINDINGS = [
        Binding("escape", "close", show=False),
        Binding("enter", "accept", show=False, priority=True),
        Binding("down", "app.focus_next", show=False, priority=True),
        Binding("up", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(
        self,
        model: Found,
        strategies: Sequence[tuple[str, str]],
        taken: Callable[[str], bool],
    ) -> None:
        super().__init__()
        self._model, self._strategies, self._taken = model, dict(strategies), taken
        self._suggested = ""

    def compose(self) -> ComposeResult:
        """A field a line, what it is for, what is wrong."""
        with Vertical(classes="window form") as window:
            window.border_title = Content(_("Export of {model}").format(model=self._model.name))
            window.border_subtitle = _("Enter exports, Esc closes")
            yield from self._field(_("What"), self._kinds())
            yield from self._field(_("Type"), self._types())
            yield from self._field(_("Strategy"), self._asked())
            yield from self._field(_("Prompt"), self._wrapping())
            yield from self._field(_("Proof"), self._proof())
            yield from self._field(_("Name"), Input("", id="name", compact=True))
            yield Static("", id="export-about")
            yield Static("", id="wrong")

    def _field(self, name: str, widget: Choice | Input) -> ComposeResult:
        with Horizontal(classes="field"):
            yield Static(name, classes="name")
            yield widget

    def _kinds(self) -> Choice:
        shown = (
            _("GGUF for llama.cpp"),
            _("Ollama: GGUF and Modelfile"),
            _("whole model (safetensors)"),
            _("bundle: a strategy as a folder"),
        )
        return Choice(KINDS, shown, id="what")

    def _types(self) -> Choice:
        values = ("f16", "bf16", "f32", "q8_0", "q4_k_m", "f32,f16,q8_0,q4_k_m")
        shown = (*values[:-1], _("all, to compare them"))
        return Choice(values, shown, id="type")

    def _asked(self) -> Choice:
        names = tuple(self._strategies)
        return Choice(names, names, id="strategy")

    def _wrapping(self) -> Choice:
        shown = (_("the chat template alone"), _("every text in the strategy's prompt"))
        return Choice(("chat", "strategy"), shown, id="wrap")

    def _proof(self) -> Choice:
        shown = (_("run it and compare"), _("none"))
        return Choice(("yes", "no"), shown, id="proof")

    def on_mount(self) -> None:
        """Suggest a name and say what comes out."""
        self._draw()

    def on_choice_changed(self) -> None:
        """Another kind has other fields."""
        self._draw()

    def _draw(self) -> None:
        what = self._choice("what")
        self.query_one("#type", Choice).disabled = what not in ("gguf", "ollama")
        self.query_one("#proof", Choice).disabled = what not in ("gguf", "ollama")
        self.query_one("#strategy", Choice).disabled = what == "merge"
        self.query_one("#wrap", Choice).disabled = what != "ollama"
        name = self.query_one("#name", Input)
        if name.value == self._suggested:
            name.value = self._suggested = self._free(what)
        self.query_one("#export-about", Static).update(Content.styled(self._about(what), MUTED))
        self.query_one("#wrong", Static).update("")

    def _about(self, what: str) -> str:
        sentences = {
            "gguf": _(
                "Tokens of 1,000 texts and keywords of 100 are compared with the model; nothing "
                "is written when they differ."
            ),
            "ollama": _(
                "A folder with the file and its Modelfile; Ollama takes it where it is installed."
            ),
            "merge": _("The adapter goes into its full-precision base; the result is compared."),
            "bundle": _("Model, terms, prompt and settings: `kwtui extract --bundle` runs it."),
        }
        return sentences[what]

    def action_accept(self) -> None:
        """Take the order, or say what is wrong with it."""
        wrong = self._wrong()
        if wrong:
            self.query_one("#wrong", Static).update(Content.styled(wrong, WRONG))
            return
        self.dismiss(
            Wanted(
                self._choice("what"),
                self._model.name,
                self._typed_name(),
                tuple(self._choice("type").split(",")),
                self._choice("strategy"),
                self._choice("wrap") == "strategy",
                self._choice("proof") == "yes",
            )
        )

    def _wrong(self) -> str:
        name = self._typed_name()
        if not name or "/" in name or name.startswith("."):
            return _("The name is a word without slashes.")
        if self._taken(name):
            return _("There is a model {name} already.").format(name=name)
        asked = self._strategies[self._choice("strategy")] == "model"
        if self._choice("what") in ("gguf", "ollama") and not asked:
            return _("A proof needs a strategy that asks a model.")
        if self._model.refusal and self._choice("what") != "bundle":
            return self._model.refusal
        return ""

    def _typed_name(self) -> str:
        return self.query_one("#name", Input).value.strip()

    def _choice(self, field: str) -> str:
        return self.query_one(f"#{field}", Choice).value

    def _free(self, what: str) -> str:
        first = self._choice("strategy") if what == "bundle" else self._model.name.split("/")[-1]
        number, name = 1, first + _ENDINGS[what]
        while self._taken(name):
            number += 1
            name = f"{first}-{number}{_ENDINGS[what]}"
        return name

    def action_close(self) -> None:
        """Order nothing."""
        self.dismiss(None)
