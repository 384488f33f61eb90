"""The ladder as a table for a paper or a sheet: LaTeX, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engines.evaluation.results import LadderResult, RungResult
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable

if TYPE_CHECKING:
    from engines.evaluation.metrics import Share

FORMATS = ("latex", "csv", "md")
Cell = Callable[[RungResult], str]
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def columns() -> list[tuple[str, Cell]]:
    """Titles in the language in use, each with what it shows of a rung."""
    return [
        (_("Strategy"), lambda row: row.label or row.strategy),
        (_("Model"), lambda row: row.model or "-"),
        ("F1", lambda row: f"{row.scores.f1:.3f}"),
        (_("95 % interval"), lambda row: f"{row.f1_low:.3f}-{row.f1_high:.3f}"),
        (_("precision"), lambda row: f"{row.scores.precision:.3f}"),
        (_("recall"), lambda row: f"{row.scores.recall:.3f}"),
        (_("unseen terms"), lambda row: _share(row.scores.unseen)),
        (_("gain"), _gain),
        (_("p (corrected)"), lambda row: _p(row.delta.p_corrected) if row.delta else "-"),
        (_("texts/s"), lambda row: f"{row.texts_per_second:,.1f}"),
        (_("latency p50/p95"), _latency),
        (_("memory"), lambda row: size(row.peak_bytes)),
        (_("GPU memory"), lambda row: size(row.gpu_peak_bytes) if row.gpu_peak_bytes else "-"),
        (_("training"), lambda row: _time(row.training_seconds)),
        (_("GPU hours"), lambda row: f"{row.gpu_hours:.2f}" if row.gpu_hours else "-"),
        (_("labeled"), lambda row: f"{row.labeled_examples:,}" if row.labeled_examples else "-"),
        (_("epochs"), lambda row: f"{row.epochs:g}" if row.epochs else "-"),
        (_("prompt tokens"), lambda row: f"{row.prompt_tokens:,.0f}" if row.prompt_tokens else "-"),
        (_("effort"), lambda row: str(row.effort)),
        (_("seeds"), lambda row: str(row.seeds)),
    ]


def found_columns() -> list[tuple[str, Cell]]:
    """What each strategy finds."""
    return columns()[:9]


def cost_columns() -> list[tuple[str, Cell]]:
    """What each strategy costs."""
    return [columns()[0], *columns()[9:]]


def details() -> list[tuple[str, Cell]]:
    """The scores beside the headline."""
    return [
        (_("Strategy"), lambda row: row.label or row.strategy),
        (_("mean F1 of a text"), lambda row: f"{row.scores.macro_f1:.3f}"),
        (_("exact spans"), lambda row: f"{row.scores.span.f1:.3f}"),
        (_("overlapping spans"), lambda row: f"{row.scores.partial.f1:.3f}"),
        (_("F1 without spaces"), lambda row: f"{row.scores.spaceless.f1:.3f}"),
        (_("F1 of canonical forms"), lambda row: f"{row.scores.canonical.f1:.3f}"),
        (_("seen terms"), lambda row: _share(row.scores.seen)),
        (_("unseen terms"), lambda row: _share(row.scores.unseen)),
        (_("not in the text"), lambda row: f"{100 * row.scores.hallucination_rate:.1f} %"),
        (_("invalid answers"), lambda row: f"{100 * row.scores.invalid_rate:.1f} %"),
    ]


def parts(result: LadderResult) -> tuple[list[str], list[list[str]]]:
    """F1 by length of the text, and recall by category of the gold, a strategy a row."""
    lengths = list(dict.fromkeys(n for row in result.rows for n in row.scores.lengths))
    kinds = list(dict.fromkeys(n for row in result.rows for n in row.scores.categories))
    titles = [_("Strategy"), *(_("F1, {n} letters").format(n=n) for n in lengths)]
    titles += [_("recall of {category}").format(category=name) for name in kinds]
    cells = []
    for row in result.rows:
        counts, shares = row.scores.lengths, row.scores.categories
        line = [f"{counts[n].f1:.3f}" if n in counts else "-" for n in lengths]
        line += [_share(shares.get(name)) for name in kinds]
        cells.append([row.label or row.strategy, *line])
    return titles, cells if len(titles) > 1 else []


# What a paper has room for; the other columns are in the report.
_PAPER = (0, 2, 3, 7, 8, 9, 11, 13, 15)


def table(result: LadderResult, kind: str) -> str:
    """The whole table as text in one of FORMATS. Raises UserError for another one."""
    if kind == "csv":
        return _csv(result)
    if kind == "md":
        return markdown(result)
    if kind == "latex":
        return latex(result)
    sentence = _("--format {kind}: give one of {known}.")
    raise UserError(sentence.format(kind=kind, known=", ".join(FORMATS)))


def rows(
    result: LadderResult, known: list[tuple[str, Cell]] | None = None
) -> tuple[list[str], list[list[str]]]:
    """The titles and the cells of every rung, as people read them; `known`: other columns."""
    known = known or columns()
    return [name for name, _cell in known], [
        [cell(row) for _n, cell in known] for row in result.rows
    ]


def markdown(result: LadderResult) -> str:
    """A Markdown table of every column."""
    return markdown_table(*rows(result), left=2)


def markdown_table(titles: list[str], cells: list[list[str]], left: int = 1) -> str:
    """A Markdown table, its first `left` columns aligned to the left."""
    rule = ["---"] * left + ["---:"] * (len(titles) - left)
    shown = [[_md(cell) for cell in line] for line in (titles, *cells)]
    lines = [shown[0], rule, *shown[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def latex(result: LadderResult) -> str:
    """A table environment with booktabs rules; Korean needs kotex."""
    titles, cells = rows(result)
    body = []
    for line in cells:
        body.append(" & ".join(_latex_cell(line[n]) for n in _PAPER) + r" \\")
    head = " & ".join(escape_latex(titles[n]) for n in _PAPER) + r" \\"
    note = caption(result)
    return "\n".join(
        [
            r"% \usepackage{booktabs}",
            r"% \usepackage{kotex}",
            r"\begin{table}",
            r"\centering",
            r"\begin{tabular}{l" + "r" * (len(_PAPER) - 1) + "}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{escape_latex(note)}}}",
            r"\end{table}",
            "",
        ]
    )


def caption(result: LadderResult) -> str:
    """What the table measured, and what its intervals say."""
    seeds = max((row.seeds for row in result.rows), default=1)
    said = _(
        "Micro F1 over keyword sets on {texts} texts of {split}; 95 % intervals and p-values by "
        "paired bootstrap over texts, p corrected by Holm; gain against the best of the rung below."
    ).format(texts=f"{result.texts:,}", split=result.split)
    if seeds > 1:
        more = _("Intervals cover the choice of texts and {seeds} seeds of training.")
        return said + " " + more.format(seeds=seeds)
    return said + " " + _("Intervals cover the choice of texts, not the chance of training.")


def _csv(result: LadderResult) -> str:
    """One line a rung with plain numbers; names of columns are those of the JSON."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    known = [_flat(row) for row in result.rows]
    names = list(dict.fromkeys(name for row in known for name in row))
    writer.writerow(names)
    for row in known:
        writer.writerow([_safe(row.get(name, "")) for name in names])
    return file.getvalue()


