"""Settings, models, disks and the workspace."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from engines.hardware import GIB, disk_free
from engines.workspace import Workspace, state_folder, user_folder
from glossary.errors import UserError
from glossary.i18n import _
from kwtui import context
from kwtui.doctor import Finding

if TYPE_CHECKING:
    from engines.settings import Settings

FULL, NARROW = GIB, 10 * GIB
# Seconds without a heartbeat after which a run that is alive may hang.
SILENT = 600
NETWORK = ("nfs", "cifs", "smb", "fuse.sshfs", "lustre", "gpfs", "beegfs", "9p", "afs")


def examine(*, quick: bool = False) -> Iterator[Finding]:
    """Disks, then settings and models, then the workspace there is."""
    try:
        space = context.workspace()
    except UserError as error:
        yield Finding("workspace", "workspace", "error", error.sentence, _("Name another with -w."))
        return
    yield from _disks(space)
    yield from _settings(space)
    if space is None:
        found = _("none here")
        cure = _("`kwtui init DIR` makes one; `kwtui demo` shows the embedded one.")
        yield Finding("workspace", "workspace", "note", found, cure)
        return
    yield from _workspace(space, quick)


def _disks(space: Workspace | None) -> Iterator[Finding]:
    places = {"disk": space.root if space else Path.cwd(), "temporary": Path(tempfile.gettempdir())}
    for name, place in places.items():
        free = disk_free(place)
        found = _("{size} GiB free in {place}").format(size=f"{free / GIB:.1f}", place=place)
        if free < FULL:
            cure = _("Free some: models and checkpoints will not fit.")
            yield Finding("machine", name, "error", found, cure)
        elif free < NARROW and name == "disk":
            cure = _(
                "A checkpoint of a 2B model takes about 5 GiB: keep fewer, or use a larger disk."
            )
            yield Finding("machine", name, "warning", found, cure)
        else:
            yield Finding("machine", name, "ok", found)
    for folder in (user_folder(), state_folder()):
        nearest = next(p for p in (folder, *folder.parents) if p.exists())
        if not os.access(nearest, os.W_OK):
            cure = _("Settings, trust and logs cannot be kept: make it writable.")
            yield Finding("machine", "home", "warning", str(folder), cure)


def _settings(space: Workspace | None) -> Iterator[Finding]:
    try:
        settings = context.settings()
    except UserError as error:
        yield Finding("settings", "config.toml", "error", error.sentence, _("Correct that line."))
        return
    yield Finding("settings", "config.toml", "ok", _("read without a fault"))
    if settings.ignored:
        names = ", ".join(entry.partition(" = ")[0] for entry in settings.ignored)
        cure = _("Look at them and confirm: kwtui trust.")
        yield Finding("settings", "trust", "note", _("ignored: {n}").format(n=names), cure)
    if settings.export.llama_cpp:
        yield _llama_cpp(settings)
    yield from _models(settings, space)


def _llama_cpp(settings: Settings) -> Finding:
    """Whether the folder of llama.cpp that the settings name is one."""
    from engines.export.programs import llama_cpp_folder, quantiser

    try:
        folder = llama_cpp_folder(settings)
    except UserError as error:
        cure = _("Correct the path, or take the line out: kwtui writes GGUF itself.")
        return Finding("settings", "llama.cpp", "warning", error.sentence, cure)
    found = _("{path}, with llama-quantize") if quantiser(settings) else "{path}"
    return Finding("settings", "llama.cpp", "ok", found.format(path=folder))


def _models(settings: Settings, space: Workspace | None) -> Iterator[Finding]:
    from engines.models.registry import find_models, resolve

    folders = settings.model_folders(space.root if space else None)
    infos = find_models(folders)
    usable = [info.name for info in infos if not info.refusal]
    found = _("{count}: {names}").format(count=len(usable), names=", ".join(usable[:8]))
    cure = "" if usable else _("Bring one in with `kwtui models add`, or install kwtui again.")
    yield Finding("models", "models", "ok" if usable else "error", found, cure)
    for info in infos:
        if info.refusal:
            cure = _("Repair or delete {path}.").format(path=info.path)
            yield Finding("models", info.name, "warning", info.refusal, cure)
    for name, strategy in settings.strategies.items():
        if strategy.kind != "model" or strategy.server:
            continue
        try:
            resolve(strategy.model, folders)
        except UserError as error:
            cure = _("Bring it in with `kwtui models add`, or change [strategies.{name}].")
            yield Finding("models", name, "warning", error.sentence, cure.format(name=name))


def _workspace(space: Workspace, quick: bool) -> Iterator[Finding]:
    root = space.root
    if not os.access(root, os.W_OK):
        cure = _("Nothing can be labeled or trained here; ask its owner, or copy it.")
        yield Finding(
            "workspace", "workspace", "warning", _("{path} is read-only").format(path=root), cure
        )
    else:
        yield Finding("workspace", "workspace", "ok", str(root))
    kind = file_system(root)
    if kind.startswith(NETWORK):
        found = _("on a network file system ({kind})").format(kind=kind)
        cure = _("SQLite's log works on one host only: let one machine at a time write here.")
        yield Finding("workspace", "file system", "warning", found, cure)
    for name, path in (
        ("corpus", space.corpus_path),
        ("glossary", space.glossary_path.with_suffix(".sqlite")),
    ):
        if path.exists():
            yield _database(name, path, quick)
    yield from _runs(space)
    left = [p.name for p in space.models.glob(".adding-*")] if space.models.is_dir() else []
    if left:
        cure = _("The next `kwtui models add` takes it away.")
        yield Finding("workspace", "models", "note", ", ".join(left), cure)


def _runs(space: Workspace) -> Iterator[Finding]:
    """Runs that ended without an end, that say nothing any more, or that cannot be read."""
    from engines.training.runs import list_runs

    runs = list_runs(space.runs)
    kinds = (
        ([run.id for run in runs if run.state == "interrupted"], _("interrupted: {runs}")),
        ([r.id for r in runs if (r.silent_seconds or 0) > SILENT], _("silent: {runs}")),
        ([run.id for run in runs if run.state == "broken"], _("cannot be read: {runs}")),
    )
    cures = (
        _("`kwtui runs resume` goes on from the last checkpoint; `kwtui runs rm` clears away."),
        _("Look at its log with `kwtui runs show`; `kwtui runs stop` ends it."),
        _("Look into these folders below runs/; `kwtui runs rm` clears them away."),
    )
    for (names, found), cure in zip(kinds, cures, strict=True):
        if names:
            shown = ", ".join(names[:8]) + (f", … ({len(names)})" if len(names) > 8 else "")
            yield Finding("workspace", "runs", "warning", found.format(runs=shown), cure)


def _database(name: str, path: Path, quick: bool) -> Finding:
    """Whether a database is whole; `quick` only opens it."""
    size = f"{path.stat().st_size / 2**20:.1f} MiB"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            ask = "PRAGMA schema_version" if quick else "PRAGMA integrity_check(1)"
            verdict = str(database.execute(ask).fetchone()[0])
    except sqlite3.Error as error:
        verdict = str(error)
    if quick and verdict.isdigit():
        verdict = "ok"
    if verdict == "ok":
        return Finding("workspace", name, "ok", size)
    cure = _("Copy the workspace now, then put a copy from backups/ in the place of {path}.")
    return Finding("workspace", name, "error", verdict[:200], cure.format(path=path.name))


def file_system(path: Path) -> str:
    """The kind of file system that `path` lies on, "" where the system does not tell."""
    real, best, kind = str(path.resolve()), "", ""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in mounts.splitlines():
        _device, place, found, *_rest = line.split(" ")
        place = place.replace("\\040", " ")
        inside = real == place or real.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, found
    return kind
