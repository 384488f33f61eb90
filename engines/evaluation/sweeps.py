"""One field of a strategy or of a recipe over a list of values, as a ladder of its variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from engines.evaluation.climbing import TRAINED, Training, model_name, taught
from engines.extraction.strategy import find_strategy
from engines.layers import nested, overlay, toml_value
from engines.settings import Settings, StrategySettings
from glossary.errors import UserError
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Sweep:
    """A field with its values: of a strategy (`shots`) or, dotted, of a recipe (`lora.r`)."""

    field: str
    values: tuple[Any, ...]

    @property
    def of_recipe(self) -> bool:
        """Whether each value needs a training."""
        return self.field not in StrategySettings.model_fields


def parse_sweep(said: str) -> Sweep:
    """`--sweep FIELD=A,B,C`; UserError when it is none."""
    name, equals, raw = said.partition("=")
    values = tuple(toml_value(part.strip()) for part in raw.split(",") if part.strip())
    if not equals or not name.strip() or not values:
        message = _("--sweep {said}: write it as FIELD=A,B,C, such as shots=0,2,4 or lora.r=4,8.")
        raise UserError(message.format(said=said))
    return Sweep(name.strip(), values)


def variant(name: str, sweep: Sweep, value: Any) -> str:
    """The name of a variant in the table."""
    return f"{name} {sweep.field}={value}"


def with_variants(
    settings: Settings, names: Sequence[str], sweep: Sweep
) -> tuple[Settings, list[str]]:
    """The settings with a strategy for each value of the field, and the names of these.

    Raises UserError for a value that the field does not take.
    """
    made: dict[str, StrategySettings] = {}
    for name in names:
        base = find_strategy(settings.strategies, name)
        for value in sweep.values:
            values = base.model_dump() | {sweep.field: value}
            try:
                made[variant(name, sweep, value)] = StrategySettings.model_validate(values)
            except ValidationError as error:
                message = _("--sweep {field}: {value} does not do: {reason}.")
                reason = error.errors()[0]["msg"]
                raise UserError(
                    message.format(field=sweep.field, value=value, reason=reason)
                ) from None
    known = {**settings.strategies, **made}
    return settings.model_copy(update={"strategies": known}), list(made)


def trained_variants(
    settings: Settings, names: Sequence[str], sweep: Sweep, training: Training
) -> tuple[Settings, list[tuple[str, str, Training, str]]]:
    """For each value of a recipe's field: variant, strategy, its training, and its base name.

    Only strategies that are trained can be swept so; UserError for others.
    """
    made: dict[str, StrategySettings] = {}
    todo = []
    for name in names:
        if name not in TRAINED:
            message = _("{field} is a field of recipes; name one of {known} with --strategies.")
            raise UserError(message.format(field=sweep.field, known=", ".join(TRAINED)))
        for value in sweep.values:
            suffix = f"{name}-{sweep.field}-{value}".replace("/", "-")
            changes = overlay(dict(training.changes), nested(tuple(sweep.field.split(".")), value))
            changes["name"] = f"{training.base}-{suffix}"
            one = Training(training.base, 1, changes, training.terms)
            label = variant(name, sweep, value)
            strategy = taught(settings, name, training.base)
            made[label] = strategy.model_copy(update={"model": changes["name"]})
            todo.append((label, name, one, changes["name"]))
    known = {**settings.strategies, **made}
    return settings.model_copy(update={"strategies": known}), todo


__all__ = ["Sweep", "model_name", "parse_sweep", "trained_variants", "variant", "with_variants"]
