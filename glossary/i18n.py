"""The language of every string a person reads (gettext); English is the message id."""

import gettext
import os
from collections.abc import Mapping
from pathlib import Path

DOMAIN = "kwtui"
LANGUAGES = ("en", "ko")
# What a child process is told by: the language, a colon, the folder of the catalogues.
VARIABLE = "LANGUAGE_OF_KWTUI"

_active: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"
_catalogues: Path | None = None


def locale_language(environ: Mapping[str, str]) -> str:
    """The language of POSIX locale variables: one of `LANGUAGES`, English when unknown."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(variable, "")
        if value:
            code = value.split(".")[0].split("_")[0].lower()
            return code if code in LANGUAGES else "en"
    return "en"


def use(language: str | None, catalogues: Path | None = None) -> str:
    """Switch to `language` (None or "": the locale's) and return the language now in use.

    `catalogues` is the folder with `ko/LC_MESSAGES/kwtui.mo`; without it, or without a catalogue
    there, the English message ids are shown.
    """
    global _active, _language, _catalogues
    _catalogues = catalogues
    _language = language or locale_language(os.environ)
    _active = gettext.NullTranslations()
    if catalogues is not None and _language != "en":
        _active = gettext.translation(
            DOMAIN, localedir=catalogues, languages=[_language], fallback=True
        )
    return _language


def language() -> str:
    """The language now in use, such as "ko"."""
    return _language


def handed_on() -> dict[str, str]:
    """The variable by which a child process takes over the language in use."""
    return {VARIABLE: f"{_language}:{_catalogues.absolute() if _catalogues else ''}"}


def take_over(environ: Mapping[str, str]) -> None:
    """Use the language that the process which started this one handed on, if it did."""
    code, _colon, folder = environ.get(VARIABLE, "").partition(":")
    if code in LANGUAGES:
        use(code, Path(folder) if folder else None)


def _(message: str) -> str:
    """The translation of `message`; placeholders stay for `str.format`."""
    return _active.gettext(message)


def ngettext_(one: str, many: str, count: int) -> str:
    """The translation for `count` things; placeholders stay for `str.format`."""
    return _active.ngettext(one, many, count)
