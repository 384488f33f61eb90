"""TBX, the standard for terminology (ISO 30042), in and out.

Both layouts are read: version 3 (conceptEntry, langSec, termSec) and version 2 (termEntry,
langSet, tig or ntig). The parser is defusedxml's: a file with a DTD or entities is refused, and
nothing is ever fetched.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from xml.sax.handler import ContentHandler
from xml.sax.saxutils import escape, quoteattr

from glossary.errors import UserError
from glossary.i18n import _
from glossary.term import Term
from glossary.term_file import TermFile

_CONCEPTS = ("conceptEntry", "termEntry")
_LANGUAGES = ("langSec", "langSet")
_TERMS = ("termSec", "tig", "ntig")
_TEXTS = ("term", "descrip", "note", "admin", "termNote")
_ID = "kwtui-"
# What XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets).
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<tbx style="dca" type="TBX-Basic" xml:lang="ko" xmlns="urn:iso:std:iso:30042:ed-2">
<tbxHeader><fileDesc><sourceDesc><p>kwtui</p></sourceDesc></fileDesc></tbxHeader>
<text><body>
"""
_FOOTER = "</body></text>\n</tbx>\n"


@dataclass(slots=True)
class _Concept:
    line: int
    id: str
    names: list[tuple[str, str]] = field(default_factory=list)
    texts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


class _Reader(ContentHandler):
    """Collects concepts; `language` goes before others for the canonical form."""

    def __init__(self, result: TermFile, language: str) -> None:
        super().__init__()
        self._result = result
        self._wanted = language
        self._concept: _Concept | None = None
        self._language = ""
        self._open: tuple[str, list[str]] | None = None
        self._locator: Any = None
        self.any = False

    def setDocumentLocator(self, locator: Any) -> None:  # noqa: N802
        """Where the parser is, for line numbers."""
        self._locator = locator

    def startElement(self, name: str, attributes: Any) -> None:  # noqa: N802
        """An element begins."""
        tag = name.rpartition(":")[2]
        if tag in _CONCEPTS:
            self.any = True
            self._language = ""
            line = int(self._locator.getLineNumber())
            self._concept = _Concept(line, str(attributes.get("id", "")))
        elif tag in _LANGUAGES:
            self._language = str(attributes.get("xml:lang", "")).lower()
        elif tag in _TEXTS and self._concept is not None:
            kind = "term" if tag == "term" else "note" if tag == "note" else ""
            self._open = (kind or str(attributes.get("type", "")), [])

    def characters(self, content: str) -> None:
        """Text in an element."""
        if self._open is not None:
            self._open[1].append(content)

    def endElement(self, name: str) -> None:  # noqa: N802
        """An element ends."""
        tag = name.rpartition(":")[2]
        if tag in _TEXTS and self._concept is not None and self._open is not None:
            kind, pieces = self._open
            entry = (self._language, "".join(pieces).strip())
            if kind == "term":
                self._concept.names.append(entry)
            elif entry[1]:
                self._concept.texts.setdefault(kind, []).append(entry)
            self._open = None
        elif tag in _LANGUAGES:
            self._language = ""
        elif tag in _CONCEPTS and self._concept is not None:
            self._result.take(self._concept.line, self._values(self._concept))
            self._concept = None

    def _values(self, concept: _Concept) -> dict[str, Any]:
        """The values of a term: its first name in the wanted language, all others as aliases."""
        names = [(lang, name) for lang, name in concept.names if name]
        own = [n for n in names if n[0].split("-")[0] == self._wanted] or names
        canonical = own[0] if own else ("", "")
        others = [name for _lang, name in (*own[1:], *(n for n in names if n not in own))]

        def text(kind: str) -> str:
            found = concept.texts.get(kind, [])
            best = [value for lang, value in found if lang in (canonical[0], "")]
            return (best or [value for _lang, value in found] or [""])[0]

        return {
            "id": concept.id.removeprefix(_ID) if concept.id.startswith(_ID) else "",
            "canonical": canonical[1],
            "aliases": others,
            "definition": text("definition"),
            "category": text("subjectField"),
            "language": canonical[0],
            "source": text("source"),
            "notes": "\n".join(value for _lang, value in concept.texts.get("note", [])),
            "keyword": text(f"{_ID}keyword") or None,
            "ambiguous": [value for _lang, value in concept.texts.get(f"{_ID}ambiguous", [])],
        }


def read_tbx(data: bytes, result: TermFile, path: Path, *, language: str = "ko") -> None:
    """Add the concepts of a TBX file to `result`, each as one term, with the lines they begin in.

    Raises UserError for what is no XML, no TBX, or has a DTD or entities.
    """
    from xml.sax import SAXParseException

    from defusedxml import DefusedXmlException
    from defusedxml.sax import parse

    reader = _Reader(result, language)
    try:
        parse(io.BytesIO(data), reader, forbid_dtd=True)
    except DefusedXmlException as error:
        sentence = _("{path} has a DTD or entities, which are never read: remove them.")
        raise UserError(sentence.format(path=path)) from error
    except SAXParseException as error:
        sentence = _("{path}, line {line}: not valid XML ({reason}).")
        shown = sentence.format(path=path, line=error.getLineNumber(), reason=error.getMessage())
        raise UserError(shown) from error
    except (ValueError, LookupError) as error:
        raise UserError(
            _("{path} cannot be read: {reason}.").format(path=path, reason=error)
        ) from error
    if not reader.any:
        sentence = _("{path} is XML but holds no entries of TBX (conceptEntry or termEntry).")
        raise UserError(sentence.format(path=path))


def dump_tbx(terms: Iterable[Term], stream: TextIO) -> None:
    """Write terms as TBX version 3, one concept a term; characters that XML cannot hold go."""
    stream.write(_HEADER)
    for term in terms:
        stream.write(f"<conceptEntry id={quoteattr(_ID + (term.id or 'new'))}>\n")
        if not term.keyword:
            stream.write(_element("admin", "no", f"{_ID}keyword"))
        for phrase in term.ambiguous:
            stream.write(_element("admin", phrase, f"{_ID}ambiguous"))
        stream.write(_element("descrip", term.category, "subjectField"))
        stream.write(_element("admin", term.source, "source"))
        stream.write(_element("note", term.notes))
        stream.write(f"<langSec xml:lang={quoteattr(_fit(term.language))}>\n")
        stream.write(_element("descrip", term.definition, "definition"))
        for name in term.surfaces:
            stream.write(f"<termSec>{_element('term', name).strip()}</termSec>\n")
        stream.write("</langSec>\n</conceptEntry>\n")
    stream.write(_FOOTER)


def _element(tag: str, text: str, kind: str = "") -> str:
    if not text:
        return ""
    attribute = f" type={quoteattr(kind)}" if kind else ""
    return f"<{tag}{attribute}>{escape(_fit(text))}</{tag}>\n"


def _fit(text: str) -> str:
    return _UNFIT.sub("", text)
