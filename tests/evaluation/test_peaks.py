"""Memory of a strategy: what an earlier one held is not in it."""

from __future__ import annotations

import pytest

from engines.evaluation import measuring
from engines.evaluation.measuring import give_back, peak_memory

SIZE = 96 << 20


@pytest.mark.parametrize("kernel", [True, False])
def test_what_was_held_before_is_no_part_of_the_next_peak(
    monkeypatch: pytest.MonkeyPatch, kernel: bool
) -> None:
    if not kernel:
        monkeypatch.setattr(measuring, "_begin_anew", lambda: False)
        monkeypatch.setattr(measuring, "SAMPLED", 0.001)
    with peak_memory() as first:
        held = b"1" * SIZE
        first.look()
        del held
    give_back()
    with peak_memory() as second:
        pass
    assert first.kept or not kernel
    assert first.peak - second.peak > SIZE * 0.9


def test_a_short_peak_is_seen_where_the_kernel_counts() -> None:
    with peak_memory() as memory:
        before = memory.peak
        assert len(b"1" * SIZE) == SIZE
    if memory.kept:
        assert memory.peak - before > SIZE * 0.9
