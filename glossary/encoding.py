"""How bytes become text: strict decoding, never a guess that loses characters.

Order of the trial: byte order mark (UTF-8, UTF-16), UTF-8, cp949 (which holds EUC-KR, the encoding
of much public Korean CSV). What none of them reads without an error is refused with a sentence.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from glossary.errors import UserError
from glossary.i18n import _

TRIED = ("utf-8", "cp949")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def decode(data: bytes, encoding: str | None = None, *, where: str = "") -> tuple[str, str]:
    """Decode a whole file strictly; returns the text (without BOM) and the encoding that fitted.

    `encoding` overrides the trial; `where` names the file in the sentence. Line ends are kept.
    Raises UserError for an unknown encoding, for bytes that do not fit and for binary data.
    """
    used = detect([data], encoding, where=where)
    return data.decode(used), used


def detect(chunks: Iterable[bytes], encoding: str | None = None, *, where: str = "") -> str:
    """Return the encoding that reads all chunks of one file without an error (constant memory).

    Raises the same sentences as `decode`. Reading the file with the returned codec drops a BOM.
    """
    place = where or _("the input")
    iterator = iter(chunks)
    head = b""
    for chunk in iterator:
        head += chunk
        if len(head) >= len(_OLE):
            break
    refuse_document(head, where=place)
    candidates = _candidates(head)
    if encoding:
        known = _known(encoding)
        candidates = candidates if known == "utf-8" and candidates[0] == "utf-8-sig" else [known]
    trials = {name: codecs.getincrementaldecoder(name)("strict") for name in candidates}
    position, faults = 0, dict[str, int]()
    for chunk in _chain(head, iterator):
        for name in list(trials):
            fault = _feed(trials[name], chunk)
            if fault is not None:
                faults[name] = position + fault
                del trials[name]
        if b"\0" in chunk and not _wide(candidates):
            raise UserError(_binary(place))
        if not trials:
            break
        position += len(chunk)
    for name, trial in trials.items():
        if _feed(trial, b"", final=True) is None:
            return name
        faults[name] = position
    raise UserError(_misfit(place, encoding, faults))


def refuse_document(head: bytes, *, where: str) -> None:
    """Refuse PDF, HWP, Office and zip files by their first bytes, with the way to make them text.

    Raises UserError; returns silently for anything that may be text.
    """
    if head.startswith(b"%PDF"):
        kind, cure = "PDF", _("copy its text out, or run pdftotext on it")
    elif head.startswith(_OLE):
        kind = _("HWP or old Office (.hwp, .doc, .xls)")
        cure = _("open it in its program and save it as text, CSV or XLSX")
    elif head.startswith(b"PK\x03\x04"):
        kind = _("zip container (HWPX, DOCX or renamed XLSX)")
        cure = _("save it as text or CSV, or name an XLSX file .xlsx")
    else:
        return
    sentence = _("{where} is no text file but a {kind} file: {cure}, then give that file.")
    raise UserError(sentence.format(where=where, kind=kind, cure=cure))


def _candidates(head: bytes) -> list[str]:
    for mark, name in _BOMS:
        if head.startswith(mark):
            return [name]
    return list(TRIED)


def _known(encoding: str) -> str:
    try:
        "".encode(encoding)
        return codecs.lookup(encoding).name
    except LookupError:
        sentence = _(
            "Encoding '{encoding}' is unknown: "
            "give utf-8, utf-16, cp949 or another name that Python knows."
        )
        raise UserError(sentence.format(encoding=encoding)) from None


def _wide(candidates: list[str]) -> bool:
    return candidates[0].replace("_", "-").startswith(("utf-16", "utf-32"))


def _chain(head: bytes, rest: Iterable[bytes]) -> Iterable[bytes]:
    yield head
    yield from rest


def _feed(trial: codecs.IncrementalDecoder, chunk: bytes, final: bool = False) -> int | None:
    pending = trial.getstate()[0]
    kept = len(pending) if isinstance(pending, bytes) else 0
    try:
        trial.decode(chunk, final)
    except UnicodeDecodeError as error:
        return error.start - kept
    except UnicodeError:
        return 0
    return None


def _binary(place: str) -> str:
    return _("{where} holds zero bytes, so it is binary and no text: give a text file.").format(
        where=place
    )


def _misfit(place: str, encoding: str | None, faults: dict[str, int]) -> str:
    if encoding or len(faults) == 1:
        name, offset = next(iter(faults.items()))
        sentence = _(
            "{where} is not valid {encoding}: byte {offset} does not fit. "
            "Save it as UTF-8, or name its encoding with --encoding."
        )
        return sentence.format(where=place, encoding=encoding or name, offset=offset + 1)
    sentence = _(
        "{where} is neither UTF-8 (byte {first}) nor cp949 (byte {second}). "
        "Save it as UTF-8, or name its encoding with --encoding."
    )
    return sentence.format(where=place, first=faults["utf-8"] + 1, second=faults["cp949"] + 1)
