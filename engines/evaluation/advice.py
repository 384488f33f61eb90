"""Which rung to stand on and what to do next, from rules that docs/ladder.md states.

Every sentence follows from figures of the same ladder. Words of a held-out split other than dev
are never named, only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engines.evaluation.results import Delta, RungResult
from engines.evaluation.rungs import ADAPTER, CONTROL, FULL, PROMPT, RAG, TOKENIZER, rung_names
from engines.evaluation.significance import holm
from engines.records import Example
from glossary.i18n import _, ngettext_

if TYPE_CHECKING:
    from engines.evaluation.curve import Curve

SIGNIFICANT = 0.05
# Half an interval from which on small gains cannot be told: 5 points of F1.
WIDE = 0.05
# Recall of terms seen in training minus that of new ones, from which on labels are lacking.
UNSEEN_GAP = 0.15
MORE_LABELS = 300
SHOWN_TERMS = 12

Gain = Callable[[str, str], Delta]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules read beside the rows.

    `gain(one, other)`: F1 of the second strategy minus the first. `missed`: gold words that each
    strategy missed. `lacking`: those of some words that the glossary does not know; None without
    a glossary. `worth`: the gain that pays for a rung. `sealed`: no word may be named. `tokens`:
    the verdict on the vocabulary, "" where none was asked for.
    """

    texts: Sequence[Example]
    gain: Gain
    missed: Mapping[str, set[str]] = field(default_factory=dict)
    lacking: Callable[[set[str]], set[str]] | None = None
    worth: float = 0.02
    sealed: bool = False
    curve: Curve | None = None
    tokens: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The rung to stand on and the steps up to it; `refused`: higher rungs that do not pay."""

    row: RungResult
    steps: tuple[Delta, ...] = ()
    refused: tuple[tuple[RungResult, Delta], ...] = ()


def advise(rows: Sequence[RungResult], facts: Facts) -> list[str]:
    """The sentences, the recommendation first; rules 1 to 7 in their order."""
    if not rows:
        return []
    choice = choose(rows, facts)
    found: list[str] = []
    if choice is not None:
        found += [_stand(choice), *_refused(choice, facts.worth)]
        if choice.steps or choice.refused:
            found.append(_usual(choice))
    found += [
        _control(rows, choice),
        _few(rows),
        _labels(rows, facts),
        _terms(rows, facts),
        facts.tokens,
    ]
    return [sentence for sentence in found if sentence]


def choose(rows: Sequence[RungResult], facts: Facts) -> Choice | None:
    """Rule 1: from the lowest rung up, a higher one only for a gain that is real and worth it.

    Each rung stands for its best strategy. All pairs are corrected together (Holm). None without
    a strategy that asks a model.
    """
    best = best_of_rungs(rows)
    if not best:
        return None
    gains = {
        (one.strategy, other.strategy): facts.gain(one.strategy, other.strategy)
        for number, one in enumerate(best)
        for other in best[number + 1 :]
    }
    names = {"\0".join(pair): delta.p for pair, delta in gains.items()}
    for pair, p in holm(names).items():
        one, other = pair.split("\0")
        gains[one, other] = replace(gains[one, other], p_corrected=p)
    stand, steps, refused = best[0], list[Delta](), list[tuple[RungResult, Delta]]()
    for row in best[1:]:
        gain = gains[stand.strategy, row.strategy]
        if pays(gain, facts.worth):
            stand, refused = row, []
            steps.append(gain)
        else:
            refused.append((row, gain))
    return Choice(stand, tuple(steps), tuple(refused))


def best_of_rungs(rows: Iterable[RungResult]) -> list[RungResult]:
    """The strategy with the highest F1 of each rung above the controls, the lowest rung first."""
    best: dict[int, RungResult] = {}
    for row in rows:
        if row.rung == CONTROL:
            continue
        if row.rung not in best or row.scores.f1 > best[row.rung].scores.f1:
            best[row.rung] = row
    return [best[rung] for rung in sorted(best)]


def pays(gain: Delta, worth: float) -> bool:
    """Whether a gain is real (corrected p below 0.05) and at least `worth`."""
    return gain.p_corrected < SIGNIFICANT and gain.difference >= worth


def _stand(choice: Choice) -> str:
    if not choice.steps:
        sentence = _("Stand on {rung} ({strategy}, F1 {f1}): no rung above it pays here.")
        if not choice.refused:
            sentence = _("Only {rung} was measured ({strategy}, F1 {f1}): measure a rung above it.")
        return sentence.format(**_words(choice.row))
    last = choice.steps[-1]
    sentence = _(
        "Stand on {rung} ({strategy}, F1 {f1}): {gain} points over {against}, corrected p {p}."
    )
    gain = f"{100 * last.difference:+.1f}"
    return sentence.format(
        **_words(choice.row), gain=gain, against=last.against, p=p_words(last.p_corrected)
    )


def _words(row: RungResult) -> dict[str, str]:
    return {
        "rung": rung_names()[row.rung],
        "strategy": row.strategy,
        "f1": f"{row.scores.f1:.3f}",
    }


def p_words(p: float) -> str:
    """A p-value as a person reads it."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _refused(choice: Choice, worth: float) -> list[str]:
    found = []
    for row, gain in choice.refused:
        points = f"{100 * gain.difference:+.1f}"
        if gain.p_corrected >= SIGNIFICANT:
            sentence = _("{strategy} is no sure gain over {against}: {points} points, p {p}.")
        else:
            sentence = _(
                "{strategy} gains less over {against} than a rung is to bring: {points} points of "
                "{worth}."
            )
        found.append(
            sentence.format(
                strategy=row.strategy,
                against=gain.against,
                points=points,
                p=p_words(gain.p_corrected),
                worth=f"{100 * worth:.0f}",
            )
        )
    return found


