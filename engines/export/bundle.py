"""A strategy as a folder that works elsewhere: model, terms, prompt and settings.

A bundle is a small workspace: `kwtui extract --bundle DIR` and twenty lines of Python run it. It
holds what the strategy needs and nothing else: no history, no names of annotators, no test texts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import tomli_w

from engines.corpus.store import Corpus
from engines.export.cards import CARD, card, gather, versions
from engines.export.merge import merge
from engines.export.staging import refuse_taken, staged
from engines.extraction.strategy import find_strategy, needs_cases, needs_glossary
from engines.finding import embedding_folder
from engines.models.registry import check_folder, is_adapter, resolve
from engines.settings import Settings, StrategySettings
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from glossary.store import Glossary

MANIFEST = "bundle.json"
FORMAT = 1
EXAMPLE = "example.py"
PROMPT = "strategy"
EMBEDDING = "embedding"
TEMPLATES = ("clean-ko", "clean-en")
# Tables beside that of the terms: context records, vectors of terms and records.
_TABLES = ("records.lance", "vectors_*.lance")
# So many terms are packed as one change.
_TERMS = 50_000
# What changes when a bundle is used: its search index, its journals.
CHANGING = ("glossary.lance/", "glossary.sqlite", "corpus.sqlite", "cases.lance/")

Progress = Callable[[str, int, int], None]

_EXAMPLE = '''\
"""Keywords of texts with this bundle: python example.py "a text" "another"."""

import json
import sys
from pathlib import Path

from engines.export.opened import open_bundle
from engines.extraction.opening import Opener

settings, workspace, strategy = open_bundle(Path(__file__).resolve().parent)
opener = Opener(settings, workspace)
extractor = opener.extractor(strategy)
for note in opener.notes:
    print(note, file=sys.stderr)

for prediction in extractor.extract(sys.argv[1:]):
    print(json.dumps(prediction.to_json(), ensure_ascii=False))
'''


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was packed: counts, bytes, and what a person should know."""

    folder: Path
    strategy: str
    model: str
    terms: int
    cases: int
    size: int
    notes: tuple[str, ...] = ()


def bundle(
    name: str,
    target: Path,
    settings: Settings,
    workspace: Workspace | None,
    *,
    replace: bool = False,
    on_progress: Progress | None = None,
) -> Bundle:
    """Write the strategy `name` as the folder `target`; an adapter is merged into its base.

    UserError for a strategy that cannot travel (one that asks a server, or lacks what it needs).
    """
    refuse_taken(target, replace=replace)
    strategy = find_strategy(settings.strategies, name)
    if strategy.server:
        message = _("The strategy '{name}' asks a server, which does not fit into a folder.")
        raise UserError(message.format(name=name))
    _refuse_missing(name, strategy, workspace)
    say = on_progress or (lambda _stage, _done, _total: None)
    with staged(target, folder=True, replace=replace) as fresh:
        packed = Workspace(fresh)
        model = ""
        say("model", 0, 3)
        if strategy.kind == "model":
            model = _pack_model(strategy, fresh, settings, workspace, on_progress)
        say("glossary", 1, 3)
        terms = _pack_glossary(strategy, packed, settings, workspace)
        cases = _pack_cases(strategy, packed, workspace)
        say("settings", 2, 3)
        carried = _pack_prompts(strategy, fresh, workspace)
        changes = {"model": model or strategy.model, **carried}
        _write_config(name, strategy.model_copy(update=changes), fresh, settings)
        _write_papers(name, fresh, model, workspace)
        size = _write_manifest(name, fresh)
    say("settings", 3, 3)
    return Bundle(target, name, model, terms, cases, size)


def _refuse_missing(name: str, strategy: StrategySettings, workspace: Workspace | None) -> None:
    glossary = workspace is not None and workspace.glossary_path.exists()
    if needs_glossary(strategy) and not glossary:
        message = _("The strategy '{name}' needs a glossary, and there is none to pack.")
        raise UserError(message.format(name=name))
    if strategy.kind == "crf" and (workspace is None or not workspace.corpus_path.exists()):
        message = _("The strategy '{name}' learns from labels, and there are none to pack.")
        raise UserError(message.format(name=name))


def _pack_model(
    strategy: StrategySettings,
    fresh: Path,
    settings: Settings,
    workspace: Workspace | None,
    on_progress: Progress | None,
) -> str:
    folders = settings.model_folders(workspace.root if workspace else None)
    source = resolve(strategy.model, folders)
    check_folder(source)
    target = fresh / "models" / source.name
    target.parent.mkdir()
    root = workspace.root if workspace else None
    if is_adapter(source):
        merge(source, target, folders=folders, workspace=root, on_progress=on_progress)
    else:
        _copy_files(source, target)
    return source.name


