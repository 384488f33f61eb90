"""What stands on a terminal: as much of one as the app's output needs.

Positions, line ends, erasing, and characters of one or two cells; colours and modes are passed
over.
"""

from __future__ import annotations

import codecs
import re

from rich.cells import cell_len

_PART = re.compile(
    r"\x1b\[(?P<numbers>[0-?]*)[ -/]*(?P<verb>[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_].*?\x1b\\|\x1b[()][A-Z0-9]|\x1b[=>78cM]"
    r"|(?P<control>[\x00-\x1f])|(?P<char>[^\x00-\x1f])",
    re.DOTALL,
)
# The beginning of an escape sequence whose end has not come yet.
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[()])?$")


class Grid:
    """A screen of so many columns and rows that is written to."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self._cells = [[" "] * columns for _row in range(rows)]
        self._x = self._y = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        """Take what was written; sequences may be cut anywhere."""
        text = self._rest + self._decoder.decode(data)
        begun = _BEGUN.search(text)
        self._rest = begun.group() if begun else ""
        for part in _PART.finditer(text[: begun.start()] if begun else text):
            if char := part["char"]:
                self._put(char)
            elif control := part["control"]:
                self._control(control)
            elif part["verb"]:
                self._do(part["verb"], part["numbers"])

    @property
    def text(self) -> str:
        """The rows, one a line."""
        return "\n".join("".join(row).rstrip() for row in self._cells)

    def _put(self, char: str) -> None:
        width = cell_len(char)
        if width and self._x + width <= self.columns:
            row = self._cells[self._y]
            row[self._x] = char
            if width == 2:
                row[self._x + 1] = ""
            self._x += width

    def _control(self, control: str) -> None:
        if control == "\r":
            self._x = 0
        elif control == "\n":
            self._y = min(self._y + 1, self.rows - 1)

    def _do(self, verb: str, numbers: str) -> None:
        values = [int(n) if n.isdigit() else 0 for n in numbers.split(";")]
        if verb in "Hf":
            row, column = [*values, 0][:2]
            self._y = min(max(row, 1), self.rows) - 1
            self._x = min(max(column, 1), self.columns) - 1
        elif verb == "J":
            self._cells = [[" "] * self.columns for _row in range(self.rows)]
        elif verb == "K":
            self._cells[self._y][self._x :] = [" "] * (self.columns - self._x)
        elif verb == "C":
            self._x = min(self._x + max(values[0], 1), self.columns - 1)
