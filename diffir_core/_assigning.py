"""Values of a configuration as people write them in a shell: ``a.b=value``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from diffir_core.errors import InputError


def assigned(config: BaseModel, assignments: Sequence[str]) -> dict[str, Any]:
    """Give the plain values of a configuration with some of them set."""
    values = config.model_dump(mode="json")
    for assignment in assignments:
        _assign(values, assignment, config)
    return values


def _assign(values: dict[str, Any], assignment: str, config: BaseModel) -> None:
    key, separator, text = assignment.partition("=")
    if not separator:
        raise InputError(f"'{assignment}' must look like key=value, such as seed=1.")
    *parents, last = key.split(".")
    value = _value(text, _annotation(config, parents, last))
    target: Any = values
    try:
        for parent in parents:
            target = target[int(parent) if isinstance(target, list) else parent]
        target[int(last) if isinstance(target, list) else last] = value
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"There is no value '{key}' to set; mend it.") from error


def _annotation(config: Any, parents: Sequence[str], last: str) -> Any:
    """Give the type of a field, or None if no configuration has it."""
    for parent in parents:
        if isinstance(config, BaseModel):
            config = getattr(config, parent, None)
        elif isinstance(config, tuple) and parent.isdecimal():
            config = dict(enumerate(config)).get(int(parent))
    if not isinstance(config, BaseModel) or last not in type(config).model_fields:
        return None
    return type(config).model_fields[last].annotation


def _value(text: str, annotation: Any) -> Any:
    """Read a value as YAML; what is none, as the pattern *.tif, is a text.

    Where a text or a path is wanted, what was typed is one, be it a date or a number;
    but it may be quoted, and null where nothing is allowed.
    """
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # ValueError: of impossible dates.
        value = text
    kinds = _kinds(annotation)
    is_quoted = isinstance(value, str) and text.lstrip()[:1] in ("'", '"', "!")
    is_nothing = value is None and (NoneType in kinds or not text.strip())
    if is_quoted or is_nothing or not kinds & {str, Path}:
        return value
    return text.strip()


def _kinds(annotation: Any) -> set[Any]:
    """Give what a field may be, of several or one; what is inside them does not count.

    A list of texts is no text.
    """
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*(_kinds(one) for one in get_args(annotation)))
    return {annotation}
