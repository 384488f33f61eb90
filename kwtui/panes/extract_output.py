"""Where a marked result goes from the Extract pane: corpus, notes, a file, the clipboard."""

from __future__ import annotations

import getpass
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from glossary.i18n import _, ngettext_

if TYPE_CHECKING:
    from kwtui.app import Workbench
    from kwtui.panes.marking import Marking


async def send(bench: Workbench, marking: Marking) -> None:
    """Put the text with its corrected keywords into the corpus, then say so."""
    from engines.corpus.corrections import save_correction

    save = partial(
        save_correction,
        bench.workspace.corpus_path,
        marking.prediction.text,
        marking.corrected(),
        annotator=_annotator(),
        source=f"extract: {marking.prediction.strategy}",
    )
    saved = await bench.work(save)
    if saved is not None:
        count = len(marking.corrected())
        sentence = ngettext_(
            "In the corpus with {count} keyword: {id}",
            "In the corpus with {count} keywords: {id}",
            count,
        )
        bench.say(sentence.format(count=count, id=saved.id))


async def keep_notes(bench: Workbench, marking: Marking) -> None:
    """Write what was marked into config.toml; the next extraction uses it."""
    from engines import notes as engine

    name = marking.prediction.strategy
    if not marking.prediction.model:
        bench.say(_("A dictionary has no prompt for notes; change the glossary instead."))
        return
    settings = await bench.settings()
    notes = marking.notes(settings.strategies[name].language)
    if not notes:
        bench.say(_("Mark a missed or a wrong word first."))
        return
    kept = await bench.work(partial(engine.keep_notes, bench.workspace, name, notes))
    if kept is None:
        return
    if not kept:
        bench.say(_("These notes are in config.toml already."))
        return
    bench.host("extractor").use(await bench.reload_settings())
    sentence = ngettext_(
        "{count} note kept for {name} in config.toml: {notes}",
        "{count} notes kept for {name} in config.toml: {notes}",
        len(kept),
    )
    bench.say(sentence.format(count=len(kept), name=name, notes=" ".join(kept)))


def ask_and_write(bench: Workbench, marking: Marking) -> None:
    """Ask for a file and append the result to it."""
    from kwtui.widgets.dialogs import AskScreen

    def chosen(name: str | None) -> None:
        if name:
            bench.run_worker(_write(bench, marking, Path(name).expanduser()))

    start = str(bench.workspace.reports / "extract.jsonl")
    bench.push_screen(AskScreen(_("Append to the file (JSON lines)"), start), chosen)


async def _write(bench: Workbench, marking: Marking, path: Path) -> None:
    values = marking.prediction.to_json()
    values["keywords"] = [keyword.to_json() for keyword in marking.corrected()]
    line = json.dumps(values, ensure_ascii=False) + "\n"

    def append() -> bool:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line)
        return True

    if await bench.work(append):
        bench.say(_("Written to {path}.").format(path=path))


def copy(bench: Workbench, marking: Marking) -> None:
    """Hand the corrected keywords to the terminal's clipboard (OSC 52)."""
    words = list(dict.fromkeys(keyword.surface for keyword in marking.corrected()))
    bench.copy_to_clipboard(json.dumps(words, ensure_ascii=False))
    key = bench.key_names("extract.write")[0]
    sentence = _("Sent to the terminal's clipboard; if it does not take it, {key} writes a file.")
    bench.say(sentence.format(key=key))


def _annotator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "person"
