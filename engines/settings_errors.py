"""Sentences for settings that cannot be: file, key, what was expected, the nearest valid name."""

import difflib
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from engines.layers import Key, toml_value
from glossary.i18n import _

Model = type[BaseModel]


def annotation_at(model: Model, key: Key) -> Any:
    """The type of the setting `key`, or None when there is no such setting."""
    current: Any = model
    for name in key:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(name)
            if field is None:
                return None
            current = field.annotation
        elif get_origin(current) in (dict, list):
            current = get_args(current)[-1]
        else:
            return None
    return current


def known_spelling(model: Model, values: Mapping[str, Any], key: Key) -> Key:
    """`key` of an environment variable with names as they are spelled in the settings.

    Variables know neither lower case nor hyphens: RAG_FEEDBACK means rag-feedback.
    """
    found: list[str] = []
    level: Any = values
    for name in key:
        names = set(names_at(model, tuple(found)))
        if isinstance(level, Mapping):
            names |= set(level)
        match = next((n for n in sorted(names) if n.lower().replace("-", "_") == name), name)
        found.append(match)
        level = level.get(match) if isinstance(level, Mapping) else None
    return tuple(found)


def environment_value(model: Model, key: Key, raw: str) -> Any:
    """The raw text of a variable as the type that the setting has."""
    annotation = annotation_at(model, key)
    value = toml_value(raw)
    wants_text = annotation is str or all(isinstance(a, str) for a in get_args(annotation) or (0,))
    return raw if wants_text and not isinstance(value, str) else value


def names_at(model: Model, key: Key) -> list[str]:
    """The valid names in the table `key`; empty when any name is valid there."""
    annotation = annotation_at(model, key) if key else model
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return []


def sentence(model: Model, error: Mapping[str, Any], origins: Mapping[Key, str]) -> str:
    """What pydantic's `error` means to the person who wrote the settings; values stay unnamed
    where they could be secrets."""
    key = tuple(str(part) for part in error["loc"])
    where = {"file": _origin(key, origins), "key": ".".join(key)}
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return _unknown(model, key, where)
    if kind == "missing":
        return _("{file}: {key} is missing.").format(**where)
    if key[-1] == "key_env":
        expected = _("the name of an environment variable that holds the key, not the key itself")
    elif kind == "literal_error":
        expected = _choices(annotation_at(model, key), str(error["input"]))
    else:
        expected = _expected(kind, error.get("ctx", {}))
    return _("{file}: {key} must be {expected}.").format(**where, expected=expected)


def _origin(key: Key, origins: Mapping[Key, str]) -> str:
    """Where `key` was written, or else something beside it in the nearest table."""
    for length in range(len(key), 0, -1):
        prefix = key[:length]
        near = [origin for known, origin in origins.items() if known[:length] == prefix]
        if near:
            return origins.get(prefix, near[-1])
    return "config.toml"


def _unknown(model: Model, key: Key, where: Mapping[str, str]) -> str:
    valid = names_at(model, key[:-1])
    near = difflib.get_close_matches(key[-1], valid, n=1, cutoff=0.4)
    if near:
        name = ".".join((*key[:-1], near[0]))
        return _("{file}: there is no setting {key}; did you mean {near}?").format(
            **where, near=name
        )
    return _("{file}: there is no setting {key}; valid here: {names}.").format(
        **where, names=", ".join(valid)
    )


def _choices(annotation: Any, given: str) -> str:
    options = [option for option in get_args(annotation) if isinstance(option, str)]
    shown = _("one of {options}").format(options=", ".join(f'"{option}"' for option in options))
    near = difflib.get_close_matches(given, options, n=1, cutoff=0.4)
    return (
        _('{expected} (nearest: "{near}")').format(expected=shown, near=near[0]) if near else shown
    )


def _expected(kind: str, context: Mapping[str, Any]) -> str:
    limits = {
        "greater_than_equal": (_("at least {limit}"), "ge"),
        "less_than_equal": (_("at most {limit}"), "le"),
    }
    if kind in limits:
        words, name = limits[kind]
        return words.format(limit=context[name])
    if kind == "string_pattern_mismatch":
        return _("of the form {pattern}").format(pattern=context["pattern"])
    return {
        "string_type": _("text in quotes"),
        "int_type": _("a whole number"),
        "float_type": _("a number"),
        "bool_type": _("true or false"),
        "list_type": _("a list in square brackets"),
        "dict_type": _("a table"),
        "model_type": _("a table"),
    }.get(kind, _("something else ({kind})").format(kind=kind))
