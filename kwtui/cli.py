"""The root of the command line: which commands there are, loaded only when they are called."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Plain help: rich costs more time than the rest of the command line together.
os.environ.setdefault("TYPER_USE_RICH", "0")

import typer
import typer.core
import typer.main

from glossary import i18n
from glossary.i18n import _
from kwtui import context, failures, launch, usage
from kwtui.startup import CATALOGUES, configured_language, enter, prepare_streams


def summaries() -> dict[str, str]:
    """The commands in the order of the help, each with its sentence."""
    return {
        "demo": _("Open the embedded demo, or run its strategies and print a table."),
        "init": _("Make a workspace for a domain."),
        "trust": _("Show and confirm what a workspace may start or call."),
        "config": _("Show the settings in force and where they come from."),
        "extract": _("Extract keywords from a file or from stdin."),
        "notes": _("List the notes of a strategy, and keep more."),
        "serve": _("Serve a strategy over HTTP."),
        "score": _("Compare predictions with gold keywords."),
        "glossary": _("Add, look up, import and export terms."),
        "data": _("Import, label, check, split and export texts."),
        "train": _("Train a model from a recipe."),
        "runs": _("List, watch, stop, resume and queue training runs."),
        "tokenizer": _("Measure, extend and rebuild a model's vocabulary."),
        "ladder": _("Measure strategies side by side and say which one to use."),
        "compare": _("Compare two strategies text by text, and send mistakes on."),
        "report": _("Write what the last ladder measured, as a page or a table."),
        "export": _("Write a model for llama.cpp, Ollama or another machine, with a proof."),
        "models": _("List the local models, and add one."),
        "doctor": _("Look for what is wrong on this machine, and say what to do."),
        "play": _("Play a script of keys on the screen and check what it shows."),
    }


class CommandTable(typer.core.TyperGroup):
    """The commands by name; a module of `kwtui.commands` is imported when its name is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every name, in the order of the help."""
        return list(summaries())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; what is close to it is said when there is none."""
        if cmd_name not in summaries():
            near = difflib.get_close_matches(cmd_name, summaries(), n=1)
            if near:
                ctx.fail(
                    _("No such command: {name}; did you mean {near}?").format(
                        name=cmd_name, near=near[0]
                    )
                )
            return None
        module = importlib.import_module(f"kwtui.commands.{cmd_name}")
        if hasattr(module, "app"):
            command: Any = typer.main.get_group(module.app)
        else:
            app = typer.Typer(add_completion=False)
            app.command(cmd_name)(module.command)
            command = typer.main.get_command(app)
        command.name, command.help = cmd_name, summaries()[cmd_name]
        return usage.localise(command)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table of the help, without loading a command."""
        with formatter.section(_("Commands")):
            formatter.write_dl(list(summaries().items()))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an interrupt and a closed pipe end here, before typer sees them."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise typer.Exit(failures.report(error)) from None


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    os.umask(0o077)
    prepare_streams()
    i18n.use(configured_language(arguments), CATALOGUES)
    try:
        command = usage.localise(typer.main.get_command(_root()))
        code = int(command.main(list(arguments), "kwtui", standalone_mode=False) or 0)
        sys.stdout.flush()
        return code
    except Exception as error:
        return failures.report(error)
    except KeyboardInterrupt as error:
        return failures.report(error)


def _root() -> typer.Typer:
    app = typer.Typer(
        cls=CommandTable,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        invoke_without_command=True,
        help=_("Teach a language model the keywords of a domain."),
    )

    @app.callback()
    def root(
        ctx: typer.Context,
        workspace: Path | None = typer.Option(
            None, "-w", "--workspace", metavar="DIR", help=_("The workspace; else the one around.")
        ),
        annotator: str = typer.Option(
            "", "--annotator", metavar="NAME", help=_("Your name on labels; else the login.")
        ),
        version: bool = typer.Option(False, "--version", help=_("Print the version.")),
    ) -> None:
        if version:
            _print_version()
            raise typer.Exit
        if ctx.invoked_subcommand is None and not launch.has_terminal():
            typer.echo(ctx.get_help())
            raise typer.Exit
        context.name_workspace(workspace)
        if annotator:
            context.name_annotator(annotator)
        if ctx.invoked_subcommand == "demo" and workspace is not None and not workspace.exists():
            return  # the demo makes its folder
        found = context.workspace()
        if found:
            enter(found)
        if ctx.invoked_subcommand is None:
            opened = launch.open_workspace(found) if found else launch.open_without_workspace()
            raise typer.Exit(opened)

    return app


def _print_version() -> None:
    from importlib.metadata import version

    typer.echo(f"kwtui {version('kwtui')}")
