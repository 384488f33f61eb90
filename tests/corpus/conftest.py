"""Run a function without root's rights, so that permissions count wherever the tests run."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

NOBODY = 65534
Unprivileged = Callable[[Callable[[], object]], object]


@pytest.fixture
def unprivileged() -> Unprivileged:
    """Call a function in a forked child that is nobody when the tests run as root."""

    def run(function: Callable[[], object]) -> object:
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_call, args=(function, sender))
        child.start()
        sender.close()
        try:
            return receiver.recv()
        finally:
            child.join()

    return run


def _call(function: Callable[[], object], sender: Connection) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        sender.send(function())
    except Exception as error:
        sender.send(error)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder whose path everybody may follow, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)
