"""llama.cpp's own converter and quantiser, where the user's settings name its folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from engines.export.gguf import Exported
from engines.export.programs import CONVERTER, llama_cpp_folder, quantiser, run
from engines.export.quantisation import TYPES
from engines.export.staging import staged
from engines.settings import Settings
from glossary.errors import FailedError, UserError
from glossary.i18n import _


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two files for the same model: where their tensors and settings differ.

    Each `different` is one sentence-like line: a key or tensor with both values.
    """

    tensors: int
    same_tensors: int
    different: tuple[str, ...]


def convert(
    folder: Path, target: Path, kind: str, settings: Settings, *, replace: bool = False
) -> Exported:
    """Have llama.cpp's converter write `target`, and its llama-quantize for q4_k_m.

    It runs as a program of its own, offline, with the folder named in [export] llama_cpp.
    """
    if kind not in TYPES:
        message = _("Unknown type {kind}; there are {known}.")
        raise UserError(message.format(kind=kind, known=", ".join(TYPES)))
    home = llama_cpp_folder(settings)
    with staged(target, folder=False, replace=replace) as fresh:
        first = "f32" if kind == "q4_k_m" else kind
        raw = fresh.with_name(fresh.name + ".f32") if kind == "q4_k_m" else fresh
        command = [sys.executable, str(home / CONVERTER), str(folder.absolute())]
        try:
            run([*command, "--outfile", str(raw), "--outtype", first], cwd=home, modules=home)
            if raw is not fresh:
                quantise(raw, fresh, settings)
        finally:
            if raw is not fresh:
                raw.unlink(missing_ok=True)
        if not fresh.is_file():
            raise FailedError(_("{program} wrote no file.").format(program=home / CONVERTER))
        arch, tensors = _look(fresh)
        size = fresh.stat().st_size
    return Exported(target, kind, arch, size, tensors)


def quantise(source: Path, target: Path, settings: Settings) -> None:
    """q4_k_m with the program llama-quantize; UserError when there is none."""
    command = quantiser(settings)
    if command is None:
        message = _("There is no llama-quantize: build it in the folder of llama.cpp.")
        raise UserError(message)
    run([*command, str(source), str(target), "Q4_K_M"])


def compare_files(one: Path, other: Path) -> Comparison:
    """Where two GGUF files of one model differ: settings by key, tensors by their bytes."""
    from gguf import GGUFReader

    first, second = GGUFReader(one), GGUFReader(other)
    different = []
    for key in sorted(set(first.fields) | set(second.fields)):
        if key.startswith("GGUF.") or key.startswith("general."):
            continue
        a, b = (r.fields[key].contents() if key in r.fields else None for r in (first, second))
        if a != b:
            different.append(f"{key}: {_short(a)} / {_short(b)}")
    theirs = {tensor.name: tensor for tensor in second.tensors}
    same = 0
    for tensor in first.tensors:
        twin = theirs.pop(tensor.name, None)
        if twin is None:
            different.append(f"{tensor.name}: {_short('there')} / -")
        elif tensor.tensor_type != twin.tensor_type:
            kinds = (tensor.tensor_type.name, twin.tensor_type.name)
            different.append(f"{tensor.name}: {kinds[0]} / {kinds[1]}")
        elif tensor.data.tobytes() == twin.data.tobytes():
            same += 1
        else:
            different.append(f"{tensor.name}: other numbers")
    different += [f"{name}: - / there" for name in theirs]
    return Comparison(len(first.tensors), same, tuple(different))


def _look(path: Path) -> tuple[str, int]:
    from gguf import GGUFReader

    reader = GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()
    return str(arch), len(reader.tensors)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
