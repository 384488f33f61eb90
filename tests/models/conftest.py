"""Model folders on disk: one made for the session, copied for what breaks it."""

import shutil
from pathlib import Path

import pytest

from tests import tiny


@pytest.fixture(scope="session")
def good_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete tiny model folder; never written to."""
    return tiny.write_model(tmp_path_factory.mktemp("good") / "tiny-gemma")


@pytest.fixture
def model(good_model: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    return Path(shutil.copytree(good_model, tmp_path / "models" / "tiny-gemma"))
