"""What the glossary is searched with beside its names: the embedding model, vectors, records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engines.settings import Settings
from engines.workspace import assets
from glossary.errors import FailedError, UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from glossary.embedding import Embedder
    from glossary.presets import Preset
    from glossary.records import Records
    from glossary.retrieval import Sources
    from glossary.store import Glossary
    from glossary.vectors import Item

# So many vectors the embedded model makes in a second: no reason to ask for a command.
_AT_ONCE = 5000


def embedding_folder(settings: Settings, workspace: Path | None) -> Path:
    """The folder of the embedding model; a relative one lies in the workspace."""
    named = settings.glossary.embedding
    if not named:
        return assets() / "embedding" / "model"
    return (workspace or Path.cwd()) / Path(named).expanduser()


def open_embedding(settings: Settings, workspace: Path | None) -> Embedder:
    """The embedding model of the settings; UserError when it is none."""
    from glossary.embedding import open_embedder

    return open_embedder(embedding_folder(settings, workspace), device=settings.glossary.device)


def open_sources(
    glossary: Glossary, settings: Settings, workspace: Path | None
) -> tuple[Sources, list[str]]:
    """Vectors and records of a glossary, and sentences about what is missing in them.

    Vectors of a small glossary are brought up at once where the model is the embedded one.
    """
    from glossary.records import Records
    from glossary.retrieval import Sources
    from glossary.vectors import Vectors

    records = Records(glossary.path)
    try:
        vectors = Vectors(glossary.path, open_embedding(settings, workspace))
        total = glossary.count() + records.count()
        if not settings.glossary.embedding and total <= _AT_ONCE:
            vectors.sync(items(glossary, records))
        vectors.require()
    except FailedError:
        return Sources(None, records), []
    except UserError as error:
        return Sources(None, records), [error.sentence]
    stored = vectors.coverage().stored
    if stored >= total:
        return Sources(vectors, records), []
    note = _(
        "{stored} of {total} terms and records have vectors: `kwtui glossary embed` makes the rest."
    )
    return Sources(vectors, records), [note.format(stored=stored, total=total)]


def items(glossary: Glossary, records: Records) -> Iterator[Item]:
    """Everything that is embedded: terms, then records."""
    from glossary.vectors import record_item, term_item

    yield from (term_item(term) for term in glossary.iterate())
    yield from map(record_item, records.all())


def fitting_presets(settings: Settings, path: Path, encoding: str | None = None) -> list[str]:
    """The presets that make records or terms of a file, those that use most of it first."""
    from glossary.presets import fitting

    return fitting((preset(settings, name) for name in settings.records), path, encoding)


def preset(settings: Settings, name: str) -> Preset:
    """The preset `name` of the settings; UserError with the names there are."""
    from glossary.presets import Preset, TermRule

    found = settings.records.get(name)
    if found is None:
        sentence = _("There is no preset '{name}' for records. There are: {names}.")
        raise UserError(sentence.format(name=name, names=", ".join(sorted(settings.records))))
    rules = (
        TermRule(**{**rule.model_dump(), "aliases": tuple(rule.aliases)}) for rule in found.terms
    )
    return Preset(
        name, found.title, tuple(found.lines), tuple(rules), tuple(found.keep), found.where
    )
