"""Which texts train and which test: a deterministic split by hash, equal texts always together."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import normalise

DEFAULT_SHARES: Mapping[str, float] = {"train": 0.8, "dev": 0.1, "test": 0.1}
# Texts that belong to no split, such as one that bridges two of them.
EXCLUDED = "excluded"
# Splits that scores are measured on: nothing synthetic enters them.
HELD_OUT = ("dev", "test", "wild", "unseen")
# The test split whose terms no training text holds.
UNSEEN = "unseen"
TRAIN = "train"

_SPACES = re.compile(r"\s+")
_NAME = re.compile(r"[\w-]+")


def digest(text: str) -> str:
    """128 bits of SHA-256 of the normalised text, in hexadecimal; equal texts share it."""
    return fingerprint(normalise(text))


def fingerprint(text: str) -> str:
    """`digest` of a text that is normalised already."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def group_key(text: str) -> str:
    """The group of a text: texts that differ only in spaces and letter case share it."""
    return digest(_SPACES.sub("", normalise(text)).casefold())


def document_key(source: str, document: str) -> str:
    """The group of a text that was cut out of a document: all its texts share it."""
    return digest(f"document\n{source}\n{document}")


def draw(text: str, seed: int = 0) -> float:
    """A number from 0 to below 1 that is the same for ever for the same text and seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{text}".encode()).digest()[:8], "big") / 2**64


def assign(group: str, shares: Mapping[str, float], seed: int = 0) -> str:
    """The split of a group: the same for ever for the same shares, in their order, and seed.

    `shares`: split name to its share; they add up to 1 (`parse_shares` sees to it).
    """
    drawn = draw(group, seed)
    edge = 0.0
    for name, share in shares.items():
        edge += share
        if drawn < edge:
            return name
    return next(name for name in reversed(list(shares)) if shares[name] > 0)


def parse_shares(text: str) -> dict[str, float]:
    """Shares written as train=0.8,dev=0.1,test=0.1; percentages and ratios are scaled to 1.

    Raises UserError when it is not written so, a share is negative or all are zero.
    """
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        share = _number(value)
        if not equals or not _NAME.fullmatch(name) or name in shares or share is None:
            sentence = _("'{part}' is no share: write train=0.8,dev=0.1,test=0.1.")
            raise UserError(sentence.format(part=part.strip()))
        shares[name] = share
    total = sum(shares.values())
    if not 0 < total < math.inf:
        raise UserError(_("The shares add up to nothing: write train=0.8,dev=0.1,test=0.1."))
    return {name: share / total for name, share in shares.items()}


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
