"""A million terms as rows of a table: filtered as one types, sorted, counted by category.

What is searched lies in two arrays (haystack.py), one row after the other in the order of the
canonical forms; changes are laid over them as they come. Initial consonants find names: ㅍㅅ finds
파스.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import compress, islice
from typing import TYPE_CHECKING, Any

from glossary.folding import (
    Arrays,
    Row,
    details_text,
    folded,
    names_text,
    row_of,
    sort_value,
)
from glossary.haystack import INITIAL, INITIALS, Haystack
from glossary.ordering import by_code, by_value
from glossary.term import Term, key
from glossary.text import normalise

if TYPE_CHECKING:
    import numpy as np

    from glossary.store import Glossary

    Rows = np.ndarray[Any, np.dtype[Any]]

SORTS = (
    "canonical", "category", "definition", "language", "source", "updated", "created", "author",
)  # fmt: skip
WHICH = ("all", "keywords", "excluded")
_CHUNK = 4_000
_OVERLAY = 2_000
# Who is patient has so many times as many laid over while the arrays are made anew.
_PATIENCE = 4
# Answers to what was typed that are kept, a bit for each term.
_ANSWERS = 64
_USUAL = {"category": "", "language": "ko"}
# What a keyboard makes of two initial consonants in a row.
_PAIRS = str.maketrans(
    {"ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ",
     "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What a table shows: part `filter` of names, category or definition, in any case.

    `sort`: a field of `SORTS`, from the end with "-" before it. `which`: all, keywords or
    excluded. `category`: only terms of it; None: of any.
    """

    filter: str = ""
    sort: str = "canonical"
    which: str = "all"
    category: str | None = None

    def __post_init__(self) -> None:
        if self.sort.removeprefix("-") not in SORTS or self.which not in WHICH:
            raise ValueError(f"no rows sorted by {self.sort!r} or of {self.which!r}")


