"""The table of GPUs in docs/training.md holds what the preflight foretells."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from engines.hardware import GIB
from engines.layers import overlay
from engines.settings import load
from engines.training.memory import estimate
from engines.training.preflight_job import EMPTY, setting_of
from engines.training.recipe import checked, parse_changes, preset
from engines.training.shapes import GEMMA_2B

DOCS = Path(__file__).resolve().parents[2] / "docs" / "training.md"
ROW = re.compile(r"\| `kwtui train (\S+)(.*) --card (\d+)` \| (\d+) x 261 \| ([\d.]+) GiB \|")


def rows() -> list[tuple[str, list[str], int, int, float]]:
    """Recipe, changes, GiB of the GPU, examples at once, GiB foretold."""
    found = []
    for name, options, card, count, told in ROW.findall(DOCS.read_text(encoding="utf-8")):
        words = [word for word in shlex.split(options) if word != "--set"]
        words = ["method=" + w if w == "qlora" else w for w in words if w != "--method"]
        found.append((name, words, int(card), int(count), float(told)))
    return found


def test_there_are_rows_for_small_and_large_cards() -> None:
    assert {card for _name, _words, card, _count, _told in rows()} == {12, 24, 48}


@pytest.mark.parametrize(("name", "changes", "card", "count", "told"), rows())
def test_a_row_is_what_the_preflight_foretells(
    name: str, changes: list[str], card: int, count: int, told: float
) -> None:
    values = overlay(preset(load(None), name), {"model": "kw-mini"})
    recipe = checked(overlay(values, parse_changes(changes)), name)
    setting = replace(setting_of(recipe, gpu=True), shape=GEMMA_2B)
    # The demo's longest example in kw-mini's tokens, and the head that all its prompts share.
    data = replace(EMPTY, rows=count, length=261, answers=40, head=106)
    data = replace(data, dev_texts=100, dev_length=199, dev_new=39)
    found = estimate(GEMMA_2B, setting.job(data)).total / GIB
    assert found == pytest.approx(told, abs=0.06) and found < card