def _copy_files(source: Path, target: Path) -> None:
    """The files of a model folder: links of a Hugging Face cache become files."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        # Weights travel as safetensors only.
        if path.is_file() and path.suffix not in (".bin", ".pt", ".pth", ".py", ".gguf"):
            shutil.copyfile(path, target / path.name)


def _pack_glossary(
    strategy: StrategySettings, packed: Workspace, settings: Settings, workspace: Workspace | None
) -> int:
    """The terms as they are now, without who made them when; records and vectors beside them."""
    if workspace is None or not needs_glossary(strategy):
        return 0
    with Glossary.open(workspace.glossary_path) as source:
        terms = source.in_order()
        with Glossary.open(packed.glossary_path, create=True) as made:
            while piece := list(islice(terms, _TERMS)):
                made.upsert(piece, author="bundle")
            made.level()
            count = made.count()
        with source.write_lock("bundle", "bundle"):
            for pattern in _TABLES:
                for table in workspace.glossary_path.glob(pattern):
                    shutil.copytree(table, packed.glossary_path / table.name)
    if settings.glossary.embedding:
        folder = embedding_folder(settings, workspace.root)
        shutil.copytree(folder, packed.root / EMBEDDING, ignore=shutil.ignore_patterns("*.py"))
    return count


def _pack_cases(strategy: StrategySettings, packed: Workspace, workspace: Workspace | None) -> int:
    """The labeled texts of the train split, where the strategy shows or learns from them."""
    wanted = strategy.kind == "crf" or needs_cases(strategy)
    if workspace is None or not wanted or not workspace.corpus_path.exists():
        return 0
    with Corpus.open(workspace.corpus_path, readonly=True) as source:
        examples = list(source.examples("train"))
    with Corpus.open(packed.corpus_path, create=True) as corpus:
        added = corpus.add(iter(examples), split="train", annotator="bundle", source="bundle")
    return added.new


def _pack_prompts(
    strategy: StrategySettings, fresh: Path, workspace: Workspace | None
) -> dict[str, str]:
    """The strategy's template in the bundle's prompts/; the settings that name it."""
    if strategy.kind != "model":
        return {}
    from engines.extraction.prompt import template_source

    folder = workspace.prompts if workspace else None
    prompts = fresh / "prompts"
    prompts.mkdir()
    for name in TEMPLATES:
        (prompts / f"{name}.jinja").write_text(template_source(name, folder), encoding="utf-8")
    if strategy.template_text:
        return {}
    text = template_source(strategy.template, folder)
    (prompts / f"{PROMPT}.jinja").write_text(text, encoding="utf-8")
    return {"template": PROMPT}


def _write_config(name: str, strategy: StrategySettings, fresh: Path, settings: Settings) -> None:
    glossary: dict[str, Any] = {"embedding": EMBEDDING if settings.glossary.embedding else ""}
    values = {
        "workspace": {"format": 1},
        "models": {"folders": ["models"]},
        "extraction": {**settings.extraction.model_dump(), "strategy": name},
        "glossary": glossary,
        "plain_template": settings.plain_template.model_dump(),
        "strategies": {name: strategy.model_dump()},
    }
    (fresh / "config.toml").write_text(tomli_w.dumps(values), encoding="utf-8")


def _write_papers(name: str, fresh: Path, model: str, workspace: Workspace | None) -> None:
    folder = fresh / "models" / model if model else fresh
    what = f"The strategy {name}, packed by kwtui: `kwtui extract --bundle DIR FILE`."
    made = gather(folder, name, what, workspace=workspace.root if workspace else None)
    facts = {"model": model, "example": EXAMPLE}
    (fresh / CARD).write_text(card(made, facts), encoding="utf-8")
    (fresh / EXAMPLE).write_text(_EXAMPLE, encoding="utf-8")


def _write_manifest(name: str, fresh: Path) -> int:
    """Sizes and hashes of what never changes; the bytes of everything."""
    files, size = {}, 0
    for path in sorted(p for p in fresh.rglob("*") if p.is_file()):
        relative = path.relative_to(fresh).as_posix()
        size += path.stat().st_size
        if not relative.startswith(CHANGING):
            files[relative] = {"size": path.stat().st_size, "sha256": digest(path)}
    values = {"format": FORMAT, "strategy": name, "versions": versions(), "files": files}
    text = json.dumps(values, ensure_ascii=False, indent=1)
    (fresh / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return size


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
