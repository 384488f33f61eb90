"""What `kwtui tokenizer` prints for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engines.tokenizer.advice import advice
from glossary.i18n import _
from kwtui.columns import table

if TYPE_CHECKING:
    from engines.tokenizer.audit import Audit
    from engines.tokenizer.build import Built

SEPARATOR = "|"
Row = tuple[str, Callable[["Audit"], str]]


def audits(found: Sequence[Audit], worst: int) -> list[str]:
    """Figures in a column a tokenizer, then the worst terms with their pieces, then advice."""
    cells = [["", *(one.name for one in found)]]
    cells += [[name, *(figure(one) for one in found)] for name, figure in rows()]
    lines = table(cells)
    if worst and found[0].worst:
        lines += ["", _("Terms that cost most (times, tokens too many, pieces):")]
        listed = [[w.term, str(w.count), str(w.lost)] for w in found[0].worst[:worst]]
        for head, one in zip(table(listed), found[0].worst, strict=False):
            lines.append(f"  {head}  {SEPARATOR.join(one.pieces)}")
    return [*lines, "", *advice(found[0])]


def rows() -> list[Row]:
    """The figures that are shown of an audit."""
    return [
        (_("kind"), lambda a: a.kind),
        (_("tokens in the vocabulary"), lambda a: f"{a.vocabulary:,}"),
        (_("texts"), lambda a: f"{a.texts:,}"),
        (_("tokens a text"), lambda a: f"{a.per_text:.1f}"),
        (_("95th percentile, longest"), lambda a: f"{a.p95}, {a.longest}"),
        (_("tokens a word"), lambda a: f"{a.fertility:.2f}"),
        (_("tokens a term"), lambda a: f"{a.term_tokens:.2f}"),
        (_("terms that are one token"), lambda a: f"{a.alone:.1%}"),
        (_("in every position"), lambda a: f"{a.whole_terms:.1%}"),
        (_("at the start"), lambda a: _share(a, "start")),
        (_("in the middle"), lambda a: _share(a, "middle")),
        (_("before a josa"), lambda a: _share(a, "josa")),
        (_("in compounds"), lambda a: _share(a, "compound")),
        (_("bytes for lack of a piece"), lambda a: f"{a.byte_share:.2%}"),
        (_("unknown"), lambda a: f"{a.unknown_share:.2%}"),
        (_("texts beyond the context"), lambda a: f"{a.over_context:,}"),
        (_("general text, tokens a text"), lambda a: f"{a.general_tokens:.1f}"),
        (_("would be saved by"), _savings),
    ]


def built(made: Built) -> list[str]:
    """What was made, its checks, and what was refused."""
    lines = [
        _("{path}: {tokens} new tokens for {terms} terms ({method}).").format(
            path=made.path, tokens=made.new_tokens, terms=len(made.terms), method=made.method
        )
    ]
    lines += [f"  {'ok ' if check.passed else '!! '}{check.sentence}" for check in made.checks]
    reasons: dict[str, list[str]] = {}
    for term, reason in made.refused.items():
        reasons.setdefault(reason, []).append(term)
    if made.refused:
        lines.append(_("Refused: {count}").format(count=len(made.refused)))
        for reason, terms in sorted(reasons.items(), key=lambda r: -len(r[1]))[:20]:
            shown = ", ".join(terms[:6]) + (" …" if len(terms) > 6 else "")
            lines.append(f"  {shown}: {reason}")
    name = made.path.name
    lines.append(
        _("Teach the new rows: kwtui train --model {name} --set new_rows.first=0.3").format(
            name=name
        )
    )
    return lines


def _share(audit: Audit, where: str) -> str:
    return f"{audit.positions[where]:.1%}" if audit.positions else "-"


def _savings(audit: Audit) -> str:
    return ", ".join(f"{one.terms:,}: {one.share:.1%}" for one in audit.savings) or "-"
