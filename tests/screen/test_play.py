"""`kwtui play`: the scripts of both languages, and what a script gets when it is wrong."""

from pathlib import Path

import pytest

from engines.corpus.store import Corpus
from engines.workspace import Workspace

PLAYS = Path(__file__).with_name("plays")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_extract_pane_in_both_languages(
    kwtui, space: Workspace, language: str, tmp_path: Path
) -> None:
    script = tmp_path / "extract.play"
    script.write_text((PLAYS / f"extract_{language}.play").read_text(encoding="utf-8"))
    done = kwtui("-w", space.root, "play", script, env={"KWTUI_LANGUAGE": language})
    assert done.returncode == 0, done.stderr
    svg = (tmp_path / f"extract_{language}.svg").read_text(encoding="utf-8")
    assert "파스" in svg
    assert "url(http" not in svg
    with Corpus.open(space.corpus_path, readonly=True) as corpus:
        (example,) = corpus.examples()
    assert [k.surface for k in example.keywords] == ["해열", "파스", "노인"]


def test_the_first_line_that_fails_is_named_with_the_screen(
    kwtui, space: Workspace, tmp_path: Path
) -> None:
    script = tmp_path / "a.play"
    script.write_text('# one\nexpect "F2"\nwait "[never]" 0.2\nexpect "F2"\n')
    done = kwtui("-w", space.root, "play", script)
    assert done.returncode == 1
    first, *screen = done.stderr.splitlines()
    assert first.startswith('Line 3: wait "[never]" 0.2:')
    assert any("F2 Extract" in line for line in screen)
    script.write_text('expect_not "F2"\n')
    assert kwtui("-w", space.root, "play", script).returncode == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("jump 3", "no step"),
        ("size big", "no step"),
        ("key", "no step"),
        ("wait a b c", "no step"),
        ('type "a', "not closed"),
    ],
)
def test_a_script_that_cannot_be_read_starts_nothing(
    space: Workspace, tmp_path: Path, line: str, said: str
) -> None:
    from glossary.errors import UserError
    from kwtui.play import read_script

    script = tmp_path / "a.play"
    script.write_text(f'expect "F2"\n{line}\n')
    with pytest.raises(UserError, match=said) as refused:
        read_script(script)
    assert f"{script}:2:" in refused.value.sentence


def test_a_play_needs_a_workspace_and_a_script(kwtui, space: Workspace, tmp_path: Path) -> None:
    missing = kwtui("-w", space.root, "play", tmp_path / "none.play")
    assert missing.returncode == 2
    assert "none.play" in missing.stderr
    script = tmp_path / "a.play"
    script.write_text("key f1\n")
    assert kwtui("play", script).returncode == 2


def test_quitting_ends_a_play_well(kwtui, space: Workspace, tmp_path: Path) -> None:
    script = tmp_path / "a.play"
    script.write_text('key ctrl+q\nexpect "not reached"\n')
    assert kwtui("-w", space.root, "play", script).returncode == 0
