"""From a strategy's name to an Extractor that runs: model, glossary and cases opened as needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engines.extraction.extractor import Extractor
from engines.extraction.prompt import strategy_template
from engines.extraction.strategy import find_strategy, needs_cases, needs_glossary
from engines.settings import Settings, StrategySettings
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

if TYPE_CHECKING:
    from engines.corpus.store import Corpus
    from engines.extraction.cases import Cases
    from engines.extraction.crf import CharacterCRF
    from engines.extraction.remote import RemoteModel
    from engines.models.loading import LoadedModel
    from glossary.retrieval import Sources
    from glossary.store import Glossary


class Opener:
    """Opens the strategies of one workspace (or of the defaults); parts are opened once.

    `notes` collects what a person should know, such as examples that a strategy asks for and the
    workspace does not have.
    """

    def __init__(self, settings: Settings, workspace: Workspace | None) -> None:
        self.notes: list[str] = []
        self._settings = settings
        self._workspace = workspace
        self._models: dict[Path, LoadedModel] = {}
        self._remote: dict[str, RemoteModel] = {}
        self._glossary: Glossary | None = None
        self._sources: Sources | None = None
        self._cases: Cases | None = None
        self._cases_position: str | None = None

    def extractor(
        self, name: str, *, model: str | None = None, batch_size: int | None = None
    ) -> Extractor:
        """The strategy `name`, ready to run, with another model or batch size where given.

        Raises UserError when the strategy is unknown or lacks what it needs.
        """
        strategy = self.strategy(name, model=model, batch_size=batch_size)
        glossary = self._open_glossary(name) if needs_glossary(strategy) else None
        prompts = self._workspace.prompts if self._workspace else None
        asks = strategy.kind == "model"
        if asks:
            strategy_template(strategy, prompts)
        path = self._model_path(strategy)
        cases = self._open_cases(name) if needs_cases(strategy) else None
        tagger = self._open_crf(name).keywords if strategy.kind == "crf" else None
        return Extractor(
            name,
            strategy,
            loaded=self._load(path) if path else self._ask(name, strategy),
            glossary=glossary,
            cases=cases,
            tagger=tagger,
            sources=self._open_sources() if glossary is not None and asks else None,
            settings=self._settings,
            prompts=prompts,
        )

    def refresh(self) -> bool:
        """See what other processes wrote; True when extractors made before are out of date."""
        changed = self._glossary is not None and self._glossary.refresh()
        if changed:
            self._sources = None
        if self._workspace is not None and self._cases_position is not None:
            moved = _corpus_position(self._workspace) != self._cases_position
            self._cases = None if moved else self._cases
            changed |= moved
        return changed

    def loaded(self, strategy: StrategySettings) -> LoadedModel | None:
        """The model of `strategy` when it is in memory."""
        path = self._model_path(strategy)
        return self._models.get(path) if path else None

    def use(self, settings: Settings) -> None:
        """Go on with other settings; models stay in memory unless they are to be loaded otherwise.

        Extractors made before keep the old settings.
        """
        if settings.models != self._settings.models:
            self._models.clear()
        self._settings = settings

    def drop_models(self) -> None:
        """Let go of every model; extractors that hold one keep it."""
        self._models.clear()
        self._remote.clear()

    def default_name(self) -> str:
        """The strategy that the settings name; without a workspace one that needs no glossary."""
        name, plain = self._settings.extraction.strategy, "prompt"
        strategies = self._settings.strategies
        if self._workspace is not None or not {name, plain} <= set(strategies):
            return name
        if not needs_glossary(strategies[name]) or needs_glossary(strategies[plain]):
            return name
        message = _(
            "There is no workspace here and so no glossary: the strategy is {plain}, not {name}."
        )
        self.notes.append(message.format(plain=plain, name=name))
        return plain

    def strategy(
        self, name: str, *, model: str | None = None, batch_size: int | None = None
    ) -> StrategySettings:
        """The settings of the strategy `name` with these changes."""
        strategy = find_strategy(self._settings.strategies, name)
        changes = {"model": model, "batch_size": batch_size}
        return strategy.model_copy(update={k: v for k, v in changes.items() if v is not None})

    def _model_path(self, strategy: StrategySettings) -> Path | None:
        if strategy.kind != "model" or strategy.server:
            return None
        from engines.models.registry import check_folder, resolve

        path = resolve(strategy.model, self._folders())
        check_folder(path)
        return path

    def _load(self, path: Path) -> LoadedModel:
        from engines.models.loading import load

        if path not in self._models:
            models = self._settings.models
            self._models[path] = load(
                path, device=models.device, dtype=models.dtype, folders=self._folders()
            )
        return self._models[path]

    def _ask(self, name: str, strategy: StrategySettings) -> RemoteModel | None:
        """The model behind the strategy's server; the same one while its settings are the same."""
        if strategy.kind != "model":
            return None
        from engines.extraction.remote import RemoteModel, server_of

        place = server_of(name, strategy, self._settings)
        plain = self._settings.plain_template
        wanted = {"model", "server_api", "constrained"}
        shape = strategy.model_dump_json(include=wanted)
        key = f"{place.model_dump_json()} {plain.model_dump_json()} {shape}"
        if key not in self._remote:
            self._remote[key] = RemoteModel(strategy, place, plain)
            if strategy.constrained and self._remote[key].dialect is None:
                message = _(
                    "The server {address} takes no grammar: answers of '{name}' are only checked "
                    "against the text afterwards."
                )
                self.notes.append(message.format(address=place.address, name=name))
        return self._remote[key]

    def _folders(self) -> list[Path]:
        return self._settings.model_folders(self._workspace.root if self._workspace else None)

    def _open_glossary(self, name: str) -> Glossary:
        if self._glossary is None:
            if self._workspace is None:
                message = _(
                    "The strategy '{name}' needs the glossary of a workspace, and there is no "
                    "workspace here. Name one with -w DIR, make one with `kwtui init DIR`, or "
                    "choose another strategy, such as prompt."
                )
                raise UserError(message.format(name=name))
            path = self._workspace.glossary_path
            if not path.exists():
                message = _(
                    "The strategy '{name}' needs a glossary, and {path} does not exist. Import "
                    "terms with `kwtui glossary import FILE`."
                )
                raise UserError(message.format(name=name, path=path))
            from glossary.store import Glossary

            self._glossary = Glossary.open(path)
        return self._glossary

    def _open_sources(self) -> Sources | None:
        """Vectors and context records of the glossary; notes say what is missing in them."""
        if self._sources is None and self._glossary is not None:
            from engines.finding import open_sources

            root = self._workspace.root if self._workspace else None
            self._sources, notes = open_sources(self._glossary, self._settings, root)
            self.notes += notes
        return self._sources

    def _open_crf(self, name: str) -> CharacterCRF:
        from engines.extraction.learned import learned_crf

        model, note = learned_crf(self._workspace, name)
        if note:
            self.notes.append(note)
        return model

    def _open_cases(self, name: str) -> Cases | None:
        """The labeled cases of the workspace's training split; a note when there are none."""
        if self._workspace is not None:
            self._cases_position = _corpus_position(self._workspace)
        if self._cases is None and self._workspace and self._workspace.corpus_path.exists():
            self._cases = corpus_cases(self._workspace)
        if self._cases is None or not self._cases.count():
            message = _(
                "The strategy '{name}' shows similar labeled texts, and there are none yet: its "
                "prompts go without examples."
            )
            self.notes.append(message.format(name=name))
        return self._cases


def corpus_cases(workspace: Workspace) -> Cases:
    """The cases of a workspace's corpus, as it is now."""
    from engines.corpus.store import Corpus
    from engines.extraction.cases import TRAIN, Cases

    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        position = _position(corpus)
        return Cases.open(workspace.cases_path, position, lambda: corpus.examples(TRAIN))


def _corpus_position(workspace: Workspace) -> str:
    """What changes with every change of the corpus; "" while there is none."""
    from engines.corpus.store import Corpus

    if not workspace.corpus_path.exists():
        return ""
    with Corpus.open(workspace.corpus_path, readonly=True) as corpus:
        return _position(corpus)


def _position(corpus: Corpus) -> str:
    latest = corpus.history(limit=1)
    return f"{latest[0].seq} {latest[0].at}" if latest else "empty"
