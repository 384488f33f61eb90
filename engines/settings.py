"""config.toml as pydantic models, and the one way to load it.

The defaults stand commented in config.toml; the user's own `~/.config/kwtui/config.toml` goes over
them, a workspace's config.toml over both, `KWTUI_SECTION__KEY` in the environment over all.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from engines import trust
from engines.layers import Key, Layer, environment_layers, leaves, nested, overlay, read_layer
from engines.settings_errors import environment_value, known_spelling, sentence
from engines.workspace import CONFIG, assets, default_config, hub_cache, user_folder
from glossary.errors import UserError
from glossary.i18n import _

EnvironmentName = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]


class Section(BaseModel):
    """A table of config.toml: unknown keys and wrong types are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, use_attribute_docstrings=True, protected_namespaces=()
    )


class CaseSettings(Section):
    """One fixed few-shot example of a strategy."""

    text: str
    keywords: list[str]


class StrategySettings(Section):
    """One strategy as data: one Extractor runs them all."""

    kind: Literal["model", "dictionary", "crf"] = "model"
    """A language model, glossary terms found in the text, or a CRF that learns from the labels."""
    model: str = "kw-mini"
    """Name of a local model, or path of its folder; with `server`: its name there."""
    server: str = ""
    """Who answers instead of a local model: a name of [servers], or the URL of one."""
    server_api: Literal["chat", "completions"] = "chat"
    """chat: the server's own template; completions: [plain_template], for a base model."""
    template: str = "ko"
    """Name of a prompt template in prompts/, or its path."""
    template_text: str = ""
    """A prompt template written here; goes before `template`."""
    language: Literal["ko", "en"] = "ko"
    """Language of feedback and of the default instruction."""
    instruction: str = ""
    """The sentence that opens the prompt; empty: the template's own."""
    kinds: list[str] = Field(default_factory=list)
    """Kinds of keywords wanted, each "name" or "name: description"."""
    definitions: dict[str, str] = Field(default_factory=dict)
    """Terms explained by hand."""
    notes: list[str] = Field(default_factory=list)
    """Sentences that the prompt repeats."""
    exclude: list[str] = Field(default_factory=list)
    """Words that are no keywords."""
    shots: int = Field(default=0, ge=0, le=64)
    """Number of labeled examples in the prompt."""
    shots_choice: Literal["fixed", "similar"] = "similar"
    """`cases` as they stand, or the most similar ones of the labeled training split."""
    cases: list[CaseSettings] = Field(default_factory=list)
    """Fixed examples."""
    glossary: bool = False
    """Show the model the glossary entries that the text needs."""
    glossary_limit: int = Field(default=8, ge=1, le=200)
    """Glossary entries in a prompt at most."""
    records: Literal["terms", "records", "both"] = "terms"
    """Terms, context records (chunks of drug data), or both in one ranking."""
    glossary_tokens: int = Field(default=768, ge=16, le=100_000)
    """Tokens of a prompt that glossary entries may take at most."""
    feedback_rounds: int = Field(default=0, ge=0, le=10)
    """Times the model may be asked again."""
    feedback_sources: list[Literal["missed", "excluded", "person"]] = Field(default_factory=list)
    """What may be said to the model when it is asked again."""
    passes: Literal["single", "by_kind", "clean_then_extract"] = "single"
    """One prompt, one prompt a kind, or cleaning before extraction."""
    constrained: bool = True
    """Decode under a grammar: valid JSON, every keyword a piece of the text."""
    allow_canonical: bool = False
    """Let the grammar also take canonical forms of the glossary."""
    boundaries: bool = True
    """Dictionary: match whole morphemes only."""
    max_new_tokens: int = Field(default=256, ge=1, le=8192)
    """Tokens of an answer at most."""
    batch_size: int = Field(default=16, ge=1, le=1024)
    """Texts decoded together."""