def _flat(row: RungResult) -> dict[str, Any]:
    scores, delta = row.scores, row.delta
    return {
        "strategy": row.strategy, "label": row.label, "rung": row.rung, "model": row.model,
        "split": row.split, "texts": row.texts, "f1": scores.f1, "f1_low": row.f1_low,
        "f1_high": row.f1_high, "precision": scores.precision, "recall": scores.recall,
        "macro_f1": scores.macro_f1, "span_f1": scores.span.f1, "partial_f1": scores.partial.f1,
        "spaceless_f1": scores.spaceless.f1, "canonical_f1": scores.canonical.f1,
        "hallucination_rate": scores.hallucination_rate, "invalid_rate": scores.invalid_rate,
        "recall_seen": _rate(scores.seen), "recall_unseen": _rate(scores.unseen),
        "gain_against": delta.against if delta else "", "gain": delta.difference if delta else "",
        "gain_low": delta.low if delta else "", "gain_high": delta.high if delta else "",
        "p": delta.p if delta else "", "p_corrected": delta.p_corrected if delta else "",
        "texts_per_second": row.texts_per_second, "latency_p50": row.latency_p50,
        "latency_p95": row.latency_p95, "peak_bytes": row.peak_bytes,
        "gpu_peak_bytes": row.gpu_peak_bytes if row.gpu_peak_bytes is not None else "",
        "training_seconds": row.training_seconds, "gpu_hours": row.gpu_hours,
        "labeled_examples": row.labeled_examples, "epochs": row.epochs,
        "prompt_tokens": row.prompt_tokens, "effort": row.effort, "seeds": row.seeds,
        "stale": row.stale, "note": row.note,
    }  # fmt: skip


def _safe(value: Any) -> Any:
    """A cell that no sheet reads as a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def escape_latex(words: str) -> str:
    """The words as LaTeX prints them."""
    return "".join(_LATEX.get(letter, letter) for letter in printable(words).replace("\n", " "))


def _latex_cell(words: str) -> str:
    """A cell with the dashes of ranges and the minus signs that LaTeX has for them."""
    ranges = re.sub(r"(?<=\d)-(?=\d)", "--", escape_latex(words))
    return re.sub(r"(?<![\w-])-(?=\d)", "$-$", ranges)


def _md(words: str) -> str:
    """A cell of a Markdown table in which nothing is markup."""
    plain = printable(words).replace("\n", " ").replace("\\", "\\\\").replace("|", "\\|")
    for mark in "`*_[]":
        plain = plain.replace(mark, "\\" + mark)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


escape_markdown = _md


def _gain(row: RungResult) -> str:
    delta = row.delta
    if delta is None:
        return "-"
    return f"{delta.difference:+.3f} [{delta.low:+.3f}, {delta.high:+.3f}]"


def _latency(row: RungResult) -> str:
    return f"{row.latency_p50 * 1000:,.0f}/{row.latency_p95 * 1000:,.0f} ms"


def _share(share: Share | None) -> str:
    return "-" if share is None or share.rate is None else f"{share.rate:.3f}"


def _rate(share: Share | None) -> Any:
    return "" if share is None or share.rate is None else share.rate


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _time(seconds: float) -> str:
    if not seconds:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Bytes as a person reads them."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
