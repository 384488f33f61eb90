"""The glossary service: drug data as context records and terms, by the presets of config.toml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glossary.i18n import _
from kwtui.services.glossary_base import GlossaryBase
from kwtui.services.loop import Task
from kwtui.services.messages import Hello, RecordPage

if TYPE_CHECKING:
    from glossary.record_import import Imported
    from glossary.records import Records
    from glossary.term import Term


class GlossaryRecords(GlossaryBase):
    """The part about context records."""

    requests: frozenset[str] = frozenset(
        {"presets", "preview_records", "import_records", "records", "record_kinds", "terms_of"}
    )

    def __init__(self, hello: Hello) -> None:
        super().__init__(hello)
        self._records: Records | None = None

    def records(self, task: Task, text: str, offset: int, limit: int) -> RecordPage:
        """Records `offset` and on of those for `text`, or of all for "" (`Records.page`)."""
        records = self._kept_records()
        if records is None:
            return RecordPage(0, ())
        total, found = records.page(text, offset, limit)
        return RecordPage(total, tuple(found))

    def record_kinds(self, task: Task) -> dict[str, int]:
        """How many records each preset made."""
        records = self._kept_records()
        return records.kinds() if records is not None else {}

    def terms_of(self, task: Task, ids: Sequence[str]) -> tuple[Term, ...]:
        """The terms with these ids, without those that are gone."""
        glossary = self._opened()
        return tuple(glossary.get_many(ids).values()) if glossary is not None else ()

    def _kept_records(self) -> Records | None:
        """The records as they are now; None while there is no glossary."""
        from glossary.records import Records

        glossary = self._opened()
        if glossary is None:
            return None
        if self._records is None:
            self._records = Records(glossary.path)
        else:
            self._records.refresh()
        return self._records

    def presets(self, task: Task, file: Path, encoding: str = "") -> tuple[str, ...]:
        """The presets that make something of a file, the likeliest first."""
        from engines.finding import fitting_presets

        return tuple(fitting_presets(self._settings, file, encoding or None))

    def preview_records(self, task: Task, file: Path, preset: str, encoding: str = "") -> Imported:
        """What importing the file by the preset would do."""
        from engines.finding import preset as find
        from glossary.record_import import look

        task.progress(_("Reading the file"))
        chosen = find(self._settings, preset)
        return look(self._opened(), chosen, file, encoding=encoding or None)

    def import_records(
        self, task: Task, file: Path, preset: str, author: str, encoding: str = ""
    ) -> Imported:
        """Import the file by the preset; as background work it lets others pass and can stop.

        Stopped, its terms are there and its records are not: the next import makes them.
        """
        from engines.finding import preset as find
        from glossary.record_import import import_records

        task.progress(_("Reading the file"))
        chosen = find(self._settings, preset)

        def on_progress(done: int, total: int) -> None:
            task.check()
            task.progress(_("Linking records to terms"), done, total)

        return import_records(
            self._needed(task, create=True),
            chosen,
            file,
            author=author,
            encoding=encoding or None,
            on_progress=on_progress,
        )
