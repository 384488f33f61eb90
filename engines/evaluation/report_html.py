"""The report as one HTML page: nothing is fetched, no script runs, every word is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from engines.evaluation.report_markdown import said
from engines.evaluation.report_svg import (
    Interval,
    Line,
    Spot,
    bars,
    curves,
    forest,
    scatter,
)
from engines.evaluation.report_table import (
    caption,
    cost_columns,
    details,
    found_columns,
    parts,
    rows,
)
from engines.evaluation.report_words import data_notes, facts, group_names, headline, verdict_names
from glossary.i18n import _, language
from glossary.text import printable

if TYPE_CHECKING:
    from engines.evaluation.comparing import Answer, ComparedText
    from engines.evaluation.report import ReportData
    from engines.records import Keyword

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #5c6578; --rule: #d8dce4;
  --paper: #fff; --band: #f4f6f9; --good: #00734d; --warn: #9c5700; --bad: #b3261e;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b08a00; --c5: #56b4e9;
  --c6: #4d4d4d; --c7: #7a4a1e; }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe3ec; --soft: #9aa3b5; --rule: #343a48;
  --paper: #16181f; --band: #1e222c; --good: #6fd3a8; --warn: #e0af68; --bad: #f7768e;
  --c0: #56a8e0; --c1: #f08a4b; --c2: #3fc79a; --c3: #e09cc4; --c4: #d6b436; --c5: #8fd0f5;
  --c6: #b8b8b8; --c7: #c08a56; } }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; color: var(--ink);
  background: var(--paper); font: 16px/1.55 system-ui, "Noto Sans KR", sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p, li { max-width: 46rem; } .soft, .tick { color: var(--soft); fill: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .3rem .5rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--ink); white-space: normal; vertical-align: bottom; }
tbody tr:nth-child(even) { background: var(--band); }
.wide { margin: .75rem 0; }
svg { width: 100%; height: auto; max-width: 46rem; display: block; }
.label, .tick { font: 13px system-ui, "Noto Sans KR", sans-serif; } .label { fill: var(--ink); }
.tick { font-size: 12px; } .grid { stroke: var(--rule); } .bar { stroke-width: 3; }
.curve { fill: none; stroke-width: 2; } .band { opacity: .18; }
.c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); } .c3 { fill: var(--c3); }
.c4 { fill: var(--c4); } .c5 { fill: var(--c5); }
.c6 { fill: var(--c6); } .c7 { fill: var(--c7); } .s0 { stroke: var(--c0); }
.s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); }
.s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); }
.s6 { stroke: var(--c6); } .s7 { stroke: var(--c7); } .lead { fill: none; opacity: .55; }
.text { border-left: 3px solid var(--rule); padding: .1rem 0 .1rem .9rem; margin: 1rem 0; }
.text p { margin: .25rem 0; } .who { color: var(--soft); font-size: .85rem; }
mark { background: none; color: inherit; font-weight: 600; border-bottom: 2px solid var(--good); }
mark.missed { border: 1px dashed var(--warn); color: var(--warn); border-radius: 2px; }
mark.extra { border: 0; color: var(--bad); text-decoration: line-through; }
.bad { color: var(--bad); } pre { overflow-x: auto; background: var(--band); padding: .8rem 1rem;
  font-size: .85rem; } details { margin: .5rem 0; } summary { cursor: pointer; }
"""


def page(data: ReportData) -> str:
    """The whole page."""
    mark = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{mark}'; base-uri 'none'; form-action 'none'"
    title = _e(headline(data))
    return (
        f'<!doctype html>\n<html lang="{language()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(_body(data))
        + "\n</body>\n</html>\n"
    )


