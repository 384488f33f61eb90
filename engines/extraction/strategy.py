"""Strategies are data: a `[strategies.NAME]` section of config.toml.

This module reads what such a section says: which kinds it names, what it needs (a model,
a glossary, labeled cases), and whether its parts fit together.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from engines.extraction.prompt import parse_kind
from engines.settings import StrategySettings
from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise


def find_strategy(strategies: Mapping[str, StrategySettings], name: str) -> StrategySettings:
    """The strategy `name`; raises UserError with the nearest name when there is none."""
    found = strategies.get(name)
    if found is not None:
        check_strategy(name, found)
        return found
    names = sorted(strategies)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        message = _("There is no strategy '{name}'. Did you mean '{near}'?")
        raise UserError(message.format(name=name, near=near[0]))
    message = _("There is no strategy '{name}'. There are: {names}.")
    raise UserError(message.format(name=name, names=", ".join(names)))


def check_strategy(name: str, strategy: StrategySettings) -> None:
    """Raise UserError when parts of a strategy contradict each other."""
    if strategy.passes == "by_kind" and not kinds_of(strategy):
        message = _(
            "The strategy '{name}' asks once a kind (passes = \"by_kind\") but names no kinds. "
            "Add kinds = [...] to [strategies.{name}]."
        )
        raise UserError(message.format(name=name))
    if strategy.server and strategy.kind != "model":
        message = _(
            "The strategy '{name}' names a server but asks no model (kind = \"{kind}\"). Remove "
            "`server` or `kind` from [strategies.{name}]."
        )
        raise UserError(message.format(name=name, kind=strategy.kind))
    if "missed" in strategy.feedback_sources and not strategy.glossary:
        message = _(
            "The strategy '{name}' takes feedback from missed glossary terms but does not use "
            "the glossary. Set glossary = true in [strategies.{name}]."
        )
        raise UserError(message.format(name=name))


def kinds_of(strategy: StrategySettings) -> tuple[tuple[str, str], ...]:
    """The kinds as (name, description or ""), without empty ones."""
    pairs = (parse_kind(normalise(kind)) for kind in strategy.kinds)
    return tuple(pair for pair in pairs if pair[0])


def needs_glossary(strategy: StrategySettings) -> bool:
    """Whether the strategy can't run without a glossary (its own definitions may replace it)."""
    return strategy.glossary or (strategy.kind == "dictionary" and not strategy.definitions)


def needs_cases(strategy: StrategySettings) -> bool:
    """Whether the strategy looks for similar labeled texts."""
    return strategy.kind == "model" and strategy.shots > 0 and strategy.shots_choice == "similar"
