"""Every pane without colours, in sixteen, with ASCII lines, in high contrast; nothing moves."""

import re
from collections.abc import Awaitable, Callable

import pytest
from rich.color import Color
from textual.color import Color as Shade

from engines.corpus.store import Corpus
from engines.records import Example, Keyword
from engines.workspace import Workspace
from glossary import i18n
from kwtui import cli
from kwtui.choices import read_choices
from kwtui.play import shown
from kwtui.themes import theme_for
from tests.screen.conftest import SENTENCE, Stage, perform
from tests.screen.test_snapshots import painted

AAA = 7.0
HANGUL = re.compile("[ㄱ-ㅎㅏ-ㅣ가-힣]")


@pytest.fixture
def filled(space: Workspace) -> Workspace:
    """A text in the corpus, so that every pane has something to show."""
    with Corpus.open(space.corpus_path, create=True) as corpus:
        corpus.add([Example("1", SENTENCE, (Keyword(0, 2, "진통"),), "train")])
    return space


def in_every_pane(space: Workspace, look: Callable[[Stage, str], Awaitable[None]]) -> None:
    """Run the app, extract a text, and look at each of the panes."""

    async def story(stage: Stage) -> None:
        await stage.extract()
        await stage.press("escape", "x", "down")
        for spec in stage.app.specs:
            await stage.press(spec.key)
            await stage.idle()
            await stage.pilot.pause()
            await look(stage, spec.id)

    perform(story, space)