class ModelsSettings(Section):
    """Where models lie and how they are loaded."""

    folders: list[str] = Field(default_factory=lambda: ["models"])
    """Folders that hold model folders; relative ones lie in the workspace."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")
    """auto: the GPU when there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: bfloat16 on a GPU, float32 on the CPU."""


class ExtractionSettings(Section):
    """What every extraction shares, whatever the strategy."""

    strategy: str = "rag"
    """The strategy of `kwtui extract` without --strategy."""
    passage_chars: int = Field(default=1200, ge=50, le=1_000_000)
    """Longer texts are split at sentences into passages of at most so many code points."""
    passage_overlap: int = Field(default=120, ge=0, le=100_000)
    """Code points that two neighbouring passages share at most."""


class GlossarySettings(Section):
    """How terms and context records are found."""

    embedding: str = ""
    """Folder of an embedding model (sentence-transformers); empty: the small embedded one."""
    device: str = Field(default="cpu", pattern=r"^(cpu|mps|cuda(:\d+)?)$")
    """Where that model runs."""
    retention_days: float = Field(default=7.0, ge=0.1, le=36500.0)
    """Days that old versions of the search index stay; snapshots and the history always do."""


class RecordTerms(Section):
    """A field of drug data whose values become terms."""

    field: str
    """Name of the field."""
    category: str = ""
    """Category of the terms."""
    aliases: list[str] = Field(default_factory=list)
    """Fields with other names of the same thing."""
    definition: str = ""
    """A template for the definition."""
    split: str = ""
    """What stands between several names in one value."""
    product: bool = False
    """Product names: the brand becomes the term."""
    form: str = ""
    """Category for the dosage form in a product's name; empty: no term."""
    ingredient: str = ""
    """Category for the bracketed ingredient in a product's name; empty: no term."""


class RecordPreset(Section):
    """How rows of a file of drug data become context records and terms."""

    title: str = ""
    """Template for the record's title; fields stand in braces."""
    lines: list[str] = Field(default_factory=list)
    """Templates for its sentences; one with an empty field is left out."""
    terms: list[RecordTerms] = Field(default_factory=list)
    """Which fields become terms."""
    keep: list[str] = Field(default_factory=list)
    """Fields kept with the record as they are."""
    where: dict[str, str] = Field(default_factory=dict)
    """Only rows with these values."""


class PlainTemplate(Section):
    """How a base model without a chat template is asked; {content} is the message."""

    user: str = "{content}"
    """A prompt, up to where the answer begins."""
    assistant: str = " {content}"
    """An answer."""
    separator: str = "\n\n"
    """What stands between an answer and the next prompt."""


class TrainingSettings(Section):
    """What every training run shares; the rest stands in its recipe."""

    threads: int = Field(default=0, ge=0, le=1024)
    """CPU threads; 0: one a core."""


class CurationSettings(Section):
    """How texts are labeled."""

    annotator: str = ""
    """Your name on labels; empty: the name you are logged in by."""
    overlap: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of the texts that two people label, blind to each other."""
    goal: int = Field(default=2000, ge=1)
    """Labeled texts wanted."""
    daily_copies: int = Field(default=7, ge=0, le=3650)
    """Copies of the corpus kept in backups/, one a day; 0: none are made."""


class HostsSettings(Section):
    """The processes that work for the screen."""

    idle_unload_s: float = Field(default=900.0, ge=0.0)
    """Seconds without a request after which one ends and frees its memory; 0: never."""


class ExportSettings(Section):
    """What an export to llama.cpp may use."""

    llama_cpp: str = ""
    """A folder of llama.cpp whose own converter and quantiser are used where asked for."""


class ServerSettings(Section):
    """A server that may be called; nothing is sent anywhere without one."""

    address: str
    """URL of its OpenAI-compatible API."""
    key_env: EnvironmentName = ""
    """Name of the environment variable with the API key, never the key."""
    concurrency: int = Field(default=8, ge=1, le=1024)
    """Requests at the same time."""
    timeout_s: float = Field(default=120.0, ge=0.1, le=86_400.0)
    """Seconds that one answer may take."""
    patience_s: float = Field(default=60.0, ge=0.0, le=86_400.0)
    """Seconds that the server may be away or overloaded before a run gives up."""


class ProgramsSettings(Section):
    """Programs outside Python."""

    folders: list[str] = Field(default_factory=list)
    """Folders searched for programs before PATH."""


class ScreenSettings(Section):
    """How the workbench looks."""

    theme: Literal["dark", "light", "contrast"] = "dark"
    """Colours; NO_COLOR in the environment goes over it."""
    borders: Literal["auto", "line", "ascii"] = "auto"
    """ascii where a terminal draws lines of the wrong width; auto: where TERM or the locale says
    that it has none."""
    colors: Literal["auto", "16"] = "auto"
    """16 for a terminal with the sixteen basic colours only; auto: as TERM says."""
    animation: bool = False
    """Smooth scrolling, which costs bytes over SSH."""


class WorkspaceSettings(Section):
    """The mark of a workspace, written by `kwtui init`."""

    format: int = Field(default=1, ge=1, le=1)
    """Version of the folder's layout."""