def _body(data: ReportData) -> list[str]:
    result = data.result
    found = [f"<p>{_e(fact)}</p>" for fact in facts(data)]
    if result.gold_problems:
        found += [_h(_("Problems of the gold labels")), _list(result.gold_problems, "bad")]
    if result.advice:
        found += [_h(_("Advice")), _list(result.advice)]
    found += [_h(_("Strategies")), _ladder(data)]
    notes = result.notes()
    found += [_list(notes, "soft")] if notes else []
    found += [
        *_plots(data),
        *_detailed(data),
        *_mistakes(data),
        *_examples(data),
        *_data_card(data),
    ]
    found += _folded(_("Models"), data.cards)
    found += _folded(_("Strategies as they were asked"), data.strategies)
    found.append(_h(_("Versions")))
    found.append(_list([f"{name}: {value}" for name, value in result.versions.items()]))
    found.append(_h(_("How to measure it again")))
    commands = "\n".join(data.commands)
    found.append(f"<pre>{_e(commands)}</pre>")
    return found


def _ladder(data: ReportData) -> str:
    stale = [row.stale for row in data.result.rows]
    found = []
    for known in (found_columns(), cost_columns()):
        titles, cells = rows(data.result, known)
        body = []
        for number, line in enumerate(cells):
            kind = ' class="bad"' if stale[number] else ""
            body.append(f"<tr{kind}>{''.join(f'<td>{_e(cell)}</td>' for cell in line)}</tr>")
        found.append(_table(titles, body))
    return "".join(found) + f'<p class="soft">{_e(caption(data.result))}</p>'


def _detailed(data: ReportData) -> list[str]:
    found = [_h(_("Scores in detail"))]
    for titles, cells in (rows(data.result, details()), parts(data.result)):
        body = [f"<tr>{''.join(f'<td>{_e(cell)}</td>' for cell in line)}</tr>" for line in cells]
        found.append(_table(titles, body) if body else "")
    return found


def _table(titles: Sequence[str], body: Sequence[str]) -> str:
    head = "".join(f"<th>{_e(title)}</th>" for title in titles)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _plots(data: ReportData) -> list[str]:
    known = [(printable(row.label or row.strategy), row) for row in data.result.rows]
    title = _("F1 with its 95 % interval over texts")
    points = [Interval(name, row.scores.f1, row.f1_low, row.f1_high) for name, row in known]
    found = [f"<h3>{_e(title)}</h3>", forest(points, title)]
    spots = [
        Spot(name, 1000 / row.texts_per_second, row.scores.f1)
        for name, row in known
        if row.texts_per_second > 0
    ]
    if spots:
        title, axis = _("F1 against cost"), _("milliseconds a text, logarithmic")
        found += [f"<h3>{_e(title)}</h3>", scatter(spots, title, axis, lambda v: f"{v:g}")]
    if data.curve is not None:
        title = _("F1 by number of labeled texts, {strategy}")
        title = title.format(strategy=printable(data.curve.strategy))
        band = [(n, low, high) for n, _f1, low, high in data.curve.fit]
        fitted = Line(_("fitted"), [(p[0], p[1]) for p in data.curve.fit], band, dashed=True)
        measured = Line(_("measured"), [(p[0], p[1]) for p in data.curve.points])
        shown = [line for line in (measured, fitted) if line.points]
        found += [f"<h3>{_e(title)}</h3>", curves(shown, title, _("labeled texts"))]
        found.append(f"<p>{_e(data.curve.words)}</p>")
    for curve in data.losses:
        title = _("Loss of the run {name}").format(name=printable(curve.run))
        lines = [Line(_("training"), curve.train), Line("dev", curve.dev, dashed=True)]
        shown = [line for line in lines if line.points]
        found += [f"<h3>{_e(title)}</h3>", curves(shown, title, _("steps"))]
    return found


def _mistakes(data: ReportData) -> list[str]:
    if not data.groups:
        return []
    title, names = _("Mistakes by kind"), group_names()
    series = [(printable(n), [g.count for g in groups]) for n, groups in data.groups.items()]
    made = [n for n in range(len(names)) if any(counts[n] for _name, counts in series)]
    shown = [list(names.values())[n] for n in made]
    found = [_h(title), bars(shown, [(n, [c[at] for at in made]) for n, c in series], title)]
    best = list(data.groups)[-1]
    words = [
        f"{names[g.group]}: " + ", ".join(f"{word} ({count})" for word, count in g.words[:10])
        for g in data.groups[best]
        if g.words
    ]
    if words:
        heading = _("Words most often concerned, {strategy}").format(strategy=printable(best))
        found += [f"<h3>{_e(heading)}</h3>", _list(words)]
    return found


