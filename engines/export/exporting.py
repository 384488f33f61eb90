"""A model or adapter exported to GGUF in several types at once, each proven, with one card."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from engines.corpus.formats import examples_of, open_records
from engines.corpus.store import Corpus
from engines.export.cards import CARD, ORIGIN, card, gather, origin_json
from engines.export.converter import Comparison, compare_files, convert, quantise
from engines.export.gguf import Exported, check, export_gguf
from engines.export.merge import merge
from engines.export.programs import quantiser
from engines.export.proof import KEYWORD_TEXTS, TOKEN_TEXTS, Proof, Prover, require
from engines.export.quantisation import can_pack
from engines.export.staging import refuse_taken, staged
from engines.models.registry import check_folder, is_adapter
from engines.records import Example
from engines.settings import Settings, StrategySettings
from engines.workspace import Workspace, assets
from glossary.errors import UserError

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What was exported into `folder`, and what came out of the proofs (none: not proven).

    `comparison` is with the file of llama.cpp's own converter, where both were asked for.
    """

    folder: Path
    files: tuple[Exported, ...]
    proofs: tuple[Proof, ...]
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        files = [{**asdict(file), "path": str(file.path)} for file in self.files]
        return {
            "folder": str(self.folder),
            "files": files,
            "proofs": [proof.to_json() for proof in self.proofs],
            "notes": list(self.notes),
            "comparison": asdict(self.comparison) if self.comparison else None,
        }


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported: `types` of quantisation, with which strategy's prompts to prove.

    `converter`: "own", "llama.cpp" (the user's), or "both", which compares the two. `ollama`: a
    Modelfile for the first type, with every text in the prompt of `strategy` where `wrapped`.
    """

    source: Path
    target: Path
    types: tuple[str, ...] = ("f16",)
    strategy: StrategySettings | None = None
    proven: bool = True
    converter: str = "own"
    replace: bool = False
    ollama: bool = False
    wrapped: bool = False


def export(
    order: Order,
    settings: Settings,
    workspace: Workspace | None,
    *,
    threads: int = 0,
    on_progress: Progress | None = None,
) -> Report:
    """Write the files into the folder `order.target` with a card; nothing when a proof fails.

    An adapter is merged first. UserError for what cannot be exported, FailedError for a file that
    is not the model.
    """
    refuse_taken(order.target, replace=order.replace)
    source = order.source.absolute()
    check_folder(source)
    with tempfile.TemporaryDirectory(prefix="kwtui-merge-") as scratch:
        whole = source
        if is_adapter(source):
            folders = settings.model_folders(workspace.root if workspace else None)
            whole = Path(scratch) / source.name
            merge(source, whole, folders=folders, on_progress=on_progress)
        with staged(order.target, folder=True, replace=order.replace) as fresh:
            report = _write(order, whole, fresh, settings, workspace, threads, on_progress)
            _describe(order, source, fresh, report, workspace)
            if order.ollama:
                report = _for_ollama(order, whole, fresh, report, settings, workspace)
    moved = tuple(replace(f, path=order.target / f.path.name) for f in report.files)
    return replace(report, folder=order.target, files=moved)


def _write(
    order: Order,
    whole: Path,
    fresh: Path,
    settings: Settings,
    workspace: Workspace | None,
    threads: int,
    on_progress: Progress | None,
) -> Report:
    prover = _prover(order, whole, settings, workspace) if order.proven else None
    files, proofs, comparison = list[Exported](), list[Proof](), None
    for kind in dict.fromkeys(order.types):
        path = fresh / f"{_stem(order.target)}-{kind}.gguf"
        if order.converter == "llama.cpp":
            files.append(convert(whole, path, kind, settings))
        elif kind == "q4_k_m" and not can_pack() and quantiser(settings):
            files.append(_quantised(whole, path, settings, on_progress))
        else:
            files.append(export_gguf(whole, path, kind, on_progress=on_progress))
        if order.converter == "both":
            theirs = Path(tempfile.mkdtemp(prefix="kwtui-convert-")) / path.name
            try:
                convert(whole, theirs, kind, settings)
                comparison = compare_files(path, theirs)
            finally:
                shutil.rmtree(theirs.parent, ignore_errors=True)
        if prover is not None:
            proof = prover.prove(path, kind, on_progress=on_progress, threads=threads)
            require(proof, order.target / path.name)
            proofs.append(proof)
    notes = tuple(dict.fromkeys(note for file in files for note in file.notes))
    return Report(fresh, tuple(files), tuple(proofs), notes, comparison)


def _quantised(
    whole: Path, path: Path, settings: Settings, on_progress: Progress | None
) -> Exported:
    """q4_k_m by the program llama-quantize, where the library is not installed."""
    raw = path.with_name(path.name + ".f32")
    made = export_gguf(whole, raw, "f32", on_progress=on_progress)
    try:
        quantise(raw, path, settings)
    finally:
        raw.unlink(missing_ok=True)
    return replace(made, path=path, type="q4_k_m", size=path.stat().st_size)


def _for_ollama(
    order: Order,
    whole: Path,
    fresh: Path,
    report: Report,
    settings: Settings,
    workspace: Workspace | None,
) -> Report:
    from engines.export.ollama import left_out, write_modelfile
    from engines.models.loading import load_tokenizer

    strategy = order.strategy if order.wrapped else None
    text = write_modelfile(
        load_tokenizer(whole),
        report.files[0].path.name,
        settings,
        context=check(whole).shape.context,
        strategy=strategy,
        prompts=workspace.prompts if workspace else None,
    )
    (fresh / "Modelfile").write_text(text, encoding="utf-8")
    return replace(report, notes=(*report.notes, *left_out(strategy)))


def _prover(order: Order, whole: Path, settings: Settings, workspace: Workspace | None) -> Prover:
    from engines.export.llamacpp import require_llamacpp
    from engines.models.loading import load

    require_llamacpp()
    texts, examples = proof_texts(workspace)
    loaded = load(whole, device="cpu", dtype="float32")
    strategy = order.strategy or StrategySettings()
    prompts = workspace.prompts if workspace else None
    return Prover(loaded, strategy, settings, texts, examples, prompts=prompts)


def proof_texts(workspace: Workspace | None) -> tuple[list[str], list[Example]]:
    """A thousand texts for tokens, a hundred labeled ones for keywords.

    Of the workspace's corpus, never of its test split, filled up from the embedded demo.
    """
    texts, examples = list[str](), list[Example]()
    if workspace is not None and workspace.corpus_path.exists():
        with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
            for split in ("dev", "train", ""):
                for example in corpus.examples(split, labeled=False):
                    texts.append(example.text)
                    if len(texts) >= TOKEN_TEXTS:
                        break
            found = corpus.examples("dev")
            examples += [example for example, _n in zip(found, range(KEYWORD_TEXTS), strict=False)]
    texts += [example.text for example in _demo("train", TOKEN_TEXTS - len(texts))]
    if not examples:
        examples = _demo("dev", KEYWORD_TEXTS)
    return texts[:TOKEN_TEXTS], examples


def _demo(split: str, count: int) -> list[Example]:
    if count <= 0:
        return []
    records = open_records(assets() / "demo" / f"{split}.jsonl")
    found = examples_of(records, lambda _bad: None)
    return [example for example, _n in zip(found, range(count), strict=False)]


def _describe(
    order: Order, source: Path, fresh: Path, report: Report, workspace: Workspace | None
) -> None:
    root = workspace.root if workspace else None
    what = f"The model {source.name} as GGUF for llama.cpp and Ollama."
    base = _base(order, source, workspace)
    made = gather(source, order.target.name, what, base=base, workspace=root)
    facts = {
        "architecture": report.files[0].architecture,
        "files": ", ".join(f"{f.path.name} ({f.size / 1e6:,.1f} MB)" for f in report.files),
    }
    if not report.proofs:
        facts["proof"] = "none: it was exported without one"
    (fresh / CARD).write_text(card(made, facts, report.proofs), encoding="utf-8")
    proofs = [proof.to_json() for proof in report.proofs]
    (fresh / ORIGIN).write_text(origin_json(made, proofs=proofs), encoding="utf-8")


def _stem(target: Path) -> str:
    return target.name.removesuffix("-gguf").removesuffix("-ollama")


def _base(order: Order, source: Path, workspace: Workspace | None) -> Path | None:
    if not is_adapter(source):
        return None
    from engines.models.loading import base_of

    try:
        return base_of(source, [assets(), *([workspace.models] if workspace else [])])
    except UserError:
        return None
