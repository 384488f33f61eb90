"""The rows of a listing in the order of a field, found in steps: a million take seconds."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from heapq import merge
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from glossary.folding import Arrays

    Rows = np.ndarray[Any, np.dtype[Any]]

    Order = tuple[Rows, list[str]]

_STEP = 20_000


def by_code(arrays: Arrays, field: str) -> Order:
    """The order by a field with few values, and the values in that order."""
    import numpy as np

    codes, values = arrays.codes[field]
    rank = np.empty(len(values), dtype=np.int64)
    rank[sorted(range(len(values)), key=values.__getitem__)] = np.arange(len(values))
    order = np.argsort(rank[codes], kind="stable")
    return order, [values[code] for code in codes[order].tolist()]


def by_value(
    arrays: Arrays, by_key: Rows, pieces: Iterable[list[tuple[int, str]]]
) -> Generator[None, None, Order]:
    """The order by the values that `pieces` give the keys, and the values in that order.

    `by_key`: the rows in the order of their keys.
    """
    import numpy as np

    values = np.full(len(arrays.keys), "", dtype=object)
    for piece in pieces:
        yield
        keys = np.array([number for number, _value in piece], dtype=np.int64)
        places = np.searchsorted(arrays.keys, keys, sorter=by_key)
        rows = by_key[np.minimum(places, len(by_key) - 1)] if len(by_key) else places
        known = arrays.keys[rows] == keys if len(by_key) else np.zeros(len(keys), dtype=bool)
        values[rows[known]] = np.array([value for _n, value in piece], dtype=object)[known]
    runs = []
    for start in range(0, len(values), _STEP):
        yield
        run = values[start : start + _STEP].tolist()
        runs.append(sorted(zip(run, range(start, start + len(run)), strict=True)))
    order, found = np.empty(len(values), dtype=np.int64), list[str]()
    for place, (value, row) in enumerate(merge(*runs)):
        if place % _STEP == 0:
            yield
        order[place] = row
        found.append(value)
    return order, found
