"""How a person begins to work on the corpus of a workspace: by which name, with which rules."""

from __future__ import annotations

import getpass

from engines.corpus.backup import daily_copy
from engines.corpus.connection import Note
from engines.corpus.schema import ADJUDICATOR
from engines.corpus.store import IMPORTER, Corpus
from engines.settings import CurationSettings
from engines.workspace import Workspace
from glossary.errors import FailedError, UserError
from glossary.i18n import _
from glossary.text import normalise

BACKUPS = "backups"
GUIDELINE = "guideline.md"


def annotator_name(named: str, curation: CurationSettings) -> str:
    """The annotator that was named, else that of the settings, else the login name.

    Raises UserError for a name that the corpus uses itself.
    """
    name = normalise(named or curation.annotator or _login()).strip()
    if name in (IMPORTER, ADJUDICATOR) or name.startswith("strategy:"):
        sentence = _("'{name}' is no name for an annotator: the corpus uses it itself.")
        raise UserError(sentence.format(name=name))
    if not name:
        raise UserError(_("Who are you? Name yourself with --annotator NAME."))
    return name


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def open_corpus(
    space: Workspace, curation: CurationSettings, annotator: str, on_note: Note | None = None
) -> Corpus:
    """The corpus ready to be changed: today's copy made, overlap and guideline brought in.

    A copy that cannot be made is told to `on_note` and keeps nobody from work. Raises as
    `Corpus.open` does.
    """
    try:
        daily_copy(space.corpus_path, space.root / BACKUPS, curation.daily_copies)
    except (FailedError, OSError) as error:
        if on_note is not None:
            sentence = _("No copy of the corpus was made today: {reason}")
            on_note(sentence.format(reason=getattr(error, "sentence", str(error))))
    corpus = Corpus.open(space.corpus_path, on_note=on_note)
    try:
        corpus.use_overlap(curation.overlap)
        guideline = space.root / GUIDELINE
        if guideline.is_file():
            text = normalise(guideline.read_text(encoding="utf-8", errors="replace"))
            if text != corpus.guideline()[1]:
                corpus.use_guideline(text, annotator)
    except BaseException:
        corpus.close()
        raise
    return corpus
