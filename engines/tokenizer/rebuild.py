"""A model with a vocabulary of the same size for the domain, or with one learnt anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.tokenizer.build import (
    Built,
    Change,
    Material,
    Stage,
    Wish,
    accept,
    finish,
    look_at,
    refuse_base,
    weights,
)
from engines.tokenizer.checks import Check, check_words, refuse_failed
from engines.tokenizer.choosing import Candidate
from engines.tokenizer.embeddings import parts_of
from engines.tokenizer.files import Tokenizer
from engines.tokenizer.replace import replace_in
from engines.tokenizer.retrain import SIZE, Course, Learnt, learn
from engines.tokenizer.staging import copy_small_files, staged, write_origin
from glossary.errors import UserError
from glossary.i18n import _

Texts = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Anew:
    """How a vocabulary is learnt: its size, its kind, the general text beside the domain's."""

    size: int = SIZE
    kind: Learnt = "same"
    general: Sequence[str] = ()


def replace(
    base: Path,
    final: Path,
    material: Material,
    wish: Wish | None = None,
    *,
    general: Sequence[str] = (),
    stage: Stage = lambda _name: None,
) -> Built:
    """Put terms in the place of pieces that neither the domain nor `general` uses, at `final`.

    Raises UserError when there are fewer such pieces than terms, or when a check refuses.
    """
    wish = wish or Wish()
    if wish.method not in ("auto", "symbol"):
        message = _("replace makes user-defined symbols: the method {method} is for extend.")
        raise UserError(message.format(method=wish.method))
    refuse_base(base)
    with staged(final) as folder:
        old = Tokenizer.open(base)
        found = accept(old, material, wish, stage)
        stage(_("building the vocabulary"))
        copy_small_files(base, folder)
        accepted = [one.term for one in found if not one.refusal]
        done, gone = replace_in(
            old,
            folder,
            accepted,
            lambda terms: look_at(terms, material),
            lambda: _both(material, general),
        )
        change = Change("replace", "symbol", old, done, tuple(found), frozenset(gone))
        return finish(base, final, folder, change, material, wish, stage)


def retrain(
    base: Path,
    final: Path,
    material: Material,
    anew: Anew,
    wish: Wish | None = None,
    *,
    stage: Stage = lambda _name: None,
) -> Built:
    """Learn the vocabulary of a copy of `base` anew, the best terms as symbols of their own.

    Rows of tokens that both have are carried over, the others composed of old ones. Raises
    UserError when the texts do not carry the size, or when a check refuses.
    """
    wish = wish or Wish()
    refuse_base(base)
    with staged(final) as folder:
        old = Tokenizer.open(base)
        found = accept(old, material, wish, stage)
        terms = [one.term for one in found if not one.refusal]
        stage(_("learning the vocabulary"))
        copy_small_files(base, folder)
        texts = _both(material, anew.general or material.general)
        new = learn(old, folder, Course(texts, anew.size, terms, anew.kind, wish.seed))
        stage(_("checking"))
        checks = _checked(old, new, terms, material, wish)
        stage(_("composing embeddings"))
        parts, more = _rows(base, folder, old, new, wish)
        built = _built(final, base.name, old, new, found, parts, [*checks, *more], wish)
        write_origin(folder, built.to_json())
    return built


def _built(
    final: Path,
    base: str,
    old: Tokenizer,
    new: Tokenizer,
    found: Sequence[Candidate],
    new_ids: Sequence[int],
    checks: Sequence[Check],
    wish: Wish,
) -> Built:
    return Built(
        path=final,
        base=base,
        change="retrain",
        method=new.kind,
        rows=wish.rows,
        terms=tuple(one.term for one in found if not one.refusal),
        refused={one.term: one.refusal for one in found if one.refusal},
        candidates=tuple(found),
        checks=tuple(checks),
        new_tokens=len(new_ids),
        vocabulary=new.size,
        new_ids=tuple(sorted(new_ids)),
        removed=tuple(t for t in old.vocabulary if t not in new.vocabulary),
    )


def _checked(
    old: Tokenizer, new: Tokenizer, terms: Sequence[str], material: Material, wish: Wish
) -> list[Check]:
    checks = check_words(
        old,
        new,
        terms,
        look_at(terms, material),
        material.checked or material.texts,
        material.general,
        growth=wish.growth,
        same_ids=False,
    )
    refuse_failed(checks)
    return checks


def _rows(
    base: Path, folder: Path, old: Tokenizer, new: Tokenizer, wish: Wish
) -> tuple[list[int], list[Check]]:
    """Carry over the rows of tokens that both have, compose the others; also the new ids."""
    carried = {n: old.vocabulary[t] for t, n in new.vocabulary.items() if t in old.vocabulary}
    fresh = {t: n for t, n in new.vocabulary.items() if n not in carried}
    parts = {n: parts_of(old, t, {}) for t, n in fresh.items()}
    return [*parts], weights(base, folder, old, new, parts, wish, carried, carried=carried)


def _both(material: Material, general: Sequence[str]) -> Iterator[str]:
    yield from material.texts()
    yield from general or material.general
