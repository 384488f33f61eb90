"""Both READMEs say the same, and every command, key, link and picture in them is there."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command

from kwtui import cli, keymap
from kwtui.locale_tools import ROOT
from kwtui.panes import panes

FILES = ("README.md", "README.ko.md")


def text(name: str) -> str:
    return (Path(ROOT) / name).read_text(encoding="utf-8")


def commands(name: str) -> list[str]:
    """The indented lines of commands, comments cut off, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text(name))
    lines = re.findall(r"^    ((?:kwtui|make|sbatch|cd|sh) ?.*)$", joined, re.M)
    return [" ".join(re.sub(r"\s+#.*", "", line).split()) for line in lines]


def test_both_name_the_same_commands_in_the_same_order() -> None:
    english, korean = map(commands, FILES)
    assert english == korean
    assert len(english) > 30


def test_both_have_the_same_parts_pictures_and_links() -> None:
    english, korean = map(text, FILES)
    for pattern in (r"^## ", r"!\[", r"<!-- ladder -->"):
        assert len(re.findall(pattern, english, re.M)) == len(re.findall(pattern, korean, re.M))
    for file in (english, korean):
        targets = re.findall(r"\]\(([^)#:]+)\)", file)
        assert len(targets) > 10
        for target in targets:
            assert (Path(ROOT) / target).exists(), target


@pytest.mark.parametrize("line", [line for line in commands(FILES[0]) if "kwtui" in line])
def test_every_command_and_option_exists(line: str) -> None:
    for part in line.split("&&"):
        words = shlex.split(part)
        if words[0] == "kwtui":
            resolve(get_command(cli._root()), words[1:])


def resolve(found: Any, words: list[str]) -> None:
    """Follow the words to their command and look its options up."""
    while words and hasattr(found, "get_command") and not words[0].startswith("-"):
        inner = found.get_command(click.Context(found), words[0])
        assert inner is not None, words
        found, words = inner, words[1:]
    known = {option for one in found.params for option in one.opts}
    assert {word for word in words if word.startswith("-")} <= known, words


@pytest.mark.parametrize("name", FILES)
def test_every_key_exists(name: str) -> None:
    named = set(re.findall(r"\*\*(F\d+|Ctrl\+\w)\*\*", text(name)))
    tabs = {spec.key.upper() for spec in panes()}
    always = {key for action in keymap.actions() if not action.pane for key in action.keys}
    assert tabs <= named
    assert {key.lower() for key in named - tabs} <= always
