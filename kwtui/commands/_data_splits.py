"""`kwtui data stats`, `split` and `duplicates`: what there is and who trains on what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from glossary.errors import UserError
from glossary.i18n import _, ngettext_
from kwtui.columns import table
from kwtui.commands._data import (
    JSON,
    app,
    counted_corpus,
    print_json,
    print_lines,
    print_table,
    say,
)
from kwtui.progress import Progress

if TYPE_CHECKING:
    from engines.corpus.splitting import Grouped
    from engines.corpus.store import Corpus


@app.command(help=_("Count texts, labels and keywords of each split."))
def stats(
    by: str = typer.Option(
        "",
        "--by",
        metavar="KEY",
        help=_("Texts of each split by source, status, origin, empty, or a key of the metadata."),
    ),
    as_json: bool = JSON,
) -> None:
    """Print how many texts there are, of which status, and what their labels hold."""
    from engines.corpus.statistics import by_split

    with counted_corpus() as corpus:
        if by:
            _strata(corpus, by, as_json)
            return
        rows = by_split(corpus)
        statuses, annotators = corpus.statuses(), corpus.annotators()
    if as_json:
        splits = {name: row.to_json() for name, row in rows.items()}
        print_json({"splits": splits, "statuses": statuses, "annotators": annotators})
        return
    header = ["", _("texts"), _("labeled"), _("keywords"), _("different"), _("without any")]
    body = [
        [name or _("no split"), *(f"{value:,}" for value in row.to_json().values())]
        for name, row in rows.items()
    ]
    lines = table([header, *body])
    for title, counts in ((_("status"), statuses), (_("annotator"), annotators)):
        if counts:
            numbers = [[name, f"{count:,}"] for name, count in counts.items()]
            lines += ["", *table([[title, _("texts")], *numbers])]
    print_lines(lines)


def _strata(corpus: Corpus, by: str, as_json: bool) -> None:
    found = corpus.strata(_key(by))
    if as_json:
        print_json(found)
        return
    values = sorted({value for counts in found.values() for value in counts})
    header = [by, *(split or _("no split") for split in found)]
    rows = [[value or "-", *(f"{c.get(value, 0):,}" for c in found.values())] for value in values]
    print_table([header, *rows])


def _key(by: str) -> str:
    if '"' in by:
        raise UserError(_("A key of the metadata holds no quotation mark."))
    return by


@app.command(help=_("Put the texts that have no split yet into train, dev and test."))
def split(
    shares: str = typer.Option(
        "train=0.8,dev=0.1,test=0.1", "--shares", help=_("Names and shares of the splits.")
    ),
    seed: int = typer.Option(0, "--seed", help=_("Another seed, another split.")),
    near: bool = typer.Option(
        True, "--near/--no-near", help=_("Keep near-duplicates in one split.")
    ),
    unseen: float = typer.Option(
        0.0,
        "--unseen",
        metavar="SHARE",
        min=0.0,
        max=0.5,
        help=_("First a test split 'unseen' whose terms no training text holds."),
    ),
    anew: bool = typer.Option(
        False, "--anew", help=_("Forget all splits first: scores so far hold no longer.")
    ),
    by: str = typer.Option(
        "", "--by", metavar="KEY", help=_("With --anew: meet the shares in each value of KEY.")
    ),
    as_json: bool = JSON,
) -> None:
    """Split by hash of the group: equal and nearly equal texts and texts of one document stay
    together, and a text never moves. One that resembles texts of two splits is left out.

    All of it or nothing: whenever it is stopped, every text has the split that it had.
    """
    from engines.corpus.splits import assign, parse_shares
    from engines.corpus.store import Corpus
    from kwtui import context

    wanted = parse_shares(shares)
    if by and not anew:
        raise UserError(_("--by goes with --anew: texts that have a split keep it."))
    reason = f"hash {shares} seed {seed}" + (f" by {by}" if by else "")
    with Corpus.open(context.need_workspace().corpus_path) as corpus, _all_or_nothing():
        links = _links(corpus, everything=anew) if near else []
        with corpus.transaction():
            if anew:
                with Progress() as bar:
                    corpus.forget_splits("split", reason, bar.update)
            grouped = _joined(corpus, "split", links) if near else None
            held, terms = _unseen(corpus, unseen, seed)
            choose: Callable[[str], str] = lambda group: assign(group, wanted, seed)  # noqa: E731
            if by:
                choose = corpus.stratified(wanted, _key(by), seed)
            with Progress() as bar:
                groups = corpus.assign_splits(
                    lambda group: "unseen" if group in held else choose(group),
                    annotator="split",
                    reason=reason,
                    on_progress=bar.update,
                )
        counts = corpus.splits()
    if as_json:
        document = {"assigned": groups, "splits": counts}
        excluded = grouped.to_json() if grouped else {}
        print_json({**document, **excluded, **({"unseen": terms} if unseen else {})})
        return
    _say_split(groups, grouped, counts, [name for name, share in wanted.items() if share])


def _say_split(
    groups: int, grouped: Grouped | None, counts: dict[str, int], wanted: list[str]
) -> None:
    """What came of it, what was left out, and which split is empty."""
    sentence = ngettext_("{count} group got its split.", "{count} groups got their split.", groups)
    say(sentence.format(count=f"{groups:,}"))
    if grouped and grouped.excluded:
        count = len(grouped.excluded)
        sentence = ngettext_(
            "{count} text is left out: it resembles texts of two splits.",
            "{count} texts are left out: they resemble texts of two splits.",
            count,
        )
        say(sentence.format(count=f"{count:,}"))
    if missing := [name for name in wanted if name not in counts]:
        sentence = _(
            "No text fell into {splits}: with few texts the shares are met only roughly. Import "
            "more, or try --anew with another --seed."
        )
        say(sentence.format(splits=", ".join(missing)))
    print_table([[name or _("no split"), f"{count:,}"] for name, count in counts.items()])


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    """An interrupt is said to have changed no split."""
    from kwtui.failures import INTERRUPTED

    try:
        yield
    except KeyboardInterrupt:
        say(_("Interrupted: no text has changed its split."))
        raise typer.Exit(INTERRUPTED) from None


def group_near(corpus: Corpus, annotator: str) -> Grouped:
    """Put near-duplicates into one group, with a line of progress for each step."""
    return _joined(corpus, annotator, _links(corpus))


def _links(corpus: Corpus, *, everything: bool = False) -> list[tuple[int, int]]:
    sign(corpus)
    with Progress() as bar:
        return corpus.near_links(everything=everything, on_progress=bar.update)


def _joined(corpus: Corpus, annotator: str, links: list[tuple[int, int]]) -> Grouped:
    with Progress() as bar:
        return corpus.group_near(annotator, links, bar.update)


def sign(corpus: Corpus) -> None:
    """Make signatures of the texts that have none, with a line of progress."""
    from engines.corpus import duplicates

    with Progress() as bar:
        duplicates.sign(corpus, bar.update)


def _unseen(corpus: Corpus, share: float, seed: int) -> tuple[frozenset[str], list[str]]:
    if not share:
        return frozenset(), []
    from engines.corpus.unseen import unseen_groups

    groups, terms = unseen_groups(corpus, share, seed)
    if not terms:
        say(_("No term is rare enough for a split of unseen terms: label more texts first."))
    return groups, terms


@app.command(help=_("List texts that are nearly the same."))
def duplicates(
    across: bool = typer.Option(False, "--across", help=_("Only those in two splits.")),
    as_json: bool = JSON,
) -> None:
    """Pairs of texts with more than four fifths of their three-letter pieces in common."""
    from dataclasses import asdict

    from engines.corpus import duplicates as near
    from engines.corpus.store import Corpus
    from kwtui import context

    with Corpus.open(context.need_workspace().corpus_path) as corpus:
        sign(corpus)
        found = [pair for pair in near.pairs(corpus) if pair.across or not across]
    if as_json:
        print_json([asdict(pair) for pair in found])
        return
    sentence = ngettext_("{count} pair.", "{count} pairs.", len(found))
    say(sentence.format(count=f"{len(found):,}"))
    print_table(
        [
            [
                pair.id,
                pair.other,
                f"{pair.similarity:.2f}",
                pair.split or "-",
                pair.other_split or "-",
            ]
            for pair in found
        ]
    )
