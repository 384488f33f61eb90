"""Where things live on disk: the project's assets, the user's own files, a workspace."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glossary.errors import UserError
from glossary.i18n import _

CONFIG = "config.toml"
_MARK = re.compile(r"^\s*\[workspace\]", re.MULTILINE)
_NEW_CONFIG = """\
# Only what differs from the defaults; `kwtui config show` prints every setting with its origin.

[workspace]
format = 1
"""


@cache
def assets() -> Path:
    """The folder of the embedded model, prompts and demo, in a checkout or an installed copy."""
    root = Path(__file__).resolve().parent.parent
    packed = root / "kwtui" / "_assets"
    return packed if packed.is_dir() else root / "assets"


def default_config() -> Path:
    """The commented config.toml with the defaults of every setting."""
    packed = assets() / CONFIG
    return packed if packed.is_file() else assets().parent / CONFIG


def user_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own settings: `$XDG_CONFIG_HOME/kwtui`, else `~/.config/kwtui`."""
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")) / ".config")
    return Path(base).expanduser() / "kwtui"


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's logs: `$XDG_STATE_HOME/kwtui`, else `~/.local/state/kwtui`."""
    base = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "~")) / ".local" / "state")
    return Path(base).expanduser() / "kwtui"


def hub_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """The Hugging Face cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    if named := environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "~")) / ".cache")
    home = environ.get("HF_HOME") or str(Path(base) / "huggingface")
    return Path(home).expanduser() / "hub"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with the texts, terms, models and runs of one domain; `root` is absolute."""

    root: Path

    @property
    def config(self) -> Path:
        """The workspace's own settings: only what differs from the defaults."""
        return self.root / CONFIG

    @property
    def corpus_path(self) -> Path:
        """Texts, labels and their history (SQLite)."""
        return self.root / "corpus.sqlite"

    @property
    def glossary_path(self) -> Path:
        """The searchable terms (LanceDB folder)."""
        return self.root / "glossary.lance"

    @property
    def cases_path(self) -> Path:
        """Labeled cases made searchable; can be deleted and rebuilt."""
        return self.root / "cases.lance"

    @property
    def models(self) -> Path:
        """Adapters, full models and tokenizers made in this workspace."""
        return self.root / "models"

    @property
    def runs(self) -> Path:
        """Training runs, one folder each."""
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        """Reports written for people."""
        return self.root / "reports"

    @property
    def prompts(self) -> Path:
        """Prompt templates of this workspace; they go before the shipped ones."""
        return self.root / "prompts"

    @property
    def shared(self) -> bool:
        """Whether the folder is writable for its group, so that new files must be too."""
        return bool(self.root.stat().st_mode & 0o020)

    @classmethod
    def open(cls, root: Path) -> "Workspace":
        """The workspace in `root`; UserError when there is none."""
        if not root.is_dir():
            raise UserError(_("{path} is not a folder.").format(path=root))
        if not is_workspace(root):
            raise UserError(
                _("{path} is no workspace; `kwtui init {path}` makes one.").format(path=root)
            )
        return cls(root.resolve())

    @classmethod
    def find(cls, start: Path) -> "Workspace | None":
        """The workspace that `start` lies in, or None."""
        folder = start.resolve()
        for candidate in (folder, *folder.parents):
            if is_workspace(candidate):
                return cls(candidate)
        return None

    @classmethod
    def create(cls, root: Path, *, demo: bool = False) -> "Workspace":
        """Make a workspace in `root`, which must be new or empty; UserError otherwise.

        With `demo` its settings are those of the embedded demo domain.
        """
        if is_workspace(root):
            raise UserError(_("{path} is already a workspace.").format(path=root))
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise UserError(
                _("{path} exists and is not an empty folder; name a new one.").format(path=root)
            )
        config = _NEW_CONFIG
        if demo:
            config += "\n" + (assets() / "demo" / CONFIG).read_text(encoding="utf-8")
        root.mkdir(parents=True, exist_ok=True)
        space = cls(root.resolve())
        space.config.write_text(config, encoding="utf-8")
        for folder in (space.models, space.runs, space.reports, space.prompts):
            folder.mkdir()
        return space


def is_workspace(folder: Path) -> bool:
    """Whether `folder` holds a config.toml with a [workspace] table."""
    try:
        return bool(_MARK.search((folder / CONFIG).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False
