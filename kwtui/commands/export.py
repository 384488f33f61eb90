"""`kwtui export`: whole models, GGUF files, Ollama and bundles, each proven and with a card."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui import context
from kwtui.columns import table
from kwtui.progress import Progress

if TYPE_CHECKING:
    from engines.export.exporting import Order, Report
    from engines.export.proof import Proof

app = typer.Typer(add_completion=False, no_args_is_help=True)

MODEL = typer.Argument(..., metavar="MODEL", help=_("A model or adapter: name or folder."))
OUT = typer.Option(
    None, "-o", "--output", metavar="DIR", help=_("The new folder; else in the models of here.")
)
FORCE = typer.Option(False, "--force", help=_("Replace what is there."))
JSON = typer.Option(False, "--json", help=_("One JSON object on stdout."))
PROOF = typer.Option(True, "--proof/--no-proof", help=_("Run the file and compare it."))
PROMPTS = typer.Option(
    "", "--strategy", "-s", metavar="NAME", help=_("The strategy whose prompts are asked.")
)
THREADS = typer.Option(0, "--threads", min=0, help=_("CPU threads of llama.cpp; 0: all."))


@app.command("merge")
def merge_command(
    model: str = MODEL,
    output: Path | None = OUT,
    dtype: str = typer.Option(
        "auto", "--dtype", help=_("float32, bfloat16, float16, or auto: as the base is stored.")
    ),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Merge an adapter into its full-precision base: a whole model as safetensors."""
    from engines.export.merge import merge

    source, target = _source(model), _target(model, "-merged", output)
    found = context.workspace()
    with Steps() as steps:
        made = merge(
            source,
            target,
            folders=_folders(),
            dtype=dtype,
            workspace=found.root if found else None,
            replace=force,
            on_progress=steps.show,
        )
    if as_json:
        _json({**asdict(made), "path": str(made.path)})
        return
    sentence = _(
        "{path}: {parameters} parameters as {dtype}; the largest difference of a logit is "
        "{distance}. An answer ends at {stop}."
    )
    _say(
        sentence.format(
            path=made.path,
            parameters=f"{made.parameters:,}",
            dtype=made.dtype,
            distance=f"{made.distance:.2g}",
            stop=", ".join(made.stop),
        )
    )


