"""How an app of kwtui looks: themes, borders, colours or none, no animation by default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from textual import events
from textual.app import App
from textual.geometry import Size
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.widgets import Input, TextArea

from kwtui.choices import ScreenChoices
from kwtui.themes import THEMES, theme_for
from kwtui.widgets.too_small import TooSmall, too_small


class AsciiBars(ScrollBarRender):
    """Scrollbars without block characters."""

    VERTICAL_BARS = [" "] * 8
    HORIZONTAL_BARS = [" "] * 8


class Looks(App[Any]):
    """What the apps share; `choices` is set before App's own constructor runs."""

    CSS_PATH = Path(__file__).with_name("theme.tcss")
    choices: ScreenChoices
    _right_from_the_start = False
    _coverable = False

    def get_css_variables(self) -> dict[str, str]:
        """The theme's variables and the kind of line that borders are drawn with."""
        line = "ascii" if self.choices.borders == "ascii" else "round"
        return super().get_css_variables() | {"line": line}

    def refresh_css(self, animate: bool = True) -> None:
        """Apply the styles anew, but not for the theme that the app starts with."""
        if self._right_from_the_start:
            self._right_from_the_start = False
        else:
            super().refresh_css(animate)

    def dress(self, theme: str = "") -> None:
        """Put on the theme of the settings, or `theme`; called by the constructor."""
        for made in THEMES:
            self.register_theme(made)
        known = theme in {made.name for made in THEMES} and not self.no_color
        worn = theme if known else theme_for(self.choices, no_color=self.no_color)
        self.set_reactive(Looks.theme, worn)
        self.stylesheet.set_variables(self.get_css_variables())
        self._right_from_the_start = True
        self._watch_theme(worn)
        ScrollBar.renderer = AsciiBars if self.choices.borders == "ascii" else ScrollBarRender
        if self.no_color:
            self._without_colours()
        if not self.choices.animation and "TEXTUAL_ANIMATIONS" not in os.environ:
            self.animation_level = "none"

    def _without_colours(self) -> None:
        """NO_COLOR: attributes only. Textual itself would turn colours into greys."""
        from textual.filter import Monochrome, NoColor

        self._filters = [
            NoColor() if isinstance(made, Monochrome) else made for made in self._filters
        ]

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """No cursor blinks unless animation is asked for."""
        if not self.choices.animation and isinstance(event.widget, Input | TextArea):
            event.widget.cursor_blink = False

    # A window that is too small

    def on_mount(self) -> None:
        """From now on there is something to cover."""
        self._coverable = True
        self._cover(self.size)

    def on_resize(self, event: events.Resize) -> None:
        """Cover what does not fit into the window, and uncover it as it was."""
        self._cover(event.size)

    def _cover(self, size: Size) -> None:
        if not self._coverable:
            return
        if too_small(size) and not isinstance(self.screen, TooSmall):
            self.push_screen(TooSmall())
        while not too_small(size) and isinstance(self.screen, TooSmall):
            self.pop_screen()

    def push_screen(self, *given: Any, **named: Any) -> Any:
        """As Textual's; what opens in a window that is too small is covered too."""
        pushed = super().push_screen(*given, **named)
        if too_small(self.size):
            self._cover(self.size)
        return pushed

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """Screens under a cover are not seen, and keep the shape that they had."""
        return [] if isinstance(self.screen, TooSmall) else super()._background_screens

    def _fatal_error(self) -> None:
        """A mistake of ours: no traceback on the terminal; whoever started the app reports it."""
        self._close_messages_no_wait()

    @property
    def failure(self) -> Exception | None:
        """The exception that ended the app, if one did."""
        return self._exception
