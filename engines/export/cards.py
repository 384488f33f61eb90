"""The card of an export: what it is, what it was made from, how good it is, under which licence."""

from __future__ import annotations

import json
import platform
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engines.export.proof import Proof

CARD = "CARD.md"
ORIGIN = "kwtui.json"
_PACKAGES = ("kwtui", "torch", "transformers", "peft", "gguf", "xllamacpp")
_LICENCE = re.compile(r"^license:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Made:
    """What an export knows of its model; empty where nobody wrote it down.

    `origin` is the kwtui.json of the run that made it, `recipe` its recipe.toml, `scores` lines
    of the ladder.
    """

    name: str
    what: str
    base: str = ""
    licence: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    scores: tuple[str, ...] = ()


def gather(
    folder: Path, name: str, what: str, *, base: Path | None = None, workspace: Path | None = None
) -> Made:
    """What is known of the model in `folder`, with the runs and the ladder of a workspace."""
    origin = _json(folder / ORIGIN)
    run = str(origin.get("run") or "")
    recipe = ""
    if workspace is not None and run and Path(run).name == run:
        recipe = _text(workspace / "runs" / run / "recipe.toml")
    return Made(
        name=name,
        what=what,
        base=str(origin.get("base") or (base.name if base else "")),
        licence=licence_of(base or folder),
        origin=origin,
        recipe=recipe,
        scores=_ladder(workspace, {folder.name, name}),
    )


def licence_of(folder: Path) -> str:
    """The licence in a model's README, else the name of a licence file; "" for neither."""
    found = _LICENCE.search(_text(folder / "README.md")[:4000])
    if found:
        return found.group(1).strip()
    known = _json(folder / ORIGIN).get("licence")
    if known:
        return str(known)
    file = next((p.name for p in sorted(folder.glob("LICEN[SC]E*"))), "")
    return file


def versions() -> dict[str, str]:
    """The packages that an export depends on, with Python's own version."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def card(made: Made, facts: Mapping[str, str], proofs: Sequence[Proof] = ()) -> str:
    """The card in Markdown; `facts` are rows that this export adds."""
    origin = made.origin
    rows = {
        "base model": made.base,
        "licence of the base model": made.licence or "not stated there",
        "method": str(origin.get("method") or ""),
        "run": str(origin.get("run") or ""),
        "labeled examples": str(origin.get("examples") or ""),
        "data (SHA-256)": str(origin.get("data_digest") or ""),
        "keyword F1 on the dev texts": _number(origin.get("dev_f1")),
        "before training": _number(origin.get("dev_f1_before")),
        **facts,
        "versions": ", ".join(f"{n} {v}" for n, v in versions().items()),
    }
    lines = [f"# {made.name}", "", made.what, "", "| | |", "| --- | --- |"]
    lines += [f"| {_cell(k)} | {_cell(v)} |" for k, v in rows.items() if v]
    if proofs:
        lines += ["", "## Proof", "", *_proof_table(proofs)]
    if made.scores:
        lines += ["", "## On the ladder", "", *(f"- {line}" for line in made.scores)]
    if made.recipe:
        lines += ["", "## Recipe", "", *(f"    {line}" for line in made.recipe.splitlines())]
    return "\n".join(lines) + "\n"


def origin_json(made: Made, **more: Any) -> str:
    """kwtui.json of the export: that of the model with what the export adds."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    known = {"base": made.base, "licence": made.licence, "exported": now}
    values = {**made.origin, **known, "export_versions": versions(), **more}
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def _proof_table(proofs: Sequence[Proof]) -> list[str]:
    head = "| type | size | same tokens | same keywords | F1 | the model | difference | held |"
    lines = [
        "Run in llama.cpp and compared with transformers (float32).",
        "",
        head,
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for proof in proofs:
        lines.append(
            f"| {proof.type} | {proof.size / 1e6:,.1f} MB "
            f"| {proof.same_tokens} of {proof.token_texts} texts "
            f"| {proof.same_keywords} of {proof.keyword_texts} texts{_ties(proof)} "
            f"| {proof.f1:.4f} | {proof.f1_model:.4f} | {proof.difference:+.4f} "
            f"| {proof.method} |"
        )
    measured = {"gold": "labels", "model": "the keywords of the model itself"}
    lines += ["", f"F1 against {measured[proofs[0].against]}."]
    return lines


def _ties(proof: Proof) -> str:
    return f" ({proof.ties} more part at a tie)" if proof.ties else ""


def _ladder(workspace: Path | None, names: set[str]) -> tuple[str, ...]:
    """The model's rows in the last ladders of a workspace."""
    lines = []
    folder = workspace / "reports" / "ladder" if workspace else None
    for path in sorted(folder.glob("*.json")) if folder and folder.is_dir() else []:
        for row in _json(path).get("rows") or []:
            scores = row.get("scores") or {}
            if row.get("model") in names and isinstance(scores.get("f1"), float):
                low, high = row.get("f1_low") or 0.0, row.get("f1_high") or 0.0
                lines.append(
                    f"{row.get('strategy')}: F1 {scores['f1']:.3f} ({low:.3f} to {high:.3f}) on "
                    f"{row.get('texts')} texts of {row.get('split')}"
                )
    return tuple(lines)


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
