"""New tokens taught before the rest: which rows of the embedding matrices move, and when.

A model whose vocabulary was extended names its new ids in kwtui.json. In the first stage only
their rows learn; then adapters, or all weights, learn too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engines.training.tune_recipe import TuneRecipe
from glossary.errors import UserError
from glossary.i18n import _

FILE = "kwtui.json"


def new_ids(path: Path) -> list[int]:
    """The ids that the vocabulary of the model in `path` was given; [] for any other model."""
    try:
        ranges = json.loads((path / FILE).read_text(encoding="utf-8")).get("new_ids") or []
        return [n for first, last in ranges for n in range(int(first), int(last) + 1)]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


class NewRows:
    """Takes away the gradients of what must not move in a stage, before each optimizer step.

    A parameter without a gradient is passed over by the optimizer; a row with a gradient of zero
    does not move, since weight decay is refused here.
    """

    def __init__(self, ids: list[int], first_steps: int, only: bool) -> None:
        self._ids = ids
        self.first_steps = first_steps
        self._only = only

    def hold(self, model: Any, step: int, optimizer: Any) -> None:
        """Called with the step's gradients in place; `step` counts the steps done."""
        matrices = embedding_weights(model)
        first = step < self.first_steps
        if first:
            ids = {id(matrix) for matrix in matrices}
            for parameter in model.parameters():
                if id(parameter) not in ids:
                    parameter.grad = None
        for matrix in matrices:
            if step == self.first_steps and not first:
                # Adam's averages of rows that stood still would make their first steps too long.
                optimizer.state.pop(matrix, None)
            if (first or self._only) and matrix.grad is not None:
                kept = matrix.grad[self._ids].clone()
                matrix.grad.zero_()
                matrix.grad[self._ids] = kept


def embedding_weights(model: Any) -> list[Any]:
    """The trained matrices of the input and the output; one where they are tied."""
    found: dict[int, Any] = {}
    for module in (model.get_input_embeddings(), model.get_output_embeddings()):
        for parameter in module.parameters() if module is not None else ():
            if parameter.requires_grad and parameter.ndim == 2:
                found[id(parameter)] = parameter
    return list(found.values())


def prepare(recipe: TuneRecipe, path: Path, steps: int, *, sharded: bool) -> NewRows | None:
    """The stages that a recipe asks for, over `steps` optimizer steps; None when it asks for none.

    Raises UserError where the model has no new rows or the method does not train them.
    """
    wanted = recipe.new_rows
    if not wanted.first and not wanted.only:
        return None
    ids = new_ids(path)
    if not ids:
        message = _("new_rows: {path} has no new tokens; `kwtui tokenizer extend` makes them.")
        raise UserError(message.format(path=path))
    if recipe.method != "full" and not recipe.lora.train_embeddings:
        message = _("new_rows: {method} trains no embeddings: set lora.train_embeddings = true.")
        raise UserError(message.format(method=recipe.method))
    if recipe.optimisation.weight_decay:
        raise UserError(_("new_rows: weight decay moves every row: set weight_decay = 0."))
    if sharded:
        raise UserError(_("new_rows: rows of sharded matrices cannot be held: set sharding = ddp."))
    return NewRows(ids, round(wanted.first * steps), wanted.only)
