"""Many short texts searched at once, with initial consonants standing for Hangul syllables.

The texts lie one after the other as UTF-16 code units, so that one comparison of arrays looks at
all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Rows = np.ndarray[Any, np.dtype[Any]]

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
INITIAL = re.compile(f"[{INITIALS}]")
_SYLLABLES = (0xAC00, 0xD7A3)
_PER_INITIAL = 588
_NEWLINE = ord("\n")
# More hits than this share of the texts are counted by text, not looked up one by one.
_MANY = 0.3
# Hits that are kept, so that a longer text is looked for among them only.
_KEPT = 2_000_000
# In fewer units than these it does not matter which one is looked for first.
_FEW = 1 << 16
_PIECE = 1 << 20


class Haystack:
    """Texts without newlines, each a row; as a sequence: what stands before the first U+001F."""

    def __init__(self) -> None:
        self._pieces: list[Any] = []

    def add(self, texts: list[str]) -> None:
        """Add rows."""
        joined = "\n".join([*texts, ""])
        self._pieces.append(joined.encode("utf-16-le", "surrogatepass"))

    def spliced(self, gone: Rows, places: Rows, texts: Sequence[str]) -> Haystack:
        """These rows without those of the mask `gone`, each of `texts` before the row in `places`.

        `places` ascends. Costs a copy of the units, however many rows change.
        """
        import numpy as np

        cuts = [(int(row), 0, text) for row, text in zip(places, texts, strict=True)]
        cuts += [(int(row), 1, "") for row in np.flatnonzero(gone)]
        made, at = Haystack(), 0
        for row, goes, text in sorted(cuts, key=lambda cut: cut[:2]):
            made._pieces.append(self._units[self._start(at) : self._start(row)])
            if not goes:
                made.add([text])
            at = row + goes
        made._pieces.append(self._units[self._start(at) :])
        return made.done()

    def _start(self, row: int) -> int:
        return int(self._ends[row - 1]) if row else 0

    def done(self) -> Haystack:
        """No more rows come."""
        import numpy as np

        self._units: Rows = np.frombuffer(b"".join(self._pieces), dtype=np.uint16)
        self._ends = np.flatnonzero(self._units == _NEWLINE) + 1
        self._initials: Rows | None = None
        self._counts: Rows | None = None
        self._latest: tuple[bytes, Rows] | None = None
        self._pieces = []
        return self

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, row: int) -> str:
        data = self._units[self._start(row) : int(self._ends[row]) - 1].tobytes()
        return data.decode("utf-16-le", "surrogatepass").partition("\x1f")[0]

    def holding(self, wanted: str) -> Rows:
        """Which rows hold `wanted`, as a mask; jamo of initial consonants stand for syllables.

        Where `wanted` begins with what was looked for last, only its hits are looked at.
        """
        import numpy as np

        units = np.frombuffer(wanted.encode("utf-16-le", "surrogatepass"), dtype=np.uint16)
        mask = np.zeros(len(self._ends), dtype=bool)
        last = len(self._units) - len(units) + 1
        if last <= 0 or not len(units):
            return mask
        known = self._latest
        if known is not None and units.tobytes().startswith(known[0]):
            places, steps = known[1], list(range(len(known[0]) // 2, len(units)))
        else:
            first, *steps = self._rarest_first(units)
            hits = self._source(units[first]) == units[first]
            if len(units) == 1 and np.count_nonzero(hits) > _MANY * len(mask):
                return self._by_row(hits)
            places = np.flatnonzero(hits) - first
        places = places[np.searchsorted(places, 0) : np.searchsorted(places, last)]
        for step in steps:
            places = places[self._source(units[step])[places + step] == units[step]]
        self._latest = (units.tobytes(), places) if len(places) <= _KEPT else None
        if len(places) <= _MANY * len(mask):
            mask[np.searchsorted(self._ends, places, side="right")] = True
            return mask
        hits = np.zeros(len(self._units), dtype=bool)
        hits[places] = True
        return self._by_row(hits)

    def prepare(self) -> None:
        """Find out now what the first text of several letters would wait for."""
        self._count(_NEWLINE)

    def _rarest_first(self, units: Rows) -> list[int]:
        """The places in `units`, that of the rarest of them first."""
        order = list(range(len(units)))
        if len(units) > 1 and len(self._units) > _FEW:
            order.sort(key=lambda at: self._count(units[at]))
        return order

    def _count(self, unit: Any) -> int:
        """How often a unit stands in all texts, an initial for each of its syllables."""
        import numpy as np

        if self._counts is None:
            counts = np.zeros(1 << 16, dtype=np.int64)
            # NumPy counts in words of eight bytes: not of all units at once.
            for start in range(0, len(self._units), _PIECE):
                counts += np.bincount(self._units[start : start + _PIECE], minlength=1 << 16)
            for number, initial in enumerate(INITIALS):
                start = _SYLLABLES[0] + number * _PER_INITIAL
                counts[ord(initial)] += counts[start : start + _PER_INITIAL].sum()
            self._counts = counts
        return int(self._counts[unit])

    def _by_row(self, hits: Rows) -> Rows:
        """Which rows have a hit, of a mask over all units."""
        import numpy as np

        starts = np.concatenate(([0], self._ends[:-1]))
        found: Rows = np.bitwise_or.reduceat(hits.view(np.uint8), starts).astype(bool)
        return found

    def _source(self, unit: Any) -> Rows:
        """The units to compare with: of syllables only the initials where a jamo is wanted."""
        import numpy as np

        if chr(unit) not in INITIALS:
            return self._units
        if self._initials is None:
            table = np.arange(1 << 16, dtype=np.uint16)
            first, last = _SYLLABLES
            initials = np.array([ord(c) for c in INITIALS], dtype=np.uint16)
            table[first : last + 1] = np.repeat(initials, _PER_INITIAL)
            self._initials = table[self._units]
        return self._initials
