"""What `kwtui tokenizer` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui.columns import table
from kwtui.tokenizer_figures import rows

if TYPE_CHECKING:
    from engines.tokenizer.audit import Audit
    from engines.tokenizer.build import Built

SEPARATOR = "|"


def audits(found: Sequence[Audit], worst: int) -> list[str]:
    """Figures in a column a tokenizer, then the worst terms with their pieces."""
    cells = [["", *(one.name for one in found)]]
    cells += [[name, *(figure(one) for one in found)] for name, figure in rows()]
    lines = table(cells)
    if worst and found[0].worst:
        lines += ["", _("Terms that cost most (times, tokens too many, pieces):")]
        listed = [[w.term, str(w.count), str(w.lost)] for w in found[0].worst[:worst]]
        for head, one in zip(table(listed), found[0].worst, strict=False):
            lines.append(f"  {head}  {SEPARATOR.join(one.pieces)}")
    return lines


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
        _("Teach the new rows: kwtui train --model {name} --method full").format(name=name)
    )
    return lines
