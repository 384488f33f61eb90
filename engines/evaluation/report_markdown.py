"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from engines.evaluation.errors import Error
from engines.evaluation.report_table import (
    caption,
    details,
    escape_markdown,
    markdown,
    markdown_table,
    parts,
    rows,
)
from engines.evaluation.report_words import data_notes, facts, group_names, headline, verdict_names
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.evaluation.comparing import Answer, ComparedText
    from engines.evaluation.report import ReportData


def document(data: ReportData) -> str:
    """The whole report; what came from outside is escaped."""
    result = data.result
    found = [f"# {_md(headline(data))}", *(_md(fact) for fact in facts(data))]
    if result.gold_problems:
        found.append(_section(_("Problems of the gold labels")))
        found.append(_list(result.gold_problems))
    if result.advice:
        found += [_section(_("Advice")), _list(result.advice)]
    found += [_section(_("Strategies")), markdown(result), _md(caption(result))]
    if data.curve is not None:
        found.append(_md(data.curve.words))
    notes = result.notes()
    if notes:
        found.append(_list(notes))
    found += _detailed(data)
    found += [*_mistakes(data), *_examples(data), *_data_card(data)]
    found += _fenced(_("Models"), data.cards)
    found += _fenced(_("Strategies as they were asked"), data.strategies)
    found.append(_section(_("Versions")))
    found.append(_list([f"{name}: {value}" for name, value in result.versions.items()]))
    found.append(_section(_("How to measure it again")))
    commands = "\n".join(data.commands)
    fence = "`" * max(3, _longest(commands) + 1)
    found.append(f"{fence}\n{commands}\n{fence}")
    return "\n\n".join(part.rstrip() for part in found) + "\n"


def _detailed(data: ReportData) -> list[str]:
    result = data.result
    found = [_section(_("Scores in detail")), markdown_table(*rows(result, details()))]
    titles, cells = parts(result)
    return [*found, markdown_table(titles, cells)] if cells else found


def _mistakes(data: ReportData) -> list[str]:
    if not data.groups:
        return []
    cells = [
        [name, *(f"{groups[number].count:,}" for groups in data.groups.values())]
        for number, name in enumerate(group_names().values())
    ]
    return [_section(_("Mistakes by kind")), markdown_table(["", *data.groups], cells)]


def _examples(data: ReportData) -> list[str]:
    found = [_section(_("Examples"))]
    if data.sealed:
        told = _("Single texts of {split} are not printed: they are evidence only unseen.")
        return [*found, _md(told.format(split=data.result.split))]
    if not data.examples:
        return []
    for text in data.examples:
        found.append(f"**{_md(verdict_names()[text.verdict])}** {_md(text.text)}")
        found.append(_list([_answer(answer, text) for answer in (text.first, text.second)]))
    return found


def _answer(answer: Answer, text: ComparedText) -> str:
    if not answer.errors:
        return f"{answer.strategy}: {', '.join(k.surface for k in text.gold) or '-'}"
    return f"{answer.strategy}: " + "; ".join(said(error) for error in answer.errors)


def said(error: Error) -> str:
    """A mistake in words."""
    found = error.found.surface if error.found is not None else error.absent
    shown = f"{error.word} > {found}" if found and found != error.word else error.word
    return f"{group_names()[error.group]} {shown}"


def _data_card(data: ReportData) -> list[str]:
    if not data.splits:
        return []
    head = [_("Split"), _("texts"), _("labeled"), _("keywords"), _("different"), _("empty")]
    cells = []
    for split, n in data.splits.items():
        counts = (n.texts, n.labeled, n.keywords, n.different, n.empty)
        cells.append([split or "-", *(f"{count:,}" for count in counts)])
    found = [_section(_("Data")), markdown_table(head, cells)]
    return [*found, *(_md(note) for note in data_notes(data))]


def _fenced(title: str, parts: Mapping[str, str]) -> list[str]:
    found = [_section(title)] if parts else []
    for name, text in parts.items():
        fence = "`" * max(3, _longest(text) + 1)
        found += [f"### {_md(name)}", f"{fence}text\n{text.rstrip()}\n{fence}"]
    return found


def _longest(text: str) -> int:
    """The longest run of backticks."""
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    return longest


def _section(title: str) -> str:
    return f"## {_md(title)}"


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {_md(item)}" for item in items)


def _md(words: str) -> str:
    return escape_markdown(words)
