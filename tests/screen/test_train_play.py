"""`kwtui play` through the train and the monitor pane, in both languages."""

from pathlib import Path

import pytest

from engines.workspace import Workspace
from tests.screen.test_play import PLAYS
from tests.screen.training import fill


@pytest.mark.parametrize("language", ["en", "ko"])
def test_training_in_both_languages(
    kwtui, with_model: Workspace, language: str, tmp_path: Path
) -> None:
    fill(with_model)
    name = f"training_{language}"
    script = tmp_path / "a.play"
    script.write_text((PLAYS / f"{name}.play").read_text(encoding="utf-8"))
    environ = {"KWTUI_LANGUAGE": language, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    done = kwtui("-w", with_model.root, "play", script, env=environ)
    assert done.returncode == 0, done.stderr
    assert "url(http" not in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
    if language == "en":
        assert (with_model.models / "tiny-lora").is_dir(), "the model it made stays"
