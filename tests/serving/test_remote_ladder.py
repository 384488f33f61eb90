"""The ladder with a strategy that asks a real llama.cpp server, which dies and comes back."""

import json
import threading

from engines.evaluation.ladder import Wish, run
from engines.evaluation.results import LadderResult, RungResult
from engines.settings import load
from engines.workspace import Workspace
from tests.conftest import Run
from tests.llama_server import LlamaServer

TEXTS = 30


def words(space: Workspace, row: RungResult) -> list[tuple[str, list[str]]]:
    """What the strategy of a row answered, from its file of predictions."""
    lines = (space.root / row.predictions).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(one["id"], [k["surface"] for k in one["keywords"]]) for one in rows]


def test_it_is_complete_and_right_although_the_server_dies_midway(
    mortal: LlamaServer, kwtui: Run, workspace: Workspace
) -> None:
    root = workspace.root.parent / "demo"
    assert kwtui("init", root, "--demo").returncode == 0
    space = Workspace.open(root)
    with space.config.open("a") as config:
        config.write(
            f'\n[servers.lab]\naddress = "{mortal.address}"\n'
            '[strategies.here]\n[strategies.there]\nserver = "lab"\n'
        )
    assert kwtui("trust", root, "--yes").returncode == 0
    mortal.start()
    killed: list[int] = []

    def watch(name: str, done: int, _total: int) -> None:
        if name == "there" and done == 10 and done not in killed:
            killed.append(done)
            mortal.kill()
            threading.Timer(0.3, mortal.start).start()

    def climb() -> LadderResult:
        return run(
            space, load(root), ["here", "there"], "dev", Wish(limit=TEXTS), on_progress=watch
        )

    result = climb()
    assert killed == [10]
    here, there = result.rows
    assert (here.texts, there.texts) == (TEXTS, TEXTS)
    assert words(space, there) == words(space, here)
    assert there.scores.f1 == here.scores.f1 > 0
    # What was answered is not asked again, also when the server is gone.
    mortal.kill()
    again = climb()
    assert [row.scores.f1 for row in again.rows] == [here.scores.f1, there.scores.f1]
