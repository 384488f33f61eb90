"""The figures of an audit by name, for the command and the pane alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from glossary.i18n import _

if TYPE_CHECKING:
    from engines.tokenizer.audit import Audit
    from engines.workspace import Workspace

VOCABULARY_RUNG = 5
Row = tuple[str, Callable[["Audit"], str]]


def rows() -> list[Row]:
    """Each figure with what shows it of an audit."""
    return [
        (_("tokens a text"), lambda a: f"{a.per_text:.1f}"),
        (_("tokens a term"), lambda a: f"{a.term_tokens:.2f}"),
        (_("terms that are one token"), lambda a: f"{a.alone:.1%}"),
        (_("saved by 500 terms"), lambda a: _saved(a, 500)),
        (_("in every position"), lambda a: f"{a.whole_terms:.1%}"),
        (_("at the start"), lambda a: _share(a, "start")),
        (_("in the middle"), lambda a: _share(a, "middle")),
        (_("before a josa"), lambda a: _share(a, "josa")),
        (_("in compounds"), lambda a: _share(a, "compound")),
        (_("same pieces in text and answer"), lambda a: f"{a.copied:.1%}"),
        (_("saved by 50 terms"), lambda a: _saved(a, 50)),
        (_("saved by 5,000 terms"), lambda a: _saved(a, 5000)),
        (_("tokens a word"), lambda a: f"{a.fertility:.2f}"),
        (_("general text, tokens a text"), lambda a: f"{a.general_tokens:.1f}"),
        (_("bytes for lack of a piece"), lambda a: f"{a.byte_share:.2%}"),
        (_("unknown"), lambda a: f"{a.unknown_share:.2%}"),
        (_("95th percentile, longest"), lambda a: f"{a.p95}, {a.longest}"),
        (_("texts beyond the context"), lambda a: f"{a.over_context:,}"),
        (_("texts"), lambda a: f"{a.texts:,}"),
        (_("kind"), lambda a: a.kind.replace("sentencepiece", "SP")),
        (_("tokens in the vocabulary"), lambda a: f"{a.vocabulary:,}"),
    ]


def ladder_advice(space: Workspace | None, split: str = "dev") -> list[str]:
    """What the last ladder measured of strategies with another vocabulary; [] without one."""
    from engines.evaluation.measured import read_result

    found = read_result(space, split) if space is not None else None
    said = []
    for row in found.rows if found is not None else ():
        if row.rung != VOCABULARY_RUNG or row.delta is None or row.stale:
            continue
        gap = row.delta
        verdict = _("no difference is shown.")
        if gap.low > 0:
            verdict = _("it pays.")
        elif gap.high < 0:
            verdict = _("keep the old vocabulary.")
        sentence = _(
            "On the last ladder ({split}), {strategy} with another vocabulary has an F1 "
            "{difference} ({low} to {high}) against {against}, with {tokens} prompt tokens a text: "
            "{verdict}"
        )
        said.append(
            sentence.format(
                split=split,
                strategy=row.strategy,
                difference=f"{gap.difference:+.3f}",
                low=f"{gap.low:+.3f}",
                high=f"{gap.high:+.3f}",
                against=gap.against,
                tokens=f"{row.prompt_tokens:.1f}",
                verdict=verdict,
            )
        )
    return said


def _share(audit: Audit, where: str) -> str:
    return f"{audit.positions[where]:.1%}" if audit.positions else "-"


def _saved(audit: Audit, terms: int) -> str:
    """The saving by the best `terms`, or by all where there are fewer."""
    enough = [one.share for one in audit.savings if one.terms >= terms]
    shares = enough or [one.share for one in audit.savings[-1:]]
    return f"{shares[0]:.1%}" if shares else "-"
