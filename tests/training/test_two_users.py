"""Two people of one Unix group train in one workspace: runs, the queue, and requests to stop."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.training import runs
from engines.training.folder import RunFolder
from engines.training.queue import Conditions, Queue
from engines.workspace import Workspace
from kwtui.startup import enter
from tests.training.queues import waiting

GROUP, FIRST, SECOND = 61000, 61001, 61002

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs two users"),
    pytest.mark.usefixtures("own_locks"),
]


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder of the group, on a path that everybody may follow, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "shared"
        path.mkdir()
        (path / "config.toml").write_text("[workspace]\nformat = 1\n", encoding="utf-8")
        os.chown(path, FIRST, GROUP)
        path.chmod(0o2770)
        (path / "config.toml").chmod(0o664)
        yield path


def by(user: int, root: Path, work: Callable[[Queue], None]) -> None:
    """Do something as a user of the group, as a start of kwtui in the workspace does it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([GROUP])
            os.setgid(GROUP)
            os.setuid(user)
            os.umask(0o077)
            enter(Workspace(root))
            work(Queue(root / "runs", "here"))
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_a_colleague_orders_cancels_stops_and_removes_runs(root: Path) -> None:
    def begin(queue: Queue) -> None:
        waiting(queue, "a", "b", "c")
        for name in "ab":
            queue.add(name, Conditions(), author="first")
        RunFolder(queue.runs / "c").write({"state": "stopped", "id": "c"})

    def go_on(queue: Queue) -> None:
        waiting(queue, "d")
        queue.add("d", Conditions(), author="second")
        queue.move("d", 1)
        queue.cancel("a")
        RunFolder(queue.runs / "b").stop_file.touch()
        runs.remove(runs.find(queue.runs, "c"))

    def look_again(queue: Queue) -> None:
        assert [(e.run, e.author) for e in queue.read()] == [("d", "second"), ("b", "first")]
        assert RunFolder(queue.runs / "b").stop_file.exists()
        assert not (queue.runs / "c").exists()
        RunFolder(queue.runs / "d").write({"state": "stopped", "id": "d"})
        queue.cancel("d")

    by(FIRST, root, begin)
    by(SECOND, root, go_on)
    by(FIRST, root, look_again)


def test_a_stranger_of_no_group_reads_nothing(root: Path) -> None:
    by(FIRST, root, lambda queue: waiting(queue, "a"))
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(62000)
        os.setuid(62000)
        try:
            (root / "runs" / "a" / "recipe.toml").read_text(encoding="utf-8")
        except PermissionError:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
