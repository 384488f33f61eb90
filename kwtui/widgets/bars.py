"""The three fixed lines of the window: tabs, status, keys."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from kwtui.keymap import display
from kwtui.panes import PaneSpec
from kwtui.themes import KEY, MUTED, ON


class TabBar(Static):
    """The panes with their keys in one line; the workspace's name on the right."""

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, pane: str) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, specs: tuple[PaneSpec, ...], name: str) -> None:
        super().__init__(id="tabs")
        self._specs, self._label, self._current = specs, name, ""
        self._spans: list[tuple[int, int, str]] = []

    def choose(self, pane: str) -> None:
        """Show `pane` as the current one."""
        self._current = pane
        self.update(self._line(), layout=False)

    def on_resize(self) -> None:
        """Fit the line to the new width."""
        self.update(self._line(), layout=False)

    def on_click(self, event: events.Click) -> None:
        """Choose the tab under the pointer."""
        for start, end, pane in self._spans:
            if start <= event.x < end:
                self.post_message(self.Chosen(pane))

    def _line(self) -> Content:
        parts: list[Content] = []
        at, self._spans = 0, []
        titles, most, end = self._fit()
        for spec in self._specs:
            current = spec.id == self._current
            title = Content(titles[spec.id])
            if not current and title.cell_length > most:
                title = title.truncate(most)
            part = Content.assemble(
                (f" {display(spec.key)} ", ON if current else KEY),
                (title.plain + (" " if current else end), ON if current else ""),
            )
            self._spans.append((at, at + part.cell_length, spec.id))
            at += part.cell_length
            parts.append(part)
        line = Content("").join(parts)
        room = self.size.width - at - 2
        name = Content(self._label)
        if room < 8:
            return line
        if name.cell_length > room:
            name = name.truncate(room, ellipsis=True)
        gap = self.size.width - at - name.cell_length - 1
        return Content.assemble(line, " " * gap, (name.plain, MUTED))

    def _fit(self) -> tuple[dict[str, str], int, str]:
        """The titles, the cells that one may take, the current one's aside, and what follows it.

        Where the window is narrow the tabs stand close, then titles are the short ones, then cut.
        """
        room = self.size.width - sum(len(display(spec.key)) + 2 for spec in self._specs) - 1
        long = {spec.id: spec.title for spec in self._specs}
        short = {spec.id: spec.short or spec.title for spec in self._specs}
        if sum(map(_cells, long.values())) + len(long) <= room:
            return long, room, " "
        for titles in (long, short):
            if sum(map(_cells, titles.values())) <= room:
                return titles, room, ""
        others = [_cells(title) for pane, title in short.items() if pane != self._current]
        left = room - _cells(short.get(self._current, ""))
        most = max(others, default=0)
        while most and sum(min(size, most) for size in others) > left:
            most -= 1
        return short, most, ""


def _cells(title: str) -> int:
    return Content(title).cell_length


class StatusLine(Static):
    """What was done last, or what is going on."""

    def __init__(self) -> None:
        super().__init__("", id="status")

    def say(self, sentence: str, style: str = "") -> None:
        """Show one sentence; it may hold anything, it is never markup."""
        self.update(Content.styled(" " + " ".join(sentence.split()), style), layout=False)


class KeyBar(Widget):
    """The keys that work now, as many as the width holds; a click presses one."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self._spans: list[tuple[int, int, Binding]] = []

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, _screen: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Content:
        """One line: key, what it does, key, what it does."""
        parts, at, self._spans = list[Content](), 0, []
        for binding in self._shown():
            part = Content.assemble(
                (f" {binding.key_display or display(binding.key)}", KEY),
                (f" {binding.description} ", ""),
            )
            if at + part.cell_length > self.size.width:
                break
            self._spans.append((at, at + part.cell_length, binding))
            at += part.cell_length
            parts.append(part)
        return Content("").join(parts)

    def _shown(self) -> list[Binding]:
        """One binding an action: help first, then the pane's letters, its other keys, the app's."""
        active: dict[str, Binding] = {}
        for _node, binding, _enabled, _tip in self.screen.active_bindings.values():
            if binding.show and binding.id:
                active.setdefault(binding.id.partition(":")[0], binding)
        return sorted(active.values(), key=_rank)

    async def on_click(self, event: events.Click) -> None:
        """Do what the key under the pointer does."""
        for start, end, binding in self._spans:
            if start <= event.x < end:
                self.app.simulate_key(binding.key)


def _rank(binding: Binding) -> int:
    """Where a key stands in the bar: what is further on falls off the edge first."""
    if "." in (binding.id or "").partition(":")[0]:
        return 1 if len(binding.key) == 1 else 2
    return {"help": 0, "palette": 3, "quit": 4}.get(binding.action, 5)
