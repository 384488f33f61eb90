"""The help of every pane, view and key, in both languages; the same keys for the same things."""

import importlib
import re
from collections import defaultdict

import pytest

from engines.workspace import Workspace
from glossary import i18n
from kwtui import cli, help_actions, help_views, keymap
from kwtui.help import HelpKey, Section, common, page, sections, words
from kwtui.panes import panes
from tests.screen.conftest import Stage, perform

HANGUL = re.compile("[가-힣]")
# What a key that several panes have means in all of them; verbs of one pane aside.
MEANINGS = {
    "tab": {"next-view"},
    "shift+tab": {"previous-view"},
    "slash": {"filter", "search"},
    "ctrl+r": {"run", "start", "measure", "refresh", "search"},
    "ctrl+z": {"undo"},
    "ctrl+y": {"redo"},
    "w": {"write", "report", "export"},
    "escape": {"cancel", "leave", "stop"},
    "g": {"glossary"},
    "l": {"label", "work"},
    "space": {"mark", "against"},
}


def views(pane: str) -> list[str]:
    """The ids of the views of a pane, [] for one without."""
    spec = next(spec for spec in panes() if spec.id == pane)
    module = importlib.import_module(spec.module)
    return list(getattr(module, "_VIEWS", getattr(module, "VIEWS", ())))


def test_every_action_has_help_in_both_languages() -> None:
    english = {a.id: (a.description, help_actions.sentences().get(a.id)) for a in keymap.actions()}
    i18n.use("ko", cli.CATALOGUES)
    korean = {a.id: (a.description, help_actions.sentences().get(a.id)) for a in keymap.actions()}
    for action in keymap.actions():
        label, sentence = english[action.id]
        assert HANGUL.search(korean[action.id][0]), action.id
        # The footer has room for a word; what it shows is said in a sentence too.
        if action.shown:
            assert sentence, f"{action.id} needs a sentence in kwtui/help_actions.py"
            assert len(sentence.split()) > 1, action.id
            assert sentence != label
        else:
            assert sentence or len(label) > 5, action.id
        if sentence:
            assert HANGUL.search(korean[action.id][1] or ""), action.id
    assert set(help_actions.sentences()) <= set(korean), "help for what is no action"


def test_every_pane_and_view_has_help_in_both_languages(space: Workspace) -> None:
    texts: dict[str, dict[str, str]] = defaultdict(dict)

    async def story(stage: Stage) -> None:
        for spec in stage.app.specs:
            await stage.press(spec.key)
            texts[i18n.language()][spec.id] = stage.app.pane.help_text()

    for language in ("en", "ko"):
        i18n.use(language, cli.CATALOGUES)
        perform(story, space)
        for spec in panes():
            for view in views(spec.id):
                found = help_views.view_help(spec.id, view)
                assert len(found) > 20, f"{spec.id}, {view}: needs help in kwtui/help_views.py"
                texts[language][f"{spec.id}.{view}"] = found
    assert len(texts["en"]) == len(texts["ko"]) > 20
    for name, text in texts["en"].items():
        assert len(text) > 30, name
        assert HANGUL.search(texts["ko"][name]), name
        assert not HANGUL.search(re.sub("[ㄱ-ㅎ]{2}|파스|형|용|답", "", text)), name


def test_the_same_key_means_the_same_in_every_pane() -> None:
    for action in keymap.actions():
        verb = action.id.rpartition(".")[2]
        for key in action.keys:
            if key in MEANINGS and action.pane:
                assert verb in MEANINGS[key], f"{key} of {action.id}"


def test_the_same_action_has_the_same_key_in_every_pane() -> None:
    found: dict[str, list[set[str]]] = defaultdict(list)
    for action in keymap.actions():
        if action.pane:
            found[action.id.rpartition(".")[2]].append(set(action.keys))
    # Called alike, but not alike: a dialog of exports, a list of texts, a labeling view, a run.
    apart = {"export", "filter", "open", "measure", "stop", "search"}
    for verb, keys in found.items():
        if verb not in apart:
            assert set.intersection(*keys), f"{verb}: {keys}"


def test_the_help_lists_the_keys_of_the_view_first_and_all_of_them(space: Workspace) -> None:
    async def story(stage: Stage) -> None:
        await stage.press("f5")
        await stage.idle()
        made = sections(stage.app)
        assert made[0].title == "Keys here"
        listed = [key.label for part in made for key in part.keys]
        for action in keymap.actions():
            if action.pane in ("", "train") and action.keys:
                assert action.description in listed, action.id
        assert {key.keys for key in common()} <= {key.keys for p in made for key in p.keys}
        assert "Form: the recipe" in words(stage.app)
        await stage.press("f1")
        await stage.until(lambda: "Keys here" in stage.text)

    perform(story, space)


@pytest.mark.parametrize("width", [40, 66, 120])
def test_the_page_is_wrapped_beside_its_keys(width: int) -> None:
    long = HelpKey("^R", "Extract", "asks the strategy for the keywords of the text " * 4)
    wide = HelpKey("^Shift+Right, Shift+Down", "길이 늘리기", "글자 하나만큼 늘립니다 " * 6)
    lines = page("About.", [Section("Keys", [long, wide])], width).split("\n")
    assert all(line.cell_length <= width for line in lines[1:])
    rows = [line.plain for line in lines[3:]]
    assert rows[0].startswith("^R")
    assert all(row.startswith(" ") for row in rows[1:] if not row.startswith("^Shift"))
    assert " ".join(" ".join(rows).split()).count("asks the strategy") == 4
