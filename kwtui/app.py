"""The workbench: the window in which every pane lives. It never waits and loads nothing heavy."""

from __future__ import annotations

import os

# A Korean commit of several syllables arrives as junk keys in the kitty protocol.
os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar, cast

from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingsMap
from textual.containers import Container, Vertical
from textual.notifications import SeverityLevel
from textual.screen import Screen

from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui import keymap
from kwtui.choices import ScreenChoices
from kwtui.launch import terminal_gone
from kwtui.looks import Looks
from kwtui.panes import PaneSpec, panes
from kwtui.screen_state import ScreenState
from kwtui.themes import WRONG, in_palette
from kwtui.widgets.bars import KeyBar, StatusLine, TabBar
from kwtui.widgets.sparing import FirstScreen

if TYPE_CHECKING:
    from engines.settings import Settings
    from kwtui.hosts import Host
    from kwtui.panes.base import Pane

LEAVE_SECONDS = 0.4
# How often a terminal that is gone without a signal is looked for.
GONE_SECONDS = 2.0
# A note stays as long as it takes to read, ten letters a second.
_NOTE_SECONDS, _READ_A_SECOND = 8.0, 10.0
Command = Callable[[], object]
T = TypeVar("T")


class Workbench(Looks, App[None]):
    """The app on one workspace."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]
    AUTO_FOCUS = None
    ENABLE_COMMAND_PALETTE = False
    ESCAPE_TO_MINIMIZE = False

    def __init__(
        self, workspace: Workspace, choices: ScreenChoices, state: ScreenState | None = None
    ) -> None:
        self.choices = choices
        super().__init__()
        self.workspace = workspace
        self.kept = state or ScreenState(None)
        self.specs = panes()
        self.current = ""
        self.wrong = ""
        self._settings: asyncio.Future[Settings] | None = None
        self._hosts: dict[str, Host] = {}
        self._filled = 0.0
        self._early: list[events.Key] = []
        self._asked = ""
        self._leaving = False
        self._calm = ""
        self.dress(str(self.kept.get("theme", "")))
        self.title = workspace.root.name
        self._bind()

    def _bind(self) -> None:
        bindings = keymap.bindings_for("", self.choices.keys)
        for spec in self.specs:
            bindings.append(
                Binding(spec.key, f"pane('{spec.id}')", spec.title, show=False, priority=True)
            )
        self._bindings = BindingsMap(bindings)

    def compose(self) -> ComposeResult:
        """Tabs above, status and keys below, the pane between."""
        yield TabBar(self.specs, self.title)
        yield Container(id="panes")
        with Vertical(id="bottom"):
            yield StatusLine()
            yield KeyBar()

    def on_mount(self) -> None:
        """Paint the frame, then fill it."""
        self._heed_signals()
        self.call_after_refresh(self._fill)

    async def _fill(self) -> None:
        """Show the pane of the last time, then read the settings."""
        if self._leaving:
            return
        wanted = self._asked or str(self.kept.get("pane", ""))
        known = [spec.id for spec in self.specs]
        await self.show_pane(wanted if wanted in known else known[0])
        self._filled = events.Idle().time
        for key in self._early:
            self.post_message(key)
        self.call_after_refresh(self._load_settings)

    def on_key(self, event: events.Key) -> None:
        """Hand what was typed before there was a pane to that pane."""
        key = events.Key(event.key, event.character)
        if not self.current:
            self._early.append(key)
        elif event.time < self._filled:
            self.post_message(key)

    # Settings

    async def settings(self) -> Settings:
        """The checked settings; waits until they are read."""
        if self._settings is None:
            self._settings = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._settings)

    def _load_settings(self) -> None:
        if self._settings is None:
            self._settings = asyncio.get_running_loop().create_future()
        self.run_worker(self._read_settings(), exit_on_error=True)

    async def _read_settings(self) -> None:
        def read() -> Settings:
            from engines.settings import load

            keymap.keys_in_use(self.choices.keys)
            return load(self.workspace.root)

        assert self._settings is not None
        try:
            found = await asyncio.to_thread(read)
        except UserError as error:
            self.leave(error.sentence, error.exit_code)
            return
        self._settings.set_result(found)
        if found.ignored:
            sentence = ngettext_(
                "{count} setting is ignored until `kwtui trust {path}` confirms it.",
                "{count} settings are ignored until `kwtui trust {path}` confirms them.",
                len(found.ignored),
            )
            self.warn(sentence.format(count=len(found.ignored), path=self.workspace.root))

    async def reload_settings(self) -> Settings:
        """Read config.toml again after a change to it."""
        self._settings = asyncio.get_running_loop().create_future()
        await self._read_settings()
        return await self.settings()

    def leave(self, sentence: str, code: int) -> None:
        """End the app; the caller says the sentence on stderr."""
        self.wrong = sentence
        self.exit(return_code=code)

    def get_default_screen(self) -> Screen[None]:
        """The screen under all others."""
        return FirstScreen(id="_default")

    # Services

    def host(self, service: str) -> Host:
        """The service in a process of its own; `await settings()` once before asking."""
        if service not in self._hosts:
            assert self._settings is not None
            from kwtui.hosts import Host

            self._hosts[service] = Host(
                service, self._settings.result(), self.workspace, on_state=self._host_changed
            )
        return self._hosts[service]

    def _host_changed(self, host: Host) -> None:
        """Say when a service has died; panes hear of every change."""
        if host.error:
            self.warn(host.error, "error")
        # A service may end after the last screen.
        for pane in self.screen_stack[0].query(".pane") if self.screen_stack else ():
            cast("Pane", pane).host_changed(host)

    async def work(self, function: Callable[[], T]) -> T | None:
        """The result of a short function that waits for a disk, run in a thread.

        None when it failed; the sentence for that is on the screen then.
        """
        try:
            return await asyncio.to_thread(function)
        except UserError as error:
            self.warn(error.sentence, "error")
        except OSError as error:
            sentence = _("{path}: {reason}.")
            self.warn(sentence.format(path=error.filename, reason=error.strerror), "error")
        return None

    @property
    def busy(self) -> bool:
        """Whether a pane still waits for something, or the settings are not read yet."""
        reading = self._settings is None or not self._settings.done()
        panes_ = self.screen_stack[0].query(".pane")
        return reading or any(cast("Pane", pane).busy for pane in panes_)

    # Panes

    def spec(self, pane: str) -> PaneSpec:
        """The entry of the registry for this pane."""
        return next(spec for spec in self.specs if spec.id == pane)

    @property
    def pane(self) -> Pane:
        """The pane in front."""
        from kwtui.panes.base import Pane

        return self.screen_stack[0].query_one(f"#pane-{self.current}", Pane)

    async def show_pane(self, pane: str) -> None:
        """Bring a pane to the front; it is made when it is first shown."""
        holder = self.screen_stack[0].query_one("#panes")
        for other in holder.children:
            other.display = False
        found = [child for child in holder.children if child.id == f"pane-{pane}"]
        self.current = pane
        if found:
            found[0].display = True
        else:
            made = self.spec(pane).load()()
            await holder.mount(made)
            made.restore(self.kept.of(pane))
        self.screen_stack[0].query_one(TabBar).choose(pane)
        self.kept.put("pane", pane)
        self.pane.shown()

    @on(TabBar.Chosen)
    async def _tab_chosen(self, event: TabBar.Chosen) -> None:
        await self.show_pane(event.pane)

    async def action_pane(self, pane: str) -> None:
        """Show a pane by its key; before the first one is there it becomes the first."""
        if not self.current:
            self._asked = pane
        elif len(self.screen_stack) == 1:
            await self.show_pane(pane)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The key of a tab gives way to windows, and to the pane in front where it has that key."""
        if action != "pane":
            return super().check_action(action, parameters)
        return len(self.screen_stack) == 1 and not self._taken(self.spec(str(parameters[0])).key)

    def _taken(self, key: str) -> bool:
        if not self.current:
            return False
        own = self.pane._bindings.key_to_bindings.get(key, ())
        return any(self.pane.check_action(binding.action, ()) for binding in own)

    async def action_next_pane(self) -> None:
        """Show the next pane."""
        ids = [spec.id for spec in self.specs]
        await self.action_pane(ids[(ids.index(self.current) + 1) % len(ids)])

    # Messages

    def say(self, sentence: str) -> None:
        """Show on the status line what was done."""
        self.screen_stack[0].query_one(StatusLine).say(printable(sentence))

    def warn(self, sentence: str, severity: SeverityLevel = "warning") -> None:
        """Show what a person must not miss: on the status line and as a note over the pane."""
        self.screen_stack[0].query_one(StatusLine).say(printable(sentence), WRONG)
        seconds = max(_NOTE_SECONDS, len(sentence) / _READ_A_SECOND)
        self.notify(printable(sentence), severity=severity, markup=False, timeout=seconds)

    def key_names(self, *ids: str) -> list[str]:
        """The first key of each of these actions, as a person reads it."""
        keys = keymap.keys_in_use(self.choices.keys)
        return [keymap.display(next(iter(keys[name]), "-")) for name in ids]

    # Actions for every pane

    def action_help(self) -> None:
        """The page of the pane in front; the key once more is the tour, and then the way back."""
        from kwtui import help as help_
        from kwtui.tour import TourScreen
        from kwtui.widgets.dialogs import HelpScreen

        if isinstance(self.screen, HelpScreen | TourScreen):
            self.screen.again()
        elif len(self.screen_stack) == 1 and self.current:
            title = self.spec(self.current).title
            screen = HelpScreen(title, help_.words(self), help_.sections(self))
            self.push_screen(screen, lambda tour: self.action_tour() if tour else None)

    def action_tour(self) -> None:
        """Six screens on what there is; nothing of it is kept."""
        from kwtui.tour import TourScreen

        self.push_screen(TourScreen(lambda name: self.key_names(name)[0]))

    async def action_palette(self) -> None:
        """The list of everything that can be done here."""
        from kwtui.palette import offered
        from kwtui.widgets.dialogs import ChooseScreen

        if len(self.screen_stack) > 1:
            return
        commands = offered(self)
        rows = [(title, keys) for title, keys, _do in commands]

        def chosen(index: int | None) -> None:
            if index is not None:
                self.run_worker(self._do(commands[index][2]), exit_on_error=True)

        self.push_screen(ChooseScreen(_("Commands"), rows), chosen)

    @staticmethod
    async def _do(command: Command) -> None:
        done = command()
        if isinstance(done, Awaitable):
            await done

    def wear(self, theme: str) -> None:
        """Change the theme, for this time and the next start."""
        self.theme = theme
        self.kept.put("theme", theme)

    def action_contrast(self) -> None:
        """High contrast on, or back to the theme before."""
        if self.no_color:
            self.say(_("NO_COLOR is set: there are no colours to change."))
            return
        strong = in_palette("contrast", self.choices)
        usual = "dark" if self.choices.theme == "contrast" else self.choices.theme
        if self.theme != strong:
            self._calm = self.theme
        self.wear(strong if self.theme != strong else self._calm or in_palette(usual, self.choices))

    def action_how_to_quit(self) -> None:
        """Ctrl+C copies in a text; elsewhere it is what people press to get out."""
        self.say(_("{key} quits.").format(key=self.key_names("quit")[0]))

    async def action_quit(self) -> None:
        """End the app; the state of the screen is kept."""
        await self.finish()

    async def finish(self, code: int = 0) -> None:
        """Keep the state, end the services, leave."""
        self._leaving = True
        self.keep()
        hosts = [asyncio.to_thread(host.close, LEAVE_SECONDS) for host in self._hosts.values()]
        await asyncio.gather(*hosts)
        self.exit(return_code=code)

    def keep(self) -> None:
        """Write down where every pane stands."""
        from kwtui.panes.base import Pane

        for pane in self.screen_stack[0].query(Pane):
            self.kept.put_pane(pane.pane_id, pane.state())
        self.kept.write()

    def _heed_signals(self) -> None:
        """A lost connection and SIGTERM keep the state and the text, then end the app."""
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        left: list[int] = []

        def leave(number: int) -> None:
            if left:
                return
            left.append(number)
            self.keep()
            # The terminal may be gone, and then leaving it may never end.
            loop.call_later(2 * LEAVE_SECONDS, os._exit, 128 + number)
            self.run_worker(self.finish(128 + number))

        def look() -> None:
            if terminal_gone():
                leave(signal.SIGHUP)

        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(number, leave, number)
        if os.isatty(0):
            self.set_interval(GONE_SECONDS, look)
