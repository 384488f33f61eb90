"""From a model, terms and texts to a model with another vocabulary that has passed every check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.tokenizer.checks import GROWTH, Check, Texts, check_weights, check_words, refuse_failed
from engines.tokenizer.choosing import Candidate, choose
from engines.tokenizer.embeddings import Rows, give_rows, load_model, parts_of, save_model
from engines.tokenizer.files import Tokenizer
from engines.tokenizer.methods import Extended, Method, extend_in, method_for
from engines.tokenizer.places import Finder, Places
from engines.tokenizer.staging import copy_small_files, staged, write_origin
from engines.workspace import Workspace
from glossary.errors import UserError
from glossary.i18n import _

Stage = Callable[[str], None]
BUDGET = 500
GENERAL_SENTENCES = 5000


@dataclass(frozen=True, slots=True)
class Material:
    """What a vocabulary is made for: terms, the domain's texts, sentences of no domain.

    `texts` gives the texts that terms are ranked by, `checked` those that checks read besides.
    """

    terms: Sequence[str]
    texts: Texts
    general: Sequence[str]
    checked: Texts | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """How a vocabulary is changed. `budget`: terms taken at most, 0 for all that are accepted;
    `growth`: share by which general text may get longer."""

    method: Method = "auto"
    rows: Rows = "scaled"
    budget: int = BUDGET
    growth: float = GROWTH
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Built:
    """A model folder with a new vocabulary, what was accepted and refused, and the checks."""

    path: Path
    base: str
    change: str
    method: str
    rows: str
    terms: tuple[str, ...]
    refused: dict[str, str]
    candidates: tuple[Candidate, ...] = field(repr=False)
    checks: tuple[Check, ...]
    new_tokens: int
    vocabulary: int
    new_ids: tuple[int, ...] = field(repr=False, default=())
    removed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What kwtui.json of the folder holds; `new_ids` as ranges, the last one included."""
        return {
            "name": self.path.name,
            "base": self.base,
            "change": self.change,
            "method": self.method,
            "rows": self.rows,
            "terms": list(self.terms),
            "refused": self.refused,
            "checks": [check.to_json() for check in self.checks],
            "new_tokens": self.new_tokens,
            "vocabulary": self.vocabulary,
            "new_ids": ranges(self.new_ids),
            "removed": list(self.removed),
        }


def extend(
    base: Path,
    final: Path,
    material: Material,
    wish: Wish | None = None,
    *,
    stage: Stage = lambda _name: None,
) -> Built:
    """Give terms tokens of their own in a copy of the model `base`, at `final`.

    Raises UserError where nothing can be accepted or a check refuses, FailedError where the disk
    or the memory does not suffice; nothing is left behind then.
    """
    wish = wish or Wish()
    refuse_base(base)
    with staged(final) as folder:
        old = Tokenizer.open(base)
        method = method_for(old, wish.method)
        found = accept(old, material, wish, stage)
        stage(_("building the vocabulary"))
        copy_small_files(base, folder)
        accepted = [one.term for one in found if not one.refusal]
        done = extend_in(old, folder, accepted, lambda t: look_at(t, material), method)
        change = Change("extend", method, old, done, tuple(found))
        return finish(base, final, folder, change, material, wish, stage)


def refuse_base(base: Path) -> None:
    """UserError where `base` is no whole model that can be loaded."""
    from engines.models.registry import check_folder, is_adapter

    check_folder(base)
    if is_adapter(base):
        message = _("{path} is an adapter: merge it into its base model first.")
        raise UserError(message.format(path=base))


def accept(old: Tokenizer, material: Material, wish: Wish, stage: Stage) -> list[Candidate]:
    """Every term, those refused with their reason; UserError when none is left."""
    stage(_("choosing terms"))
    found = choose(old, material.terms, material.texts(), material.general, wish.budget)
    if all(one.refusal for one in found):
        raise UserError(_("No term is accepted: {reasons}.").format(reasons=reasons(found)))
    return found


