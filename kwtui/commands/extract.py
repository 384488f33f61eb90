"""`kwtui extract`: keywords of a file, of stdin or of one text, as JSON lines."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from engines.records import Example
from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from glossary.text import normalise, printable
from kwtui import context
from kwtui.progress import Progress
from kwtui.resuming import Begun, begun, corrected, partial_of, remaining

if TYPE_CHECKING:
    from engines.corpus.formats import Item
    from engines.extraction.extractor import Extractor
    from engines.records import Prediction
    from engines.settings import Settings
    from engines.workspace import Workspace

STDIN = "-"
DONE_IN_PART = 3


def command(
    file: str = typer.Argument(
        "", metavar="[FILE|-]", help=_("Texts: text, JSONL, CSV, Parquet or XLSX; - is stdin.")
    ),
    strategy: str = typer.Option(
        "", "--strategy", "-s", metavar="NAME", help=_("A strategy of config.toml.")
    ),
    text: str = typer.Option("", "--text", "-t", help=_("One text given here instead of a file.")),
    format: str = typer.Option(
        "", "--format", help=_("text, jsonl, csv, parquet or xlsx instead of a look at the file.")
    ),
    encoding: str = typer.Option("", "--encoding", help=_("Encoding instead of a strict trial.")),
    text_column: str = typer.Option(
        "", "--text-column", metavar="NAME", help=_("The column or key that holds the text.")
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", metavar="OUT", help=_("File for the result instead of stdout.")
    ),
    resume: bool = typer.Option(
        False,
        "--resume",
        help=_("Go on with what an interrupted run left; texts without an answer are asked again."),
    ),
    show_prompt: bool = typer.Option(
        False, "--show-prompt", help=_("Print the exact prompts and ask no model.")
    ),
    model: str = typer.Option(
        "", "--model", "-m", help=_("Another model than the strategy's: name or folder.")
    ),
    batch_size: int = typer.Option(
        0, "--batch-size", min=0, max=1024, help=_("Texts decoded together; 0: the strategy's.")
    ),
    bundle: Path | None = typer.Option(
        None, "--bundle", metavar="DIR", help=_("A strategy packed by `kwtui export bundle`.")
    ),
    as_json: bool = typer.Option(
        False, "--json", help=_("One JSON object a text: what is printed anyway.")
    ),
) -> None:
    """Extract keywords: one JSON line a text, in order, offsets in code points."""
    from engines.extraction.opening import Opener

    if output is not None:
        _check_output(output)
    elif resume:
        raise UserError(_("--resume goes on with a file; name it with -o OUT."))
    bad = _BadLines()
    examples = _examples(file, text, format, encoding, text_column, bad)
    settings, workspace, packed = _place(bundle, strategy, model)
    opener = Opener(settings, workspace)
    extractor = opener.extractor(
        strategy or packed or opener.default_name(),
        model=model or None,
        batch_size=batch_size or None,
    )
    for note in opener.notes:
        _say(note)
    if show_prompt:
        _show_prompts(extractor, examples)
    else:
        done = begun(output, extractor.name, extractor.model) if output and resume else None
        _extract(extractor, examples, output, None if text else _total(file), bad, done)
    bad.say_formless()
    if bad.count:
        raise typer.Exit(DONE_IN_PART)


def _place(
    bundle: Path | None, strategy: str, model: str
) -> tuple[Settings, Workspace | None, str]:
    """Settings, workspace and strategy: those of the bundle, where one is given."""
    if bundle is None:
        return context.settings(), context.workspace(), ""
    if strategy or model:
        raise UserError(_("A bundle brings its strategy and model: give neither with --bundle."))
    from engines.export.opened import open_bundle

    return open_bundle(bundle)


class _BadLines:
    """Says each line that could not be used and each text without an answer, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self.formless = 0
        self.progress: Progress | None = None

    def report(self, sentence: str) -> None:
        self.count += 1
        if self.progress is not None:
            self.progress.clear()
        _say(sentence)

    def watched(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        for prediction in predictions:
            if prediction.error:
                self.report(prediction.error)
            elif not prediction.valid:
                self.formless += 1
            yield prediction

    def say_formless(self) -> None:
        if self.formless:
            sentence = ngettext_(
                '{count} answer was no list of keywords; its line has "valid": false.',
                '{count} answers were no lists of keywords; their lines have "valid": false.',
                self.formless,
            )
            _say(sentence.format(count=f"{self.formless:,}"))


def _examples(
    file: str, text: str, format: str, encoding: str, text_column: str, bad: _BadLines
) -> Iterator[Example]:
    """The input's texts; the input is opened, and refused, before this returns."""
    if text:
        if file:
            raise UserError(_("Give either a file or --text, not both."))
        return iter([Example("1", normalise(text))])
    if not file and sys.stdin.isatty():
        raise UserError(_("Nothing to read: give a file, - for stdin, or --text."))
    from engines.corpus.formats import open_records

    source = file or STDIN
    items = open_records(
        source,
        format=format or None,
        encoding=encoding or None,
        text_column=text_column or None,
        on_note=_say,
    )
    return _usable(items, source, bad)


def _usable(items: Iterator[Item], source: str, bad: _BadLines) -> Iterator[Example]:
    from engines.corpus.formats import BadLine
    from engines.corpus.sources import TEXT_LIMIT

    for item in items:
        if isinstance(item, BadLine):
            bad.report(item.sentence(source))
        elif len(item.example.text) > TEXT_LIMIT:
            reason = _("the text has more than {limit} characters; put one text on a line.")
            line = BadLine(item.line, reason.format(limit=f"{TEXT_LIMIT:,}"))
            bad.report(line.sentence(source))
        else:
            yield item.example


def _extract(
    extractor: Extractor,
    examples: Iterator[Example],
    output: Path | None,
    total: int | None,
    bad: _BadLines,
    begun_with: Begun | None,
) -> None:
    if begun_with is not None and output is not None:
        examples = remaining(examples, begun_with)
        begun_with = _asked_again(extractor, begun_with, partial_of(output), bad)
    done = first = begun_with.lines if begun_with else 0
    sink = _sink(output) if begun_with is None else _going_on(begun_with, output)
    with Progress(total, first=first) as progress, sink as out:
        bad.progress = progress

        def on_progress(count: int) -> None:
            progress.update(first + count)

        for prediction in bad.watched(extractor.extract(examples, on_progress=on_progress)):
            out.write(json.dumps(prediction.to_json(), ensure_ascii=False) + "\n")
            done += 1
        out.flush()
    if output is not None:
        sentence = ngettext_("{count} text: {path}", "{count} texts: {path}", done)
        _say(sentence.format(count=f"{done:,}", path=output))


def _asked_again(extractor: Extractor, done: Begun, partial: Path, bad: _BadLines) -> Begun:
    """Ask once more about those texts of an unfinished file that got no answer."""
    answers: dict[int, Prediction] = {}
    texts = [example for _line, example in done.lost]
    try:
        found = bad.watched(extractor.extract(texts))
        for (line, _example), prediction in zip(done.lost, found, strict=True):
            answers[line] = prediction
    finally:
        done = corrected(done, answers, partial)
    return done


@contextmanager
def _sink(output: Path | None) -> Iterator[TextIO]:
    """stdout, or a file that takes its name only when it is whole.

    What an interrupted run has written stays beside it as NAME.partial.
    """
    if output is None:
        yield sys.stdout
        return
    if output.exists() and not output.is_file():
        with output.open("w", encoding="utf-8") as device:
            yield device
        return
    partial = partial_of(output)
    with tempfile.TemporaryDirectory(prefix=".kwtui-", dir=output.parent) as folder:
        fresh = Path(folder) / output.name
        try:
            with fresh.open("w", encoding="utf-8", newline="\n") as out:
                yield out
        except BaseException:
            if fresh.stat().st_size:
                fresh.replace(partial)
                _say(_("What was done so far is in {path}.").format(path=partial))
            raise
        fresh.replace(output)


@contextmanager
def _going_on(done: Begun, output: Path | None) -> Iterator[TextIO]:
    """The unfinished file, after its last whole line; it takes its name when it is whole."""
    with done.path.open("a", encoding="utf-8", newline="\n", buffering=1) as out:
        out.truncate(done.size)
        yield out
    if output is not None:
        done.path.replace(output)


def _check_output(output: Path) -> None:
    if output.is_dir():
        raise UserError(_("{path} is a folder: name a file.").format(path=output))
    if not output.parent.is_dir():
        raise UserError(_("There is no folder {path}.").format(path=output.parent))


def _show_prompts(extractor: Extractor, examples: Iterator[Example]) -> None:
    if extractor.strategy.kind == "dictionary":
        message = _("The strategy '{name}' asks no model, so it has no prompt.")
        raise UserError(message.format(name=extractor.name))
    for number, example in enumerate(examples):
        prompt = extractor.prompt(example.text)
        shown = printable(prompt) if sys.stdout.isatty() else prompt
        sys.stdout.write(("\n" if number else "") + shown + "\n")


def _total(file: str) -> int | None:
    """About how many records a line-based file holds, for the time left; None when unknown."""
    path = Path(file)
    if not file or file == STDIN or path.suffix.lower() in (".parquet", ".xlsx"):
        return None
    if not sys.stderr.isatty() or not path.is_file():
        return None
    with path.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 20), b"")) or None


def _say(sentence: str) -> None:
    print(printable(sentence), file=sys.stderr)
