"""`kwtui data`: the labeled texts of a workspace, from the command line."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import printable
from kwtui import context
from kwtui.columns import table

if TYPE_CHECKING:
    from engines.corpus.changes import Added
    from engines.corpus.formats import Item, Record
    from engines.corpus.store import Corpus
    from engines.records import Example

app = typer.Typer(no_args_is_help=True)

DONE_IN_PART = 3
STDIN = "-"
_OWN_KEYS = ("id", "text", "keywords", "labels", "output", "input", "split", "meta")
_JSON = typer.Option(False, "--json", help=_("JSON on stdout."))
_SPLIT = typer.Option("", "--split", metavar="NAME", help=_("Only this split."))


@app.command("import", help=_("Add texts and their keywords from a file."))
def import_(
    file: str = typer.Argument(
        ..., metavar="FILE|-", help=_("Texts: text, JSONL, CSV, Parquet or XLSX; - is stdin.")
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
    as_json: bool = _JSON,
) -> None:
    """Import a file in one step: broken lines are named and left out, exit code 3 when any were."""
    from engines.corpus.formats import open_records
    from engines.corpus.store import Corpus

    path = context.need_workspace().corpus_path
    items = open_records(
        file,
        format=format or None,
        encoding=encoding or None,
        text_column=text_column or None,
        on_note=_say,
    )
    usable = _Usable(file, items)
    examples = _not_none(file, usable)
    source = "" if file == STDIN else Path(file).name
    with Corpus.open(path, create=True) as corpus:
        added = corpus.add(
            examples, split=split, annotator=annotator, source=source, synthetic=synthetic
        )
    if as_json:
        _print({**added.to_json(), "refused": usable.refused})
    else:
        _tell(added, usable.refused)
    if usable.refused:
        raise typer.Exit(DONE_IN_PART)


@dataclass
class _Usable:
    """The examples of an input; broken lines are said on stderr and counted."""

    file: str
    items: Iterator[Item]
    refused: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[Example]:
        from engines.corpus.formats import BadLine

        for item in self.items:
            if isinstance(item, BadLine):
                self.refused += 1
                _say(item.sentence(self.file))
            else:
                yield _with_extras(item)


def _with_extras(record: Record) -> Example:
    """The example with the record's other keys as metadata, its id only where it had one."""
    raw, example = record.raw, record.example
    names = [name for name in raw if name not in _OWN_KEYS]
    if not raw.get("text") and not raw.get("input"):
        names = [name for name in names if name != "instruction"]
    extras = {name: raw[name] for name in names}
    identifier = example.id if raw.get("id") not in (None, "") else ""
    return replace(example, id=identifier, meta={**extras, **example.meta})


def _not_none(file: str, examples: _Usable) -> Iterator[Example]:
    """The examples, the first one read already: a file without any changes nothing."""
    reading = iter(examples)
    first = next(reading, None)
    if first is None:
        sentence = _("No line of {file} could be used: nothing was imported.")
        raise UserError(sentence.format(file=file))
    return itertools.chain([first], reading)


def _tell(added: Added, refused: int) -> None:
    """Say on stderr what became of the texts."""
    counts = [
        (added.new, _("new texts")),
        (added.duplicates, _("there already")),
        (added.labeled, _("with labels")),
        (added.conflicts, _("kept the labels that they had")),
        (added.kept, _("stayed in another split")),
        (added.renamed, _("got a new id, theirs was taken")),
        (added.blank, _("blank, left out")),
        (refused, _("refused")),
    ]
    shown = [f"{count:,} {what}" for count, what in counts if count or what == counts[0][1]]
    _say(", ".join(shown) + ".")


