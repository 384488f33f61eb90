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
    """The sentences, the recommendation first; the rules in their order."""
    if not rows:
        return []
    choice, models = choose(rows, facts), choose(rows, facts, controls=False)
    found: list[str] = []
    if choice is not None and choice.row.rung == CONTROL and models is not None:
        found.append(_control(choice, facts.worth))
        found += [_among_models(models), *_refused(models, facts.worth)]
    elif choice is not None:
        found += [_stand(choice), *_refused(choice, facts.worth), _beaten(rows, choice)]
    if models is not None and (models.steps or models.refused):
        found.append(_usual(models, choice, {row.rung for row in rows}))
    tokens = _vocabulary(rows, facts, models) or facts.tokens
    found += [_few(rows), _labels(rows, facts), _terms(rows, facts), tokens]
    return [sentence for sentence in found if sentence]


def swept(rows: Sequence[RungResult]) -> list[str]:
    """What a sweep says: the best of the values that are a sure gain over the first, if any is."""
    gains = {row.strategy: row.delta for row in rows if row.delta is not None}
    if not gains:
        return []
    sure = {n: d for n, d in gains.items() if d.p_corrected < SIGNIFICANT and d.difference > 0}
    best, delta = max((sure or gains).items(), key=lambda pair: pair[1].difference)
    sentence = _(
        "No value is a sure gain over {against}; the best other one is {strategy}: {points}, p {p}."
    )
    if sure:
        sentence = _("The best is {strategy}: {points} points over {against}, corrected p {p}.")
    return [
        sentence.format(
            strategy=best,
            against=delta.against,
            points=f"{100 * delta.difference:+.1f}",
            p=p_words(delta.p_corrected),
        )
    ]


def choose(rows: Sequence[RungResult], facts: Facts, *, controls: bool = True) -> Choice | None:
    """Rule 1: from the lowest rung up, a higher one only for a gain that is real and worth it.

    Each rung stands for its best strategy. All pairs of rungs are corrected together (Holm). The
    controls are the lowest rung, left out of the choice without `controls`. None without a
    strategy.
    """
    every = best_of_rungs(rows)
    gains = {
        (one.strategy, other.strategy): facts.gain(one.strategy, other.strategy)
        for number, one in enumerate(every)
        for other in every[number + 1 :]
    }
    names = {"\0".join(pair): delta.p for pair, delta in gains.items()}
    for pair, p in holm(names).items():
        one, other = pair.split("\0")
        gains[one, other] = replace(gains[one, other], p_corrected=p)
    best = [row for row in every if controls or row.rung != CONTROL]
    if not best:
        return None
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
    """The strategy with the highest F1 of each rung, the lowest rung first."""
    best: dict[int, RungResult] = {}
    for row in rows:
        if row.rung not in best or row.scores.f1 > best[row.rung].scores.f1:
            best[row.rung] = row
    return [best[rung] for rung in sorted(best)]


def pays(gain: Delta, worth: float) -> bool:
    """Whether a gain is real (corrected p below 0.05) and at least `worth`."""
    return gain.p_corrected < SIGNIFICANT and gain.difference >= worth


def _control(choice: Choice, worth: float) -> str:
    """Rule 3: a control over which no strategy that asks a model is worth its cost."""
    sentence = _(
        "Use the control {control} (F1 {f1}): it needs no language model, and none that was "
        "measured is a sure gain of {worth} points over it ({others}). A larger model may be."
    )
    others = "; ".join(
        f"{row.strategy} {100 * gain.difference:+.1f}, p {p_words(gain.p_corrected)}"
        for row, gain in choice.refused
    )
    return sentence.format(
        control=choice.row.strategy,
        f1=f"{choice.row.scores.f1:.3f}",
        worth=f"{100 * worth:g}",
        others=others,
    )


def _among_models(models: Choice) -> str:
    """Where to stand if it has to be a language model, after a control that wins."""
    if not models.steps and not models.refused:
        return ""
    sentence = _("If it has to be a language model: {rung} ({strategy}, F1 {f1}).")
    return sentence.format(**_words(models.row))


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
        elif gain.difference < 0:
            sentence = _("{strategy} loses against {against}: {points} points, p {p}.")
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
                worth=f"{100 * worth:g}",
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


def _usual(models: Choice, choice: Choice | None, measured: set[int]) -> str:
    """Rule 2: the usual recommendation beside the measured one, and whether they differ."""
    names, rung = rung_names(), models.row.rung
    if choice is not None and choice.row.rung == CONTROL:
        verdict = _("Measured here: a control suffices, so the two differ.")
    elif rung == RAG:
        verdict = _("Measured here: the same.")
    elif RAG not in measured:
        verdict = _("Measured here: {rung}; the recommended rung was not measured.")
    elif rung < RAG:
        verdict = _("Measured here: {rung} suffices, so the two differ.")
    else:
        verdict = _("Measured here: {rung} pays, so the two differ.")
    said = "; ".join(f"{names[rung]}: {words}" for rung, words in usual().items())
    sentence = _("What is usually recommended: {usual}.").format(usual=said)
    return f"{sentence} {verdict.format(rung=names[rung])}"


def _beaten(rows: Sequence[RungResult], choice: Choice) -> str:
    """Rule 3: models that a control beats, although the chosen one is above it."""
    controls = [row for row in rows if row.rung == CONTROL]
    if not controls or choice.row.rung == CONTROL:
        return ""
    control = max(controls, key=lambda row: row.scores.f1)
    beaten = [r for r in rows if r.rung > CONTROL and r.scores.f1 < control.scores.f1]
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


def _vocabulary(rows: Sequence[RungResult], facts: Facts, models: Choice | None) -> str:
    """Rule 7 where a tokenizer rung was measured beside full fine-tuning: what it saved and gave.

    What the audit would guess is of no use then.
    """
    best = {row.rung: row for row in best_of_rungs(rows)}
    one, other = best.get(FULL), best.get(TOKENIZER)
    if one is None or other is None or not one.prompt_tokens:
        return ""
    gain = facts.gain(one.strategy, other.strategy)
    saved = 1 - other.prompt_tokens / one.prompt_tokens
    sentence = _(
        "Tokens are no problem here: {strategy} needs {saved} fewer prompt tokens than {against} "
        "and moves F1 by {points} points (p {p})."
    )
    if models is not None and models.row is other:
        sentence = _(
            "Tokens are a problem here: {strategy} needs {saved} fewer prompt tokens than "
            "{against} and moves F1 by {points} points (p {p})."
        )
    return sentence.format(
        strategy=other.strategy,
        against=one.strategy,
        saved=f"{saved:.0%}",
        points=f"{100 * gain.difference:+.1f}",
        p=p_words(gain.p),
    )


def _by_frequency(words: set[str], texts: Sequence[Example]) -> list[str]:
    counts = dict.fromkeys(words, 0)
    for example in texts:
        for surface in {keyword.surface for keyword in example.keywords} & words:
            counts[surface] += 1
    return sorted(words, key=lambda word: (-counts[word], word))
