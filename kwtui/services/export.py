"""The export service: the models that are there, and exports of them, proven."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from engines.models.registry import find_models, resolve
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.services.export_types import Done, Found, Wanted
from kwtui.services.loop import Task
from kwtui.services.messages import Hello

if TYPE_CHECKING:
    from collections.abc import Callable

    from engines.export.exporting import Report

_CARDS = ("CARD.md", "README.md")
_LONGEST_CARD = 20_000


class ExportService:
    """Works in its own process; nothing stays loaded between two exports."""

    requests = frozenset({"models", "strategies", "export"})

    def __init__(self, hello: Hello) -> None:
        self._settings = hello.settings
        self._workspace = Workspace(hello.workspace) if hello.workspace else None

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted: what is written appears as a whole or not."""
        return nullcontext()

    def models(self, task: Task) -> tuple[Found, ...]:
        """Every model and adapter in the folders, by name."""
        infos = find_models(self._folders())
        return tuple(
            Found(
                i.name,
                str(i.path),
                i.kind,
                i.architecture,
                i.parameters,
                i.size,
                i.dtype,
                i.template,
                i.base,
                i.context,
                i.refusal,
                _card(i.path),
            )
            for i in infos
        )

    def strategies(self, task: Task) -> tuple[tuple[str, str], ...]:
        """(name, kind) of the strategies that can be packed; first those that ask a model."""
        found = self._settings.strategies
        local = [(name, one.kind) for name, one in found.items() if not one.server]
        return tuple(sorted(local, key=lambda pair: (pair[1] != "model", pair[0] != "prompt")))

    def export(self, task: Task, wanted: Wanted) -> Done:
        """Do one export; progress: stages with how many of how many."""
        if self._workspace is None:
            raise UserError(_("An export needs a workspace to lie in."))
        names = stages()

        def heard(stage: str, done: int, total: int) -> None:
            task.check()
            task.progress(names.get(stage, stage), done, total)

        target = self._workspace.models / wanted.name
        heard("load", 0, 1)
        if wanted.what == "merge":
            return self._merge(wanted, target, heard)
        if wanted.what == "bundle":
            return self._bundle(wanted, target, heard)
        return self._gguf(wanted, target, heard)

    def _merge(self, wanted: Wanted, target: Path, heard: Callable[[str, int, int], None]) -> Done:
        from engines.export.merge import merge

        root = self._workspace.root if self._workspace else None
        made = merge(
            self._path(wanted.model),
            target,
            folders=self._folders(),
            workspace=root,
            on_progress=heard,
        )
        line = _("{parameters} parameters as {dtype}; an answer ends at {stop}.").format(
            parameters=f"{made.parameters:,}", dtype=made.dtype, stop=", ".join(made.stop)
        )
        return Done(str(made.path), (line,))

    def _bundle(self, wanted: Wanted, target: Path, heard: Callable[[str, int, int], None]) -> Done:
        from engines.export.bundle import bundle

        made = bundle(wanted.strategy, target, self._settings, self._workspace, on_progress=heard)
        elsewhere = _("Elsewhere: `kwtui extract --bundle {name} FILE`.")
        return Done(str(made.folder), (elsewhere.format(name=made.folder.name),))

    def _gguf(self, wanted: Wanted, target: Path, heard: Callable[[str, int, int], None]) -> Done:
        from engines.export.exporting import Order, export
        from engines.extraction.strategy import find_strategy

        order = Order(
            self._path(wanted.model),
            target,
            wanted.types,
            find_strategy(self._settings.strategies, wanted.strategy),
            wanted.proven,
            ollama=wanted.what == "ollama",
            wrapped=wanted.wrapped,
        )
        report = export(order, self._settings, self._workspace, on_progress=heard)
        lines = _told(report)
        if wanted.what == "ollama":
            from engines.export.ollama import create_in_ollama

            heard("ollama", 0, 1)
            name = wanted.name.removesuffix("-ollama").lower()
            missing = create_in_ollama(report.folder, name, self._settings)
            known = _("Ollama knows it as {name}: `ollama run {name}`.").format(name=name)
            lines += missing or (known,)
        return Done(str(report.folder), lines)

    def _folders(self) -> list[Path]:
        root = self._workspace.root if self._workspace else None
        return self._settings.model_folders(root)

    def _path(self, name: str) -> Path:
        return resolve(name, self._folders())


def stages() -> dict[str, str]:
    """The steps of an export in the language of the settings."""
    return {
        "load": _("Loading"),
        "merge": _("Merging"),
        "check": _("Checking"),
        "write": _("Writing"),
        "model": _("Asking the model"),
        "tokens": _("Comparing tokens"),
        "keywords": _("Asking llama.cpp"),
        "ollama": _("Telling Ollama"),
        "glossary": _("Packing terms"),
        "settings": _("Packing settings"),
    }


def _told(report: Report) -> tuple[str, ...]:
    from kwtui.commands.export import proof_lines

    files = tuple(f"{file.path.name}  {file.size / 1e6:,.1f} MB" for file in report.files)
    return (*proof_lines(report.proofs), *(files if not report.proofs else ()), *report.notes)


def _card(folder: Path) -> str:
    for name in _CARDS:
        try:
            with (folder / name).open(encoding="utf-8") as file:
                return file.read(_LONGEST_CARD)
        except (OSError, UnicodeDecodeError):
            continue
    return ""