@app.command(help=_("Write the labeled texts to a file or to stdout."))
def export(
    output: str = typer.Option(
        STDIN, "--output", "-o", metavar="OUT", help=_("JSONL, CSV or Parquet by its name.")
    ),
    split: str = _SPLIT,
    annotator: str = typer.Option("", "--annotator", help=_("Only this person's labels.")),
    unlabeled: bool = typer.Option(False, "--unlabeled", help=_("Also texts without labels.")),
    format: str = typer.Option("", "--format", help=_("jsonl, csv or parquet.")),
) -> None:
    """Export examples that `kwtui data import` reads back."""
    from engines.corpus.writers import output_format, write_examples

    kind = output_format(output, format or None)
    with _corpus() as corpus:
        found = corpus.examples(split or None, annotator=annotator or None, labeled=not unlabeled)
        first = next(found, None)
        if first is None:
            raise UserError(_("No text matches: nothing was written."))
        count = write_examples(output, itertools.chain([first], found), kind)
    if output != STDIN:
        sentence = ngettext_("{count} text: {path}", "{count} texts: {path}", count)
        _say(sentence.format(count=f"{count:,}", path=output))


@app.command(help=_("Count texts, labels and keywords of each split."))
def stats(as_json: bool = _JSON) -> None:
    """Print how many texts there are, of which status, and what their labels hold."""
    with _corpus() as corpus:
        rows = _by_split(corpus)
        statuses, annotators = corpus.statuses(), corpus.annotators()
    if as_json:
        splits = {name: row.to_json() for name, row in rows.items()}
        _print({"splits": splits, "statuses": statuses, "annotators": annotators})
        return
    header = ["", _("texts"), _("labeled"), _("keywords"), _("different"), _("without any")]
    lines = table([header, *([name or _("no split"), *row.cells()] for name, row in rows.items())])
    for title, counts in ((_("status"), statuses), (_("annotator"), annotators)):
        if counts:
            numbers = [[name, f"{count:,}"] for name, count in counts.items()]
            lines += ["", *table([[title, _("texts")], *numbers])]
    sys.stdout.write(printable("\n".join(lines)) + "\n")


@dataclass
class _Split:
    """What one split holds; `empty` texts are labeled and have no keyword."""

    texts: int = 0
    labeled: int = 0
    keywords: int = 0
    empty: int = 0
    surfaces: set[str] = field(default_factory=set)

    def add(self, example: Example) -> None:
        self.texts += 1
        self.labeled += example.labeled
        self.keywords += len(example.keywords)
        self.empty += example.labeled and not example.keywords
        self.surfaces.update(keyword.surface for keyword in example.keywords)

    def cells(self) -> list[str]:
        return [f"{value:,}" for value in self.to_json().values()]

    def to_json(self) -> dict[str, int]:
        return {
            "texts": self.texts,
            "labeled": self.labeled,
            "keywords": self.keywords,
            "different": len(self.surfaces),
            "empty": self.empty,
        }


def _by_split(corpus: Corpus) -> dict[str, _Split]:
    rows: dict[str, _Split] = {}
    for example in corpus.examples(labeled=False):
        rows.setdefault(example.split, _Split()).add(example)
    return rows


@app.command(help=_("Put the texts that have no split yet into train, dev and test."))
def split(
    shares: str = typer.Option(
        "train=0.8,dev=0.1,test=0.1", "--shares", help=_("Names and shares of the splits.")
    ),
    seed: int = typer.Option(0, "--seed", help=_("Another seed, another split.")),
    as_json: bool = _JSON,
) -> None:
    """Split by hash of the text: equal texts stay together, and a text never moves."""
    from engines.corpus.splits import assign, parse_shares

    wanted = parse_shares(shares)
    with _corpus(readonly=False) as corpus:
        reason = f"hash {shares} seed {seed}"
        groups = corpus.assign_splits(
            lambda group: assign(group, wanted, seed), annotator="split", reason=reason
        )
        counts = corpus.splits()
    if as_json:
        _print({"assigned": groups, "splits": counts})
        return
    sentence = ngettext_("{count} group got its split.", "{count} groups got their split.", groups)
    _say(sentence.format(count=f"{groups:,}"))
    rows = [[name or _("no split"), f"{count:,}"] for name, count in counts.items()]
    sys.stdout.write(printable("\n".join(table(rows))) + "\n")


def _corpus(*, readonly: bool = True) -> Corpus:
    from engines.corpus.store import Corpus

    return Corpus.open(context.need_workspace().corpus_path, readonly=readonly)


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
