"""A model brought in from outside: checked, copied or linked, and only then there."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engines.models.archives import BLOCK, RESERVE, SUFFIXES, is_archive, unpack
from engines.models.registry import (
    ModelInfo,
    check_folder,
    describe,
    find_models,
    has_chat_template,
    registered,
)
from glossary.errors import FailedError, UserError
from glossary.i18n import _

_NAME = re.compile(r"^[A-Za-z0-9가-힣][A-Za-z0-9가-힣._-]{0,99}$")
_STAGING = ".adding-"
_FRESH_SECONDS = 60.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Added:
    """The model as it is now, and what a person should know about it."""

    info: ModelInfo
    notes: tuple[str, ...] = ()


def add(
    source: Path,
    home: Path,
    *,
    name: str = "",
    link: bool = False,
    chat_template: Path | None = None,
    folders: Iterable[Path | str] = (),
    on_progress: Progress | None = None,
) -> Added:
    """Put the model in `source` (a folder or an archive) into the model folder `home`.

    It gets `name` (else that of its folder), and appears there at once when it is whole and
    checked. `link`: the folder stays where it is. `chat_template`: a Jinja file for a model that
    has none. `folders`: where an adapter's base is looked for. Raises UserError for what must
    not be loaded or is there already, FailedError for the disk.
    """
    if not source.exists():
        raise UserError(_("{path} does not exist.").format(path=source))
    template = _read_template(chat_template) if chat_template else ""
    if link and (not source.is_dir() or template):
        message = _("Only a folder that stays as it is can be linked; leave --link out.")
        raise UserError(message)
    home.mkdir(parents=True, exist_ok=True)
    with _staging(home) as stage:
        if source.is_dir():
            place, notes = _from_folder(source, stage, link, on_progress)
        elif is_archive(source):
            place, notes = _from_archive(source, stage, on_progress)
        else:
            message = _("{path} is neither a model folder nor a tar or zip archive.")
            raise UserError(message.format(path=source))
        if template:
            (place / "chat_template.jinja").write_text(template, encoding="utf-8")
        check_folder(place)
        target = home / _named(name or _plain(source, place, stage))
        if target.exists() or target.is_symlink():
            message = _("There is a model {name} in {folder} already; choose another --name.")
            raise UserError(message.format(name=target.name, folder=home))
        place.rename(target)
    info = describe(target)
    return Added(info, (*notes, *_remarks(info, [*folders, home])))


def _from_folder(
    source: Path, stage: Path, link: bool, on_progress: Progress | None
) -> tuple[Path, list[str]]:
    check_folder(source)
    place = stage / "model"
    if link:
        place.symlink_to(source.resolve(), target_is_directory=True)
        return place, []
    files = sorted(path for path in source.rglob("*") if not path.is_dir())
    allowed = _inside(source)
    wanted: list[Path] = []
    for path in files:
        if path.is_symlink() and not path.resolve().is_relative_to(allowed):
            message = _("{path} is a link that leads out of the model; it is not followed.")
            raise UserError(message.format(path=path))
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            wanted.append(path)
    _copy(source, wanted, place, on_progress)
    left = [str(path.relative_to(source)) for path in files if path not in wanted]
    return place, _left_out(left)


def _inside(source: Path) -> Path:
    """Where links of a model may lead: its folder, or the cache entry whose snapshot it is."""
    real = source.resolve()
    entry = real.parent.parent
    return entry if entry.name.startswith("models--") else real


def _copy(source: Path, files: list[Path], place: Path, on_progress: Progress | None) -> None:
    total, done = sum(path.stat().st_size for path in files), 0
    free = shutil.disk_usage(place.parent).free
    if total + RESERVE > free:
        message = _("{path} has {size} GiB and there are {free} GiB free in {folder}.")
        sizes = {"size": f"{total / 2**30:.1f}", "free": f"{free / 2**30:.1f}"}
        raise FailedError(message.format(path=source, folder=place.parent, **sizes))
    for path in files:
        target = place / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as read, target.open("xb") as out:
            while block := read.read(BLOCK):
                out.write(block)
                done += len(block)
                if on_progress is not None:
                    on_progress(done, total)


def _from_archive(
    source: Path, stage: Path, on_progress: Progress | None
) -> tuple[Path, list[str]]:
    inner = stage / "unpacked"
    inner.mkdir()
    left = unpack(source, inner, on_progress)
    configs = {"config.json", "adapter_config.json"}
    places = sorted({path.parent for path in inner.rglob("*.json") if path.name in configs})
    tops = [p for p in places if not any(p != q and p.is_relative_to(q) for q in places)]
    if len(tops) > 1:
        message = _("{path} holds several models ({names}); add them one by one.")
        names = ", ".join(top.name for top in tops[:10])
        raise UserError(message.format(path=source, names=names))
    if not tops:
        message = _("{path} holds no model: there is no config.json in it.")
        raise UserError(message.format(path=source))
    return tops[0], _left_out(left)


def _plain(source: Path, place: Path, stage: Path) -> str:
    """The name of a model that was given none."""
    if source.is_dir():
        real = source.resolve()
        entry = real.parent.parent.name
        return entry.split("--")[-1] if entry.startswith("models--") else real.name
    if place.parent != stage and place.name != "unpacked":
        return place.name
    name = source.name
    for suffix in (".gz", ".bz2", ".xz", ".tgz", ".tar", ".zip"):
        name = name.removesuffix(suffix)
    return name


def _named(name: str) -> str:
    if not _NAME.match(name):
        message = _(
            "'{name}' is no name for a model; give one of letters, digits, dots and dashes with "
            "--name."
        )
        raise UserError(message.format(name=name))
    return name


def _remarks(info: ModelInfo, folders: list[Path | str]) -> Iterator[str]:
    if info.kind == "adapter":
        if registered(info.base, folders) is None:
            message = _("Its base model {base} is in none of the model folders yet; add it too.")
            yield message.format(base=info.base or "?")
    elif not has_chat_template(info.path):
        message = _(
            "{name} has no chat template: it is asked as a base model, by [plain_template]. For a "
            "chat model give its template with --chat-template FILE."
        )
        yield message.format(name=info.name)
    twice = [one for one in find_models(folders) if one.name == info.name]
    if twice and twice[0].path.resolve() != info.path.resolve():
        message = _("{path} has the same name and comes first; choose another --name.")
        yield message.format(path=twice[0].path)


def _left_out(names: list[str]) -> list[str]:
    """A sentence about files that no model needs, or that could run code."""
    if not names:
        return []
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return [_("Left out, as no model needs it: {names}.").format(names=shown)]


def _read_template(path: Path) -> str:
    """A chat template that can be filled in; UserError otherwise."""

    def refuse(reason: str) -> None:
        raise TemplateError(reason)

    try:
        text = path.read_text(encoding="utf-8-sig")
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = refuse
        messages = [{"role": "user", "content": "kw?"}]
        made = environment.from_string(text).render(
            messages=messages, add_generation_prompt=True, bos_token="", eos_token=""
        )
    except (OSError, UnicodeDecodeError, TemplateError, TypeError, ValueError) as error:
        message = _("{path} is no chat template: {error}.")
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise UserError(message.format(path=path, error=reason)) from None
    if "kw?" not in made:
        message = _("{path} is no chat template: the message does not appear in what it makes.")
        raise UserError(message.format(path=path))
    return text


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    """A folder beside the models that is none of them; what killed runs left is taken away."""
    for old in home.glob(f"{_STAGING}*"):
        _sweep(old)
    stage = home / f"{_STAGING}{os.getpid()}"
    stage.mkdir(mode=0o700)
    try:
        with (stage / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            json.dump({"pid": os.getpid()}, lock)
            lock.flush()
            yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _sweep(old: Path) -> None:
    try:
        with (old / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    except FileNotFoundError:
        # Without a lock it is one that is just being made, or one that never got further.
        if time.time() - old.lstat().st_mtime > _FRESH_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return
