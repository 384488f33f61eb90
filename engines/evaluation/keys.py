"""What an answer depends on, as a key: what was answered before is never served for anything else.

A key is a hash over the strategy, its prompt template, every file of the model, its adapter's base
and its tokenizer, the texts, the labels that it learns from or shows, the glossary's journal and
indexes, settings, versions, the code that extracts, and the machine's kind of arithmetic. Labels
of the texts that are scored are no part of it: answers do not depend on them, and scores are
counted anew each time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engines.corpus.splits import TRAIN
from engines.corpus.store import Corpus
from engines.extraction.learned import labels_digest, training_examples
from engines.extraction.prompt import template_source
from engines.extraction.strategy import needs_cases, needs_glossary
from engines.records import Example
from engines.settings import Settings, StrategySettings
from engines.workspace import Workspace

PACKAGES = (
    *("kwtui", "torch", "transformers", "tokenizers", "peft", "llguidance", "safetensors"),
    *("kiwipiepy", "sklearn-crfsuite", "lancedb", "pyahocorasick", "numpy"),
)
_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("engines/extraction", "engines/models", "glossary")
# Model files that say nothing about its answers.
_ASIDE = ("CARD.md", "README.md", ".gitattributes")


@cache
def versions() -> dict[str, str]:
    """The versions of the libraries that answers depend on."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def texts_digest(texts: Iterable[Example]) -> str:
    """A hash of the ids and texts in their order, without their labels."""
    digest = hashlib.sha256()
    for example in texts:
        digest.update(json.dumps([example.id, example.text], ensure_ascii=False).encode())
    return digest.hexdigest()


class Ingredients:
    """What the keys of one ladder share; read once, when it is first needed."""

    def __init__(self, space: Workspace, settings: Settings, texts: Sequence[Example]) -> None:
        self._space = space
        self._settings = settings
        self._texts = texts_digest(texts)
        self._stamps = _Stamps(space.reports / "ladder" / "state" / "files.json")

    def of(self, name: str, strategy: StrategySettings) -> dict[str, Any]:
        """Everything that the answers of the strategy depend on, as one object."""
        settings = self._settings
        found: dict[str, Any] = {
            "name": name,
            "strategy": strategy.model_dump(mode="json"),
            "texts": self._texts,
            "versions": versions(),
            "code": code_digest(),
        }
        if needs_glossary(strategy):
            found["glossary"] = self.glossary
        if strategy.kind == "crf":
            found["labels"] = self.learned
        if strategy.kind != "model":
            return found
        source = strategy.template_text or template_source(strategy.template, self._space.prompts)
        found["template"] = hashlib.sha256(source.encode()).hexdigest()
        found["settings"] = {
            "extraction": settings.extraction.model_dump(mode="json", exclude={"strategy"}),
            "plain_template": settings.plain_template.model_dump(mode="json"),
            "glossary": settings.glossary.model_dump(mode="json"),
        }
        if needs_cases(strategy):
            found["cases"] = self.cases
        if strategy.server:
            servers = {n: one.address for n, one in settings.servers.items()}
            found["server"] = servers.get(strategy.server, strategy.server)
        else:
            found["model"] = self.model(strategy.model)
            found["machine"] = self.machine
        return found

    @cached_property
    def glossary(self) -> dict[str, Any]:
        """The glossary's state: its journal, its context records, its vectors."""
        from engines.finding import embedding_folder
        from glossary.embedding import fingerprint
        from glossary.records import Records
        from glossary.store import Glossary

        path = self._space.glossary_path
        if not path.exists():
            return {}
        with Glossary.open(path) as glossary:
            found: dict[str, Any] = {
                "journal": glossary.journal.identity,
                "position": glossary.version,
                "records": Records(glossary.path).version,
                "embedding": fingerprint(embedding_folder(self._settings, self._space.root)),
            }
            if self._settings.glossary.embedding:
                from engines.finding import open_embedding
                from glossary.vectors import Vectors

                embedder = open_embedding(self._settings, self._space.root)
                found["vectors"] = Vectors(glossary.path, embedder).coverage().stored
        return found

    @cached_property
    def learned(self) -> str:
        """What a CRF learns from."""
        with Corpus.open(self._space.corpus_path, readonly=True) as corpus:
            return labels_digest(training_examples(corpus))

    @cached_property
    def cases(self) -> str:
        """What similar examples are chosen from."""
        with Corpus.open(self._space.corpus_path, readonly=True) as corpus:
            return labels_digest(corpus.examples(TRAIN))

    @cached_property
    def machine(self) -> dict[str, Any]:
        """Where the model runs, and in which precision."""
        from engines.hardware import gpus, processor, visible

        models = self._settings.models
        found = [gpu.name for gpu in visible(gpus())] if models.device != "cpu" else []
        return {
            "device": models.device,
            "dtype": models.dtype,
            "gpus": found,
            "processor": processor(),
        }

    def model(self, name: str) -> dict[str, str]:
        """A hash of each file of the model, and of an adapter's base."""
        from engines.models.loading import base_of
        from engines.models.registry import is_adapter, resolve

        folders = self._settings.model_folders(self._space.root)
        path = resolve(name, folders)
        found = self._stamps.folder(path)
        if is_adapter(path):
            base = self._stamps.folder(base_of(path, folders))
            found |= {f"base/{file}": digest for file, digest in base.items()}
        self._stamps.write()
        return found


def key_of(ingredients: dict[str, Any]) -> str:
    """24 hex digits that stand for these ingredients."""
    text = json.dumps(ingredients, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def code_digest() -> str:
    """A hash of the modules that make prompts, decode answers and find terms."""
    digest = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((_ROOT / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class _Stamps:
    """Hashes of files, kept by size and times so that gigabytes of weights are read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[Any]] = {}
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            self._known = known if isinstance(known, dict) else {}
        except (OSError, ValueError):
            pass
        self._changed = False

    def folder(self, path: Path) -> dict[str, str]:
        """The hash of each file in the folder, by name."""
        files = sorted(p for p in path.iterdir() if p.is_file() and p.name not in _ASIDE)
        return {file.name: self._file(file.resolve()) for file in files}

    def _file(self, path: Path) -> str:
        state = path.stat()
        # A change of content moves the time of the inode, which no program can set back.
        stamp = [state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns]
        kept = self._known.get(str(path))
        if isinstance(kept, list) and kept[:-1] == stamp:
            return str(kept[-1])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._known[str(path)] = [*stamp, digest]
        self._changed = True
        return digest

    def write(self) -> None:
        """Keep what was hashed."""
        if not self._changed:
            return
        from engines.training.folder import replace_file

        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._path, json.dumps(self._known))
        self._changed = False


def environment_note() -> dict[str, str]:
    """Versions and machine, for the report."""
    import platform

    from engines.hardware import cores, processor

    found = {"python": platform.python_version(), **versions()}
    found["machine"] = f"{processor()}, {cores()} cores"
    if threads := os.environ.get("OMP_NUM_THREADS"):
        found["threads"] = threads
    return found
