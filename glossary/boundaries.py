"""Whether letters found in a text are a word there: 파스 in 파스형 is one, in 파스타 it is none.

Latin letters and digits: a border is where no letter or digit follows. Hangul: the morphemes of
Kiwi (https://github.com/bab2min/Kiwi) in their sentence, told nothing of our terms (with user
words it finds 임산부 in 임산부산물), and for names that Kiwi does not know, what is left of the
word beside them: josa, endings, 형 and 용, or another term. Kiwi runs only on sentences with hits.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cache, cached_property, lru_cache
from typing import Any, NamedTuple

_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_LEFT_RUN = re.compile(r"[\uac00-\ud7a3]*\Z")
_RIGHT_RUN = re.compile(r"[\uac00-\ud7a3]*")
# Sentences end here; longer pieces are cut at a space, since Kiwi needs no more context.
_SENTENCE_END = re.compile(r"[\n.?!](?=\s|\Z)|\n")
_PIECE = 300

# Josa after which no longer word can stand; 도 and 로 are not here (안정제도, 제로).
_PLAIN_JOSA = frozenset("은는이가을를의에과와") | {"에서", "에게", "으로"}
# Both josa offered, as forms and notices write them: 산제을(를), 환제은/는.
_EITHER_JOSA = re.compile(r"(을|은|이|과|를|는|가|와)(\([를는가와을은이과]\)|/[를는가와을은이과])")
_JOSA_STARTS = frozenset("은는이가을를의에과와도만로으부까보처같뿐마조밖나라랑하인임였입")
_SUFFIXES = frozenset("형용성들네별중시후전내등류뿐당")
# One-syllable dosage forms on a product's name (KEYWORDS.md, rule 6).
_NAME_SUFFIXES = frozenset("정액산겔주환연첩")
_CONCESSIONS = ("더라도", "라도", "지라도", "어도", "ᆫ들")
_OPEN, _CLOSED, _RIEUL = "나무", "사람", "연필"


class Hit(NamedTuple):
    """Code points `start` to `end` (exclusive) of the text that is judged."""

    start: int
    end: int


class Morpheme(NamedTuple):
    """One morpheme of Kiwi; `oov` when Kiwi guessed it and has it in no dictionary."""

    start: int
    end: int
    tag: str
    oov: bool
    form: str


class Judge:
    """Judges the raw hits of one text; `hits` are all of them, since terms may stand in a chain."""

    def __init__(self, text: str, hits: Iterable[Hit]) -> None:
        self._text = text
        self._hits = set(hits)
        self._read: dict[tuple[int, int], list[Morpheme]] = {}
        self._verdicts: dict[Hit, bool] = {}

    def accepts(self, hit: Hit) -> bool:
        """Whether the hit is a word of its own, a part of a compound, or a word with josa."""
        if hit not in self._verdicts:
            self._verdicts[hit] = self._judge(hit)
        return self._verdicts[hit]

    def right_run(self, end: int) -> str:
        """The Hangul letters that follow `end` in the same word."""
        return _run(_RIGHT_RUN, self._text, end, end + 40)

    def _judge(self, hit: Hit) -> bool:
        text, (start, end) = self._text, hit
        if _joins(text, start) or _joins(text, end):
            return False
        left = _run(_LEFT_RUN, text, max(0, start - 40), start) if _is_hangul(text, start) else ""
        right = _run(_RIGHT_RUN, text, end, end + 40) if _is_hangul(text, end - 1) else ""
        syllables = len(_HANGUL.findall(text[start:end]))
        if not syllables or (not left and not right and " " in text[start:end]):
            return True
        if syllables >= 3 and not left and (not right or right in _PLAIN_JOSA):
            return True
        if syllables >= 4 and not left and josa_only(text[start:end], right):
            return True
        if syllables >= 2 and not left and _EITHER_JOSA.match(text, end):
            return True
        if end - start == 1:
            if left or (right and right[0] not in _JOSA_STARTS):
                return False
            return _single(self.morphemes(hit), hit)
        return self._fits(hit, left, right, self.morphemes(hit))

    def _fits(self, hit: Hit, left: str, right: str, tokens: list[Morpheme]) -> bool:
        surface = self._text[hit.start : hit.end]
        inside = [
            t for t in tokens if t.start >= hit.start and t.end <= hit.end and t.end > t.start
        ]
        straddling = [t for t in tokens if _straddles(t, hit)]
        sure = [t for t in straddling if not t.oov]
        if not straddling:
            if _other_word(inside, tokens, hit):
                return False
            left_tokens = [t for t in tokens if hit.start - len(left) <= t.start < hit.start]
            right_tokens = [t for t in tokens if hit.end <= t.start < hit.end + len(right)]
            named = is_name(surface)
            left_fits = not left or hit.start in self._heads or _head_fits(left_tokens)
            right_fits = (
                not right
                or hit.end in self._tails
                or _tail_fits(right_tokens, named=named, context=True)
            )
            if (left_fits and right_fits) or known(surface):
                return left_fits and right_fits
        elif sure and (known(surface) or any(_covers(t, hit) for t in sure)):
            return False
        return self._stands_alone(hit, left, right, bool(sure))

    def _stands_alone(self, hit: Hit, left: str, right: str, doubtful: bool) -> bool:
        """For names that Kiwi cannot place: by what is left of the word on both sides."""
        surface = self._text[hit.start : hit.end]
        if left and hit.start not in self._heads:
            brand = len(left) >= 3 and known(surface) and not known(left)
            if doubtful or not (brand or _noun(left)):
                return False
        if not right or hit.end in self._tails:
            return True
        tokens = _after_noun(_final(surface), right)
        if doubtful and tokens and _is_noun(tokens[0]) and len(tokens[0].form) > 1:
            return False
        return _tail_fits(tokens, named=is_name(surface), context=False)

    @cached_property
    def _borders(self) -> list[int]:
        return _pieces(self._text)

    @cached_property
    def _heads(self) -> set[int]:
        """Where a chain of terms of two letters or more ends that began where its word begins."""
        heads: set[int] = set()
        for start, end in sorted(self._hits):
            begins = start == 0 or not _is_hangul(self._text, start - 1)
            if end - start >= 2 and (begins or start in heads):
                heads.add(end)
        return heads

    @cached_property
    def _tails(self) -> set[int]:
        """Where a chain of such terms starts, behind another hit, whose last word ends in order."""
        tails: set[int] = set()
        ends = {end for _start, end in self._hits}
        for start, end in sorted(self._hits, key=lambda hit: -hit.end):
            if end - start < 2 or start not in ends or start in tails:
                continue
            right = _run(_RIGHT_RUN, self._text, end, end + 40)
            if not right or end in tails:
                tails.add(start)
                continue
            rest = _after_noun(_final(self._text[start:end]), right)
            if _tail_fits(rest, named=False, context=False):
                tails.add(start)
        return tails

    def morphemes(self, hit: Hit) -> list[Morpheme]:
        """Kiwi's morphemes of the sentences that `hit` stands in, offsets in the text."""
        first, last = bisect_right(self._borders, hit.start), bisect_left(self._borders, hit.end)
        start, end = self._borders[first - 1], [*self._borders[last : last + 1], len(self._text)][0]
        if (start, end) not in self._read:
            found = morphemes(self._text[start:end])
            self._read[start, end] = [
                t._replace(start=t.start + start, end=t.end + start) for t in found
            ]
        return self._read[start, end]


