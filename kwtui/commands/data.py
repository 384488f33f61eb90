"""`kwtui data`: the labeled texts of a workspace, from the command line."""

from __future__ import annotations

from kwtui.commands import (
    _data_exchange,
    _data_labels,
    _data_making,
    _data_quality,
    _data_splits,
)
from kwtui.commands._data import app

__all__ = [
    "_data_exchange",
    "_data_labels",
    "_data_making",
    "_data_quality",
    "_data_splits",
    "app",
]