def usual() -> dict[int, str]:
    """What is usually recommended of each rung, before anything is measured."""
    return {
        PROMPT: _("try it first"),
        RAG: _("recommended"),
        ADAPTER: _("for the mid-term"),
        FULL: _("only when the cost is justified"),
        TOKENIZER: _("only with a measured reason"),
    }


def _usual(choice: Choice) -> str:
    """Rule 2: the usual recommendation beside the measured one."""
    row = choice.row
    said = "; ".join(f"{rung_names()[rung]}: {words}" for rung, words in usual().items())
    if row.rung == RAG:
        return _("That is also what is usually recommended ({usual}).").format(usual=said)
    sentence = _("Usually {recommended} is recommended ({usual}); here {rung} stands above it.")
    if row.rung < RAG:
        sentence = _("Usually {recommended} is recommended ({usual}); here {rung} suffices.")
    names = rung_names()
    return sentence.format(recommended=names[RAG], usual=said, rung=names[row.rung])


def _control(rows: Sequence[RungResult], choice: Choice | None) -> str:
    """Rule 3: a control that beats what asks a model."""
    controls = [row for row in rows if row.rung == CONTROL]
    if not controls or choice is None:
        return ""
    control = max(controls, key=lambda row: row.scores.f1)
    beaten = [r for r in rows if r.rung > CONTROL and r.scores.f1 < control.scores.f1]
    if control.scores.f1 > choice.row.scores.f1:
        sentence = _(
            "The control {control} (F1 {f1}) beats {strategy} (F1 {other}) and needs no language "
            "model: use it, or a larger model."
        )
        return sentence.format(
            control=control.strategy,
            f1=f"{control.scores.f1:.3f}",
            strategy=choice.row.strategy,
            other=f"{choice.row.scores.f1:.3f}",
        )
    if not beaten:
        return ""
    sentence = _("The control {control} (F1 {f1}) beats {names}, without a language model.")
    names = ", ".join(row.strategy for row in beaten)
    return sentence.format(control=control.strategy, f1=f"{control.scores.f1:.3f}", names=names)


def _few(rows: Sequence[RungResult]) -> str:
    """Rule 4: too few texts to tell."""
    row = max(rows, key=lambda one: one.scores.f1)
    half = (row.f1_high - row.f1_low) / 2
    if half < WIDE:
        return ""
    sentence = _(
        "Too few texts to tell small gains: ± {points} points with {count} texts; about {wanted} "
        "would give ± {wide}."
    )
    wanted = round(row.texts * (half / WIDE) ** 2 / 10) * 10
    return sentence.format(
        points=f"{100 * half:.0f}", count=row.texts, wanted=wanted, wide=f"{100 * WIDE:.0f}"
    )


def _labels(rows: Sequence[RungResult], facts: Facts) -> str:
    """Rule 5: more labels, by the curve where there is one, else by the recall of new terms."""
    if facts.curve is not None:
        return facts.curve.sentence(facts.worth)
    taught = [row for row in rows if row.labeled_examples and row.rung >= ADAPTER]
    taught = taught or [row for row in rows if row.labeled_examples]
    if not taught:
        return ""
    row = max(taught, key=lambda one: one.scores.f1)
    seen = row.scores.seen.rate if row.scores.seen else None
    unseen = row.scores.unseen.rate if row.scores.unseen else None
    if seen is None or unseen is None or seen - unseen < UNSEEN_GAP:
        return ""
    sentence = _(
        "Label {more} more texts: {strategy} finds {unseen} of the terms that no training text "
        "holds, and {seen} of the others."
    )
    return sentence.format(
        more=MORE_LABELS, strategy=row.strategy, unseen=f"{unseen:.0%}", seen=f"{seen:.0%}"
    )


def _terms(rows: Sequence[RungResult], facts: Facts) -> str:
    """Rule 6: gold words that strategies with the glossary missed and the glossary lacks."""
    if facts.lacking is None:
        return ""
    using = [r for r in rows if r.rung == RAG] or [r for r in rows if r.rung == CONTROL]
    missed: set[str] = set()
    for row in using:
        missed |= facts.missed.get(row.strategy, set())
    lacking = facts.lacking(missed)
    if not lacking:
        return ""
    if facts.sealed:
        sentence = ngettext_(
            "Your glossary lacks {count} term of these texts that was missed.",
            "Your glossary lacks {count} terms of these texts that were missed.",
            len(lacking),
        )
        return sentence.format(count=len(lacking))
    often = _by_frequency(lacking, facts.texts)
    shown = ", ".join(often[:SHOWN_TERMS])
    sentence = ngettext_(
        "Your glossary lacks {count} term that was missed: {terms}.",
        "Your glossary lacks {count} terms that were missed, first of all: {terms}.",
        len(lacking),
    )
    return sentence.format(count=len(lacking), terms=shown)


def _by_frequency(words: set[str], texts: Sequence[Example]) -> list[str]:
    counts = dict.fromkeys(words, 0)
    for example in texts:
        for surface in {keyword.surface for keyword in example.keywords} & words:
            counts[surface] += 1
    return sorted(words, key=lambda word: (-counts[word], word))
