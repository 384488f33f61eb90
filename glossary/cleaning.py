"""Values of public drug data as plain text: markup removed, product names taken apart."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

from glossary.text import normalise

_MARKUP = re.compile(r"<[/!?]?[A-Za-z!\[]|&(#\d+|#x[0-9a-fA-F]+|[A-Za-z]+);")
_BLOCKS = frozenset(
    [
        *("p", "br", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4"),
        *("doc", "section", "article", "paragraph"),
    ]
)
_SILENT = frozenset(["script", "style"])
# Codes before names: [M040353]아세트아미노펜, [01140]해열.진통.소염제.
_CODE = re.compile(r"\[[A-Z]?\d{4,}\]\s*")
_SENTENCE = re.compile(r"(?<=[.!?。])\s+|\n+")

_OPEN, _CLOSE = "([<{（［", ")]>}）］"
_UNIT = (
    r"(?:밀리그램|밀리그람|마이크로그램|마이크로그람|나노그램|그램|그람|밀리리터|리터|퍼센트|아이유|단위|"
    r"mg|mcg|ug|µg|μg|㎍|㎎|g|mL|ml|㎖|IU|iu|%|％|mmol|mEq|억|만)"
)
_STRENGTH = re.compile(
    rf"(?<![A-Za-z\d])\d+(?:[.,]\d+)*(?:\s*[/:]\s*\d+(?:[.,]\d+)*)*\s*{_UNIT}"
    rf"(?:\s*/\s*\d*(?:\.\d+)?\s*{_UNIT})?|\d+(?:[.,]\d+)*\s*/\s*\d+(?:[.,]\d+)*(?![\d가-힣])"
)
FORMS = (
    "프리필드시린지주", "필름코팅정", "장용성캡슐", "연질캡슐", "경질캡슐", "연질캅셀", "서방캡슐",
    "엑스과립", "건조시럽", "구강붕해정", "구강용해필름", "츄어블정", "발포정", "장용정", "서방정",
    "질정", "설하정", "저작정", "현탁액", "내복액", "점안액", "점이액", "점비액", "주사액",
    "외용액", "관장액", "흡입액", "가글액", "안연고", "질좌제", "좌제", "플라스타", "카타플라스마",
    "패취", "패치", "첩부제", "파스", "반창고", "스프레이", "에어로솔", "흡입제", "트로키",
    "엘릭서",
    "캡슐", "캅셀", "캡셀", "시럽", "과립", "세립", "연고", "크림", "로션", "용액", "주사", "엑스",
    "겔", "정", "주", "액", "산", "환",
)  # fmt: skip
_FORM = re.compile("(" + "|".join(FORMS) + r")\s*\Z")
# Brackets that name no ingredient: 수출용, (1:80000), 군납명.
_NO_INGREDIENT = re.compile(r"수출|군납|용량|[\d:,.%/ ]+\Z|\d+\s*" + _UNIT)
_ADDED = re.compile(r",\s*유전자\s*재조합|\(유전자재조합\)")


class Product(NamedTuple):
    """A product's name in parts: 디페인, 정, "", 디클로페낙나트륨 of 디페인정(디클로페낙나트륨)."""

    name: str
    form: str
    strength: str
    ingredient: str


def plain(value: str) -> str:
    """`value` normalised, without HTML or XML markup, codes before names and empty lines.

    Titles in attributes (approval documents) become lines. Letters in <> that are no tag stay.
    """
    text = normalise(value)
    if _MARKUP.search(text):
        cleaner = _Cleaner()
        cleaner.feed(text)
        cleaner.close()
        text = normalise("".join(cleaner.parts))
    text = _CODE.sub("", text)
    return "\n".join(line for raw in text.split("\n") if (line := " ".join(raw.split())))


def product(name: str) -> Product:
    """Take a product's name apart; what is not there is ""."""
    head, brackets = _bracketed(" ".join(normalise(name).split()))
    strengths = [found.group().strip() for found in _STRENGTH.finditer(head)]
    rest = " ".join(_STRENGTH.sub("", head).split())
    form = ""
    match = _FORM.search(rest)
    if match and len(rest[: match.start()].strip()) >= 2:
        form, rest = match.group(1), rest[: match.start()].strip()
    ingredient = next((b for b in brackets if b and not _NO_INGREDIENT.match(b)), "")
    ratio = next((b for b in brackets if re.fullmatch(r"\d[\d:.,]*\s*%?", b)), "")
    if not strengths and ratio:
        strengths = [ratio]
    return Product(rest.strip(" -."), form, " ".join(strengths), _ADDED.sub("", ingredient))


def chunks(text: str, size: int = 300) -> list[str]:
    """`text` in pieces of at most `size` code points, cut at sentences, else at spaces."""
    pieces: list[str] = []
    for sentence in filter(None, (part.strip() for part in _SENTENCE.split(text))):
        for part in _cut(sentence, size):
            if pieces and len(pieces[-1]) + 1 + len(part) <= size:
                pieces[-1] += " " + part
            else:
                pieces.append(part)
    return pieces


def with_josa(text: str) -> str:
    """Josa written as both forms in a template, 은(는) and so on, as the word before wants them."""
    return _JOSA.sub(_chosen, text)


_JOSA = re.compile(r"([가-힣])(은\(는\)|이\(가\)|을\(를\)|과\(와\)|으로\(로\))")


def _chosen(found: re.Match[str]) -> str:
    final = (ord(found[1]) - 0xAC00) % 28
    closed, opened = found[2][:-1].split("(")
    if closed == "으로":
        return found[1] + ("로" if final in (0, 8) else "으로")
    return found[1] + (closed if final else opened)


def _cut(sentence: str, size: int) -> list[str]:
    parts: list[str] = []
    while len(sentence) > size:
        at = sentence.rfind(" ", size // 2, size + 1)
        at = size if at < 0 else at
        parts.append(sentence[:at].strip())
        sentence = sentence[at:].strip()
    return [*parts, sentence] if sentence else parts


def _bracketed(name: str) -> tuple[str, list[str]]:
    """What stands before the first bracket, and what stands in each outer bracket."""
    head, inside, depth = "", list[str](), 0
    for char in name:
        if char in _CLOSE and depth:
            depth -= 1
            if depth:
                inside[-1] += char
        elif char in _OPEN:
            if depth:
                inside[-1] += char
            else:
                inside.append("")
            depth += 1
        elif depth:
            inside[-1] += char
        elif not inside:
            head += char
        elif not char.isspace():
            head += char  # letters behind a bracket belong to the name
    return head.strip(), [part.strip() for part in inside]


class _Cleaner(HTMLParser):
    """Collects the text of markup, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        if tag in _BLOCKS:
            self.parts.append("\n")
        title = dict(attrs).get("title") if tag in ("section", "article") else None
        if title:
            self.parts.append(f"{title.strip()}\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)

    def unknown_decl(self, data: str) -> None:
        if data.startswith("CDATA["):
            inner = _Cleaner()
            inner.feed(data[len("CDATA[") :])
            inner.close()
            self.parts += inner.parts