@cache
def _kiwi() -> Any:
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1, load_multi_dict=False)


_loading = threading.Lock()


def morphemes(text: str) -> list[Morpheme]:
    """Kiwi's morphemes of `text`, offsets in code points; the first call loads Kiwi (1 to 3 s)."""
    with _loading:
        kiwi = _kiwi()
    return [
        Morpheme(t.start, t.end, t.tag.split("-")[0], bool(t.oov), t.form)
        for t in kiwi.tokenize(text)
    ]


def spaced(text: str) -> str:
    """`text` with spaces where Kiwi puts them, whatever spaces it had; offsets change."""
    with _loading:
        kiwi = _kiwi()
    return str(kiwi.space(text, reset_whitespace=True))


@lru_cache(maxsize=65536)
def known(surface: str) -> bool:
    """Whether Kiwi reads `surface` as nouns of its dictionary when it stands as an object."""
    josa = "을" if _final(surface) else "를"
    tokens = [t for t in morphemes(surface + josa) if t.start < len(surface)]
    return (
        bool(tokens)
        and tokens[-1].end == len(surface)
        and all(not t.oov and (_is_noun(t) or t.tag.startswith(("XPN", "XSN"))) for t in tokens)
    )


@lru_cache(maxsize=65536)
def is_name(surface: str) -> bool:
    """Whether a one-syllable dosage form may be stuck to `surface`: proper names and long words."""
    if len(surface) >= 3 or not known(surface):
        return True
    return any(t.tag == "NNP" for t in morphemes(surface))


@lru_cache(maxsize=16384)
def _noun(word: str) -> bool:
    return len(word) >= 2 and known(word)


@lru_cache(maxsize=65536)
def _after_noun(final: int, rest: str) -> list[Morpheme]:
    """The morphemes of `rest` after a plain noun with the same kind of final consonant."""
    noun = _RIEUL if final == 8 else _CLOSED if final else _OPEN
    tokens = morphemes(noun + rest)
    if not tokens or tokens[0].form != noun:
        return [Morpheme(0, len(rest), "UN", True, rest)]
    return [t._replace(start=t.start - 2, end=t.end - 2) for t in tokens[1:]]


