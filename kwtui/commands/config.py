"""`kwtui config`: the settings in force."""

import json
import re
import sys
from typing import Any

import typer

from engines.layers import Key, leaves
from glossary.i18n import _
from glossary.text import printable
from kwtui import context

app = typer.Typer()

_SECRET = re.compile(r"key|token|secret|password", re.IGNORECASE)
_NO_SECRET = frozenset({"key_env", "max_new_tokens", "keywords"})
_USER_INFO = re.compile(r"//[^/@\s]+@")


@app.command(help=_("Print every setting with the file or variable it comes from."))
def show(
    as_json: bool = typer.Option(False, "--json", help=_("One JSON object on stdout.")),
    everything: bool = typer.Option(
        False, "--all", help=_("Also the settings of strategies that nobody wrote down.")
    ),
) -> None:
    """Print the effective settings."""
    settings = context.settings()
    rows = [
        (key, masked(key, value), settings.origin(key))
        for key, value in leaves(settings.model_dump(exclude={"workspace"}))
    ]
    if as_json:
        shown = [{"key": ".".join(k), "value": v, "origin": o or "default"} for k, v, o in rows]
        document = {"settings": shown, "untrusted": list(settings.ignored)}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        return
    for key, value, origin in rows:
        if origin or everything or key[0] != "strategies":
            line = f"{'.'.join(key)} = {json.dumps(value, ensure_ascii=False)}"
            sys.stdout.write(printable(f"{line}  ({origin or _('default')})") + "\n")


def masked(key: Key, value: Any) -> Any:
    """`value` as it may be shown: no password of an address, no key."""
    if isinstance(value, str):
        if value and _SECRET.search(key[-1]) and key[-1] not in _NO_SECRET:
            return "********"
        return _USER_INFO.sub("//********@", value)
    if isinstance(value, list):
        return [masked(key, item) for item in value]
    return value
