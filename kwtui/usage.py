"""Help pages and wrong usage in the language of the settings; typer itself speaks English only."""

import re
from collections.abc import Sequence
from typing import Any

import typer

from glossary.i18n import _

_Context: Any = typer.Context.__mro__[1]
_Formatter: Any = _Context.formatter_class


class Formatter(_Formatter):  # type: ignore[misc]
    """Writes a help page with translated headings."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how the command is called."""
        super().write_usage(prog, args, prefix or _("Usage: "))

    def write_heading(self, heading: str) -> None:
        """Write the heading of a section."""
        headings = {
            "Options": _("Options"),
            "Arguments": _("Arguments"),
            "Commands": _("Commands"),
        }
        super().write_heading(headings.get(heading, heading))

    def write_dl(self, rows: Sequence[tuple[str, str]], *args: Any, **options: Any) -> None:
        """Write names with what they mean."""
        super().write_dl([(name, _meaning(text)) for name, text in rows], *args, **options)


class Context(_Context):  # type: ignore[misc]
    """The context of every command: its pages are written by our formatter."""

    formatter_class = Formatter


def localise(command: Any) -> Any:
    """Let `command` and the commands below it write their pages with `Formatter`."""
    command.context_class = Context
    for below in getattr(command, "commands", {}).values():
        localise(below)
    return command


def sentence(error: Any) -> str:
    """What is wrong with a command line, and which command explains it."""
    context = getattr(error, "ctx", None)
    wrong = _wrong(error)
    if context is None:
        return wrong
    return wrong + " " + _("See `{command} --help`.").format(command=context.command_path)


def _wrong(error: Any) -> str:
    kind, message = type(error).__name__, str(error.message)
    hint = error.param.get_error_hint() if getattr(error, "param", None) else ""
    if kind == "MissingParameter":
        return _("{name} is missing.").format(name=hint)
    if kind == "NoSuchOption":
        near = ", ".join(error.possibilities or ())
        if near:
            return _("There is no option {name}; did you mean {near}?").format(
                name=error.option_name, near=near
            )
        return _("There is no option {name}.").format(name=error.option_name)
    for pattern, words in _parser_sentences():
        if found := re.fullmatch(pattern, message, re.DOTALL):
            message = words.format(*found.groups())
            break
    return f"{hint}: {message}" if hint else message


def _parser_sentences() -> list[tuple[str, str]]:
    """What the parser says in English, and our words for it."""
    return [
        (r"Missing command\.", _("The command is missing.")),
        (r"No such command (.+)\.", _("There is no command {0}.")),
        (
            r"No such command (.+)\. Did you mean (.+)\?",
            _("There is no command {0}; did you mean {1}?"),
        ),
        (r"Option (.+) requires an argument\.?", _("{0} needs a value.")),
        (r"Option (.+) does not take a value\.", _("{0} takes no value.")),
        (
            r"Got unexpected extra argument\S* \((.+)\)",
            _("Nothing more is expected than this: {0}."),
        ),
        (r"(.+) is not one of (.+)\.", _("{0} is not one of {1}.")),
        (r"Input should be a valid integer.*", _("not a whole number.")),
        (r"Input should be a valid number.*", _("not a number.")),
        (r"Input should be greater than or equal to (\S+)", _("must be at least {0}.")),
        (r"Input should be less than or equal to (\S+)", _("must be at most {0}.")),
        (r"\S+ (.+) does not exist\.", _("{0} does not exist.")),
        (r"\S+ (.+) is a directory\.", _("{0} is a folder, not a file.")),
        (r"\S+ (.+) is a file\.", _("{0} is a file, not a folder.")),
        (r"\S+ (.+) is not readable\.", _("{0} is not readable.")),
    ]


def _meaning(text: str) -> str:
    if text == "Show this message and exit.":
        return _("Show this page.")
    return text.replace("[required]", f"[{_('required')}]").replace(
        "[default: ", f"[{_('default')}: "
    )
