"""The window around the panes: tabs, keys, help, palette, themes, sizes, state."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from textual.widgets import TextArea

from engines.children import python_environment
from engines.workspace import Workspace
from glossary import i18n
from glossary.errors import UserError
from kwtui import cli, keymap
from kwtui.app import Workbench
from kwtui.panes.dataset_adjudicate import AdjudicateView
from kwtui.panes.dataset_checks import ChecksView
from kwtui.panes.dataset_list import ListView
from kwtui.panes.extract import ExtractPane
from kwtui.panes.glossary_candidates import CandidatesView
from kwtui.panes.glossary_changes import ChangesView
from kwtui.panes.glossary_terms import TermsView
from kwtui.panes.models import ModelsPane
from kwtui.panes.monitor import MonitorPane
from kwtui.panes.tokenizer import TokenizerPane
from kwtui.panes.train import TrainPane
from tests.screen.conftest import Stage, bench, perform

VIEWS = (
    *(("extract", ExtractPane), ("train", TrainPane), ("monitor", MonitorPane)),
    *(("glossary", view) for view in (TermsView, CandidatesView, ChangesView)),
    *(("dataset", view) for view in (AdjudicateView, ChecksView, ListView)),
    *(("tokenizer", TokenizerPane), ("models", ModelsPane)),
)
HEAVY = ("torch", "transformers", "lancedb", "kiwipiepy", "pyarrow", "numpy", "pydantic", "typer")


def test_the_app_imports_nothing_heavy() -> None:
    code = (
        "import sys, kwtui.app, kwtui.panes.extract, kwtui.hosts; "
        "print(sorted({n.partition('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        env=python_environment(),
        check=True,
    )
    loaded = set(eval(done.stdout))
    assert loaded.isdisjoint(HEAVY), loaded & set(HEAVY)


def test_a_play_of_every_pane_loads_no_model_library(space: Workspace) -> None:
    code = (
        "import asyncio, sys; sys.path.insert(0, '.')\n"
        "from pathlib import Path\n"
        "from engines.workspace import Workspace\n"
        "from tests.screen.conftest import perform\n"
        "async def story(stage):\n"
        "    for spec in stage.app.specs:\n"
        "        await stage.press(spec.key)\n"
        "    await stage.press('f2')\n"
        "    await stage.extract()\n"
        f"perform(story, Workspace.open(Path({str(space.root)!r})))\n"
        "heavy = ('torch', 'transformers', 'lancedb', 'kiwipiepy')\n"
        "print([n for n in heavy if n in sys.modules])"
    )
    root = Path(cli.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=python_environment(),
        cwd=root,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_tab_asked_for_before_the_first_paint_is_the_first_shown(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = Workbench.on_mount

    def pressed_at_once(app: Workbench) -> None:
        mounted(app)
        app.simulate_key("f4")

    monkeypatch.setattr(Workbench, "on_mount", pressed_at_once)

    async def story(stage: Stage) -> None:
        await stage.until(lambda: stage.app.current == "dataset")
        await stage.idle()
        assert stage.app.current == "dataset"
        assert [pane.id for pane in stage.app.query(".pane")] == ["pane-dataset"]

    perform(story, space)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_tabs_help_and_palette(space: Workspace, size: tuple[int, int]) -> None:
    async def story(stage: Stage) -> None:
        assert "F2 Extract" in stage.text
        assert "F1 Help" in stage.text.splitlines()[-1]
        await stage.press("f4")
        assert stage.app.current == "dataset"
        await stage.press("ctrl+right_square_bracket")
        assert stage.app.current != "dataset"
        await stage.press("f2", "f1")
        assert "Type or paste a text" in " ".join(stage.text.split())
        # The key under q on a Korean keyboard.
        await stage.press("ㅂ")
        assert len(stage.app.screen_stack) == 1
        await stage.press("ctrl+p")
        await stage.type("light")
        assert "Theme: light" in stage.text
        await stage.press("enter")
        await stage.pilot.pause()
        assert stage.app.theme == "light"
        lines = stage.text.splitlines()
        assert len(lines) == size[1]

    perform(story, space, size)


def test_a_window_that_is_too_small_says_what_it_needs(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.pilot.resize_terminal(50, 12)
        await stage.pilot.pause()
        assert "50 x 12" in stage.text
        assert "80 x 24" in " ".join(stage.text.split())
        assert "F2" not in stage.text
        await stage.pilot.resize_terminal(80, 24)
        await stage.pilot.pause()
        assert "F2 Extract" in stage.text

    perform(story, space)


def test_keys_of_the_config_and_their_jamo(space: Workspace) -> None:
    more = '[keys]\nquit = "ctrl+x"\nextract.wrong = "d"\n'
    space.config.write_text(space.config.read_text(encoding="utf-8") + more, encoding="utf-8")

    async def story(stage: Stage) -> None:
        await stage.extract()
        await stage.press("escape", "ㅇ")
        assert stage.text.count("x 진통") == 1
        await stage.press("d")
        assert "x 진통" not in stage.text
        await stage.press("x")
        assert "x 진통" not in stage.text
        await stage.press("ctrl+x")
        await stage.pilot.pause()
        assert not stage.app.is_running

    assert perform(story, space).return_code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('quitt = "q"', "did you mean quit?"),
        ('quit = "hyperspace"', "hyperspace is no key"),
        ("quit = 3", "keys.quit must be keys"),
    ],
)
def test_a_wrong_key_ends_with_a_sentence(space: Workspace, line: str, said: str) -> None:
    more = f"[keys]\n{line}\n"
    space.config.write_text(space.config.read_text(encoding="utf-8") + more, encoding="utf-8")
    with pytest.raises(UserError, match=said) as refused:
        bench(space)
    assert refused.value.exit_code == 2


def test_a_wrong_setting_ends_with_its_sentence(kwtui, space: Workspace, tmp_path: Path) -> None:
    more = "[strategies.tiny2]\nshots = -1\n"
    space.config.write_text(space.config.read_text(encoding="utf-8") + more, encoding="utf-8")
    script = tmp_path / "a.play"
    script.write_text('wait "never"\n')
    done = kwtui("-w", space.root, "play", script)
    assert "shots" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode in (1, 2)


def test_every_letter_has_its_jamo_and_no_key_is_bound_twice() -> None:
    assert set(keymap.JAMO) >= set("abcdefghijklmnopqrstuvwxyz")
    assert len({keymap.JAMO[letter] for letter in "abcdefghijklmnopqrstuvwxyz"}) == 26
    assert list(keymap.aliases("ctrl+c")) == ["ctrl+c", "ctrl+ㅊ"]
    assert list(keymap.aliases("f5")) == ["f5"]
    early = [k for a in keymap.actions() if not a.pane for k in a.keys]
    for pane, view in VIEWS:
        mine = [
            one
            for one in keymap.actions()
            if one.pane == pane and hasattr(view, f"action_{one.verb}")
        ]
        keys = [key for action in mine for key in action.keys]
        assert keys
        assert len(keys) == len(set(keys)), view
        assert not set(keys) & set(early), view
    with pytest.raises(UserError, match="no action"):
        keymap.keys_in_use({"nothing.like.this": "q"})


def test_pane_strategy_text_and_theme_are_kept(space: Workspace) -> None:
    async def first(stage: Stage) -> None:
        await stage.idle()
        await stage.press("ctrl+t")
        await stage.type("tiny")
        await stage.press("enter")
        await stage.paste("머리가 아픕니다")
        stage.app.wear("contrast")
        await stage.press("f4")

    async def second(stage: Stage) -> None:
        assert stage.app.current == "dataset"
        assert stage.app.theme == "contrast"
        await stage.press("f2")
        await stage.idle()
        assert stage.app.query_one("#text", TextArea).text == "머리가 아픕니다"
        assert "─ tiny ─" in stage.text

    perform(first, space, keep=True)
    perform(second, space, keep=True)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"pane": "nowhere", "panes": 3}', '{"theme": 7}']
)
def test_a_damaged_state_is_no_obstacle(space: Workspace, damage: str) -> None:
    from kwtui.screen_state import state_file

    path = state_file(space.root)
    path.parent.mkdir(parents=True)
    path.write_text(damage)

    async def story(stage: Stage) -> None:
        assert stage.app.current == "extract"

    perform(story, space, keep=True)
    assert json.loads(path.read_text())["pane"] == "extract"


def test_a_mistake_of_ours_is_reported_by_whoever_started_the_app(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        stage.app.call_later(lambda: 1 / 0)
        await stage.until(lambda: not stage.app.is_running)

    with pytest.raises(ZeroDivisionError):
        perform(story, space)


def test_korean(space: Workspace) -> None:
    i18n.use("ko", cli.CATALOGUES)

    async def story(stage: Stage) -> None:
        assert "F2 추출" in stage.text
        assert "F1 도움말" in stage.text
        await stage.pilot.resize_terminal(50, 12)
        await stage.pilot.pause()
        assert "필요" in stage.text

    perform(story, space)


def test_a_long_warning_shows_that_it_goes_on_and_stays_until_it_is_read(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.idle()
        stage.app.warn("What it lacks is written here. " * 6)
        await stage.until(lambda: stage.line.endswith("…"))
        (note,) = stage.app._notifications
        assert note.timeout > 15

    perform(story, space)
