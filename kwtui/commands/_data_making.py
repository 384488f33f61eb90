"""`kwtui data draft`, `synthesize` and `backup`: labels and texts in bulk, and copies."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from glossary.i18n import _, ngettext_
from kwtui import context
from kwtui.commands._data import (
    ANNOTATOR,
    DONE_IN_PART,
    JSON,
    app,
    print_json,
    print_lines,
    say,
    surfaces,
    work_corpus,
)

if TYPE_CHECKING:
    from engines.extraction.drafting import Doubt
    from engines.workspace import Workspace
    from glossary.term import Term


@app.command(help=_("Let a strategy label texts, to be approved by people."))
def draft(
    strategy: str = typer.Option(..., "--strategy", metavar="NAME", help=_("Which one.")),
    limit: int = typer.Option(
        0, "--limit", metavar="N", min=0, help=_("So many texts at most; 0: all that wait.")
    ),
    again: bool = typer.Option(False, "--again", help=_("Also texts with a draft of it.")),
    annotator: str = ANNOTATOR,
    as_json: bool = JSON,
) -> None:
    """Label texts that nobody has labeled. They are marked as drafted for ever and never enter
    dev or test, so split first: texts of a held-out split get no draft.
    """
    from engines.extraction.drafting import draft as drafted
    from engines.extraction.drafting import waiting
    from engines.extraction.opening import Opener
    from kwtui.progress import Progress

    space = context.need_workspace()
    opener = Opener(context.settings(), space)
    extractor = opener.extractor(strategy)
    for note in opener.notes:
        say(note)
    corpus, _name = work_corpus(annotator)
    with corpus:
        texts = waiting(corpus, strategy, limit, again=again)
        with Progress(len(texts)) as bar:
            done = drafted(
                corpus,
                extractor,
                texts,
                doubt=_doubt(space, extractor.strategy.kind),
                on_progress=bar.update,
            )
    for sentence in done.errors:
        say(sentence)
    if as_json:
        print_json({"drafted": done.texts, "left": done.left, "unanswered": len(done.errors)})
    else:
        sentence = ngettext_("{count} text got a draft.", "{count} texts got a draft.", done.texts)
        say(sentence.format(count=f"{done.texts:,}"))
    if done.errors:
        raise typer.Exit(DONE_IN_PART)


def _doubt(space: Workspace, kind: str) -> Doubt | None:
    """The uncertainty that a CRF knows."""
    if kind != "crf":
        return None
    from engines.extraction.learned import learned_crf

    return learned_crf(space, "crf")[0].uncertainty


@app.command(help=_("Make labeled sentences from patterns and the glossary's terms."))
def synthesize(
    patterns: Path = typer.Argument(..., metavar="PATTERNS.toml", help=_("Patterns and words.")),
    count: int = typer.Option(0, "--count", "-n", metavar="N", min=0, help=_("So many texts.")),
    seed: int = typer.Option(-1, "--seed", help=_("Another seed, other sentences.")),
    output: Path | None = typer.Option(
        None, "--output", "-o", metavar="OUT", help=_("Write a file; change no corpus.")
    ),
    preview: int = typer.Option(
        0, "--preview", metavar="N", min=0, help=_("Show N sentences; change nothing.")
    ),
    as_json: bool = JSON,
) -> None:
    """Fill sentence patterns with terms, josa by the last sound. The texts are marked synthetic
    for ever and never enter dev or test.
    """
    from dataclasses import replace

    from engines.corpus.adding import ORIGIN
    from engines.corpus.store import Corpus
    from engines.corpus.synthesis import glossary_slots, read_patterns
    from engines.corpus.synthesis import synthesize as made

    space = context.need_workspace()
    given = read_patterns(patterns)
    number = preview or count or given.count
    start = given.seed if seed < 0 else seed
    examples = list(made(given, glossary_slots(_terms(space)), count=number, seed=start))
    if preview:
        if as_json:
            print_json([example.to_json() for example in examples])
            return
        for example in examples:
            print_lines([example.text, f"  {surfaces(example.keywords)}"])
        return
    if output is not None:
        from engines.corpus.writers import output_format, write_examples

        marked = [replace(e, meta={**e.meta, ORIGIN: "synthetic"}) for e in examples]
        written = write_examples(output, marked, output_format(output))
        new, there = written, 0
    else:
        with Corpus.open(space.corpus_path, create=True, on_note=say) as corpus:
            added = corpus.add(examples, source=patterns.name, split="train", synthetic=True)
        new, there = added.new, added.duplicates
    if as_json:
        print_json({"made": len(examples), "new": new, "duplicates": there})
        return
    if len(examples) < number:
        say(_("The patterns have no more to say."))
    sentence = ngettext_("{count} new text.", "{count} new texts.", new)
    say(sentence.format(count=f"{new:,}"))


def _terms(space: Workspace) -> list[Term]:
    if not space.glossary_path.exists():
        return []
    from glossary.store import Glossary

    return list(Glossary.open(space.glossary_path).terms())


@app.command(help=_("Copy the corpus to a file while others may work."))
def backup(
    target: Path | None = typer.Argument(
        None, metavar="[FILE]", help=_("A new file; else one in backups/ with the time.")
    ),
    as_json: bool = JSON,
) -> None:
    """Make a consistent, checked copy of the corpus with its whole history."""
    from engines.corpus.backup import backup as copied
    from engines.corpus.session import BACKUPS

    space = context.need_workspace()
    if target is None:
        folder = space.root / BACKUPS
        folder.mkdir(exist_ok=True)
        target = folder / f"corpus-{datetime.now():%Y%m%d-%H%M%S}.sqlite"
    size = copied(space.corpus_path, target)
    if as_json:
        print_json({"path": str(target), "bytes": size})
    else:
        say(_("{path}, {size} bytes.").format(path=target, size=f"{size:,}"))
