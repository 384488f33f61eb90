"""Texts as vectors: sentence-transformers from a local folder, or the small embedded default.

A static model (one vector a piece, a text is their mean) needs no torch: it is read here directly,
as `StaticEmbedding` of sentence-transformers would. Everything else loads sentence-transformers.
Nothing is downloaded, no code of a model folder is run, weights are safetensors only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from glossary.errors import UserError
from glossary.i18n import _

WEIGHTS = "model.safetensors"
_EDGE = 1 << 22
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class Embedder(Protocol):
    """Turns texts into unit vectors.

    `fingerprint` changes with the model's files: vectors of different fingerprints must not be
    compared.
    """

    name: str
    fingerprint: str

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """Unit vectors `[texts, dimensions]` (numpy, float32), zeros where nothing is known.

        `query`: the texts ask, and the model's own prompt for questions goes before them.
        """


def open_embedder(folder: Path, *, device: str = "cpu") -> Embedder:
    """The embedding model in `folder`; raises UserError with a sentence when it is none.

    Loads the weights of a static model; others are loaded at the first `encode`.
    """
    modules = _modules(folder)
    if [kind.rsplit(".", 1)[-1] for kind in modules] == ["StaticEmbedding"]:
        return StaticEmbedder(folder)
    return SentenceEmbedder(folder, device)


class StaticEmbedder:
    """A static embedding model, a text in some ten microseconds."""

    def __init__(self, folder: Path) -> None:
        import numpy as np
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        place = _weights(folder).parent
        self.name = folder.name
        self.fingerprint = fingerprint(folder)
        try:
            self._tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
            weights = load_file(str(place / WEIGHTS))["embedding.weight"]
        except Exception as error:  # the two libraries raise their own kinds for damaged files
            raise UserError(_damaged(folder, error)) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # One row of zeros more, for texts of which no piece is known.
        self._rows = np.vstack([weights.astype(np.float32), np.zeros((1, weights.shape[1]))])
        self._rows = self._rows.astype(np.float32)
        self._unknown = self._tokenizer.token_to_id("[UNK]")

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return int(self._rows.shape[1])

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """See `Embedder.encode`."""
        import numpy as np

        nothing = len(self._rows) - 1
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        ids = [[i for i in one.ids if i != self._unknown] or [nothing] for one in encoded]
        starts = np.cumsum([0, *map(len, ids[:-1])]) if ids else np.zeros(0, dtype=int)
        if not ids:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        flat = self._rows[np.concatenate([np.asarray(one) for one in ids])]
        sums = np.add.reduceat(flat, starts, axis=0)
        return _unit(sums)


class SentenceEmbedder:
    """Any model that sentence-transformers loads from a folder (BAAI/bge-m3 and the like)."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        _weights(folder)
        self.name = folder.name
        self.fingerprint = fingerprint(folder)
        self._folder, self._device = folder, device
        self._model: Any = None

    @property
    def dimensions(self) -> int:
        """Length of a vector; loads the model."""
        return int(self._loaded().get_embedding_dimension())

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """See `Embedder.encode`."""
        import numpy as np

        model = self._loaded()
        encode = model.encode_query if query else model.encode_document
        vectors = encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _loaded(self) -> Any:
        if self._model is None:
            from sentence_transformers import SentenceTransformer

            try:
                self._model = SentenceTransformer(
                    str(self._folder),
                    device=self._device,
                    local_files_only=True,
                    trust_remote_code=False,
                    model_kwargs={"use_safetensors": True},
                )
            except Exception as error:  # a dozen kinds, by what is wrong with the folder
                raise UserError(_damaged(self._folder, error)) from error
        return self._model


def fingerprint(folder: Path) -> str:
    """16 hex digits that stand for the model's files: their names, sizes, beginnings and ends.

    Of weights larger than 8 MiB only the first and last 4 MiB are read.
    """
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".json", ".safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\n{size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_EDGE))
            if size > 2 * _EDGE:
                file.seek(-_EDGE, 2)
            digest.update(file.read(_EDGE))
    return digest.hexdigest()[:16]


def _modules(folder: Path) -> list[str]:
    """The classes of a sentence-transformers folder; [] for a bare transformers model."""
    if not folder.is_dir():
        sentence = _("The embedding model {path} is no folder: name one in [glossary] embedding.")
        raise UserError(sentence.format(path=folder))
    listed = folder / "modules.json"
    if not listed.is_file():
        if (folder / "config.json").is_file():
            return []
        sentence = _(
            "{path} holds no embedding model: there is neither modules.json nor config.json."
        )
        raise UserError(sentence.format(path=folder))
    try:
        return [str(module["type"]) for module in json.loads(listed.read_text(encoding="utf-8"))]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(_damaged(folder, error)) from error


def _weights(folder: Path) -> Path:
    """A weights file of the folder; raises UserError when there is none in safetensors."""
    found = next(iter(sorted(folder.rglob("*.safetensors"))), None)
    if found is not None:
        return found
    if any(next(folder.rglob(pattern), None) for pattern in _PICKLES):
        sentence = _(
            "The embedding model {path} has its weights as pickle, which can run code: "
            "convert them to safetensors."
        )
    else:
        sentence = _("The embedding model {path} has no weights (*.safetensors).")
    raise UserError(sentence.format(path=folder))


def _damaged(folder: Path, error: Exception) -> str:
    sentence = _("The embedding model {path} cannot be loaded: {reason}")
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return sentence.format(path=folder, reason=reason)


def _unit(vectors: Any) -> Any:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1.0, lengths)
