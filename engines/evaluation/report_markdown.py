"""The report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engines.evaluation.errors import Error
from engines.evaluation.report_table import caption, escape_markdown, markdown
from engines.evaluation.report_words import facts, group_names, headline, verdict_names
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.evaluation.comparing import Answer, ComparedText
    from engines.evaluation.report import ReportData


def document(data: ReportData) -> str:
    """The whole report; what came from outside is escaped."""
    result = data.result
    parts = [f"# {_md(headline(data))}", *(_md(fact) for fact in facts(data))]
    if result.gold_problems:
        parts.append(_section(_("Problems of the gold labels")))
        parts.append(_list(result.gold_problems))
    if result.advice:
        parts += [_section(_("Advice")), _list(result.advice)]
    parts += [_section(_("Strategies")), markdown(result), _md(caption(result))]
    notes = [f"{row.label or row.strategy}: {row.note}" for row in result.rows if row.note]
    if notes:
        parts.append(_list(notes))
    parts += [*_mistakes(data), *_examples(data), *_data_card(data), *_model_cards(data)]
    parts.append(_section(_("Versions")))
    parts.append(_list([f"{name}: {value}" for name, value in result.versions.items()]))
    parts.append(_section(_("How to measure it again")))
    commands = "\n".join(result.commands)
    fence = "`" * max(3, _longest(commands) + 1)
    parts.append(f"{fence}\n{commands}\n{fence}")
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _mistakes(data: ReportData) -> list[str]:
    if not data.groups:
        return []
    names = group_names()
    head = ["", *data.groups]
    lines = [head, ["---", *("---:" for _name in data.groups)]]
    for number, group in enumerate(names):
        counts = [f"{groups[number].count:,}" for groups in data.groups.values()]
        lines.append([names[group], *counts])
    table = "".join(_row(line, number != 1) for number, line in enumerate(lines))
    return [_section(_("Mistakes by kind")), table]


def _row(cells: Sequence[str], escaped: bool) -> str:
    return "| " + " | ".join(_md(c) if escaped else c for c in cells) + " |\n"


def _examples(data: ReportData) -> list[str]:
    parts = [_section(_("Examples"))]
    if data.sealed:
        said = _("Single texts of {split} are not printed: they are evidence only unseen.")
        return [*parts, _md(said.format(split=data.result.split))]
    if not data.examples:
        return []
    for text in data.examples:
        parts.append(f"**{_md(verdict_names()[text.verdict])}** {_md(text.text)}")
        parts.append(_list([_answer(answer, text) for answer in (text.first, text.second)]))
    return parts


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
    lines = [head, ["---", *("---:" for _title in head[1:])]]
    for split, n in data.splits.items():
        counts = (n.texts, n.labeled, n.keywords, n.different, n.empty)
        lines.append([split or "-", *(f"{count:,}" for count in counts)])
    table = "".join(_row(line, number != 1) for number, line in enumerate(lines))
    parts = [_section(_("Data")), table]
    if data.sources:
        parts.append(_md(_("Sources: {names}").format(names=", ".join(data.sources))))
    return parts


def _model_cards(data: ReportData) -> list[str]:
    parts = [_section(_("Models"))] if data.cards else []
    for name, card in data.cards.items():
        fence = "`" * max(3, _longest(card) + 1)
        parts += [f"### {_md(name)}", f"{fence}text\n{card.rstrip()}\n{fence}"]
    return parts


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
