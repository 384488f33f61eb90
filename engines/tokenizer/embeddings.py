"""Rows of the embedding matrices for new tokens; the rows that were there stay bit for bit.

`mean`: the mean of the rows of the old pieces, which reads like the term did (Hewitt 2021,
nlp.stanford.edu/~johnhew/vocab-expansion.html, for the mean of all). `focus`: weighted by how much
old tokens share with the new one in letters and in meaning, sparsemax over the nearest (after
FOCUS, Dobler and de Melo 2023, arXiv:2305.14481, with the model's own embeddings for the auxiliary
ones). `scaled`: the mean's direction with the length that the old pieces have; a mean of unlike
rows is shorter than any of them, which measured worse (docs/tokenizer.md). `random`: normal with
the matrix' own mean and spread, as a control.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engines.tokenizer.files import SPACE, Tokenizer, from_bytes
from engines.tokenizer.places import bare
from glossary.errors import FailedError, UserError
from glossary.i18n import _

if TYPE_CHECKING:
    import torch

Rows = Literal["scaled", "mean", "focus", "random"]
ROWS: tuple[Rows, ...] = ("scaled", "mean", "focus", "random")
# Old tokens that a new one is likened to (focus), and the longest run of letters compared.
NEAREST = 16
_GRAM = 3


def parts_of(old: Tokenizer, token: str, made_of: Mapping[str, Sequence[str]]) -> list[int]:
    """The old ids that a new token takes the place of."""
    if token in made_of:
        return [old.vocabulary[part] for part in made_of[token]]
    text = _text_of(old, token)
    encoding = old.fast.encode(text, add_special_tokens=False)
    kept = len(bare(encoding.tokens)) if not text.startswith(" ") else len(encoding.ids)
    return [*encoding.ids[-kept:]] if encoding.ids else []


def _text_of(old: Tokenizer, token: str) -> str:
    if old.byte_level:
        return from_bytes(token)
    return token.replace(SPACE, " ")


def load_model(path: Path) -> Any:
    """The model in a folder in the type of its weights, on the CPU; UserError when it cannot be."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(path),
            dtype="auto",
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
        return model.eval()
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise FailedError(_("{path} does not fit into memory.").format(path=path)) from error
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        message = _("The model in {path} cannot be loaded: {error}")
        raise UserError(message.format(path=path, error=str(error).splitlines()[0])) from error


def save_model(model: Any, folder: Path) -> None:
    """Write weights and configuration; OSError when the disk does not take them."""
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder)
    except SafetensorError as error:  # the Rust side wraps what the system said
        said = str(error)
        full = "os error 28" in said
        raise OSError(errno.ENOSPC if full else errno.EIO, _said(said, full)) from error


def _said(said: str, full: bool) -> str:
    return os.strerror(errno.ENOSPC) if full else said


def is_tied(model: Any) -> bool:
    """Whether the input and the output matrix are one."""
    output = model.get_output_embeddings()
    same = output is not None and output.weight.data_ptr() == _input(model).data_ptr()
    return bool(same or model.config.get_text_config().tie_word_embeddings)


def give_rows(
    model: Any,
    parts: Mapping[int, Sequence[int]],
    size: int,
    how: Rows,
    *,
    names: Mapping[int, str] | None = None,
    old_names: Mapping[int, str] | None = None,
    carried: Mapping[int, int] | None = None,
    seed: int = 7,
) -> None:
    """Resize `model` to `size` tokens and fill the rows of new ones.

    `parts`: for each new id the old ids it is made of; `names` and `old_names`: what the new and
    the old tokens look like, for "focus". `carried`: for a vocabulary made anew, the old id of each
    id that keeps its row; without it every old id keeps its own.
    """
    import torch

    tied = is_tied(model)
    old = [matrix.detach().clone() for matrix in _matrices(model, tied)]
    generator = torch.Generator().manual_seed(seed)
    made = [_new_rows(m, parts, how, names or {}, old_names or {}, generator) for m in old]
    rows = max(size, old[0].shape[0]) if carried is None else size
    if rows != old[0].shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for target, source, new in zip(_matrices(model, tied), old, made, strict=True):
            if carried is not None:
                # Special tokens may lie beyond the old matrix: they had no row to carry.
                moved = {n: o for n, o in carried.items() if o < source.shape[0]}
                target[list(moved)] = source[list(moved.values())]
            if new:
                target[list(new)] = torch.stack(list(new.values())).to(target.dtype)
    if tied:
        model.tie_weights()


