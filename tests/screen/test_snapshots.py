"""How the screen looks, letter by letter and style by style, against the files in snapshots/.

UPDATE_SNAPSHOTS=1 writes them anew: look at the difference before you commit it. The line of tabs
is left out, for it changes with every new pane.
"""

import os
from pathlib import Path

import pytest
from rich.segment import Segment
from rich.style import Style

from engines.workspace import Workspace
from kwtui.play import shown
from kwtui.widgets.record_table import RecordTable
from tests.screen.conftest import SENTENCE, Stage, perform

FOLDER = Path(__file__).with_name("snapshots")
LOOKS = {
    "colour": {},
    "light": {"KWTUI_SCREEN__THEME": "light"},
    "sixteen": {"KWTUI_SCREEN__COLORS": '"16"'},
    "no-color": {"NO_COLOR": "1"},
    "ascii": {"KWTUI_SCREEN__BORDERS": "ascii"},
}
CASES = [
    *((name, (80, 24)) for name in LOOKS),
    *((name, (160, 45)) for name in ("colour", "no-color", "ascii")),
]


def picture(stage: Stage) -> str:
    """The letters, then the style of each run of letters as `column-column style`."""
    lines = shown(stage.app).splitlines()[1:]
    styles = []
    for number, strip in enumerate(painted(stage)[1:], start=1):
        at, runs = 0, list[list[object]]()
        for segment in strip:
            style = look(segment.style)
            if runs and runs[-1][2] == style:
                runs[-1][1] = at + segment.cell_length
            else:
                runs.append([at, at + segment.cell_length, style])
            at += segment.cell_length
        styles.append(f"{number}: " + "; ".join(f"{a}-{b} {s}" for a, b, s in runs))
    return "\n".join([*lines, "", *styles, ""])


def look(style: Style | None) -> str:
    if style is None:
        return "none"
    names = ("bold", "dim", "underline", "reverse", "strike")
    marks = [name for name in names if getattr(style, name)]
    ink = style.color.name if style.color else "-"
    paper = style.bgcolor.name if style.bgcolor else "-"
    return " ".join([*marks, f"{ink}/{paper}"])


def painted(stage: Stage) -> list[list[Segment]]:
    """The lines as the terminal gets them, filters for NO_COLOR and 16 colours applied."""
    lines = []
    for strip in stage.app.screen._compositor.render_strips():
        segments = list(strip)
        for line_filter in stage.app.get_line_filters():
            segments = line_filter.apply(segments, stage.app.screen.background_colors[1])
        lines.append(segments)
    return lines


def compare(name: str, found: str) -> None:
    path = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8"), f"{path.name} differs"


@pytest.mark.parametrize(("look_name", "size"), CASES)
def test_extract(
    space: Workspace, look_name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in LOOKS[look_name].items():
        monkeypatch.setenv(name, value)

    async def story(stage: Stage) -> None:
        from engines.records import Keyword, Prediction
        from kwtui.panes.marking import Marking

        await stage.idle()
        await stage.paste(SENTENCE)
        words = [(0, 2, "진통"), (4, 6, "해열"), (14, 16, "파스"), (23, 26, "임산부")]
        found = tuple(Keyword(start, end, surface) for start, end, surface in words)
        marking = Marking(Prediction("1", SENTENCE, found, "words", "", seconds=0.25))
        marking.toggle(marking.rows()[2])
        marking.add_missed("노인")
        pane = stage.app.query_one("#pane-extract")
        pane.job.warm = lambda strategy: None  # type: ignore[attr-defined]
        pane.answered(marking)  # type: ignore[attr-defined]
        stage.app.query_one(RecordTable).focus()
        await stage.press("down")
        stage.app.say("")
        await stage.pilot.pause()
        found_picture = picture(stage)
        if look_name == "no-color":
            assert "#" not in found_picture
            assert "reverse" in found_picture
        if look_name == "sixteen":
            assert "#" not in found_picture
        if look_name == "ascii":
            letters = shown(stage.app).replace(SENTENCE, "")
            for _start, _end, word in [*words, (0, 0, "노인")]:
                letters = letters.replace(word, "")
            assert letters.isascii(), letters
        compare(f"extract-{look_name}-{size[0]}x{size[1]}", found_picture)

    perform(story, space, size)
