"""Many changed rows taken into the arrays of a listing, without reading the others anew."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

from glossary.haystack import Haystack
from glossary.term import Term, key

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[Any]]


_STEP = 2_000


@dataclass
class Arrays:
    """The terms as they were at the change `version`, a row each, by canonical form.

    `codes`: for each of the fields with few values the number of the value, and the values.
    `orders`: the rows in the order of a field, and its values in that order.
    """

    version: int
    keys: Rows
    keywords: Rows
    codes: dict[str, tuple[Rows, list[str]]]
    names: Haystack
    details: Haystack
    orders: dict[str, tuple[Rows, list[str]]] = field(default_factory=dict)


class Row(NamedTuple):
    """A term as a row; `values` are those of the fields that there is an order of."""

    name: str
    key: int
    names: str
    details: str
    keyword: bool
    codes: dict[str, str]
    values: tuple[str, ...]


@dataclass(frozen=True)
class Splice:
    """Rows that go (`gone`, a mask), and for each new row the old one before which it comes.

    `places` ascends.
    """

    gone: Rows
    places: Rows

    @cached_property
    def _gone_before(self) -> Rows:
        import numpy as np

        return np.concatenate(([0], np.cumsum(self.gone)))

    def values(self, old: Rows, new: Sequence[Any] | Rows) -> Rows:
        """One value a row, as it is afterwards."""
        import numpy as np

        kept = old[~self.gone]
        places = self.places - self._gone_before[self.places]
        return np.insert(kept, places, np.asarray(new, dtype=old.dtype))

    def moved(self) -> Rows:
        """Which row each old row is afterwards; those that go have the number of the next."""
        import numpy as np

        rows = np.arange(len(self.gone))
        return rows - self._gone_before[:-1] + np.searchsorted(self.places, rows, side="right")

    def fresh(self) -> Rows:
        """Which row each new row is afterwards."""
        import numpy as np

        return self.places - self._gone_before[self.places] + np.arange(len(self.places))

    def order(
        self, order: Rows, values: Sequence[str], new: Sequence[str]
    ) -> tuple[Rows, list[str]]:
        """An order of the rows by the values beside it, as it is afterwards.

        `new`: the values of the new rows. Rows of the same value stay in the order of their
        numbers.
        """
        import numpy as np

        kept = ~self.gone[order]
        rows, left = self.moved()[order[kept]], list(compress(values, kept))
        added = sorted(zip(new, self.fresh().tolist(), strict=True))
        places, found, at = [], list[str](), 0
        for value, row in added:
            first = bisect_left(left, value, at)
            last = bisect_right(left, value, first)
            place = first + int(np.searchsorted(rows[first:last], row))
            found += left[at:place]
            found.append(value)
            places.append(place)
            at = place
        found += left[at:]
        return np.insert(rows, places, [row for _value, row in added]), found


def folded(
    arrays: Arrays, version: int, gone: Sequence[int], rows: list[Row], fields: Sequence[str]
) -> Iterator[None]:
    """Take rows into `arrays`, in steps, and those with the keys `gone` out first.

    The arrays are changed at the end only, so that they can be used meanwhile. The
    orders of `fields`, which the values of the rows are of, are kept.
    """
    import numpy as np

    rows.sort(key=lambda row: row[:2])
    places: list[int] = []
    for number, row in enumerate(rows):
        if number % _STEP == 0:
            yield
        places.append(bisect_left(arrays.names, row.name, places[-1] if places else 0))
    mask = np.isin(arrays.keys, np.array(gone, dtype=np.int64))
    splice = Splice(mask, np.array(places, dtype=np.int64))
    yield
    names = arrays.names.spliced(mask, splice.places, [row.names for row in rows])
    yield
    details = arrays.details.spliced(mask, splice.places, [row.details for row in rows])
    yield
    codes = {
        name: _recoded(*old, splice, [row.codes[name] for row in rows])
        for name, old in arrays.codes.items()
    }
    orders = {}
    for number, name in enumerate(fields):
        yield
        orders[name] = splice.order(*arrays.orders[name], [row.values[number] for row in rows])
    arrays.keys = splice.values(arrays.keys, [row.key for row in rows])
    arrays.keywords = splice.values(arrays.keywords, [row.keyword for row in rows])
    arrays.names, arrays.details, arrays.codes = names, details, codes
    arrays.orders, arrays.version = orders, version


def _recoded(
    codes: Rows, values: list[str], splice: Splice, new: Sequence[str]
) -> tuple[Rows, list[str]]:
    index = {value: code for code, value in enumerate(values)}
    added = [index.setdefault(value, len(index)) for value in new]
    return splice.values(codes, added), list(index)


def names_text(name: str, surfaces: Sequence[str]) -> str:
    """What rows are ordered by (`glossary.term.key`), then every name in lower case."""
    lowered = "\x1f".join(surfaces).lower()
    if lowered == name or lowered.startswith(f"{name}\x1f"):
        return lowered
    return f"{name}\x1f{lowered}"


def details_text(category: str, definition: str) -> str:
    """What else a filter looks into, in lower case."""
    return f"{category}\x1f{definition}".replace("\n", " ").lower()


def row_of(number: int, term: Term, fields: Sequence[str]) -> Row:
    """A term as a row, `number` its key."""
    name = key(term.canonical)
    codes = {"category": term.category, "language": term.language}
    values = tuple(sort_value(term, field) for field in fields)
    names, details = names_text(name, term.surfaces), details_text(term.category, term.definition)
    return Row(name, number, names, details, term.keyword, codes, values)


def sort_value(term: Term, field: str) -> str:
    """What an order by the field compares."""
    return key(term.canonical) if field == "canonical" else str(getattr(term, field))
