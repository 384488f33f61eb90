"""The recipe that is being written: its values, its rows on the screen, what may be undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.content import Content

from engines.training.form import FormField, fields, with_value, without
from glossary.i18n import _
from glossary.text import printable
from kwtui.themes import KEY, MUTED
from kwtui.widgets.record_table import Cell, Column

# What a first look should not be bothered with.
FOLDED = frozenset(
    {"prompt", "quantisation", "saving", "launch", "data.dev", "new_rows", "variety", "vocabulary"}
)


@dataclass(frozen=True, slots=True)
class FormRow:
    """A line of the form: the preset ("" of both), the head of a table, or a field."""

    section: str = ""
    field: FormField | None = None


@dataclass(slots=True)
class Form:
    """The values of a recipe as the form shows them. `origin`: the preset or file they are from."""

    values: dict[str, Any] = field(default_factory=dict)
    origin: str = ""
    start: dict[str, Any] = field(default_factory=dict)
    base: Path | None = None
    folded: set[str] = field(default_factory=lambda: set(FOLDED))

    @property
    def method(self) -> str:
        """How the model is taught."""
        return str(self.values.get("method", "lora"))

    @property
    def model(self) -> str:
        """The name or folder of the model; "" for a model from nothing."""
        return str(self.values.get("model", "")) if self.method != "scratch" else ""

    def take(self, values: Mapping[str, Any], origin: str, base: Path | None = None) -> None:
        """Begin from other values."""
        self.values, self.start = dict(values), dict(values)
        self.origin, self.base = origin, base

    def rows(self) -> list[FormRow]:
        """The lines that are not folded away."""
        found, last = [FormRow()], ""
        for one in fields(self.method):
            if one.section != last:
                last = one.section
                if self._applies(last):
                    found.append(FormRow(last))
            if self._applies(one.section) and one.section not in self.folded:
                found.append(FormRow(one.section, one))
        return found

    def put(self, one: FormField, value: Any) -> None:
        """Set a field; UserError where the recipe refuses it."""
        self.values = with_value(self.values, one, value)

    def reset(self, one: FormField) -> None:
        """Give a field the value back that it began with."""
        before = one.value(self.start)
        if before == one.default:
            self.values = without(self.values, one.key)
        else:
            self.values = with_value(self.values, one, before)

    def apply(self, changes: Mapping[str, Any]) -> None:
        """Make the changes of a proposal; its keys are those of the fields."""
        known = {one.key: one for one in fields(self.method)}
        for key, value in changes.items():
            self.values = with_value(self.values, known[key], value)

    def fold(self, section: str) -> None:
        """Fold a table away, or show it."""
        self.folded ^= {section}

    def _applies(self, section: str) -> bool:
        if section == "lora":
            return self.method in ("lora", "qlora")
        return section != "quantisation" or self.method == "qlora"


def columns() -> list[Column]:
    """The columns of the form."""
    return [Column(_("Field")), Column(_("Value"), 17)]


def cells(form: Form, row: FormRow) -> tuple[Cell, ...]:
    """One line of the form; what is not the default is bold."""
    if row.field is not None:
        indent = "  " if row.section else ""
        value = printable(row.field.shown(form.values))
        style = "b" if row.field.changed(form.values) else ""
        return Content(indent + row.field.name), Content.styled(value or "-", style)
    if row.section:
        mark = "+" if row.section in form.folded else "-"
        return Content.styled(f"{mark} {row.section}", KEY), ""
    origin = form.origin.rpartition("/")[2] or "-"
    changed = Content.styled(" *", KEY) if form.values != form.start else Content("")
    return Content(_("recipe")), Content.assemble(Content(printable(origin)), changed)


def about(form: Form, row: FormRow) -> list[Content]:
    """What the line under the cursor means: name, default, help."""
    if row.field is None:
        if row.section:
            return [Content(_("Enter folds the table, or shows it."))]
        return [
            Content(
                _("The recipe that the values begin with: one of config.toml, or a file.")
                + " "
                + _("* has been changed.")
            )
        ]
    from engines.training.form import written

    one = row.field
    default = _("default {value}").format(value=written(one.default) or "-")
    choices = " | ".join(one.choices)
    head = Content.assemble((one.key, KEY), "  ", (default, MUTED), "  ", choices)
    return [head, Content(_(one.help) if one.help else "")]
