"""Plots as SVG inside a page: no script, no style of their own, every word escaped.

Colours are classes (`c0` to `c7`), which the page defines for light and dark; they are told apart
by colour-blind readers (Wong 2011), and shapes and words say the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 720
COLORS = 8
_LEFT, _RIGHT, _TOP, _LINE = 190, 60, 10, 26
_LETTER = 7.2
# Units between two names in a column.
_NAME = 18


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its interval, all from 0 to 1."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spot:
    """A point with a name; `x` above 0, on a logarithmic axis."""

    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """A curve, with an optional band around it: points (x, y) and (x, low, high)."""

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dashed: bool = False


def forest(rows: Sequence[Interval], title: str) -> str:
    """One line a row: the value on the axis from 0 to 1, its interval as a bar."""
    height = _TOP + _LINE * len(rows) + 30
    room = WIDTH - _LEFT - _RIGHT
    parts = [_grid(n / 5, _LEFT + room * n / 5, height - 24) for n in range(6)]
    for number, row in enumerate(rows):
        y = _TOP + _LINE * (number + 0.5)
        low, mid, high = (_LEFT + room * min(max(v, 0), 1) for v in (row.low, row.value, row.high))
        parts += [
            _text(_LEFT - 10, y + 4, _cut(row.name, _LEFT - 20), anchor="end"),
            f'<line x1="{low:.1f}" y1="{y:.1f}" x2="{high:.1f}" y2="{y:.1f}" class="s0 bar"/>',
            f'<circle cx="{mid:.1f}" cy="{y:.1f}" r="4.5" class="c0"/>',
            _text(WIDTH - _RIGHT + 8, y + 4, f"{row.value:.3f}"),
        ]
    return _svg(height, title, parts)


def scatter(spots: Sequence[Spot], title: str, x_title: str, number: Callable[[float], str]) -> str:
    """Points over a logarithmic axis, F1 from 0 to 1 upwards; names stand in a column beside."""
    if not spots:
        return _svg(40, title, [])
    bottom = max(330, 20 + _NAME * len(spots))
    logs = [math.log10(spot.x) for spot in spots]
    first = math.floor(min(logs))
    last = max(math.ceil(max(logs)), first + 1)
    left, room = 60, WIDTH - 60 - 170

    def place(log: float, value: float) -> tuple[float, float]:
        return left + (log - first) / (last - first) * room, bottom - value * (bottom - 20)

    parts = []
    for decade in range(first, last + 1):
        x, _y = place(decade, 0)
        parts.append(f'<line x1="{x:.1f}" y1="20" x2="{x:.1f}" y2="{bottom}" class="grid"/>')
        parts.append(_text(x, bottom + 18, number(10.0**decade), anchor="middle", kind="tick"))
    parts += [_level(place(first, n / 5)[1], left, room, f"{n / 5:.1f}") for n in range(6)]
    parts.append(_text(left + room / 2, bottom + 42, x_title, anchor="middle", kind="tick"))
    places = [place(log, spot.y) for log, spot in zip(logs, spots, strict=True)]
    names, points = list[str](), list[str]()
    for index, ((x, y), height) in enumerate(zip(places, _apart(places, bottom), strict=True)):
        side = left + room + 24
        names.append(
            f'<polyline points="{x:.1f},{y:.1f} {side - 14:.1f},{height:.1f} '
            f'{side - 4:.1f},{height:.1f}" class="lead s{index % COLORS}"/>'
        )
        names.append(_text(side, height + 4, _cut(spots[index].name, 145)))
        points.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="c{index % COLORS}"/>')
    return _svg(bottom + 50, title, [*parts, *names, *points])


def bars(groups: Sequence[str], series: Sequence[tuple[str, Sequence[int]]], title: str) -> str:
    """Grouped bars: a group a block, a series a bar."""
    most = max((n for _name, counts in series for n in counts), default=0) or 1
    thick, gap = 12, 12
    block = thick * len(series) + gap
    head = 24 * ((len(series) + 2) // 3)
    height = _TOP + head + block * len(groups) + 6
    room = WIDTH - _LEFT - _RIGHT
    parts = _legend([name for name, _counts in series])
    for number, group in enumerate(groups):
        top = _TOP + head + block * number
        middle = top + thick * len(series) / 2
        parts.append(_text(_LEFT - 10, middle + 4, _cut(group, _LEFT - 20), anchor="end"))
        for index, (_name, counts) in enumerate(series):
            y, long = top + thick * index, counts[number] / most * room
            parts.append(
                f'<rect x="{_LEFT}" y="{y:.1f}" width="{long:.1f}" height="{thick - 2}"'
                f' class="c{index % COLORS}"/>'
            )
            parts.append(_text(_LEFT + long + 6, y + 9, f"{counts[number]:,}", kind="tick"))
    return _svg(height, title, parts)


def curves(lines: Sequence[Line], title: str, x_title: str) -> str:
    """Curves over a linear axis, each with its name in the legend."""
    points = [p for line in lines for p in line.points]
    points += [(x, y) for line in lines for x, low, high in line.band for y in (low, high)]
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return _svg(40, title, [])
    head = 24 * ((len(lines) + 2) // 3)
    bottom = 300 + head
    across = _ticks(min(x for x, _y in points), max(x for x, _y in points))
    upwards = _ticks(min(y for _x, y in points), max(y for _x, y in points))
    (first, last), (low, high) = (across[0], across[-1]), (upwards[0], upwards[-1])
    left, room = 70, WIDTH - 70 - 30

    def place(x: float, y: float) -> str:
        at = left + (x - first) / (last - first) * room
        down = bottom - (y - low) / (high - low) * (bottom - head - 16)
        return f"{at:.1f},{down:.1f}"

    parts = _legend([line.name for line in lines])
    for value in upwards:
        y = float(place(first, value).split(",")[1])
        parts.append(_level(y, left, room, f"{value:g}"))
    for value in across:
        x = float(place(value, low).split(",")[0])
        parts.append(_text(x, bottom + 18, f"{value:,g}", anchor="middle", kind="tick"))
    parts.append(_text(left + room / 2, bottom + 38, x_title, anchor="middle", kind="tick"))
    for index, line in enumerate(lines):
        parts += _curve(line, index, place)
    return _svg(bottom + 46, title, parts)


def _ticks(low: float, high: float) -> list[float]:
    """Round values, at most six or so, of which the first and the last enclose both."""
    span = (high - low) or abs(high) or 1.0
    rough = span / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * n for n in (1, 2, 2.5, 5, 10) if unit * n >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * n, 12) for n in range(first, max(last, first + 1) + 1)]


def _level(y: float, left: float, room: float, words: str) -> str:
    """A line across with its value beside it."""
    line = f'<line x1="{left}" y1="{y:.1f}" x2="{left + room}" y2="{y:.1f}" class="grid"/>'
    return line + _text(left - 8, y + 4, words, anchor="end", kind="tick")


def _curve(line: Line, index: int, place: Callable[[float, float], str]) -> list[str]:
    parts = []
    if line.band:
        upper = [place(x, high) for x, _low, high in line.band]
        lower = [place(x, low) for x, low, _high in reversed(line.band)]
        around = " ".join([*upper, *lower])
        parts.append(f'<polygon points="{around}" class="c{index % COLORS} band"/>')
    finite = [(x, y) for x, y in line.points if math.isfinite(x) and math.isfinite(y)]
    path = " ".join(place(x, y) for x, y in finite)
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    parts.append(f'<polyline points="{path}" class="s{index % COLORS} curve"{dash}/>')
    if not line.band and len(finite) <= 40:
        for x, y in finite:
            across, down = place(x, y).split(",")
            parts.append(f'<circle cx="{across}" cy="{down}" r="2.5" class="c{index % COLORS}"/>')
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for index, name in enumerate(names):
        x, y = 10 + (index % 3) * (WIDTH // 3), _TOP + 24 * (index // 3)
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" class="c{index % COLORS}"/>')
        parts.append(_text(x + 18, y + 11, _cut(name, WIDTH // 3 - 30)))
    return parts


def _apart(places: Sequence[tuple[float, float]], bottom: float) -> list[float]:
    """Heights for the names of these points, in their order and one under the other."""
    order = sorted(range(len(places)), key=lambda n: (places[n][1], -places[n][0]))
    heights = [0.0] * len(places)
    above = 0.0
    for n in order:
        heights[n] = above = max(places[n][1], above + _NAME)
    below = bottom + _NAME
    for n in reversed(order):
        heights[n] = below = min(heights[n], below - _NAME)
    return heights


def _grid(value: float, x: float, bottom: float) -> str:
    line = f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" class="grid"/>'
    return line + _text(x, bottom + 18, f"{value:.1f}", anchor="middle", kind="tick")


def _cut(words: str, room: float) -> str:
    """As much of the words as fits into so many units; Hangul is twice as wide."""
    used = 0.0
    for at, letter in enumerate(words):
        used += _LETTER * (1.8 if ord(letter) > 0x2E80 else 1)
        if used > room:
            return words[: max(1, at - 1)] + "…"
    return words


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "label") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">'
        f"{escape(words)}</text>"
    )


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