class Settings(Section):
    """Everything that config.toml can say."""

    language: Literal["", "en", "ko"] = ""
    """Language of the screen and of messages; empty: the locale's."""
    screen: ScreenSettings = Field(default_factory=ScreenSettings)
    keys: dict[str, Any] = Field(default_factory=dict)
    """Other keys for actions of the screen: their names are checked where they are known."""
    workspace: WorkspaceSettings = Field(default_factory=WorkspaceSettings)
    models: ModelsSettings = Field(default_factory=ModelsSettings)
    extraction: ExtractionSettings = Field(default_factory=ExtractionSettings)
    glossary: GlossarySettings = Field(default_factory=GlossarySettings)
    records: dict[str, RecordPreset] = Field(default_factory=dict)
    """Presets of `kwtui glossary import --records NAME`."""
    plain_template: PlainTemplate = Field(default_factory=PlainTemplate)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    curation: CurationSettings = Field(default_factory=CurationSettings)
    hosts: HostsSettings = Field(default_factory=HostsSettings)
    export: ExportSettings = Field(default_factory=ExportSettings)
    strategies: dict[str, StrategySettings] = Field(default_factory=dict)
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Recipes for `kwtui train NAME`; one with a model's name is the default for that model."""
    servers: dict[str, ServerSettings] = Field(default_factory=dict)
    commands: dict[str, list[str]] = Field(default_factory=dict)
    """Programs with their arguments that replace the ones found, by name."""
    programs: ProgramsSettings = Field(default_factory=ProgramsSettings)

    _origins: dict[Key, str] = PrivateAttr(default_factory=dict)
    _ignored: tuple[str, ...] = PrivateAttr(default=())

    @property
    def ignored(self) -> tuple[str, ...]:
        """Settings of the workspace that wait for `kwtui trust`, each "key = value"."""
        return self._ignored

    def origin(self, key: Key) -> str:
        """Where the value of `key` was written: a file, a variable, or "" for built in."""
        return self._origins.get(key, "")

    def model_folders(self, workspace: Path | None) -> list[Path]:
        """Folders to search for models, in order: the Hugging Face cache and assets are last."""
        base = workspace or Path.cwd()
        own = [base / Path(name).expanduser() for name in self.models.folders]
        cache = hub_cache()
        return [*own, *([cache] if cache.is_dir() else []), assets()]


def load(
    workspace: Path | None,
    *,
    environ: Mapping[str, str] | None = None,
    user: Path | None = None,
) -> Settings:
    """The effective settings for `workspace` (its folder, or None).

    `user` is the user's own config.toml (default: the one in `user_folder`). Raises UserError
    with file, key and nearest valid name.
    """
    environ = os.environ if environ is None else environ
    layers = [read_layer(default_config()), read_layer(user or user_folder(environ) / CONFIG)]
    ignored: tuple[str, ...] = ()
    if workspace is not None:
        own = read_layer(workspace / CONFIG)
        ignored = _hold_back(own, workspace)
        layers.append(own)
    merged, origins = _merge(layers)
    for variable, key, raw in environment_layers(environ):
        found = known_spelling(Settings, merged, key)
        value = environment_value(Settings, found, raw)
        merged = overlay(merged, nested(found, value))
        origins[found] = variable
    settings = _validated(merged, origins)
    settings._origins, settings._ignored = origins, ignored
    return settings


def _validated(merged: dict[str, Any], origins: Mapping[Key, str]) -> Settings:
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise UserError(sentence(Settings, error.errors()[0], origins)) from None
    extraction = settings.extraction
    if extraction.passage_overlap >= extraction.passage_chars:
        keys = [("extraction", "passage_overlap"), ("extraction", "passage_chars")]
        files = dict.fromkeys(origins[key] for key in keys if key in origins)
        raise UserError(
            _("{file}: extraction.passage_overlap must be smaller than passage_chars.").format(
                file=", ".join(files)
            )
        )
    return settings


def _merge(layers: list[Layer]) -> tuple[dict[str, Any], dict[Key, str]]:
    merged: dict[str, Any] = {}
    origins: dict[Key, str] = {}
    for layer in layers:
        merged = overlay(merged, layer.values)
        origins |= {key: layer.origin for key, _value in leaves(layer.values)}
    return merged, origins


def _hold_back(own: Layer, workspace: Path) -> tuple[str, ...]:
    """Take the settings that need trust out of the workspace's layer, unless it has it."""
    if trust.is_trusted(workspace, own.values):
        return ()
    waiting = tuple(trust.describe(own.values))
    own.values = trust.without(own.values)
    return waiting
