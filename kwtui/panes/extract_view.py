"""How a prediction looks: a line of the list, marks in the text, the page of details."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from engines.records import Prediction
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui.panes.marking import Marking, Row
from kwtui.themes import KEY, MUTED, WRONG
from kwtui.widgets.keyword_area import Mark
from kwtui.widgets.record_table import Cell, Column

if TYPE_CHECKING:
    from engines.settings import Settings


def columns() -> list[Column]:
    """The columns of the list."""
    return [
        Column("", 1),
        Column(_("Keyword")),
        Column(_("Characters"), 10, right=True),
        Column(_("Kind"), 14),
        Column(_("From"), 18),
    ]


def list_line(row: Row) -> tuple[Cell, ...]:
    """One keyword as cells; wrong ones are struck through, missed ones have a plus."""
    keyword = row.keyword
    mark = {"wrong": "x", "missed": "+", "": ""}[row.judgement]
    style = {"wrong": "strike", "missed": "b", "": ""}[row.judgement]
    surface = Content.styled(printable(keyword.surface).replace("\n", " "), style)
    canonical = keyword.canonical or ""
    if canonical and canonical != keyword.surface:
        surface = Content.assemble(surface, (f"  = {printable(canonical)}", MUTED))
    place = f"{keyword.start}-{keyword.end}"
    return mark, surface, place, printable(keyword.category or ""), row.origin


def marks(rows: list[Row], current: int | None) -> list[Mark]:
    """The marks of these keywords in the text; `current` is the row under the cursor."""
    kinds = {"wrong": "wrong", "missed": "missed", "": "keyword"}
    drawn = [Mark(r.keyword.start, r.keyword.end, kinds[r.judgement]) for r in rows]
    if current is not None and current < len(rows):
        keyword = rows[current].keyword
        drawn.append(Mark(keyword.start, keyword.end, "current"))
    return drawn


def summary(prediction: Prediction) -> str:
    """Rounds, time and tokens in one line."""
    rounds = ngettext_("{count} round", "{count} rounds", prediction.rounds)
    parts = [rounds.format(count=prediction.rounds), f"{prediction.seconds:.2f} s"]
    if prediction.new_tokens:
        tokens = ngettext_("{count} token", "{count} tokens", prediction.new_tokens)
        parts.append(tokens.format(count=prediction.new_tokens))
        if prediction.seconds > 0:
            rate = prediction.new_tokens / prediction.seconds
            parts.append(_("{rate} tokens/s").format(rate=f"{rate:,.0f}"))
    if prediction.truncated:
        parts.append(_("cut off at the limit"))
    if prediction.error:
        parts.append(_("no answer"))
    elif not prediction.valid:
        parts.append(_("no valid JSON"))
    return ", ".join(parts)


def details(marking: Marking | None, prompt: str, *, stale: bool) -> Content:
    """The rounds and the prompt as a page; everything from outside is plain text."""
    if marking is None:
        return Content(_("The prompt and the rounds of the answer will stand here."))
    prediction = marking.prediction
    parts = [_facts(prediction)]
    if stale:
        parts.insert(0, Content.styled(_("Of the text before it was changed."), WRONG))
    if prediction.error:
        parts.insert(0, Content.styled(printable(prediction.error), WRONG))
    parts += [_rounds(prediction)] if prediction.feedback else []
    if prediction.ungrounded:
        words = ", ".join(f"'{printable(word)}'" for word in prediction.ungrounded)
        parts.append(Content(_("Answered, but not in the text: {words}").format(words=words)))
    if prompt:
        parts.append(Content.assemble((_("Prompt"), KEY), "\n", printable(prompt)))
    elif not prediction.model:
        parts.append(Content(_("A dictionary has no prompt.")))
    return Content("\n\n").join(parts)


def _facts(prediction: Prediction) -> Content:
    pairs = [(_("Strategy"), prediction.strategy), (_("Model"), prediction.model or "-")]
    if prediction.model:
        sizes = _("{prompt} in, {new} out").format(
            prompt=prediction.prompt_tokens, new=prediction.new_tokens
        )
        pairs += [(_("Template"), prediction.template), (_("Tokens"), sizes)]
    lines = [Content.assemble((f"{name}: ", KEY), printable(value)) for name, value in pairs]
    return Content("\n").join(lines)


def _rounds(prediction: Prediction) -> Content:
    sources = {
        "missed": _("glossary term missed"),
        "excluded": _("on the not-a-keyword list"),
        "person": _("you"),
    }
    lines = [Content.styled(_("What the model was told"), KEY)]
    seen: dict[str, str] = {}
    for note in prediction.feedback:
        seen.setdefault(note.sentence, sources.get(note.source, note.source))
    for sentence, source in seen.items():
        lines.append(Content.assemble(printable(sentence), "  ", (f"({source})", MUTED)))
    return Content("\n").join(lines)


def meaning(settings: Settings, name: str) -> str:
    """What a strategy does, in a few words."""
    strategy = settings.strategies[name]
    if strategy.kind == "dictionary":
        return _("longest glossary terms, no model")
    if strategy.kind == "crf":
        return _("a tagger learnt from the labels")
    parts = [f"{strategy.model} @ {strategy.server}" if strategy.server else strategy.model]
    if strategy.shots:
        parts.append(ngettext_("{count} example", "{count} examples", strategy.shots))
        parts[-1] = parts[-1].format(count=strategy.shots)
    if strategy.glossary:
        parts.append(_("glossary"))
    if strategy.feedback_rounds:
        rounds = strategy.feedback_rounds
        parts.append(ngettext_("asks again once", "asks again {count} times", rounds))
        parts[-1] = parts[-1].format(count=rounds)
    if strategy.notes:
        parts.append(ngettext_("{count} note", "{count} notes", len(strategy.notes)))
        parts[-1] = parts[-1].format(count=len(strategy.notes))
    return ", ".join(parts)
