"""What a labeler chooses: order of work, the strategy that suggests, hints, the guideline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from glossary.errors import UserError
from glossary.i18n import _
from kwtui.widgets.draft import Draft
from kwtui.widgets.span_editor import SpanEditor

if TYPE_CHECKING:
    from engines.corpus.queue import Filter
    from kwtui.app import Workbench
    from kwtui.panes.dataset import DatasetPane
    from kwtui.panes.dataset_ahead import Ahead
    from kwtui.panes.dataset_store import Loaded, Store


def orders() -> dict[str, str]:
    """The orders of work as a person reads them."""
    return {
        "imported": _("as imported"),
        "random": _("random"),
        "shortest": _("shortest first"),
        "uncertain": _("most uncertain of the quick model first"),
        "disagreement": _("most disagreement of two strategies first"),
        "terms": _("most new glossary terms first"),
        "duplicates": _("near-duplicates together"),
    }


def order_title(order: str, by: str) -> str:
    """An order of work as a person reads it; `by`: whose uncertainty sorts the texts."""
    if order == "uncertain" and by != "crf":
        return _("most uncertain of {strategy} first").format(strategy=by)
    return orders()[order]


class ChoiceActions(Widget):
    """Keys that change how the work goes on."""

    draft: Draft | None
    loaded: Loaded | None
    store: Store
    ahead: Ahead
    bench: Workbench
    pane: DatasetPane
    preselect: bool
    order: str
    ranking: str

    @property
    def editor(self) -> SpanEditor:
        """The text."""
        return self.query_one(SpanEditor)

    if TYPE_CHECKING:

        def show(self, loaded: Loaded | None) -> None:
            """Put a text on the screen."""

    async def action_order(self) -> None:
        """Choose the order of work; one of uncertainty for each strategy that knows its own."""
        from kwtui.widgets.dialogs import ChooseScreen

        known = await self.store.uncertain()
        choices = [
            (order, name)
            for order in orders()
            for name in (known if order == "uncertain" else [""])
        ]
        rows = [(order_title(*choice), "") for choice in choices]

        async def chosen(index: int | None) -> None:
            if index is not None:
                order, by = choices[index]
                await self.work_on(order, self.pane.wanted, by)

        now = (self.order, self.ranking if self.order == "uncertain" else "")
        at = choices.index(now) if now in choices else 0
        self.app.push_screen(ChooseScreen(_("Order of work"), rows, at), chosen)

    async def work_on(self, order: str, wanted: Filter | None, by: str = "") -> None:
        """Go on in another order, or with other texts; `by`: whose uncertainty sorts them."""
        if order == "disagreement":
            by = self.ahead.strategy
        try:
            if order == "terms":
                await self.rank_terms()
            ranking = await self.store.rank(order, by)
            await self.store.choose(order, ranking, wanted)
        except UserError as error:
            self.bench.warn(error.sentence, "error")
            return
        self.order, self.ranking, self.pane.wanted = order, ranking, wanted
        self.ahead.forget()
        self.ahead.use(None)
        self.show(await self.ahead.first())
        self.bench.say(_("Order of work: {order}").format(order=order_title(order, ranking)))

    async def rank_terms(self) -> None:
        """Have the texts ranked by the glossary. Raises UserError without one."""
        self.bench.say(_("Looking for glossary terms that nobody has labeled ..."))
        if not await self.bench.host("learner").request("rank_terms"):
            sentence = _("This order needs a glossary and texts that wait for labels.")
            raise UserError(sentence)

    async def action_suggest(self) -> None:
        """Choose the strategy whose predictions are candidates, or none."""
        from kwtui.widgets.dialogs import ChooseScreen

        settings = await self.bench.settings()
        names = ["", *settings.strategies]
        rows = [(name or _("none"), "") for name in names]

        def chosen(index: int | None) -> None:
            if index is not None:
                self.ahead.strategy = names[index]
                self.ahead.refresh()

        at = names.index(self.ahead.strategy) if self.ahead.strategy in names else 0
        self.app.push_screen(ChooseScreen(_("Strategy that suggests"), rows, at), chosen)

    def action_preselect(self) -> None:
        """Have likely candidates labeled beforehand, or nothing."""
        self.preselect = not self.preselect
        on, off = _("Likely candidates are labeled at once."), _("Nothing is labeled at once.")
        self.bench.say(on if self.preselect else off)
        if self.draft is not None and not self.draft.touched and self.loaded is not None:
            self.show(self.loaded)

    def action_jump(self) -> None:
        """Go to a text by its id."""
        from kwtui.widgets.dialogs import AskScreen

        async def typed(name: str | None) -> None:
            if name and name.strip():
                await self.pane.label_text(name.strip())

        self.app.push_screen(AskScreen(_("Go to the text with the id")), typed)

    def action_guideline(self) -> None:
        """Show the guideline."""
        from kwtui.widgets.guideline import GuidelineScreen

        path = self.bench.workspace.root / "guideline.md"

        async def closed(text: str | None) -> None:
            if text is not None:
                await self.store.run(
                    lambda corpus: corpus.use_guideline(text, self.store.annotator)
                )
                self.bench.say(_("The guideline is kept."))

        self.app.push_screen(GuidelineScreen(path), closed)

    # State

    def kept_state(self) -> dict[str, Any]:
        """What to keep between starts."""
        return {
            "hints": self.editor.hinting,
            "preselect": self.preselect,
            "order": self.order,
            "ranking": self.ranking,
            "strategy": self.ahead.strategy,
        }

    async def restore(self) -> None:
        """Take back what `kept_state` returned."""
        kept = self.pane.restored
        self.preselect = kept.get("preselect") is not False
        self.editor.hinting = kept.get("hints") is True
        settings = await self.bench.settings()
        if kept.get("strategy") in settings.strategies:
            self.ahead.strategy = str(kept["strategy"])
        order = str(kept.get("order"))
        if order in orders() and order != "imported":
            # Ranks are kept in the corpus: what was sorted for the last time is not sorted anew.
            self.order, self.ranking = order, str(kept.get("ranking", ""))
            await self.store.choose(order, self.ranking, None)
