"""`kwtui tokenizer`: what a vocabulary does to a domain, and models with another one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _
from glossary.text import printable
from kwtui import context
from kwtui.commands import _tokenizer_text
from kwtui.tokenizer_figures import ladder_advice

if TYPE_CHECKING:
    from engines.tokenizer.build import Built, Material, Wish

app = typer.Typer(add_completion=False, no_args_is_help=True)

MODEL = typer.Option("kw-mini", "--model", metavar="MODEL", help=_("A local model."))
NAME = typer.Option("", "--name", metavar="NAME", help=_("Name of the new model."))
OUTPUT = typer.Option(
    None, "-o", "--output", metavar="DIR", help=_("Its folder; else in the workspace's models/.")
)
TERMS = typer.Option(
    None, "--terms", metavar="FILE", help=_("A file of terms; else the workspace's glossary.")
)
TEXTS = typer.Option(
    None, "--texts", metavar="FILE", help=_("A file of texts; else the workspace's corpus.")
)
GENERAL = typer.Option(
    None, "--general", metavar="FILE", help=_("Text of no domain; else the embedded Korean one.")
)
BUDGET = typer.Option(500, "--budget", min=0, metavar="N", help=_("Terms at most; 0: all."))
METHOD = typer.Option(
    "auto", "--method", metavar="METHOD", help=_("auto, symbol, merges or piece.")
)
ROWS = typer.Option(
    "scaled", "--rows", metavar="HOW", help=_("New embeddings: scaled, mean, focus or random.")
)
GROWTH = typer.Option(
    0.3, "--growth", min=0.0, metavar="PERCENT", help=_("How much longer general text may get.")
)
SEED = typer.Option(7, "--seed", min=0)
JSON = typer.Option(False, "--json", help=_("One JSON object on stdout."))


@app.command("audit")
def audit(
    models: list[str] = typer.Argument(
        None, metavar="[MODEL]...", help=_("Local models, compared side by side; else kw-mini.")
    ),
    terms: Path | None = TERMS,
    texts: Path | None = TEXTS,
    general: Path | None = GENERAL,
    worst: int = typer.Option(20, "--worst", min=0, metavar="N", help=_("Terms listed.")),
    as_json: bool = JSON,
) -> None:
    """Measure how a model's tokenizer splits the domain's texts and terms."""
    from engines.tokenizer.advice import advice
    from engines.tokenizer.audit import audit as measure
    from engines.tokenizer.files import Tokenizer
    from kwtui.progress import Progress

    opened = [Tokenizer.open(_resolve(name)) for name in models or ["kw-mini"]]
    material = _material(terms, texts, general)
    found = []
    for tokenizer in opened:
        with Progress() as progress:
            found.append(
                measure(
                    tokenizer,
                    material.texts(),
                    material.terms,
                    general=material.general,
                    progress=progress.update,
                )
            )
    said = [*ladder_advice(context.workspace()), *advice(found[0])]
    if as_json:
        rows = [{**one.to_json(), "worst": one.to_json()["worst"][:worst]} for one in found]
        _json({"audits": rows, "advice": said})
        return
    _lines([*_tokenizer_text.audits(found, worst), "", *said])


@app.command("extend")
def extend(
    model: str = MODEL,
    name: str = NAME,
    output: Path | None = OUTPUT,
    terms: Path | None = TERMS,
    texts: Path | None = TEXTS,
    general: Path | None = GENERAL,
    budget: int = BUDGET,
    method: str = METHOD,
    rows: str = ROWS,
    growth: float = GROWTH,
    seed: int = SEED,
    as_json: bool = JSON,
) -> None:
    """Make a model whose vocabulary holds the best terms, each as one token."""
    from engines.tokenizer.build import extend as build

    base = _resolve(model)
    wish = _wish(method, rows, budget, growth, seed)
    final = _final(base, name, output, "terms")
    _show(build(base, final, _material(terms, texts, general), wish, stage=_stage), as_json)


@app.command("replace")
def replace(
    model: str = MODEL,
    name: str = NAME,
    output: Path | None = OUTPUT,
    terms: Path | None = TERMS,
    texts: Path | None = TEXTS,
    general: Path | None = GENERAL,
    budget: int = BUDGET,
    rows: str = ROWS,
    growth: float = GROWTH,
    seed: int = SEED,
    as_json: bool = JSON,
) -> None:
    """Put terms in the place of pieces that no text uses; the size stays."""
    from engines.tokenizer.rebuild import replace as build
    from engines.tokenizer.texts import general_texts

    base = _resolve(model)
    wish = _wish("symbol", rows, budget, growth, seed)
    final = _final(base, name, output, "replaced")
    made = build(
        base,
        final,
        _material(terms, texts, general),
        wish,
        general=general_texts(general),
        stage=_stage,
    )
    _show(made, as_json)


@app.command("retrain")
def retrain(
    model: str = MODEL,
    name: str = NAME,
    output: Path | None = OUTPUT,
    terms: Path | None = TERMS,
    texts: Path | None = TEXTS,
    general: Path | None = GENERAL,
    size: int = typer.Option(32_000, "--size", min=1, metavar="N", help=_("Tokens in all.")),
    kind: str = typer.Option("same", "--kind", metavar="KIND", help=_("same, bpe or unigram.")),
    budget: int = BUDGET,
    rows: str = ROWS,
    growth: float = GROWTH,
    seed: int = SEED,
    as_json: bool = JSON,
) -> None:
    """Learn the vocabulary anew from the domain and general text."""
    from engines.tokenizer.rebuild import Anew
    from engines.tokenizer.rebuild import retrain as build
    from engines.tokenizer.retrain import KINDS
    from engines.tokenizer.texts import general_texts

    base = _resolve(model)
    chosen: Any = _one_of("--kind", kind, KINDS)
    wish = _wish("auto", rows, budget, growth, seed)
    final = _final(base, name, output, "retrained")
    anew = Anew(size, chosen, general_texts(general))
    made = build(base, final, _material(terms, texts, general), anew, wish, stage=_stage)
    _show(made, as_json)


def _resolve(name: str) -> Path:
    from engines.models.registry import resolve

    space = context.workspace()
    return resolve(name, context.settings().model_folders(space.root if space else None))


def _material(terms: Path | None, texts: Path | None, general: Path | None) -> Material:
    """Terms and texts of the files that are named, else of the workspace."""
    from engines.tokenizer import build
    from engines.tokenizer import texts as sources

    whole = build.GENERAL_SENTENCES
    if terms and texts:
        known = sources.file_terms(terms)
        kept = list(sources.file_texts(texts))
        return build.Material(known, lambda: kept, sources.general_texts(general, whole))
    space = context.need_workspace()
    if not terms and not texts:
        return build.workspace_material(space, general)
    known = sources.file_terms(terms) if terms else sources.glossary_terms(space)
    outside = sources.general_texts(general, whole)
    if texts:
        kept = list(sources.file_texts(texts))
        return build.Material(known, lambda: kept, outside)
    return build.Material(
        known,
        lambda: sources.corpus_texts(space),
        outside,
        lambda: sources.corpus_texts(space, held_out=True),
    )


def _wish(method: str, rows: str, budget: int, growth: float, seed: int) -> Wish:
    from engines.tokenizer.build import Wish
    from engines.tokenizer.embeddings import ROWS
    from engines.tokenizer.methods import METHODS

    chosen: Any = _one_of("--method", method, METHODS)
    how: Any = _one_of("--rows", rows, ROWS)
    return Wish(chosen, how, budget, growth / 100, seed)


def _one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        message = _("{option} {value}: it is one of {known}.")
        raise UserError(message.format(option=option, value=value, known=", ".join(known)))
    return value


def _final(base: Path, name: str, output: Path | None, ending: str) -> Path:
    if output is not None:
        return output.absolute()
    if "/" in name or name in (".", ".."):
        raise UserError(_("--name {name}: a name without slashes.").format(name=name))
    return context.need_workspace().models / (name or f"{base.name}-{ending}")


def _show(made: Built, as_json: bool) -> None:
    if as_json:
        values = made.to_json()
        _json({**values, "path": str(made.path)})
        return
    _lines(_tokenizer_text.built(made))


def _stage(name: str) -> None:
    print(printable(name + " …"), file=sys.stderr)


def _json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _lines(lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(printable(line).rstrip() + "\n")
