"""What a blind second annotator may hear of a strategy: nothing that the first one taught it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from engines.corpus.splits import group_key
from engines.corpus.store import Corpus, View
from engines.settings import Settings, StrategySettings
from glossary.errors import UserError

# Written beside the weights of every model that a run made, with the time at which it was made.
_ORIGIN = "kwtui.json"


def withheld(
    corpus: Corpus,
    view: View,
    annotator: str,
    names: Iterable[str],
    settings: Settings,
    root: Path | None,
) -> frozenset[str]:
    """Those of the strategies `names` that may know what somebody else said of a blind text.

    A tuned model that was made after another person had labeled the text, whatever it was trained
    on; a CRF, which learns from the labels as they come; one with the text among its fixed cases;
    one that the settings do not know. Similar cases are never the text itself nor nearly so.
    Nothing is withheld where the annotator is not blind, or is the first.
    """
    since = corpus.first_said(view.id, but=annotator) if view.blind else None
    if since is None:
        return frozenset()
    folders = settings.model_folders(root)
    known = settings.strategies
    return frozenset(
        name
        for name in names
        if name not in known or _knows(known[name], view.text, since, folders)
    )


def _knows(strategy: StrategySettings, text: str, since: datetime, folders: Sequence[Path]) -> bool:
    if strategy.kind != "model":
        return strategy.kind == "crf"
    if any(group_key(case.text) == group_key(text) for case in strategy.cases):
        return True
    if strategy.server:
        return False
    made = _made(strategy.model, folders)
    return made is not None and made >= since


def _made(model: str, folders: Sequence[Path]) -> datetime | None:
    """When a run made the model; None for one that no run made and one that is not there."""
    from engines.models.registry import resolve

    try:
        origin = resolve(model, folders) / _ORIGIN
        changed = datetime.fromtimestamp(origin.stat().st_mtime, UTC)
    except (UserError, OSError):
        return None
    try:
        return datetime.fromisoformat(json.loads(origin.read_text(encoding="utf-8"))["made"])
    except (OSError, ValueError, KeyError, TypeError):
        return changed
