"""Keep the Korean catalogue level with the code: `python -m kwtui.locale_tools`.

Collects every `_` and `ngettext_` string of the three packages into kwtui.po, keeps the
translations that are there, compiles kwtui.mo and prints what has none. Works in a checkout with
the development extra (Babel).
"""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from engines.training.form import descriptions

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("kwtui", "engines", "glossary")
PO = ROOT / "kwtui" / "locale" / "ko" / "LC_MESSAGES" / "kwtui.po"
MO = PO.with_suffix(".mo")
KEYWORDS = {"_": None, "ngettext_": (1, 2)}


def extracted() -> Catalog:
    """Every string a person may read, in the order of the files, without translations."""
    catalog = _catalog()
    for package in PACKAGES:
        found = extract_from_dir(
            str(ROOT / package), method_map=[("**.py", "python")], keywords=KEYWORDS
        )
        for file, _line, message, comments, _context in sorted(found, key=lambda f: (f[0], f[1])):
            catalog.add(message, locations=[(f"{package}/{file}", 0)], auto_comments=comments)
    # The help of a recipe's fields is their documentation in the code.
    for help_ in descriptions():
        catalog.add(help_, locations=[("engines/training/form.py", 0)])
    return catalog


def translated() -> Catalog:
    """The Korean catalogue as it stands on disk."""
    if not PO.exists():
        return _catalog()
    with PO.open("rb") as file:
        return read_po(file, locale="ko", domain="kwtui")


def updated() -> Catalog:
    """The strings of the code with the translations that are on disk."""
    known, catalog = translated(), extracted()
    for message in _messages(catalog):
        before = known.get(message.id)
        if before is not None:
            message.string = before.string
    return catalog


def untranslated(catalog: Catalog) -> list[str]:
    """The message ids without a Korean string."""
    return [
        str(message.id[0] if message.pluralizable else message.id)
        for message in _messages(catalog)
        if not _complete(message.string)
    ]


def compiled(catalog: Catalog) -> bytes:
    """The bytes of the .mo file."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def _catalog() -> Catalog:
    date = datetime(2026, 1, 1, tzinfo=UTC)
    return Catalog(
        locale="ko",
        domain="kwtui",
        project="kwtui",
        version="",
        last_translator="",
        msgid_bugs_address="",
        charset="utf-8",
        creation_date=date,
        revision_date=date,
        fuzzy=False,
        header_comment="# Korean strings of kwtui; kept by `python -m kwtui.locale_tools`.",
    )


def _complete(string: Any) -> bool:
    return all(string) if isinstance(string, tuple | list) else bool(string)


def _messages(catalog: Catalog) -> Iterator[Message]:
    return (message for message in catalog if message.id)


def main() -> int:
    """Update the catalogue; 1 when a string has no translation."""
    catalog = updated()
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=100, include_lineno=False, omit_header=False)
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_bytes(buffer.getvalue())
    MO.write_bytes(compiled(catalog))
    missing = untranslated(catalog)
    for message in missing:
        print(message)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