@dataclass(frozen=True, slots=True)
class Change:
    """A vocabulary that was changed in a folder, before its checks."""

    name: str
    method: str
    old: Tokenizer
    done: Extended
    found: tuple[Candidate, ...]
    removed: frozenset[str] = frozenset()


def finish(
    base: Path,
    final: Path,
    folder: Path,
    change: Change,
    material: Material,
    wish: Wish,
    stage: Stage,
) -> Built:
    """Check a changed vocabulary, give the model its rows, check these, write what it is."""
    old, done = change.old, change.done
    stage(_("checking"))
    checks = _checked(change, material, wish)
    stage(_("composing embeddings"))
    parts = {n: parts_of(old, t, done.draft.made_of) for t, n in done.draft.new.items()}
    kept = {n: n for t, n in old.vocabulary.items() if t not in change.removed}
    checks += weights(base, folder, old, done.tokenizer, parts, wish, kept)
    refused = {one.term: one.refusal for one in change.found if one.refusal} | done.dropped
    built = Built(
        path=final,
        base=base.name,
        change=change.name,
        method=change.method,
        rows=wish.rows,
        terms=tuple(done.terms),
        refused=refused,
        candidates=change.found,
        checks=tuple(checks),
        new_tokens=len(parts),
        vocabulary=done.tokenizer.size,
        new_ids=tuple(sorted(parts)),
        removed=tuple(sorted(change.removed)),
    )
    write_origin(folder, built.to_json())
    return built


def _checked(change: Change, material: Material, wish: Wish) -> list[Check]:
    done = change.done
    if not done.terms:
        term, why = next(iter(done.dropped.items()))
        message = _("No term comes out as one token: {term} {reason}.")
        raise UserError(message.format(term=term, reason=why))
    checks = check_words(
        change.old,
        done.tokenizer,
        done.terms,
        done.places,
        material.checked or material.texts,
        material.general,
        growth=wish.growth,
        gone=change.removed,
    )
    refuse_failed(checks)
    return checks


def build_for(
    space: Workspace,
    base: Path,
    name: str,
    wish: Wish | None = None,
    *,
    general: Path | None = None,
    stage: Stage = lambda _name: None,
) -> Built:
    """`extend` with a workspace's glossary and corpus, into its models/ under `name`."""
    return extend(base, space.models / name, workspace_material(space, general), wish, stage=stage)


def workspace_material(space: Workspace, general: Path | None = None) -> Material:
    """A workspace's terms and texts; those that scores are measured on are only checked with."""
    from engines.tokenizer.texts import corpus_texts, general_texts, glossary_terms

    return Material(
        glossary_terms(space),
        lambda: corpus_texts(space),
        general_texts(general, GENERAL_SENTENCES),
        lambda: corpus_texts(space, held_out=True),
    )


def look_at(terms: Sequence[str], material: Material) -> Places:
    """The places of terms in the texts that terms are ranked by."""
    places = Places(Finder(terms))
    for text in material.texts():
        places.look(text)
    return places


def reasons(found: Sequence[Candidate], shown: int = 5) -> str:
    """The first refusals, each "term reason"."""
    refused = [f"{one.term} {one.refusal}" for one in found if one.refusal]
    return "; ".join(refused[:shown])


def ranges(numbers: Sequence[int]) -> list[list[int]]:
    """Ids as [first, last] runs."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def weights(
    base: Path,
    folder: Path,
    old: Tokenizer,
    new: Tokenizer,
    parts: dict[int, list[int]],
    wish: Wish,
    kept: dict[int, int],
    *,
    carried: dict[int, int] | None = None,
) -> list[Check]:
    """Write the model with its new rows, read it back, and refuse what does not agree.

    `carried`: for a vocabulary made anew, the old id of each token that keeps its row.
    """
    model = load_model(base)
    give_rows(
        model,
        parts,
        new.size,
        wish.rows,
        names={n: new.piece(n) for n in parts},
        old_names={n: old.piece(n) for n in old.vocabulary.values()},
        carried=carried,
        seed=wish.seed,
    )
    save_model(model, folder)
    del model
    checks = check_weights(base, folder, new, kept)
    refuse_failed(checks)
    return checks
