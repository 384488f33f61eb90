"""What `kwtui ladder` does beside the table: trainings, curves, sweeps, the search for a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from glossary.i18n import _
from kwtui.columns import table

if TYPE_CHECKING:
    from engines.evaluation.climbing import Training
    from engines.evaluation.curve import Curve
    from engines.evaluation.ladder import Wish
    from engines.evaluation.results import LadderResult
    from engines.evaluation.search import Found
    from engines.settings import Settings
    from engines.workspace import Workspace
    from kwtui.commands.ladder import Lines


def train(
    space: Workspace,
    settings: Settings,
    names: Sequence[str],
    training: Training,
    lines: Lines,
    *,
    missing: bool,
) -> Settings:
    """The settings with the trained strategies of `names`; with `missing` they are trained."""
    from engines.evaluation.climbing import register, train_missing, trained_strategies

    if missing:
        train_missing(space, settings, names, training, on_progress=lines.update, on_note=lines.say)
        for name in register(space, settings, names, training.base):
            said = _("[strategies.{name}] was written into {path}.")
            lines.say(said.format(name=name, path=space.config))
    return trained_strategies(settings, names, training.base, chosen=training.chosen)


def sweep(
    space: Workspace,
    settings: Settings,
    names: Sequence[str],
    said: str,
    split: str,
    wish: Wish,
    training: Training,
    lines: Lines,
) -> LadderResult:
    """The ladder of a field's values; recipes' fields are trained in the queue."""
    from dataclasses import replace

    from engines.evaluation.climbing import enqueue_missing, wait_for
    from engines.evaluation.ladder import run
    from engines.evaluation.sweeps import parse_sweep, trained_variants, with_variants

    asked = parse_sweep(said)
    if asked.of_recipe:
        settings, todo = trained_variants(settings, names, asked, training)
        # All of them are in the queue before the first is waited for.
        waiting = [
            run
            for _label, name, one, model in todo
            for run in enqueue_missing(space, settings, [name], one, on_note=lines.say, model=model)
        ]
        wait_for(space, waiting, on_progress=lines.update, on_note=lines.say)
        variants = [label for label, _name, _one, _model in todo]
    else:
        settings, variants = with_variants(settings, names, asked)
    mark = "".join(c if c.isalnum() or c in "._" else "-" for c in asked.field)
    path = space.reports / "ladder" / "sweeps" / f"{split}-{'-'.join(names)}-{mark}.json"
    wish = replace(wish, file=path, against=variants[0])
    return run(space, settings, variants, split, wish, on_progress=lines.update, on_note=lines.say)


def curve_lines(curve: Curve) -> list[str]:
    """The points, the fitted curve at a few sizes, and what more labels would bring."""
    found = curve.to_json()
    apart = any(point["made"] for point in found["points"])
    of_them = [_("of them by machine")] if apart else []
    rows = [[_("labeled"), *of_them, "F1", _("from"), _("to"), _("trainings")]]
    for point in found["points"]:
        cells = [f"{point[name]:.3f}" for name in ("f1", "low", "high")]
        made = [f"{point['made']:,}"] if apart else []
        rows.append([f"{point['examples']:,}", *made, *cells, str(point["runs"])])
    return [*table(rows), "", curve.sentence()]


def search_lines(found: Found) -> list[str]:
    """What the search found beside what was there, and the section that uses it."""
    from engines.evaluation.advice import p_words

    if found.best.changes:
        said = _(
            "Best of {count} prompts for {strategy}: F1 {f1} ({low}-{high}) on {texts} dev texts, "
            "{gain} points over the present one (p {p}), after {calls} calls."
        )
    else:
        said = _(
            "The present prompt of {strategy} stays: F1 {f1} ({low}-{high}) on {texts} dev texts, "
            "the best of {count} after {calls} calls."
        )
    lines = [
        said.format(
            count=len(found.tried),
            strategy=found.strategy,
            f1=f"{found.best.f1:.3f}",
            low=f"{found.low:.3f}",
            high=f"{found.high:.3f}",
            texts=found.best.texts,
            gain=f"{100 * found.gain:+.1f}",
            p=p_words(found.p),
            calls=found.calls,
        )
    ]
    if found.best.changes:
        lines.append(
            _(
                "The winner of many is flattered by its choice: measure it on another split before "
                "use."
            )
        )
    return lines


def section(found: Found, values: dict[str, Any]) -> str:
    """The found prompt as a section of config.toml."""
    import tomli_w

    return tomli_w.dumps({"strategies": {f"{found.strategy}-searched": values}})


def searched_values(settings: Settings, found: Found) -> dict[str, Any]:
    """The strategy with the found prompt, without what is a default."""
    strategy = settings.strategies[found.strategy]
    changed = strategy.model_copy(update=dict(found.best.changes))
    return changed.model_dump(mode="json", exclude_defaults=True)
