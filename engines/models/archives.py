"""Archives of models, unpacked with suspicion: only plain files, only inside, only so much.

tar's own "data" filter (PEP 706) refuses what leads outside, links there and devices; here links
are refused altogether, and what an archive says about sizes is not believed.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from glossary.errors import FailedError, UserError
from glossary.i18n import _

ENTRIES = 10_000
# Weights hardly shrink; a file that grows like this is made to fill a disk.
GROWTH = 50
ALLOWANCE = 64 * 2**20
RESERVE = 256 * 2**20
BLOCK = 2**20
# What a model is made of; programs and pickles stay out.
SUFFIXES = frozenset(
    {".safetensors", ".json", ".model", ".txt", ".jinja", ".md", ".toml", ".tiktoken"}
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive: where it belongs, what it claims to hold, and how to open it."""

    place: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Whether `path` is a file that tar or zip can read."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def unpack(path: Path, folder: Path, on_progress: Progress | None = None) -> list[str]:
    """Unpack the model files of the archive `path` into `folder`; the names that stayed out.

    Nothing is written for an archive that cannot be trusted (UserError says why); FailedError
    when the disk is too small. `on_progress` hears bytes written, and of how many claimed.
    """
    try:
        with _opened(path) as archive:
            entries = list(_entries(path, archive))
            _check(path, entries, folder)
            wanted = [entry for entry in entries if entry.place.suffix.lower() in SUFFIXES]
            left = [str(entry.place) for entry in entries if entry not in wanted]
            _write(path, wanted, folder, on_progress)
            return left
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, ValueError) as error:
        message = _("{path} is damaged or no archive ({error}); copy it again.")
        raise UserError(message.format(path=path, error=str(error)[:200])) from None
    except (NotImplementedError, RuntimeError):
        message = _("{path} is encrypted or packed in a way that is not supported.")
        raise UserError(message.format(path=path)) from None


def _opened(path: Path) -> tarfile.TarFile | zipfile.ZipFile:
    return zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path)


def _entries(path: Path, archive: tarfile.TarFile | zipfile.ZipFile) -> Iterator[Entry]:
    """The plain files, each checked; folders are made as they are needed."""
    seen: set[str] = set()
    for number, (name, kind, size, opener) in enumerate(_members(path, archive)):
        if number >= ENTRIES:
            raise _refused(path, name, _("it has more than {n} entries").format(n=ENTRIES))
        if kind == "folder":
            _place(path, name)
            continue
        if kind != "file":
            raise _refused(path, name, _("it is a link, a device or something else, not a file"))
        place = _place(path, name)
        # Two names that one disk takes for the same would overwrite each other.
        if str(place).casefold() in seen:
            raise _refused(path, name, _("it is there twice"))
        seen.add(str(place).casefold())
        yield Entry(place, size, opener)


def _members(
    path: Path, archive: tarfile.TarFile | zipfile.ZipFile
) -> Iterator[tuple[str, str, int, Callable[[], IO[bytes]]]]:
    if isinstance(archive, tarfile.TarFile):
        for member in archive:
            yield member.name, _tar_kind(path, member), member.size, _tar_opener(archive, member)
        return
    for info in archive.infolist():
        mode = info.external_attr >> 16
        kind = "folder" if info.is_dir() else "file"
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "other"
        yield info.filename, kind, info.file_size, _zip_opener(archive, info)


def _tar_kind(path: Path, member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "folder"
    if not member.isreg():
        return "other"
    try:
        tarfile.data_filter(member, "/nowhere")
    except tarfile.FilterError:
        raise _refused(path, member.name, _("it leads out of its folder")) from None
    return "file"


def _tar_opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    def opened() -> IO[bytes]:
        file = archive.extractfile(member)
        assert file is not None
        return file

    return opened


def _zip_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _place(path: Path, name: str) -> PurePosixPath:
    place = PurePosixPath(name)
    outside = place.is_absolute() or ".." in place.parts or "\\" in name or ":" in name
    if outside or not name.isprintable() or len(name) > 1000:
        raise _refused(path, name, _("it leads out of its folder"))
    return place


def _check(path: Path, entries: list[Entry], folder: Path) -> None:
    """Refuse what claims too much, before a byte is written."""
    total = sum(entry.size for entry in entries)
    if total > _most(path):
        raise _bomb(path)
    free = shutil.disk_usage(folder).free
    if total + RESERVE > free:
        message = _("{path} unpacks to {size} GiB and there are {free} GiB free in {folder}.")
        sizes = {"size": f"{total / 2**30:.1f}", "free": f"{free / 2**30:.1f}"}
        raise FailedError(message.format(path=path, folder=folder, **sizes))


def _write(path: Path, entries: list[Entry], folder: Path, on_progress: Progress | None) -> None:
    total, written, most = sum(entry.size for entry in entries), 0, _most(path)
    for entry in entries:
        target = folder / entry.place
        target.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, target.open("xb") as out:
            while block := source.read(BLOCK):
                written += len(block)
                if written > most or out.tell() + len(block) > entry.size:
                    raise _bomb(path)
                out.write(block)
                if on_progress is not None:
                    on_progress(written, total)


def _most(path: Path) -> int:
    return path.stat().st_size * GROWTH + ALLOWANCE


def _bomb(path: Path) -> UserError:
    message = _("{path} unpacks to far more than it holds; that is no model.")
    return UserError(message.format(path=path))


def _refused(path: Path, name: str, reason: str) -> UserError:
    message = _("{path} is refused: {name}: {reason}. Nothing was unpacked.")
    return UserError(message.format(path=path, name=name[:200], reason=reason))