def test_without_colours_marks_are_attributes(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def look(stage: Stage, pane: str) -> None:
        segments = [segment for line in painted(stage) for segment in line]
        for segment in segments:
            style = segment.style
            assert (
                style is None
                or (style.color or style.bgcolor) is None
                or (
                    style.color in (None, Color.parse("default"))
                    and style.bgcolor in (None, Color.parse("default"))
                )
            ), (pane, segment)
        title = stage.app.spec(pane)
        tabs = painted(stage)[0]
        current = [s for s in tabs if s.style and s.style.reverse]
        assert "".join(s.text for s in current).split()[0] == title.key.upper(), pane
        marked = [s for line in painted(stage)[1:] for s in line if s.style and attributes(s)]
        assert marked, pane

    in_every_pane(filled, look)


def attributes(segment: object) -> bool:
    style = segment.style  # type: ignore[attr-defined]
    return bool(style.bold or style.reverse or style.underline or style.strike)


@pytest.mark.parametrize("theme", ["dark", pytest.param("contrast", marks=pytest.mark.long)])
def test_sixteen_colours_are_those_of_the_terminal(
    filled: Workspace, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("KWTUI_SCREEN__THEME", theme)

    async def look(stage: Stage, pane: str) -> None:
        assert stage.app.theme == f"{theme}-16"
        for line in painted(stage):
            for segment in line:
                for colour in (segment.style.color, segment.style.bgcolor):  # type: ignore[union-attr]
                    assert colour is None or colour.number is None or colour.number < 16, pane
                    assert colour is None or colour.triplet is None, (pane, segment)

    in_every_pane(filled, look)


def test_ascii_borders_leave_nothing_but_ascii(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "ko_KR.eucKR")

    async def look(stage: Stage, pane: str) -> None:
        letters = HANGUL.sub("", shown(stage.app))
        assert letters.isascii(), (pane, sorted({c for c in letters if not c.isascii()}), letters)

    in_every_pane(filled, look)


def test_high_contrast_is_a_key_and_every_letter_stands_out(filled: Workspace) -> None:
    async def look(stage: Stage, pane: str) -> None:
        if stage.app.theme != "contrast":
            await stage.press("f12")
            await stage.pilot.pause()
        assert stage.app.theme == "contrast"
        for number, line in enumerate(painted(stage)):
            for segment in line:
                if segment.text.strip() and segment.style is not None:
                    ratio = contrast(segment.style)
                    assert ratio >= AAA, (pane, number, segment, round(ratio, 1))

    in_every_pane(filled, look)


@pytest.mark.long
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_usual_themes_can_be_read(
    filled: Workspace, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4.5 is what WCAG 2.2 asks of text (success criterion 1.4.3); borders need 3 at most."""
    monkeypatch.setenv("KWTUI_SCREEN__THEME", theme)

    async def look(stage: Stage, pane: str) -> None:
        for number, line in enumerate(painted(stage)):
            for segment in line:
                if any(c.isalnum() for c in segment.text) and segment.style is not None:
                    ratio = contrast(segment.style)
                    assert ratio >= 4.5, (pane, number, segment, round(ratio, 1))

    in_every_pane(filled, look)


def contrast(style: object) -> float:
    """The ratio of WCAG 2.2 between ink and paper."""
    ink, paper = (luminance(style.color), luminance(style.bgcolor))  # type: ignore[attr-defined]
    return (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)


def luminance(colour: Color) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    shade = Shade.from_rich_color(colour)
    parts = [value / 255 for value in (shade.r, shade.g, shade.b)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_key_goes_back_and_the_choice_is_kept(space: Workspace) -> None:
    async def first(stage: Stage) -> None:
        await stage.idle()
        await stage.press("f12", "f12")
        assert stage.app.theme == "dark"
        await stage.press("f12")

    async def second(stage: Stage) -> None:
        assert stage.app.theme == "contrast"
        await stage.press("f12")
        assert stage.app.theme == "dark"

    perform(first, space, keep=True)
    perform(second, space, keep=True)


def test_nothing_moves_by_itself(space: Workspace) -> None:
    from textual.widgets import Input, TextArea

    async def story(stage: Stage) -> None:
        assert stage.app.animation_level == "none"
        for spec in stage.app.specs:
            await stage.press(spec.key)
            await stage.idle()
        await stage.press("f2", "ctrl+t")
        for kind in (Input, TextArea):
            for screen in stage.app.screen_stack:
                focused = [one for one in screen.query(kind) if one.has_focus]
                assert not any(one.cursor_blink for one in focused)

    perform(story, space)


@pytest.mark.parametrize(
    ("environ", "borders", "colors"),
    [
        ({"TERM": "xterm-256color", "LANG": "ko_KR.UTF-8"}, "line", "auto"),
        ({"TERM": "xterm-256color"}, "line", "auto"),
        ({"TERM": "tmux-256color", "LC_ALL": "C"}, "ascii", "auto"),
        ({"TERM": "linux", "LANG": "en_US.utf8"}, "line", "16"),
        ({"TERM": "xterm", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}, "line", "auto"),
        ({"TERM": "vt100", "LANG": "C.UTF-8"}, "ascii", "16"),
        ({"TERM": "xterm", "LC_ALL": "ko_KR.eucKR", "LANG": "ko_KR.UTF-8"}, "ascii", "16"),
        ({"TERM": "vt100", "KWTUI_SCREEN__BORDERS": "line"}, "line", "16"),
        ({"TERM": "xterm-256color", "KWTUI_SCREEN__COLORS": '"16"'}, "line", "16"),
    ],
)
def test_term_and_locale_say_what_can_be_shown(
    environ: dict[str, str], borders: str, colors: str
) -> None:
    found = read_choices(None, environ)
    assert (found.borders, found.colors) == (borders, colors)
    assert theme_for(found, no_color=False) == ("dark-16" if colors == "16" else "dark")
    assert theme_for(found, no_color=True) == "dark-16"


@pytest.mark.long
def test_korean_panes_are_ascii_but_for_korean(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    i18n.use("ko", cli.CATALOGUES)
    monkeypatch.setenv("KWTUI_SCREEN__BORDERS", "ascii")

    async def look(stage: Stage, pane: str) -> None:
        letters = HANGUL.sub("", shown(stage.app))
        assert letters.isascii(), (pane, sorted({c for c in letters if not c.isascii()}), letters)

    in_every_pane(filled, look)


def test_curves_are_told_apart_by_letters_without_colours(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kwtui.widgets.line_chart import Curve, LineChart, Plot, Point

    monkeypatch.setenv("NO_COLOR", "1")
    lines = [[Point(x, y, y, y) for x in range(9)] for y in (1.0, 2.0)]
    plot = Plot([Curve(lines[0], "a"), Curve(lines[1], "b")], 0, 8)

    async def story(stage: Stage) -> None:
        await stage.press("f6")
        await stage.idle()
        chart = stage.app.query_one("#chart", LineChart)
        chart.plot(plot)
        shown = "\n".join(content.plain for content in chart._contents)
        assert "aa" in shown
        assert "bb" in shown

    perform(story, space)
