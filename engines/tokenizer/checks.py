"""What must hold of a changed tokenizer before it is used: each check a figure, and a refusal."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engines.tokenizer.embeddings import is_tied, load_model
from engines.tokenizer.files import Tokenizer, batches
from engines.tokenizer.places import POSITIONS, Places, one_token
from glossary.errors import UserError
from glossary.i18n import _

Texts = Callable[[], Iterable[str]]
GROWTH = 0.003
TALK = (
    {"role": "user", "content": "파스형 의약품은 임산부에게 적합합니까?"},
    {"role": "assistant", "content": '["파스","임산부"]'},
    {"role": "user", "content": "다시 답하세요."},
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `figures` are its numbers by name, `sentence` says them."""

    name: str
    passed: bool
    sentence: str
    figures: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return asdict(self)


def check_words(
    old: Tokenizer,
    new: Tokenizer,
    terms: Sequence[str],
    places: Places,
    texts: Texts,
    general: Sequence[str],
    *,
    growth: float = GROWTH,
    same_ids: bool = True,
    gone: Container[str] = (),
) -> list[Check]:
    """Every check of the tokenizer itself.

    `growth`: share by which general text may get longer. `same_ids`: whether old tokens must keep
    their ids (no vocabulary made anew), but those that are `gone`.
    """
    domain = _compare(old, new, texts())
    outside = _compare(old, new, general)
    return [
        _whole(new, terms, places),
        _round_trip(domain, outside),
        _grown(domain, outside, growth),
        _specials(old, new),
        *([_ids(old, new, gone)] if same_ids else []),
        *([_in_step(domain, outside, new)] if new.proto is not None else []),
    ]


def refuse_failed(checks: Iterable[Check]) -> None:
    """UserError with the sentences of the checks that did not pass."""
    failed = [check.sentence for check in checks if not check.passed]
    if failed:
        head = _("Nothing was written:")
        raise UserError(" ".join([head, *failed]))


@dataclass(slots=True)
class Compared:
    """Two tokenizers over the same texts."""

    texts: int = 0
    before: int = 0
    after: int = 0
    lost: int = 0
    lost_before: int = 0
    lost_text: str = ""
    apart: int = 0
    apart_text: str = ""


def _compare(old: Tokenizer, new: Tokenizer, texts: Iterable[str]) -> Compared:
    found = Compared()
    slow = new.slow()
    for batch in batches(texts):
        before, after = list(old.ids(batch)), list(new.ids(batch))
        found.texts += len(batch)
        found.before += sum(map(len, before))
        found.after += sum(map(len, after))
        back = new.decode_many(after)
        bad = [at for at, text in enumerate(batch) if back[at] != text]
        for at in bad:
            if old.decode(before[at]) != batch[at]:
                found.lost_before += 1
            else:
                found.lost += 1
                found.lost_text = found.lost_text or batch[at]
        if slow is not None:
            for at, ids in enumerate(slow.encode(batch, num_threads=1)):
                if ids != after[at]:
                    found.apart += 1
                    found.apart_text = found.apart_text or batch[at]
    return found


def _whole(new: Tokenizer, terms: Sequence[str], places: Places) -> Check:
    shares = one_token(new, places.sentences(terms))
    figures: dict[str, float] = {where: shares.share(where) for where in POSITIONS}
    figures |= {"places": float(shares.looked.total()), "terms": float(len(terms))}
    bad = ", ".join(list(shares.broken)[:5])
    sentence = _(
        "{whole} of {terms} new terms are one token in all of {places} places (start, middle, "
        "before josa, in compounds)."
    ).format(whole=len(terms) - len(shares.broken), terms=len(terms), places=shares.looked.total())
    if bad:
        sentence += " " + _("Not: {terms}.").format(terms=bad)
    return Check("one_token", not shares.broken, sentence, figures)


def _round_trip(domain: Compared, outside: Compared) -> Check:
    lost, before = domain.lost + outside.lost, domain.lost_before + outside.lost_before
    sentence = _("{lost} of {texts} texts do not come back from their tokens as they were.").format(
        lost=lost, texts=domain.texts + outside.texts
    )
    if before:
        sentence += " " + _("{count} did not before either.").format(count=before)
    if lost:
        text = (domain.lost_text or outside.lost_text)[:60]
        sentence += " " + _("Such as: {text}").format(text=text)
    figures = {"texts": domain.texts + outside.texts, "failures": lost, "before": before}
    return Check("round_trip", not lost, sentence, {n: float(v) for n, v in figures.items()})


def _grown(domain: Compared, outside: Compared, allowed: float) -> Check:
    inside = domain.after / domain.before - 1 if domain.before else 0.0
    general = outside.after / outside.before - 1 if outside.before else 0.0
    sentence = _(
        "General text changes by {general} tokens ({allowed} allowed), the domain by {domain}."
    ).format(
        general=f"{general:+.2%}",
        allowed=f"{allowed:+.1%}",
        domain=f"{inside:+.2%}",
    )
    figures = {"general": general, "domain": inside, "allowed": allowed}
    return Check("general_text", general <= allowed, sentence, figures)


