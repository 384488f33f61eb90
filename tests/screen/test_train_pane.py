"""The train pane: a recipe is written, foretold, shown as examples and as text, and kept."""

from dataclasses import replace
from pathlib import Path

import pytest

from engines.hardware import Gpu
from engines.training.launching import whole_recipe
from engines.training.preflight import preflight
from engines.workspace import Workspace
from kwtui.panes.train_start import conditions, refused
from kwtui.services.training import Foretold
from kwtui.widgets.record_table import RecordTable
from tests.screen.conftest import Stage, perform
from tests.screen.training import fill, train_pane


def go_to(table: RecordTable, name: str) -> None:
    """Put the cursor on the row of that name."""
    for row in range(table.count):
        cell = table.row(row)[0]
        if str(getattr(cell, "plain", cell)).strip(" +-") == name:
            table.cursor = row
            return
    raise AssertionError(name)


def test_a_recipe_is_chosen_changed_foretold_and_kept(with_model: Workspace) -> None:
    fill(with_model)

    async def story(stage: Stage) -> None:
        pane = await train_pane(stage)
        await stage.press("p")
        await stage.type("tiny")
        await stage.press("enter")
        await stage.until(lambda: pane.form.origin == "tiny")
        await stage.idle()
        assert "6 of up to 4 x" in stage.text
        assert "16 examples, 3 dev texts" in stage.text

        go_to(pane.table, "batch_size")
        await stage.press("enter", "backspace", "x", "enter")
        assert "is no number" in stage.text
        await stage.press("backspace", *"99999999", "enter")
        assert "65536" in stage.text
        await stage.press(*["backspace"] * 8, "2", "enter")
        await stage.idle()
        assert pane.form.values["optimisation"]["batch_size"] == 2
        assert "6 of up to 2 x" in stage.text

        go_to(pane.table, "batch_size")
        await stage.press("backspace")
        assert pane.form.values["optimisation"]["batch_size"] == 4, "the recipe's own, not 8"
        go_to(pane.table, "packing")
        await stage.press("enter")
        assert pane.form.values["optimisation"]["packing"] is True
        go_to(pane.table, "method")
        await stage.press("enter", *"full", "enter")
        assert pane.form.method == "full"
        assert "lora" not in {row.section for row in pane.form.rows()}
        await stage.idle()

    perform(story, with_model, keep=True)

    async def later(stage: Stage) -> None:
        pane = await train_pane(stage)
        assert pane.form.method == "full" and pane.form.origin == "tiny"
        assert pane.form.values["optimisation"]["packing"] is True

    perform(later, with_model, keep=True)


def test_the_recipe_as_text_and_its_examples(with_model: Workspace) -> None:
    fill(with_model)

    async def story(stage: Stage) -> None:
        pane = await train_pane(stage)
        pane.form.take({"model": "tiny"}, "tiny")
        pane.changed()
        await stage.press("tab")
        assert 'model = "tiny"' in stage.text
        pane.area.load_text('model = "tiny"\nseed = "x"\n')
        await stage.press("ctrl+s")
        assert pane.view == "text", "a recipe that is none is not taken"
        assert "seed" in stage.line
        pane.area.load_text('model = "tiny"\nseed = 11\n')
        await stage.press("tab")
        assert pane.form.values["seed"] == 11
        await stage.until(lambda: "Example 1" in stage.text)
        assert "learnt tokens look like this" in stage.text
        await stage.press("escape")
        assert pane.view == "form"

    perform(story, with_model)


def test_what_does_not_fit_is_refused_and_a_digit_changes_the_recipe(
    with_model: Workspace,
) -> None:
    from engines.settings import load

    fill(with_model)
    values = {"model": "tiny", "method": "full", "optimisation": {"batch_size": 16}}
    recipe = whole_recipe(values, load(with_model.root), with_model, with_model.root, "test")
    large = Gpu(0, "GPU-1", "Small", total=2**34, used=0, free=2**34)
    need = preflight(recipe, trial=False, devices=[large]).total
    small = replace(large, total=2 * need, used=need + 2**20, free=need - 2**20)
    found = preflight(recipe, trial=False, devices=[small])
    assert not found.fits and found.could_fit

    async def story(stage: Stage) -> None:
        pane = await train_pane(stage)
        pane.form.take(values, "test")
        pane.draw()
        pane.job.stop()
        pane.job.found = Foretold("", found)
        pane.draw_foretold()
        await stage.pilot.pause()
        assert "GPU 0 Small" in stage.text and "What saves memory" in stage.text
        await stage.press("ctrl+r")
        assert "Start now" not in stage.text
        assert "Start although it does not fit" in stage.text
        await stage.press("escape", "1")
        how = pane.form.values["optimisation"]
        assert how["accumulation"] > 1 and how["batch_size"] < 16
        await stage.idle()

    perform(story, with_model)


def test_without_texts_the_pane_says_what_to_do(with_model: Workspace) -> None:
    async def story(stage: Stage) -> None:
        pane = await train_pane(stage)
        pane.form.take({"model": "tiny"}, "tiny")
        pane.changed()
        await stage.idle()
        assert "kwtui data import" in " ".join(stage.text.split())

    perform(story, with_model)


def test_recipes_are_read_from_files_and_written_whole(with_model: Workspace) -> None:
    fill(with_model)
    path = with_model.root / "recipe.toml"
    path.write_text('model = "tiny"\nseed = 5\n')

    async def story(stage: Stage) -> None:
        pane = await train_pane(stage)
        await stage.press("o", "enter")
        assert pane.form.values["seed"] == 5 and pane.form.origin == str(path)
        await stage.idle()
        await stage.press("w")
        await stage.press("enter")
        assert "is there already" in stage.text
        for key in ("home", *"whole-"):
            await stage.press("minus" if key == "-" else key)
        await stage.press("enter")
        written = with_model.root / "whole-recipe.toml"
        await stage.until(written.exists)
        assert "seed = 5" in written.read_text() and "[saving]" in written.read_text()

    perform(story, with_model)


def test_conditions_are_words(tmp_path: Path) -> None:
    found = conditions("hours=22:00-08:00 nice=10 free_gib=20.5")
    assert (found.hours, found.nice, found.free_gib) == ("22:00-08:00", 10, 20.5)
    assert "share" in refused("much=3")
    assert "no hours" in refused("hours=now")
    assert "no number" in refused("nice=x")
    assert refused("") == ""


@pytest.mark.parametrize("kind", ["lora", "scratch"])
def test_every_field_of_a_recipe_can_be_shown_and_typed(kind: str) -> None:
    from engines.training.form import fields

    for one in fields(kind):
        if one.kind in ("bool", "choice"):
            continue
        assert one.parsed(one.shown({})) == one.default or one.kind == "sources", one.key
