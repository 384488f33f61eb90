"""What is sent on from the compare pane, with what that does to the held-out splits."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textual.widget import Widget

from glossary.i18n import _, ngettext_
from glossary.text import printable

if TYPE_CHECKING:
    from engines.evaluation.comparing import ComparedText, Wanted
    from engines.evaluation.sending import Sent
    from kwtui.app import Workbench
    from kwtui.services.compare import Opened, Pair


class Sending(Widget):
    """The part of the pane that changes something."""

    bench: Workbench
    pair: Pair | None
    opened: Opened | None
    split: str
    process: subprocess.Popen[bytes] | None

    async def ask(self, method: str, **params: Any) -> Any:
        """The answer of the compare process."""
        raise AssertionError

    async def refresh_all(self) -> None:
        """Show what has changed."""
        raise AssertionError

    async def send_to_labeling(self, text: ComparedText) -> bool:
        """Flag a text for the labeling view; False when that was refused."""
        sent: Sent | None = await self.ask("to_labeling", text=text)
        if sent is None:
            return False
        said = _("{id} is flagged for labeling").format(id=printable(text.id))
        self.bench.say(said + _moved(sent.moved))
        await self.refresh_all()
        return True

    async def send_to_glossary(self, word: str, group: str) -> None:
        """Put a missed word among the candidates of the glossary."""
        from engines.evaluation.comparing import Wanted

        wanted = Wanted(group=group, word=word)
        sent: Sent | None = await self.ask("to_glossary", pair=self.pair, word=word, wanted=wanted)
        if sent is not None:
            said = _("{word} waits among the candidates of the glossary")
            self.bench.say(said.format(word=printable(word)) + _moved(sent.moved))
            await self.refresh_all()

    async def send_to_training(self, wanted: Wanted) -> None:
        """Move the texts that pass to the training split, after saying what that costs."""
        from kwtui.widgets.dialogs import ChooseScreen

        if self.pair is None:
            return
        leaving: dict[str, int] | None = await self.ask("would_move", pair=self.pair, wanted=wanted)
        if leaving is None:
            return
        if not leaving:
            self.bench.say(_("None of these texts is held out any more."))
            return

        async def chosen(index: int | None) -> None:
            if index == 0:
                await self._train(wanted)

        title = _("Texts leave {split} for training").format(split=", ".join(leaving))
        rows = [
            (_("Move {texts}").format(texts=_counts(leaving)), _("earlier results become stale")),
            (_("Leave them"), ""),
        ]
        self.app.push_screen(ChooseScreen(title, rows, 1), chosen)

    async def _train(self, wanted: Wanted) -> None:
        reason = _("mistakes sent to training: {what}")
        what = " ".join(part for part in (wanted.verdict, wanted.group, wanted.word) if part)
        sent: Sent | None = await self.ask(
            "to_training",
            pair=self.pair,
            wanted=wanted,
            reason=reason.format(what=what or _("all texts")),
        )
        if sent is not None:
            self.bench.say(_("To train") + _moved(sent.moved))
            await self.refresh_all()

    async def run_ladder(self, *, missing: bool = False) -> None:
        """Measure the strategies of the split in the background; it goes on without this app.

        `missing`: the rungs that are not there are trained first.
        """
        from kwtui.panes.compare_run import LOG, start

        split, space = self.split, self.bench.workspace
        if self.process is not None and self.process.poll() is None:
            self.bench.say(_("The ladder is at work already."))
            return
        self.process = await self.bench.work(lambda: start(space, split, missing=missing))
        if self.process is not None:
            said = _("The ladder runs on {split}; the table follows. Its log is {path}.")
            path = (space.reports / "ladder" / LOG).relative_to(space.root)
            self.bench.say(said.format(split=split, path=path))

    async def train_missing(self) -> None:
        """Train the rungs that are missing, after asking, then measure all of them."""
        from kwtui.widgets.dialogs import ChooseScreen

        def missing() -> tuple[str, ...]:
            from engines.evaluation.climbing import Training
            from engines.evaluation.climbing import missing as missing_rungs
            from engines.settings import load

            space = self.bench.workspace
            names = ("lora", "qlora", "sft", "tokenizer")
            found = missing_rungs(space, load(space.root), names, Training())
            return tuple(rung.strategy for rung in found)

        names = await self.bench.work(missing)
        if not names:
            self.bench.say(_("No rung is missing: r measures them."))
            return

        async def chosen(index: int | None) -> None:
            if index == 0:
                await self.run_ladder(missing=True)

        title = _("Train {names}?").format(names=", ".join(names))
        rows = [
            (_("Train them"), _("one after the other, in the queue; then all are measured")),
            (_("Leave it"), ""),
        ]
        self.app.push_screen(ChooseScreen(title, rows, 1), chosen)

    async def write_report(self) -> None:
        """Write the report of the split's last ladder as HTML and Markdown."""
        paths: tuple[str, ...] | None = await self.ask("report", split=self.split)
        if paths is not None:
            self.bench.say(_("Written: {paths}").format(paths=", ".join(paths)))


def _moved(moved: Mapping[str, int]) -> str:
    """What left a held-out split, after a sentence."""
    return "; " + _("{texts} moved to train").format(texts=_counts(moved)) if moved else ""


def _counts(moved: Mapping[str, int]) -> str:
    parts = []
    for split, count in moved.items():
        sentence = ngettext_("{count} text of {split}", "{count} texts of {split}", count)
        parts.append(sentence.format(count=f"{count:,}", split=split))
    return ", ".join(parts)