def _specials(old: Tokenizer, new: Tokenizer) -> Check:
    """Special tokens with their ids, and the chat template, by its text and what it gives."""
    before, after = _special_ids(old), _special_ids(new)
    moved = [token for token, number in before.items() if after.get(token) != number]
    same = _talk(old) == _talk(new)
    if moved:
        sentence = _("Special tokens moved: {tokens}.").format(tokens=", ".join(moved[:5]))
    elif not same:
        sentence = _("The chat template gives something else than before.")
    else:
        sentence = _("{count} special tokens and the chat template are as before.").format(
            count=len(before)
        )
    figures = {"special": float(len(before)), "moved": float(len(moved))}
    return Check("special_tokens", same and not moved, sentence, figures)


def _special_ids(of: Tokenizer) -> dict[str, int]:
    found = {t["content"]: t["id"] for t in of.state["added_tokens"] if t["special"]}
    for name in ("bos", "eos", "pad", "unk"):
        number = getattr(of.wrapped, f"{name}_token_id", None)
        if number is not None:
            found[f"{name}={getattr(of.wrapped, f'{name}_token')}"] = number
    return found


def _talk(of: Tokenizer) -> str:
    if not of.wrapped.chat_template:
        return ""
    try:
        return str(of.wrapped.apply_chat_template(list(TALK), tokenize=False))
    except Exception as error:  # a template may refuse by any error of its own
        return type(error).__name__


def _ids(old: Tokenizer, new: Tokenizer, gone: Container[str]) -> Check:
    stays = {t: n for t, n in old.vocabulary.items() if t not in gone}
    moved = [t for t, n in stays.items() if new.vocabulary.get(t) != n]
    figures = {"tokens": float(len(old.vocabulary)), "moved": float(len(moved))}
    sentence = _("{moved} of {count} old tokens have another id.").format(
        moved=len(moved), count=len(old.vocabulary)
    )
    return Check("ids", not moved, sentence, figures)


def _in_step(domain: Compared, outside: Compared, new: Tokenizer) -> Check:
    apart, texts = domain.apart + outside.apart, domain.texts + outside.texts
    pieces = {p.piece: n for n, p in enumerate(new.proto.pieces)}
    names = [t for t, n in new.vocabulary.items() if pieces.get(t) != n]
    sentence = _(
        "SentencePiece and transformers give other ids for {apart} of {texts} texts; {names} of "
        "their tokens differ."
    ).format(apart=apart, texts=texts, names=len(names))
    if apart:
        text = (domain.apart_text or outside.apart_text)[:60]
        sentence += " " + _("Such as: {text}").format(text=text)
    figures = {"texts": float(texts), "apart": float(apart), "names": float(len(names))}
    return Check("in_step", not apart and not names, sentence, figures)


def check_weights(old: Path, new: Path, tokenizer: Tokenizer, kept: dict[int, int]) -> list[Check]:
    """Whether sizes agree and old rows are bit for bit the same; `kept`: new id to old id.

    Reads the model back from disk.
    """
    from engines.models.registry import read_json

    first = load_model(old)
    was_tied = is_tied(first)
    before = _matrices(first)
    del first  # two models need not stand in memory at once
    after = load_model(new)
    matrix = after.get_input_embeddings().weight
    config = read_json(new, "config.json")
    named = int((config.get("text_config") or config).get("vocab_size", 0))
    rows = int(matrix.shape[0])
    # Special tokens may lie beyond the matrix (Gemma 3 1B): they had no row to keep.
    had = int(before[0].shape[0])
    kept = {new_id: old_id for new_id, old_id in kept.items() if old_id < had}
    agree = named == rows >= tokenizer.size
    sizes = _("config {named}, embedding {rows}, tokenizer {tokens}.").format(
        named=named, rows=rows, tokens=tokenizer.size
    )
    figures = {"config": float(named), "rows": float(rows), "tokens": float(tokenizer.size)}
    tied = was_tied == is_tied(after)
    changed = sum(_changed(a, b, kept) for a, b in zip(before, _matrices(after), strict=False))
    same = _("{changed} of {count} old rows changed; input and output matrices {tied}.").format(
        changed=changed,
        count=len(kept),
        tied=_("tied as before") if tied else _("no longer as they were"),
    )
    return [
        Check("sizes", agree, sizes, figures),
        Check("old_rows", not changed and tied, same, {"rows": len(kept), "changed": changed}),
    ]


def _matrices(model: Any) -> list[Any]:
    """The input matrix and, where it is another one, the output matrix."""
    found = [model.get_input_embeddings().weight.detach()]
    output = model.get_output_embeddings()
    if output is not None and not is_tied(model):
        found.append(output.weight.detach())
    return found


def _changed(before: Any, after: Any, kept: dict[int, int]) -> int:
    """How many kept rows are not the same bits."""
    import torch

    new, old = torch.tensor(list(kept)), torch.tensor(list(kept.values()))
    differs = (after[new].view(torch.uint8) != before[old].view(torch.uint8)).any(dim=1)
    return int(differs.sum()) if before.dtype == after.dtype else len(kept)
