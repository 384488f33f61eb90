"""Permissions count in these tests too."""

from tests.corpus.conftest import open_folder, unprivileged

__all__ = ["open_folder", "unprivileged"]