class Listing:
    """The rows of one glossary; reads all terms once, then only what changes."""

    def __init__(self, glossary: Glossary, *, read: bool = True, patient: bool = False) -> None:
        """Read all terms, or leave that to `read`.

        `patient`: after very many changes, or when a new order is asked for, the rows stay as they
        were until `read` is called (`behind`); else who asks next waits for them.
        """
        self._glossary = glossary
        self._patient = patient
        self._due: set[str] = set()
        self.ready = False
        self._steps = self._build()
        if read:
            self.read()

    @property
    def behind(self) -> bool:
        """Whether so much was changed that `read` is due, or an order was asked for."""
        return self.ready and (bool(self._due) or self.outdated)

    @property
    def outdated(self) -> bool:
        """Whether so much was changed that the rows show what was before."""
        return self._lag() + len(self._changed) > self._most

    def read(self, between: Callable[[], None] = lambda: None) -> None:
        """Read what is not read yet; `between` is called now and then and may read the rest."""
        while True:
            try:
                next(self._steps)
            except StopIteration:
                if not self.behind:
                    return
                self._steps = self._fold() if self.outdated else self._sort()
                continue
            except BaseException:
                self._steps = iter(()) if self.ready else self._build()
                raise
            between()

    def warm(self, between: Callable[[], None] = lambda: None) -> None:
        """Read everything, and find out what the first key of a filter may need."""
        self.read(between)
        for initial in INITIALS:
            self._holding(initial)
            between()
        for texts in (self._arrays.names, self._arrays.details):
            texts.prepare()
            between()

    def count(self, view: View) -> int:
        """How many terms pass."""
        return len(self._rows(view))

    def page(self, view: View, offset: int, limit: int) -> list[Term]:
        """Some of the rows, from `offset` on."""
        return self._glossary.journal.terms_of(self._rows(view)[offset : offset + limit].tolist())

    def keys(self, view: View) -> list[int]:
        """The keys of all rows in the journal, in their order, never as they were before."""
        self.read()
        return [int(number) for number in self._rows(view)]

    def place(self, view: View, term_id: str) -> int | None:
        """The row that a term has in the view; None when it is not in it."""
        import numpy as np

        number = self._glossary.journal.key_of(term_id)
        if number is None:
            return None
        found = np.flatnonzero(self._rows(view) == number)
        return int(found[0]) if len(found) else None

    def facets(self, view: View) -> dict[str, dict[str, int]]:
        """How many of the rows have each category and language, the most frequent first.

        Those of category are counted as if none were chosen, so that another can be.
        """
        import numpy as np

        self._level()
        shown: dict[str, dict[str, int]] = {}
        for name in ("category", "language"):
            base = view if name == "language" else View(view.filter, "canonical", view.which)
            rows = np.flatnonzero(self._passing(base))
            codes, values = self._arrays.codes[name]
            counts = Counter[str]()
            for code, count in enumerate(np.bincount(codes[rows], minlength=len(values))):
                counts[values[code]] += int(count)
            counts.update(getattr(term, name) for _number, term in self._over(base))
            found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            shown[name] = {value: count for value, count in found if count}
        return shown

    # Reading and keeping up

    @property
    def _most(self) -> int:
        """How many changes lie over the arrays before these are made anew."""
        return max(_OVERLAY, len(self._arrays.keys) // 500)

    def _lag(self) -> int:
        """How many changes were made since the last look."""
        if self._glossary.version == self._version:
            return 0
        journal = self._glossary.journal
        return journal.last_change(self._glossary.version) - journal.last_change(self._version)

    def _build(self) -> Iterator[None]:
        """Read all terms, in steps."""
        import numpy as np

        keys, keywords = array("q"), bytearray()
        seen = {"category": array("i"), "language": array("i")}
        known: dict[str, dict[str, int]] = {"category": {}, "language": {}}
        names, details = Haystack(), Haystack()
        with self._glossary.journal.still() as journal:
            version = journal.position
            for chunk in _chunks(journal.in_order()):
                yield
                keys.extend(number for number, _name, _values in chunk)
                keywords.extend(values.get("keyword", True) for _n, _name, values in chunk)
                for field, codes in seen.items():
                    index, usual = known[field], _USUAL[field]
                    codes.extend(
                        index.setdefault(v.get(field, usual), len(index)) for *_, v in chunk
                    )
                names.add(
                    [names_text(n, [v["canonical"], *v.get("aliases", ())]) for _, n, v in chunk]
                )
                details.add(
                    [
                        details_text(v.get("category", ""), v.get("definition", ""))
                        for *_, v in chunk
                    ]
                )
        coded = {
            field: (np.array(codes, dtype=np.int32), list(known[field]))
            for field, codes in seen.items()
        }
        self._use(
            Arrays(
                version, np.array(keys, dtype=np.int64), np.array(keywords, dtype=bool), coded,
                names.done(), details.done(),
            )
        )  # fmt: skip

    def _fold(self) -> Iterator[None]:
        """Take very many changes into the arrays, in steps."""
        version, journal = self._glossary.version, self._glossary.journal
        keys = list(dict.fromkeys([*self._changed, *journal.touched(self._version, version)]))
        if len(keys) > len(self._arrays.keys) // 2:
            yield from self._build()
            return
        fields, rows = tuple(self._arrays.orders), list[Row]()
        for start in range(0, len(keys), _CHUNK):
            yield
            found = journal.by_key(keys[start : start + _CHUNK])
            rows += [row_of(number, term, fields) for number, term in found.items()]
        yield from folded(self._arrays, version, keys, rows, fields)
        self._use(self._arrays)

    def _use(self, arrays: Arrays) -> None:
        """From now on answer by these arrays, with no change laid over them yet."""
        import numpy as np

        self._arrays, self._version = arrays, arrays.version
        self._by_key = np.argsort(arrays.keys)
        self._hidden = np.zeros(len(arrays.keys), dtype=bool)
        self._changed: dict[int, Term | None] = {}
        self._latest: tuple[int, View, Rows] | None = None
        self._answers: OrderedDict[str, Rows] = OrderedDict()
        self.ready = True

    def _level(self) -> None:
        """Take the changes since the last look; very many are left to `read` by who is patient."""
        import numpy as np

        glossary, count = self._glossary, self._lag()
        if not count:
            return
        if count > self._most or count + len(self._changed) > _PATIENCE * self._most:
            if not self._patient:
                self.read()
            return
        keys = glossary.journal.touched(self._version, glossary.version)
        self._version = glossary.version
        for number in keys:
            self._changed[number] = glossary.journal.term(number)
        there = self._arrays.keys
        wanted = np.array(keys, dtype=np.int64)
        places = np.searchsorted(there, wanted, sorter=self._by_key)
        inside = places < len(there)
        rows = self._by_key[places[inside]]
        self._hidden[rows[there[rows] == wanted[inside]]] = True

    def _over(self, view: View) -> list[tuple[int, Term]]:
        """The changed terms that pass, with their keys."""
        there = [(number, term) for number, term in self._changed.items() if term is not None]
        there = [(number, term) for number, term in there if _is_shown(term, view)]
        wanted = _wanted(view.filter)
        if not wanted or not there:
            return there
        text = Haystack()
        whole = not INITIAL.search(wanted)
        for _number, term in there:
            row = names_text(key(term.canonical), term.surfaces)
            more = details_text(term.category, term.definition) if whole else ""
            text.add([f"{row}\x1f{more}"])
        return list(compress(there, text.done().holding(wanted)))

    # Rows of a view

    def _rows(self, view: View) -> Rows:
        """The keys of the terms in the view, in its order; kept for its next page."""
        self._level()
        if self._latest is None or self._latest[:2] != (self._version, view):
            ordered = self._has_order(view.sort.removeprefix("-"))
            rows = self._ordered(view, self._passing(view), ordered)
            self._latest = (self._version, view, rows)
        return self._latest[2]

    def _passing(self, view: View) -> Rows:
        """Which rows of the arrays pass, as a mask."""
        passing = ~self._hidden
        if view.which != "all":
            passing &= self._arrays.keywords == (view.which == "keywords")
        if view.category is not None:
            codes, values = self._arrays.codes["category"]
            code = values.index(view.category) if view.category in values else -1
            passing &= codes == code
        if wanted := _wanted(view.filter):
            passing &= self._holding(wanted)
        return passing

    def _holding(self, wanted: str) -> Rows:
        """Which rows of the arrays hold a text; the latest answers are kept."""
        import numpy as np

        packed = self._answers.pop(wanted, None)
        if packed is None:
            if INITIAL.search(wanted):
                found = self._arrays.names.holding(wanted)
            else:
                # NumPy works outside of the interpreter's lock: both at once.
                details = _beside().submit(self._arrays.details.holding, wanted)
                found = self._arrays.names.holding(wanted) | details.result()
            packed = np.packbits(found)
        self._answers[wanted] = packed
        if len(self._answers) > _ANSWERS:
            self._answers.popitem(last=False)
        return np.unpackbits(packed, count=len(self._arrays.keys)).view(bool)

    def _ordered(self, view: View, passing: Rows, known: bool) -> Rows:
        """Keys in the order of the view if it is known, the changed terms among them."""
        import numpy as np

        values: Sequence[str] | Haystack
        field, backwards = view.sort.removeprefix("-"), view.sort.startswith("-")
        if field == "canonical" or not known:
            field, values = "canonical", self._arrays.names
            places = np.flatnonzero(passing)
            keys = self._arrays.keys[places]
        else:
            order, values = self._arrays.orders[field]
            places = np.flatnonzero(passing[order])
            keys = self._arrays.keys[order[places]]
        over = [(sort_value(term, field), number) for number, term in self._over(view)]
        if over:
            over.sort()
            added = [bisect_left(values, value) for value, _number in over]
            keys = np.insert(keys, np.searchsorted(places, added), [n for _value, n in over])
        return keys[::-1] if backwards else keys

    def _has_order(self, field: str) -> bool:
        """Whether the rows are known in the order of a field; who is patient gets it by `read`."""
        if field == "canonical" or field in self._arrays.orders:
            return True
        if field in self._arrays.codes:
            self._arrays.orders[field] = by_code(self._arrays, field)
            return True
        self._due.add(field)
        if not self._patient:
            self.read()
        return field in self._arrays.orders

    def _sort(self) -> Iterator[None]:
        """Find the orders that are due, in steps."""
        arrays, journal = self._arrays, self._glossary.journal
        for field in sorted(self._due):
            found = yield from by_value(arrays, self._by_key, journal.values_of(field))
            arrays.orders[field] = found
        self._due.clear()
        self._latest = None


@cache
def _beside() -> ThreadPoolExecutor:
    """One thread for what is searched beside the names."""
    return ThreadPoolExecutor(1, thread_name_prefix="details")


def _wanted(text: str) -> str:
    return " ".join(normalise(text).split()).lower().translate(_PAIRS)


def _is_shown(term: Term, view: View) -> bool:
    kind = view.which == "all" or term.keyword == (view.which == "keywords")
    return kind and view.category in (None, term.category)


def _chunks(
    rows: Iterable[tuple[int, str, dict[str, Any]]],
) -> Iterator[list[tuple[int, str, dict[str, Any]]]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
