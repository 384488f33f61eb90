"""The adjudication view: what people labeled differently, side by side, settled by one key."""

from __future__ import annotations

from functools import partialmethod
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.content import Content

from engines.records import Keyword
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.panes.dataset_store import Store
from kwtui.panes.dataset_view import DatasetView
from kwtui.themes import MUTED
from kwtui.widgets.lines import Lines
from kwtui.widgets.side_by_side import Side, SideBySide, Span
from kwtui.widgets.span_editor import CURSOR, LABEL

if TYPE_CHECKING:
    from engines.corpus.agreement import Agreement, Dispute
    from kwtui.panes.dataset import DatasetPane

MARK = {True: "[x]", False: "[ ]"}


class AdjudicateView(DatasetView, can_focus=True):
    """One disagreement at a time: a digit takes a side, Space and Enter mix them."""

    view_id: ClassVar[str] = "adjudicate"

    def __init__(self, pane: DatasetPane, store: Store) -> None:
        super().__init__(pane)
        self.store = store
        self.agreement: Agreement | None = None
        self.disputes: list[Dispute] = []
        self.at = 0
        self.row = 0
        self.taken: set[Span] = set()
        self._asking = False

    def compose(self) -> ComposeResult:
        """How far people agree, the sides, the spans in dispute."""
        yield Lines(id="agreement")
        yield SideBySide(id="sides")
        yield Lines(id="disputed")

    @property
    def busy(self) -> bool:
        """Whether the disagreements are being looked for."""
        return self._asking

    async def opened(self) -> None:
        """Find what is in dispute now."""
        self.focus()
        self._asking = True
        self._draw()
        self.run_worker(self._ask(), group="review", exclusive=True)

    async def _ask(self) -> None:
        try:
            await self.bench.settings()
            host = self.bench.host("review")
            self.disputes = list(await host.request("disputes"))
            self._begin(0)
            self.agreement = await host.request("agreement")
            view = self.pane.label_view()
            if view is not None:
                view.agreement = headline(self.agreement)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
        finally:
            self._asking = False
            self._draw()

    # What is on the screen

    @property
    def dispute(self) -> Dispute | None:
        """The text that is to be settled."""
        return self.disputes[self.at] if self.at < len(self.disputes) else None

    @property
    def names(self) -> list[str]:
        """Whose labelings these are, in the order of their keys."""
        return sorted(self.dispute.labelings) if self.dispute else []

    @property
    def contested(self) -> list[Span]:
        """Spans that some marked and some did not."""
        if self.dispute is None:
            return []
        every = frozenset[Span]().union(*(one.spans for one in self.dispute.labelings.values()))
        return sorted(every - self.dispute.shared)

    def _begin(self, at: int) -> None:
        self.at, self.row = min(max(at, 0), max(len(self.disputes) - 1, 0)), 0
        self.taken = set(self.dispute.shared) if self.dispute else set()
        self._draw()

    def _draw(self) -> None:
        dispute, spans = self.dispute, self.contested
        self.query_one("#agreement", Lines).show([self._summary()])
        cursor = spans[self.row] if self.row < len(spans) else None
        sides = self.query_one(SideBySide)
        if dispute is None:
            sides.open("", [])
            sides.display = False
            self.query_one("#disputed", Lines).show(self._nothing())
            return
        sides.display = True
        made = [
            Side(name, str(number), dispute.labelings[name].spans)
            for number, name in enumerate(self.names, 1)
        ]
        sides.open(dispute.text, made, cursor)
        self.query_one("#disputed", Lines).show([self._line(span, cursor) for span in spans])

    def _summary(self) -> Content:
        count = len(self.disputes)
        place = _("{place} of {count} in dispute").format(place=self.at + 1, count=f"{count:,}")
        parts = [place if count else ""]
        if self.agreement is not None:
            parts += [pair_line(pair) for pair in self.agreement.pairs[:2]]
            if self.agreement.alpha is not None and len(self.agreement.pairs) > 1:
                parts.append(f"alpha {self.agreement.alpha:.2f}")
        return Content.styled(" " + " | ".join(part for part in parts if part), MUTED)

    def _nothing(self) -> list[Content]:
        """What stands instead of a dispute, and how one comes about."""
        if self._asking:
            return [Content(" " + _("Looking for disagreements"))]
        (key,) = self.bench.key_names("dataset.next-view")
        words = (
            _("Nothing is in dispute."),
            "",
            _("Texts come here that people labeled differently, each under an own name:"),
            "`kwtui --annotator NAME`",
            _("How many texts two people get: `overlap` of [curation] in config.toml."),
            _("{key} goes on to the checks.").format(key=key),
        )
        return [Content(f" {line}") for line in words]

    def _line(self, span: Span, cursor: Span | None) -> Content:
        dispute = self.dispute
        assert dispute is not None
        by = [name for name in self.names if span in dispute.labelings[name].spans]
        surface = " ".join(dispute.text[span[0] : span[1]].split())
        taken = span in self.taken
        style = (LABEL if taken else "") + (f" {CURSOR}" if span == cursor else "")
        return Content.assemble(f" {MARK[taken]} ", (surface, style), "  ", (", ".join(by), MUTED))

    # Keys

    def _move(self, step: int) -> None:
        self.row = min(max(self.row + step, 0), max(len(self.contested) - 1, 0))
        self._draw()

    action_next_candidate = partialmethod(_move, 1)
    action_previous_candidate = partialmethod(_move, -1)

    def _turn(self, step: int) -> None:
        self._begin(self.at + step)

    action_right = partialmethod(_turn, 1)
    action_left = partialmethod(_turn, -1)

    def action_mark(self) -> None:
        """Take the span under the cursor, or leave it."""
        if self.row < len(self.contested):
            self.taken ^= {self.contested[self.row]}
            self._draw()

    async def action_approve(self) -> None:
        """Settle the text with the spans that are taken."""
        await self._settle(self.taken)

    async def _side(self, number: int) -> None:
        if self.dispute is not None and number <= len(self.names):
            await self._settle(set(self.dispute.labelings[self.names[number - 1]].spans))

    action_candidate_1 = partialmethod(_side, 1)
    action_candidate_2 = partialmethod(_side, 2)
    action_candidate_3 = partialmethod(_side, 3)
    action_candidate_4 = partialmethod(_side, 4)

    async def action_both(self) -> None:
        """Settle the text with everything that anybody marked."""
        if self.dispute is not None:
            await self._settle({*self.dispute.shared, *self.contested})

    async def _settle(self, spans: set[Span]) -> None:
        dispute = self.dispute
        if dispute is None:
            return
        known: dict[Span, Keyword] = {}
        for one in dispute.labelings.values():
            known |= {(k.start, k.end): k for k in one.keywords}
        keywords = [known[span] for span in sorted(spans)]
        if await self._kept(self.store.adjudicate(dispute.id, keywords)) is None:
            return
        del self.disputes[self.at]
        self._begin(self.at)
        words = ", ".join(k.surface for k in keywords) or _("no keyword")
        self.bench.say(_("Settled: {keywords}").format(keywords=words))

    async def action_undo(self) -> None:
        """Take the latest change back."""
        undone = await self._kept(self.store.undo())
        if undone is None:
            self.bench.say(_("Nothing to take back."))
        else:
            await self.opened()

    async def _kept(self, work: Any) -> Any:
        try:
            return await work
        except UserError as error:
            self.bench.warn(error.sentence, "error")
        return None

    async def action_leave(self) -> None:
        """Back to the labeling view."""
        await self.pane.show_view("label")


def headline(found: Agreement) -> float | None:
    """One number for the progress line: exact span F1, the mean over pairs by their texts."""
    texts = sum(pair.texts for pair in found.pairs)
    return sum(pair.exact_f1 * pair.texts for pair in found.pairs) / texts if texts else None


def pair_line(pair: Any) -> str:
    """How far two people agree, in few words: exact F1, the partial one in brackets."""
    kappa = "" if pair.kappa is None else f" kappa {pair.kappa:.2f}"
    line = _("{one}, {other}: F1 {exact} ({partial}){kappa}, {count} texts")
    return line.format(
        one=pair.one,
        other=pair.other,
        exact=f"{pair.exact_f1:.2f}",
        partial=f"{pair.partial_f1:.2f}",
        kappa=kappa,
        count=pair.texts,
    )