def _examples(data: ReportData) -> list[str]:
    if data.sealed:
        told = _("Single texts of {split} are not printed: they are evidence only unseen.")
        return [_h(_("Examples")), f"<p>{_e(told.format(split=data.result.split))}</p>"]
    if not data.examples:
        return []
    key = (
        f"<p><mark>{_e(_('right'))}</mark> <mark class='missed'>{_e(_('missed'))}</mark> "
        f"<mark class='extra'>{_e(_('too much'))}</mark></p>"
    )
    return [_h(_("Examples")), key, *(_example(text) for text in data.examples)]


def _example(text: ComparedText) -> str:
    found = [f'<p class="who">{_e(verdict_names()[text.verdict])} | {_e(text.id)}</p>']
    for answer in (text.first, text.second):
        found.append(f'<p class="who">{_e(answer.strategy)}</p><p>{_marked(text, answer)}</p>')
        if answer.errors:
            told = "; ".join(said(error) for error in answer.errors)
            found.append(f'<p class="who">{_e(told)}</p>')
    return f'<div class="text">{"".join(found)}</div>'


def _marked(text: ComparedText, answer: Answer) -> str:
    """The text with marks; where spans overlap, what was missed is marked."""
    wanted = {k.surface for k in text.gold}
    answered = {k.surface for k in answer.keywords}
    kinds = [""] * len(text.text)
    _paint(kinds, (k for k in answer.keywords if k.surface not in wanted), "extra")
    _paint(kinds, (k for k in answer.keywords if k.surface in wanted), "right")
    _paint(kinds, (k for k in text.gold if k.surface not in answered), "missed")
    found, at = [], 0
    while at < len(kinds):
        end = at
        while end < len(kinds) and kinds[end] == kinds[at]:
            end += 1
        piece = _e(text.text[at:end])
        found.append(f'<mark class="{kinds[at]}">{piece}</mark>' if kinds[at] else piece)
        at = end
    return "".join(found)


def _paint(kinds: list[str], keywords: Iterable[Keyword], kind: str) -> None:
    for keyword in keywords:
        kinds[keyword.start : keyword.end] = [kind] * (keyword.end - keyword.start)


def _data_card(data: ReportData) -> list[str]:
    if not data.splits:
        return []
    titles = [_("Split"), _("texts"), _("labeled"), _("keywords"), _("different"), _("empty")]
    body = []
    for split, n in data.splits.items():
        counts = (n.texts, n.labeled, n.keywords, n.different, n.empty)
        cells = "".join(f"<td>{count:,}</td>" for count in counts)
        body.append(f"<tr><td>{_e(split or '-')}</td>{cells}</tr>")
    found = [_h(_("Data")), _table(titles, body)]
    return [*found, *(f"<p>{_e(note)}</p>" for note in data_notes(data))]


def _folded(title: str, parts: Mapping[str, str]) -> list[str]:
    """Each text under its name, opened by a click."""
    found = [_h(title)] if parts else []
    for name, text in parts.items():
        found.append(f"<details><summary>{_e(name)}</summary><pre>{_e(text)}</pre></details>")
    return found


def _list(items: Sequence[str], kind: str = "") -> str:
    name = f' class="{kind}"' if kind else ""
    return f"<ul{name}>{''.join(f'<li>{_e(item)}</li>' for item in items)}</ul>"


def _h(title: str) -> str:
    return f"<h2>{_e(title)}</h2>"


def _e(words: str) -> str:
    """Escaped for text and attributes; control characters are shown, not sent."""
    return escape("\n".join(printable(line) for line in words.split("\n")))
