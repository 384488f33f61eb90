"""`kwtui data import` and `export`: every format in and out, with a look before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from kwtui import context
from kwtui.commands._data import (
    DONE_IN_PART,
    JSON,
    SPLIT,
    STDIN,
    app,
    print_json,
    print_lines,
    read_corpus,
    say,
    surfaces,
)

if TYPE_CHECKING:
    from engines.corpus.changes import Added
    from engines.corpus.formats import BadLine, Item
    from engines.corpus.store import Corpus, Given
    from engines.records import Example
    from kwtui.progress import Progress

# So many new texts are compared with the others at once; of more, `kwtui data split` takes care.
_COMPARED = 50_000


@app.command("import", help=_("Add texts and their keywords from a file."))
def import_(
    file: str = typer.Argument(
        ...,
        metavar="FILE|-",
        help=_("Text, JSONL, CSV, XLSX, Parquet, CoNLL, a datasets folder; - is stdin."),
    ),
    split: str = typer.Option(
        "", "--split", metavar="NAME", help=_("Split of the texts whose record names none.")
    ),
    annotator: str = typer.Option("import", "--annotator", help=_("Whose labels they are.")),
    synthetic: bool = typer.Option(
        False, "--synthetic", help=_("Mark the texts as generated: they never enter dev or test.")
    ),
    format: str = typer.Option("", "--format", help=_("Format instead of a look at the file.")),
    encoding: str = typer.Option("", "--encoding", help=_("Encoding instead of a strict trial.")),
    text_column: str = typer.Option(
        "", "--text-column", metavar="NAME", help=_("The column or key that holds the text.")
    ),
    cut: int = typer.Option(
        0, "--cut", metavar="N", min=0, help=_("Cut texts of over N characters at sentences.")
    ),
    preview: int = typer.Option(
        0, "--preview", metavar="N", min=0, help=_("Show N texts as understood; change nothing.")
    ),
    as_json: bool = JSON,
) -> None:
    """Import a file in one step: broken lines are named and left out, exit code 3 when any were.

    Read are plain {"text", "keywords"} and {"text", "labels"}, instruction records, and what
    doccano, Prodigy and Label Studio export. Keywords without a place are labeled at every
    occurrence.
    """
    from engines.corpus.formats import open_records
    from engines.corpus.store import Corpus

    path = context.need_workspace().corpus_path
    items = open_records(
        file,
        format=format or None,
        encoding=encoding or None,
        text_column=text_column or None,
        on_note=say,
    )
    usable = _Usable(file, items, cut)
    if preview:
        _preview(usable, preview, as_json)
        return
    given = _not_none(file, usable)
    source = "" if file == STDIN else Path(file).name
    with Corpus.open(path, create=True, on_note=say) as corpus:
        with _watched(usable):
            added = corpus.add(
                given, split=split, annotator=annotator, source=source, synthetic=synthetic
            )
        joined, excluded = _grouped(corpus, added)
    if as_json:
        document = {**added.to_json(), "refused": usable.refused}
        print_json({**document, "joined": joined, "excluded": excluded})
    else:
        _tell(added, usable.refused, joined, len(excluded))
    if usable.refused:
        raise typer.Exit(DONE_IN_PART)


@dataclass
class _Usable:
    """The records of an input; broken lines are said on stderr and counted."""

    file: str
    items: Iterator[Item]
    cut: int = 0
    bar: Progress | None = None
    refused: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Given]:
        from engines.corpus.alignment import given, pieces
        from engines.corpus.formats import BadLine
        from engines.corpus.sources import TEXT_LIMIT

        for number, item in enumerate(self.items, 1):
            if self.bar is not None:
                self.bar.update(number)
            if isinstance(item, BadLine):
                self._refuse(item)
                continue
            found = list(pieces(given(item), self.cut)) if self.cut else [given(item)]
            if any(len(one.example.text) > TEXT_LIMIT for one in found):
                sentence = _("the text has more than {limit} characters; put one text on a line.")
                self._refuse(BadLine(item.line, sentence.format(limit=f"{TEXT_LIMIT:,}")))
            else:
                yield from found

    def _refuse(self, bad: BadLine) -> None:
        self.refused += 1
        if self.bar is not None:
            self.bar.clear()
        say(bad.sentence(self.file))


@contextmanager
def _watched(usable: _Usable) -> Iterator[None]:
    """A line of progress; an interrupt is said to have changed nothing."""
    from kwtui.failures import INTERRUPTED
    from kwtui.progress import Progress

    try:
        with Progress() as usable.bar:
            yield
    except KeyboardInterrupt:
        say(_("Interrupted: nothing was imported."))
        raise typer.Exit(INTERRUPTED) from None


def _not_none(file: str, usable: _Usable) -> Iterator[Given]:
    """The records, the first one read already: a file without any changes nothing."""
    reading = iter(usable)
    first = next(reading, None)
    if first is None:
        sentence = _("No line of {file} could be used: nothing was imported.")
        raise UserError(sentence.format(file=file))
    return itertools.chain([first], reading)


def _preview(usable: _Usable, number: int, as_json: bool) -> None:
    """Show how the first records are understood, and read the rest for what is refused."""
    shown: list[Example] = []
    count = labeled = ambiguous = lost = 0
    for given in usable:
        example = given.example
        count += 1
        labeled += example.labeled
        ambiguous += given.places
        lost += len(example.meta.get("ungrounded", ()))
        if len(shown) < number:
            shown.append(example)
    totals = {
        "records": count,
        "labeled": labeled,
        "refused": usable.refused,
        "ambiguous": ambiguous,
        "ungrounded": lost,
    }
    if as_json:
        print_json({**totals, "preview": [example.to_json() for example in shown]})
    else:
        for example in shown:
            print_lines([example.text, f"  {surfaces(example.keywords)}"])
        counts = [
            (count, _("records")),
            (labeled, _("with labels")),
            (usable.refused, _("refused")),
            (ambiguous, _("keywords at several places")),
            (lost, _("keywords that their text does not hold")),
        ]
        said = ", ".join(f"{number:,} {what}" for number, what in counts if number)
        say(_("{counts}; nothing was imported.").format(counts=said or "0"))
    if usable.refused:
        raise typer.Exit(DONE_IN_PART)


def _grouped(corpus: Corpus, added: Added) -> tuple[int, dict[str, str]]:
    """Let new texts join the splits of their near-duplicates, where there are splits."""
    splits = corpus.splits()
    if not added.new or not splits.get("") or len(splits) < 2:
        return 0, {}
    if added.new > _COMPARED:
        say(_("Near-duplicates were not looked for: `kwtui data split` does it."))
        return 0, {}
    from kwtui.commands._data_splits import group_near

    found = group_near(corpus, "import")
    return found.joined, found.excluded


def _tell(added: Added, refused: int, joined: int, excluded: int) -> None:
    """Say on stderr what became of the texts."""
    say(
        ngettext_("{count} new text.", "{count} new texts.", added.new).format(
            count=f"{added.new:,}"
        )
    )
    counts = [
        (added.duplicates, _("there already")),
        (added.labeled, _("with labels")),
        (added.ambiguous, _("keywords at several places, all labeled")),
        (added.ungrounded, _("keywords that their text does not hold")),
        (added.conflicts, _("kept the labels that they had")),
        (added.kept, _("stayed in another split")),
        (joined, _("joined their near-duplicates")),
        (excluded, _("left out as bridges between splits")),
        (added.renamed, _("got a new id, theirs was taken")),
        (added.blank, _("blank, left out")),
        (refused, _("refused")),
    ]
    shown = [f"{what}: {count:,}" for count, what in counts if count]
    if shown:
        say("; ".join(shown) + ".")


@app.command(help=_("Write the labeled texts to a file or to stdout."))
def export(
    output: str = typer.Option(
        STDIN, "--output", "-o", metavar="OUT", help=_("A file; its name says the format.")
    ),
    split: str = SPLIT,
    annotator: str = typer.Option("", "--annotator", help=_("Only this person's labels.")),
    unlabeled: bool = typer.Option(False, "--unlabeled", help=_("Also texts without labels.")),
    everyone: bool = typer.Option(
        False, "--everyone", help=_("JSONL with a line for each annotator of a text.")
    ),
    format: str = typer.Option(
        "",
        "--format",
        help=_(
            "jsonl, labels, instruction, doccano, prodigy, labelstudio, conll, csv, xlsx, parquet "
            "or hf (a datasets folder)."
        ),
    ),
    as_json: bool = JSON,
) -> None:
    """Export examples that `kwtui data import` reads back."""
    from engines.corpus.writers import open_writer, output_format

    kind = output_format(output, format or None)
    if everyone and kind != "jsonl":
        raise UserError(_("--everyone writes JSONL: leave --format out or name a .jsonl file."))
    if as_json and output == STDIN:
        raise UserError(_("--json says what was written: name a file with -o."))
    with read_corpus() as corpus:
        rows = (
            _labelings(corpus, split)
            if everyone
            else (
                example.to_json()
                for example in corpus.examples(
                    split or None, annotator=annotator or None, labeled=not unlabeled
                )
            )
        )
        first = next(rows, None)
        if first is None:
            raise UserError(_("No text matches: nothing was written."))
        count = 0
        with open_writer(output, kind) as write:
            for row in itertools.chain([first], rows):
                write(row)
                count += 1
    if as_json:
        print_json({"written": count, "path": output, "format": kind})
    elif output != STDIN:
        sentence = ngettext_("{count} text: {path}", "{count} texts: {path}", count)
        say(sentence.format(count=f"{count:,}", path=output))


def _labelings(corpus: Corpus, split: str) -> Iterator[dict[str, Any]]:
    """One row a labeling that is no draft, with its annotator, status and note."""
    for example in corpus.examples(split or None, labeled=False):
        for name, one in corpus.labelings(example.id).items():
            if one.status == "draft":
                continue
            meta = {k: v for k, v in example.meta.items() if k != "ungrounded"}
            own = replace(example, keywords=one.keywords, labeled=True, meta=meta)
            said = {"annotator": name, "status": one.status, "note": one.note}
            yield {**own.to_json(), **{k: v for k, v in said.items() if v}}
