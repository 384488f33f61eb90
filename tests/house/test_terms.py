"""One word for one thing: the Korean catalogue uses the words of docs/terms.md."""

import re
from pathlib import Path

from kwtui import locale_tools

TERMS = Path(locale_tools.ROOT) / "docs" / "terms.md"
# Words that Korean says otherwise where English uses them as a verb or names an option.
OFTEN = {"glossary", "keyword", "label", "ladder", "prompt", "split", "strategy", "term", "run"}
# An option, a placeholder or a command is no word.
NO_WORD = re.compile(r"`[^`]*`|\{[^}]*\}|--[\w-]+|[\w.\[\]]*[=_/][\w.]*|\w+\.\w+")
# Other words for the same things that the catalogue had.
FORMER = {"기반 모델": "base model", "동의어": "alias", "태깅": "label", "어댑타": "adapter"}


def listed() -> dict[str, str]:
    """English and Korean words of the table."""
    rows = [line.split("|") for line in TERMS.read_text(encoding="utf-8").splitlines()]
    pairs = [(row[1].strip(), row[2].strip()) for row in rows if len(row) > 3]
    return {english: korean for english, korean in pairs if re.search("[가-힣]", korean)}


def translated() -> list[tuple[str, str]]:
    """Every English string with its Korean one."""
    found = []
    for message in locale_tools.translated():
        if message.id:
            ids = message.id if isinstance(message.id, list | tuple) else (message.id,)
            given = message.string
            strings = given if isinstance(given, list | tuple) else (given,)
            found.append((NO_WORD.sub("", ids[0]), " ".join(strings)))
    return [(english, korean) for english, korean in found if korean.strip()]


def test_the_listed_words_are_translated_by_the_listed_ones() -> None:
    strings = translated()
    words = listed()
    assert len(words) >= 20
    for english, korean in words.items():
        using = [pair for pair in strings if re.search(rf"\b{english}s?\b", pair[0], re.I)]
        other = [pair for pair in using if korean not in pair[1]]
        assert using, english
        if english not in OFTEN:
            assert not other, (english, korean, other)
        elif english != "run":
            assert len(other) < 0.25 * len(using), (english, korean, len(using), other)


def test_a_run_is_a_training_run_where_it_is_a_noun() -> None:
    noun = re.compile(r"\b(the|this|a|another|no|two|marked) runs?\b(?! (the|it)\b)", re.I)
    strings = [pair for pair in translated() if noun.search(pair[0]) and "실행" in pair[1]]
    assert len(strings) > 25
    assert [pair for pair in strings if "학습 실행" not in pair[1]] == []


def test_no_former_word_is_left() -> None:
    for word, english in FORMER.items():
        assert [ko for _en, ko in translated() if word in ko] == [], english
