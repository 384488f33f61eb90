"""`kwtui train --show-examples`: what the model reads and what it learns, token by token."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from glossary.i18n import _
from glossary.text import printable

if TYPE_CHECKING:
    from engines.training.prompts import Tokens
    from engines.training.tune_recipe import TuneRecipe

# Learnt tokens are bold green; without colour they stand in brackets.
LEARNT, PLAIN = "\x1b[1;32m", "\x1b[0m"


def show(recipe: TuneRecipe, count: int, as_json: bool) -> None:
    """Print `count` examples of a completed recipe, evenly spread over its texts."""
    from engines.training.preview import preview

    tokenizer, examples, notes = preview(recipe, count)
    for note in notes:
        print(printable(note), file=sys.stderr)
    for number, tokens in enumerate(examples, start=1):
        if as_json:
            sys.stdout.write(json.dumps(_plain(tokenizer, tokens), ensure_ascii=False) + "\n")
        else:
            sys.stdout.write(_shown(tokenizer, tokens, number))


def _plain(tokenizer: Any, tokens: Tokens) -> dict[str, Any]:
    ids = tokens.ids.tolist()
    return {
        "tokens": tokenizer.convert_ids_to_tokens(ids),
        "ids": ids,
        "learnt": [at >= tokens.answer for at in range(len(ids))],
        "prompt": tokenizer.decode(ids[: tokens.answer]),
        "answer": tokenizer.decode(ids[tokens.answer :]),
    }


def _shown(tokenizer: Any, tokens: Tokens, number: int) -> str:
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    head = _("Example {number}: {prompt} tokens read, {answer} learnt").format(
        number=number, prompt=tokens.answer, answer=len(tokens) - tokens.answer
    )
    pieces: list[str] = []
    for at, token_id in enumerate(tokens.ids.tolist()):
        text = tokenizer.decode([token_id])
        piece = printable(text).replace("\n", "\\n\n") if text else _piece(tokenizer, token_id)
        pieces.append(_marked(piece, at >= tokens.answer, colour))
    return f"{head}\n{'|'.join(pieces)}\n\n"


def _piece(tokenizer: Any, token_id: int) -> str:
    return printable(str(tokenizer.convert_ids_to_tokens(token_id)))


def _marked(piece: str, learnt: bool, colour: bool) -> str:
    if not learnt:
        return piece
    return f"{LEARNT}{piece}{PLAIN}" if colour else f"[{piece}]"
