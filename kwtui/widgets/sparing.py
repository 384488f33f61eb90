"""Widgets of Textual that draw no more than what has changed: a key waits for every frame."""

from __future__ import annotations

from textual.geometry import Size
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input


class FirstScreen(Screen[None]):
    """The screen of the panes; Textual's draws the whole window when the focus moves.

    The two widgets between which it moves draw themselves.
    """

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)


class Line(Input):
    """An Input of fixed width; Textual's lays out the whole window at each letter."""

    virtual_size = Reactive(Size(0, 0), layout=False)
