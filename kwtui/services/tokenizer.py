"""The tokenizer service: audits of vocabularies, and models built with another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from engines.models.registry import find_models, resolve
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _
from kwtui.services.loop import Task
from kwtui.services.messages import Hello
from kwtui.services.tokenizer_types import Measured, Order, TermRow
from kwtui.tokenizer_figures import ladder_advice

if TYPE_CHECKING:
    from engines.tokenizer.build import Built
    from engines.tokenizer.files import Tokenizer

LISTED = 1000


class TokenizerService:
    """Keeps the tokenizers that were opened."""

    requests = frozenset({"models", "measure", "split", "build"})

    def __init__(self, hello: Hello) -> None:
        self._settings = hello.settings
        self._workspace = Workspace(hello.workspace) if hello.workspace else None
        self._opened: dict[Path, tuple[int, Tokenizer]] = {}

    def nested(self) -> AbstractContextManager[object]:
        """Nothing here minds being interrupted."""
        return nullcontext()

    def models(self, task: Task) -> tuple[str, ...]:
        """Names of the local models that have a vocabulary of their own to look at."""
        found = find_models(self._settings.model_folders(self._root))
        return tuple(info.name for info in found if info.kind == "model" and not info.refusal)

    def measure(self, task: Task, models: Sequence[str]) -> Measured:
        """Audit one tokenizer or two over the workspace's texts and terms."""
        from engines.tokenizer.advice import advice
        from engines.tokenizer.audit import audit
        from engines.tokenizer.build import GENERAL_SENTENCES
        from engines.tokenizer.texts import general_texts

        task.progress(_("Reading terms"))
        terms = self._terms()
        general = general_texts(limit=GENERAL_SENTENCES)
        opened = [self._open(name) for name in models]
        audits = []
        for name, tokenizer in zip(models, opened, strict=True):
            stage = _("Measuring {name}").format(name=name)

            def heard(done: int, stage: str = stage) -> None:
                task.check()
                task.progress(stage, done)

            texts = self._texts()
            found = audit(tokenizer, texts, terms, general=general, progress=heard)
            found.name = name
            audits.append(found)
        rows = [
            TermRow(w.term, w.count, w.lost, tuple(one.shown(w.term) for one in opened))
            for w in audits[0].worst[:LISTED]
        ]
        said = [*ladder_advice(self._workspace), *advice(audits[0])]
        return Measured(tuple(audits), tuple(rows), tuple(said))

    def split(self, task: Task, models: Sequence[str], text: str) -> tuple[tuple[str, ...], ...]:
        """The pieces of a text with each tokenizer."""
        return tuple(self._open(name).shown(text) for name in models)

    def build(self, task: Task, order: Order) -> Built:
        """Make a model with another vocabulary in the workspace's models/."""
        from engines.tokenizer import build, rebuild
        from engines.tokenizer.texts import general_texts

        if self._workspace is None:
            raise UserError(_("A new model needs a workspace to lie in."))

        def stage(name: str) -> None:
            task.check()
            task.progress(name)

        base = self._path(order.model)
        final = self._workspace.models / order.name
        wish = build.Wish(cast(Any, order.method), cast(Any, order.rows), order.budget)
        self._terms()
        material = build.workspace_material(self._workspace)
        if order.change == "extend":
            return build.extend(base, final, material, wish, stage=stage)
        if order.change == "replace":
            general = general_texts()
            return rebuild.replace(base, final, material, wish, general=general, stage=stage)
        anew = rebuild.Anew(order.size, "same", general_texts())
        return rebuild.retrain(base, final, material, anew, wish, stage=stage)

    @property
    def _root(self) -> Path | None:
        return self._workspace.root if self._workspace else None

    def _path(self, name: str) -> Path:
        return resolve(name, self._settings.model_folders(self._root))

    def _open(self, name: str) -> Tokenizer:
        """The tokenizer of a model, opened anew when its folder has changed."""
        from engines.tokenizer.files import Tokenizer

        path = self._path(name)
        stamp = path.stat().st_mtime_ns
        kept = self._opened.get(path)
        if kept is None or kept[0] != stamp:
            self._opened[path] = kept = (stamp, Tokenizer.open(path))
        return kept[1]

    def _terms(self) -> list[str]:
        from engines.tokenizer.texts import glossary_terms
        from glossary.store import exists

        space = self._workspace
        if space is None or not exists(space.glossary_path):
            raise UserError(_("The glossary has no terms yet: F3 adds some, or imports a file."))
        return glossary_terms(space)

    def _texts(self) -> Iterator[str]:
        from engines.tokenizer.texts import corpus_texts

        space = self._workspace
        if space is None or not space.corpus_path.exists():
            raise UserError(_("The corpus has no texts yet: `kwtui data import FILE` adds some."))
        return corpus_texts(space)