def _matrices(model: Any, tied: bool) -> list[Any]:
    """The input matrix and, where it is another one, the output matrix."""
    output = model.get_output_embeddings()
    return [_input(model), *([] if tied or output is None else [output.weight])]


def _input(model: Any) -> Any:
    return model.get_input_embeddings().weight


def _new_rows(
    matrix: torch.Tensor,
    parts: Mapping[int, Sequence[int]],
    how: Rows,
    names: Mapping[int, str],
    old_names: Mapping[int, str],
    generator: torch.Generator,
) -> dict[int, torch.Tensor]:
    import torch

    if how == "random":
        values = matrix.float()
        mean, spread = values.mean(0), values.std(0)
        return {
            number: mean + spread * torch.randn(mean.shape, generator=generator) for number in parts
        }
    means = {
        number: matrix[list(old)].float().mean(0) if old else matrix.float().mean(0)
        for number, old in parts.items()
    }
    if how == "mean":
        return means
    if how == "scaled":
        return {n: _as_long(mean, matrix[list(parts[n])]) for n, mean in means.items()}
    alike = _Alike(matrix, old_names)
    return {
        number: alike.row(names.get(number, ""), parts[number], mean)
        for number, mean in means.items()
    }


def _as_long(mean: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """`mean` with the mean length of the rows it is made of."""
    length = float(mean.norm())
    if not len(rows) or not length:
        return mean
    return mean * (float(rows.float().norm(dim=1).mean()) / length)


class _Alike:
    """Finds old tokens that are like a new one in letters and in direction."""

    def __init__(self, matrix: torch.Tensor, names: Mapping[int, str]) -> None:
        import torch

        self._matrix = matrix.float()
        self._directions = torch.nn.functional.normalize(self._matrix, dim=1)
        self._grams = {number: _grams(name) for number, name in names.items() if name}
        self._by_gram: dict[str, list[int]] = {}
        for number, grams in self._grams.items():
            for gram in grams:
                self._by_gram.setdefault(gram, []).append(number)

    def row(self, name: str, parts: Sequence[int], mean: torch.Tensor) -> torch.Tensor:
        """The mean of the nearest old rows, weighted by sparsemax of their likeness."""
        import torch

        near = self._directions @ torch.nn.functional.normalize(mean, dim=0)
        wanted = {*parts, *torch.topk(near, min(NEAREST, len(near))).indices.tolist()}
        shared = self._sharing(_grams(name))
        wanted |= set(sorted(shared, key=lambda n: -shared[n])[:NEAREST])
        numbers = sorted(wanted)
        likeness = torch.tensor([shared.get(n, 0.0) for n in numbers]) + near[numbers].clamp(min=0)
        weights = sparsemax(likeness)
        return weights @ self._matrix[numbers]

    def _sharing(self, grams: set[str]) -> dict[int, float]:
        """Dice's coefficient of runs of letters with every old token that shares one."""
        counts: dict[int, int] = {}
        for gram in grams:
            for number in self._by_gram.get(gram, ()):
                counts[number] = counts.get(number, 0) + 1
        return {n: 2 * c / (len(grams) + len(self._grams[n])) for n, c in counts.items()}


def _grams(name: str) -> set[str]:
    text = name.strip(" " + SPACE)
    return {
        text[at : at + size] for size in range(1, _GRAM + 1) for at in range(len(text) - size + 1)
    }


def sparsemax(values: torch.Tensor) -> torch.Tensor:
    """The nearest point of the simplex (Martins and Astudillo 2016, arXiv:1602.02068)."""
    import torch

    ordered = torch.sort(values, descending=True).values
    sums = ordered.cumsum(0) - 1
    places = torch.arange(1, len(values) + 1)
    kept = int((ordered * places > sums).sum())
    return (values - sums[kept - 1] / kept).clamp(min=0)