@app.command("gguf")
def gguf_command(
    model: str = MODEL,
    types: str = typer.Option(
        "f16", "--type", "-t", help=_("f32, f16, bf16, q8_0, q4_k_m; several with commas.")
    ),
    output: Path | None = OUT,
    strategy: str = PROMPTS,
    proof: bool = PROOF,
    converter: str = typer.Option(
        "own", "--converter", help=_("own, llama.cpp (of your folder), or both, compared.")
    ),
    threads: int = THREADS,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write GGUF files for llama.cpp, run them, and compare them with the model."""
    if converter not in ("own", "llama.cpp", "both"):
        raise UserError(_("--converter is own, llama.cpp or both."))
    order = _order(model, "-gguf", output, types, strategy, proof, force, converter=converter)
    _export(order, threads, as_json)


@app.command("ollama")
def ollama_command(
    model: str = MODEL,
    kind: str = typer.Option("f16", "--type", "-t", help=_("The type of the GGUF file.")),
    output: Path | None = OUT,
    strategy: str = typer.Option(
        "", "--strategy", "-s", metavar="NAME", help=_("Put every text into its prompt.")
    ),
    name: str = typer.Option("", "--name", help=_("The name in Ollama; else the model's.")),
    create: bool = typer.Option(
        True, "--create/--no-create", help=_("Have Ollama take it, where it is installed.")
    ),
    proof: bool = PROOF,
    threads: int = THREADS,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a folder for Ollama: a GGUF file and a Modelfile with template and stop tokens."""
    from engines.export.ollama import create_in_ollama

    order = _order(model, "-ollama", output, kind, strategy, proof, force, ollama=True)
    known = (name or order.target.name.removesuffix("-ollama")).lower()
    report = _export(order, threads, as_json, quiet=create)
    if create:
        notes = create_in_ollama(report.folder, known, context.settings())
        for note in notes:
            _note(note)
        if not notes:
            _note(_("Ollama knows it as {name}: `ollama run {name}`.").format(name=known))
        if as_json:
            _json({**report.to_json(), "created": not notes, "name": known})


@app.command("bundle")
def bundle_command(
    strategy: str = typer.Argument(..., metavar="STRATEGY", help=_("A strategy of config.toml.")),
    output: Path | None = OUT,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Pack a strategy into a folder that works elsewhere: model, terms, prompt and settings."""
    from engines.export.bundle import bundle

    target = output or _home() / f"{strategy}-bundle"
    with Steps() as steps:
        made = bundle(
            strategy,
            target.absolute(),
            context.settings(),
            context.workspace(),
            replace=force,
            on_progress=steps.show,
        )
    if as_json:
        _json({**asdict(made), "folder": str(made.folder)})
        return
    sentence = _("{path}: {size} MB, {terms} terms, {cases} labeled texts.")
    size = f"{made.size / 1e6:,.1f}"
    terms, cases = f"{made.terms:,}", f"{made.cases:,}"
    _say(sentence.format(path=made.folder, size=size, terms=terms, cases=cases))
    _say(_("Elsewhere: `kwtui extract --bundle {name} FILE`.").format(name=made.folder.name))


class Steps:
    """Progress in stages: a new bar for each."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._stage = ""

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.clear()

    def show(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""
        if stage != self._stage or self._bar is None:
            if self._bar is not None:
                self._bar.clear()
            self._bar, self._stage = Progress(total), stage
        self._bar.update(done)


def proof_lines(proofs: tuple[Proof, ...]) -> list[str]:
    """What came out of the proofs, as a table and a sentence."""
    from engines.export.ties import NEAR

    if not proofs:
        return []
    head = [_("type"), _("size"), _("same tokens"), _("same keywords"), "F1", _("difference")]
    rows = [
        [
            proof.type,
            f"{proof.size / 1e6:,.1f} MB",
            f"{proof.same_tokens:,}/{proof.token_texts:,}",
            f"{proof.same_keywords:,}/{proof.keyword_texts:,}",
            f"{proof.f1:.4f}",
            f"{proof.difference:+.4f}",
        ]
        for proof in proofs
    ]
    gold = _("F1 against the labels; the model itself has {f1}.")
    own = _("F1 against the keywords of the model itself.")
    sentence = gold if proofs[0].against == "gold" else own
    lines = [*table([head, *rows]), sentence.format(f1=f"{proofs[0].f1_model:.4f}")]
    ties = sum(proof.ties for proof in proofs)
    if ties:
        tie = ngettext_(
            "{count} text of f32 parts where the two best tokens lie within {near} logits.",
            "{count} texts of f32 part where the two best tokens lie within {near} logits.",
            ties,
        )
        lines.append(tie.format(count=ties, near=NEAR))
    return lines


def _order(
    model: str,
    ending: str,
    output: Path | None,
    types: str,
    strategy: str,
    proof: bool,
    force: bool,
    *,
    converter: str = "own",
    ollama: bool = False,
) -> Order:
    from engines.export.exporting import Order
    from engines.extraction.strategy import find_strategy

    settings = context.settings()
    chosen = find_strategy(settings.strategies, strategy) if strategy else None
    return Order(
        _source(model),
        _target(model, ending, output),
        tuple(kind.strip() for kind in types.split(",") if kind.strip()),
        chosen or settings.strategies.get("prompt"),
        proof,
        converter,
        force,
        ollama,
        wrapped=bool(chosen),
    )


def _export(order: Order, threads: int, as_json: bool, *, quiet: bool = False) -> Report:
    from engines.export.exporting import export

    with Steps() as steps:
        report = export(
            order,
            context.settings(),
            context.workspace(),
            threads=threads,
            on_progress=steps.show,
        )
    if as_json:
        if not quiet:
            _json(report.to_json())
        return report
    for line in proof_lines(report.proofs):
        _say(line)
    for file in report.files:
        _say(f"{file.path}  {file.size / 1e6:,.1f} MB")
    for note in report.notes:
        _note(note)
    if report.comparison is not None:
        _compared(report)
    return report


def _compared(report: Report) -> None:
    assert report.comparison is not None
    found = report.comparison
    sentence = ngettext_(
        "llama.cpp's own converter: {same} of {count} tensor is the same.",
        "llama.cpp's own converter: {same} of {count} tensors are the same.",
        found.tensors,
    )
    _say(sentence.format(same=found.same_tensors, count=found.tensors))
    for line in found.different:
        _say(f"  {line}")


def _source(model: str) -> Path:
    from engines.models.registry import resolve

    return resolve(model, _folders())


def _folders() -> list[Path]:
    found = context.workspace()
    return context.settings().model_folders(found.root if found else None)


def _target(model: str, ending: str, output: Path | None) -> Path:
    return (output or _home() / f"{Path(model).name}{ending}").absolute()


def _home() -> Path:
    found = context.workspace()
    if found is None:
        raise UserError(_("There is no workspace here: name a new folder with -o DIR."))
    return found.models


def _json(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, ensure_ascii=False, indent=1) + "\n")


def _say(line: str) -> None:
    sys.stdout.write(printable(line) + "\n")


def _note(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
