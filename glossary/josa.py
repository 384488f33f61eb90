"""Korean particles by the sound that stands before them.

The choice follows the final consonant of the preceding syllable; Latin letters and digits are
read aloud the Korean way (``PPI`` ends in a vowel, ``Tylenol`` in ㄹ, ``B12`` in a vowel).
"""

from __future__ import annotations

import re

#: particle as written in a pattern -> (after a consonant, after a vowel)
PAIRS: dict[str, tuple[str, str]] = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "과": ("과", "와"),
    "으로": ("으로", "로"),
    "이나": ("이나", "나"),
    "이라": ("이라", "라"),
    "이란": ("이란", "란"),
    "이랑": ("이랑", "랑"),
    "이며": ("이며", "며"),
    "이신데": ("이신데", "신데"),
    "이에요": ("이에요", "예요"),
}

_RIEUL = "ㄹ"
_OTHER = "c"
_OPEN = ""
_LETTERS = {"L": _RIEUL, "R": _RIEUL, "M": _OTHER, "N": _OTHER}
_DIGITS = {"0": _OTHER, "1": _RIEUL, "3": _OTHER, "6": _OTHER, "7": _RIEUL, "8": _RIEUL}
_UNITS = {"mg": _OTHER, "g": _OTHER, "mL": _OPEN, "%": _OPEN}


def final_sound(text: str) -> str:
    """The last sound of `text`: "" for a vowel, "ㄹ", or "c" for another consonant."""
    text = re.sub(r"\([^()]*\)$", "", text.rstrip()).rstrip("'\"”’」』)] ")
    if not text:
        return _OPEN
    last = text[-1]
    if "가" <= last <= "힣":
        index = (ord(last) - ord("가")) % 28
        return _OPEN if index == 0 else _RIEUL if index == 8 else _OTHER
    if last.isdigit():
        return _DIGITS.get(last, _OPEN)
    unit = re.search(r"\d\s?(mg|mL|g|%)$", text)
    if unit:
        return _UNITS[unit.group(1)]
    word = re.search(r"[A-Za-z]+$", text)
    return _latin(word.group()) if word else _OPEN


def _latin(word: str) -> str:
    """The last sound of a Latin word: an acronym is spelled out, a name is read as a word."""
    if word.isupper():
        return _LETTERS.get(word[-1], _OPEN)
    word = word.lower()
    if word.endswith("l"):
        return _RIEUL
    return _OTHER if re.search(r"([mn]|ng|[aeiou][mn]e)$", word) else _OPEN


def attach(text: str, particle: str) -> str:
    """`text` with `particle` (a key of PAIRS) in the form that its last sound asks for."""
    after_consonant, after_vowel = PAIRS[particle]
    sound = final_sound(text)
    if particle == "으로" and sound == _RIEUL:
        return text + after_vowel
    return text + (after_consonant if sound else after_vowel)
