"""Every string that a person reads is there in Korean."""

import re
import subprocess
import sys

import pytest

from glossary import i18n
from kwtui import locale_tools
from kwtui.cli import CATALOGUES

PLACEHOLDER = re.compile(r"\{[^{}]*\}")


def test_no_string_of_the_code_lacks_korean() -> None:
    assert locale_tools.untranslated(locale_tools.updated()) == []


def test_the_catalogue_on_disk_is_level_with_the_code() -> None:
    on_disk = {str(m.id) for m in locale_tools.translated() if m.id}
    assert on_disk == {str(m.id) for m in locale_tools.extracted() if m.id}


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    assert locale_tools.MO.read_bytes() == locale_tools.compiled(locale_tools.translated())


def test_translations_keep_every_placeholder() -> None:
    for message in locale_tools.translated():
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
        wanted = {p for one in ids for p in PLACEHOLDER.findall(one)}
        for string in filter(None, strings if ids[0] else ()):
            assert set(PLACEHOLDER.findall(str(string))) == wanted, ids[0]


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LC_ALL": "ko_KR.UTF-8", "LANG": "en_US.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.eucKR"}, "ko"),
        ({"LC_ALL": "", "LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "C", "LANG": "ko_KR"}, "en"),
        ({}, "en"),
    ],
)
def test_the_locale_decides_where_no_setting_does(environ: dict[str, str], language: str) -> None:
    assert i18n.locale_language(environ) == language


def test_switching_languages() -> None:
    assert i18n.use("ko", CATALOGUES) == "ko"
    assert i18n._("Make a workspace for a domain.") != "Make a workspace for a domain."
    assert i18n.ngettext_("one", "many", 2) == "many"
    assert i18n.use("en", CATALOGUES) == "en"
    assert i18n._("Make a workspace for a domain.") == "Make a workspace for a domain."


def test_no_message_is_built_before_it_is_translated() -> None:
    """f-strings inside `_` never meet the catalogue: Babel refuses them, so look for them here."""
    found = subprocess.run(
        ["grep", "-rnE", r"\b(_|ngettext_)\(\s*f[\"']", "kwtui", "engines", "glossary"],
        cwd=locale_tools.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == "", sys.version