def _single(tokens: list[Morpheme], hit: Hit) -> bool:
    """One-syllable terms count only as a whole noun with nothing but josa after it."""
    nouns = [t for t in tokens if _is_noun(t) or t.tag == "XPN"]
    if not any((t.start, t.end) == hit and t.tag != "NNB" and not t.oov for t in nouns):
        return False
    following = [t for t in tokens if t.start == hit.end]
    return not following or following[0].tag.startswith(("J", "VCP", "S", "W"))


def _head_fits(tokens: Sequence[Morpheme]) -> bool:
    """Whether a word of its own may start after these morphemes."""
    if not tokens:
        return False
    last = tokens[-1]
    if _is_noun(last):
        # A guessed noun of three syllables is a product's name: 노바스크 before 과립.
        return len(last.form) >= (3 if last.oov else 2)
    return last.tag.startswith(("J", "E", "MM", "MA", "XSN", "NP", "NR", "IC"))


def _tail_fits(tokens: Sequence[Morpheme], *, named: bool, context: bool) -> bool:
    """Whether a word may end before these morphemes of the same word.

    `named`: a name, after which one-syllable dosage forms may stand. `context`: the morphemes were
    read in their sentence, so that a verb after a missing space is believed.
    """
    for token in tokens:
        if token.tag.startswith(("J", "E", "VC", "XSV", "XSA", "S", "W")):
            return True
        if token.form in _SUFFIXES or (named and token.form in _NAME_SUFFIXES):
            continue
        if _is_noun(token):
            return len(token.form) >= 2 and not token.oov and token.tag != "NNP"
        return context and token.tag.startswith(("V", "MA")) and token.end - token.start >= 1
    return True


def _other_word(inside: Sequence[Morpheme], tokens: Sequence[Morpheme], hit: Hit) -> bool:
    """Whether the letters are read as a verb or adverb: 감기 in 눈을 감기다, 설사 없더라도.

    A verb before a josa is a noun misread, and so is 설사 as an adverb without a concession.
    """
    if not inside:
        return False
    first, last = inside[0], inside[-1]
    if first is not last:
        return first.tag.startswith("V") and last.tag.startswith("E") and last.tag != "ETN"
    if (first.start, first.end) != hit:
        return False
    if first.tag.startswith("MA"):
        following = [t.form for t in tokens if t.start >= hit.end]
        return not known(first.form) or any(form.endswith(_CONCESSIONS) for form in following)
    josa = any(t.start == hit.end and t.tag.startswith("J") for t in tokens)
    return first.tag.startswith(("V", "IC")) and not josa


@lru_cache(maxsize=16384)
def josa_only(surface: str, right: str) -> bool:
    """Whether `right` is read as a josa or copula after the noun `surface`."""
    tokens = _after_noun(_final(surface), right)
    return bool(tokens) and tokens[0].tag.startswith(("J", "VC"))


def _straddles(token: Morpheme, hit: Hit) -> bool:
    return token.start < hit.start < token.end or token.start < hit.end < token.end


def _covers(token: Morpheme, hit: Hit) -> bool:
    return token.start <= hit.start and token.end >= hit.end


def _is_noun(token: Morpheme) -> bool:
    return token.tag.startswith(("NN", "SL", "SH", "XR"))


def _joins(text: str, border: int) -> bool:
    """Whether letters or digits other than Hangul stand on both sides of the border."""
    return 0 < border < len(text) and _latin(text[border - 1]) and _latin(text[border])


def _latin(char: str) -> bool:
    return char.isalnum() and not _HANGUL.match(char)


def _is_hangul(text: str, index: int) -> bool:
    return bool(_HANGUL.match(text[index]))


def _final(surface: str) -> int:
    """The final consonant of the last syllable as a number: 0 none or no Hangul, 8 ㄹ."""
    return (ord(surface[-1]) - 0xAC00) % 28 if _HANGUL.match(surface[-1]) else 0


def _run(pattern: re.Pattern[str], text: str, start: int, end: int) -> str:
    found = pattern.search(text[start:end])
    return found.group() if found else ""


def _pieces(text: str) -> list[int]:
    """Where the pieces start that Kiwi reads at a time: sentences, long ones cut at a space."""
    starts = [0]
    ends = [*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)]
    for end in ends:
        while end - starts[-1] > _PIECE:
            cut = text.rfind(" ", starts[-1] + 1, starts[-1] + _PIECE)
            starts.append(cut + 1 if cut > 0 else starts[-1] + _PIECE)
        if starts[-1] < end < len(text):
            starts.append(end)
    return starts
