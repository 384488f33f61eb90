"""Which pre-tokenizer of llama.cpp splits a text as a byte-level BPE tokenizer does.

llama.cpp knows pre-tokenizers by name, with their patterns compiled in
(`src/llama-vocab.cpp`); here they are told by the pattern itself, since a vocabulary with added
terms is in nobody's table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from glossary.errors import UserError
from glossary.i18n import _

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace("{1,3}", "")
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Name by (pattern, whether a piece that is whole in the vocabulary needs no merges).
_KNOWN = {
    (_LLAMA3, True): "llama-bpe",
    (_QWEN2, False): "qwen2",
    (_TEKKEN, True): "tekken",
    ("", False): "gpt-2",
}


def pre_tokenizer(plan: dict[str, Any], path: Path) -> str:
    """The name for the tokenizer.json `plan`; UserError when llama.cpp has none."""
    pattern, refusal = _pattern(plan.get("pre_tokenizer") or {})
    whole = bool(plan["model"].get("ignore_merges"))
    name = _KNOWN.get((pattern, whole)) if not refusal else None
    if name is None:
        message = _(
            "{path}: llama.cpp does not know this tokenizer's way of splitting a text ({what}), "
            "so its tokens would not be the model's. It knows those of GPT-2, Llama 3, Qwen 2 and "
            "3, and Mistral (Tekken)."
        )
        raise UserError(message.format(path=path, what=refusal or pattern or "ByteLevel"))
    return name


def _pattern(step: dict[str, Any]) -> tuple[str, str]:
    """The pattern of a pre-tokenizer, "" for GPT-2's own; or what makes it unknown."""
    steps = list(step["pretokenizers"]) if step.get("type") == "Sequence" else [step]
    levels = [s for s in steps if s["type"] == "ByteLevel"]
    splits = [s for s in steps if s["type"] == "Split"]
    others = [s["type"] for s in steps if s["type"] not in ("ByteLevel", "Split")]
    if others or len(levels) != 1 or len(splits) > 1:
        return "", ", ".join(others) or "Split + Split"
    if levels[0].get("add_prefix_space"):
        return "", "ByteLevel, add_prefix_space = true"
    if not splits:
        return "", "" if levels[0].get("use_regex", True) else "ByteLevel, use_regex = false"
    if levels[0].get("use_regex", True):
        return "", "Split + ByteLevel"
    pattern = splits[0]["pattern"].get("Regex", "")
    behaviour = splits[0].get("behavior")
    if behaviour != "Isolated" or splits[0].get("invert"):
        return "", f"Split {behaviour}"
    return ("" if pattern.startswith(_GPT2) else pattern), ""
