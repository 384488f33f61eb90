"""How the train and the monitor pane look, against the files in snapshots/."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.hardware import Gpu, GpuProcess
from engines.settings import load
from engines.training.launching import whole_recipe
from engines.training.preflight import preflight
from engines.workspace import Workspace
from glossary import i18n
from kwtui.cli import CATALOGUES
from kwtui.play import shown
from kwtui.services.training import Foretold
from tests.screen.conftest import Stage, perform
from tests.screen.test_snapshots import LOOKS, compare, picture
from tests.screen.training import enqueue, fill, monitor_pane, train_pane, write_run

CASES = [
    ("colour", (80, 24), "en"),
    ("ascii", (80, 24), "en"),
    ("no-color", (160, 45), "ko"),
]
GIB = 2**30


def dress(look: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LOOKS[look].items():
        monkeypatch.setenv(name, value)
    i18n.use(language, CATALOGUES)


def foretold(space: Workspace, *, fits: bool) -> Foretold:
    """What is foretold on a GPU that a colleague works on too, with round numbers."""
    values = {"model": "tiny", "method": "full"}
    recipe = whole_recipe(values, load(space.root), space, space.root, "test")
    other = (GpuProcess(7, "colleague", "python", 3 * GIB),)
    gpu = Gpu(0, "GPU-1", "NVIDIA H200", 8 * GIB, 4 * GIB, 4 * GIB, processes=other)
    found = preflight(recipe, trial=False, devices=[gpu])
    sizes = replace(found.estimate, weights=GIB, optimizer=GIB // 2, activations=GIB // 4,
                    context=GIB // 2, reserve=GIB // 8, temporary=0, logits=0, gradients=0,
                    evaluation=0, total=2 * GIB + GIB // 2)  # fmt: skip
    proposals = [replace(one, total=GIB, saves=GIB, fits=True) for one in found.proposals]
    return Foretold("", replace(found, estimate=sizes, fits=fits, proposals=proposals, seconds=95.0,
                                step_seconds=0.5, disk=GIB, disk_free=50 * GIB))  # fmt: skip


@pytest.mark.parametrize(("look", "size", "language"), CASES)
def test_train(
    with_model: Workspace,
    look: str,
    size: tuple[int, int],
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dress(look, language, monkeypatch)
    fill(with_model)
    found = foretold(with_model, fits=look != "ascii")
    end = f"{look}-{size[0]}x{size[1]}-{language}"

    async def story(stage: Stage) -> None:
        pane = await train_pane(stage)
        pane.form.take({"model": "tiny", "method": "full", "seed": 11}, "recipe.toml")
        pane.form.values["optimisation"] = {"batch_size": 4}
        pane.draw()
        pane.job.stop()
        pane.job.found, pane.job.wrong = found, ""
        pane.table.cursor = 2
        pane.draw_foretold()
        stage.app.say("")
        await stage.pilot.pause()
        compare(f"train-{end}", picture(stage))
        if look == "ascii":
            assert shown(stage.app).isascii()

    perform(story, with_model, size)


@pytest.mark.parametrize(("look", "size", "language"), CASES)
def test_monitor(
    space: Workspace,
    look: str,
    size: tuple[int, int],
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dress(look, language, monkeypatch)
    write_run(space, "20261101-090000-tiny-lora", created=3.0)
    write_run(
        space, "20261102-090000-tiny-full", done=120, state="stopped", nan_at=110, created=2.0
    )
    write_run(space, "20261103-090000-tiny-qlora", done=0, state="waiting", created=1.0)
    enqueue(space, "20261103-090000-tiny-qlora")
    end = f"{look}-{size[0]}x{size[1]}-{language}"

    async def story(stage: Stage) -> None:
        pane = await monitor_pane(stage)
        await stage.press("space", "down")
        await stage.until(lambda: pane.found.chosen.row.run.id.endswith("full"))
        await stage.idle()
        stage.app.say("")
        await stage.pilot.pause()
        compare(f"monitor-{end}", picture(stage))
        if look == "ascii":
            assert shown(stage.app).isascii()
        await stage.press("tab")
        await stage.until(lambda: "두통" in stage.text)
        await stage.idle()
        compare(f"samples-{end}", picture(stage))

    perform(story, space, size)
