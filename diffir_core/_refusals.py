"""What pydantic finds wrong with values, in one sentence that names them as written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

_LONGEST = 80
"""Characters of a value in a message."""
_NO_KIND = "no kind"


def one_sentence(kind: type[BaseModel], values: Any, error: ValidationError) -> str:
    """Say what is wrong with the first value that is, and where it was written."""
    first, name = error.errors()[0], kind.__name__
    place = ".".join(_place(first, values))
    where = f"{name}.{place}" if place else name
    if first["type"].startswith("union_tag_"):
        return f"{where}{_about_kinds(kind, values, first)}."
    message = first["msg"].removeprefix("Value error, ").removesuffix(".")
    if not place:
        return f"{name}: {message}."
    if first["type"] == "extra_forbidden":
        return f"{name} has no option '{place}'; remove it or mend its spelling."
    if isinstance(first["input"], (dict, BaseModel)):
        return f"{where}: {message}."  # Which says the value that is wrong.
    return f"{where} is {_short(first['input'])}: {message}."


def _place(error: ErrorDetails, values: Any) -> Iterator[str]:
    """Give the keys to a value as a file has them.

    Pydantic's have the kinds of unions in between, which nobody wrote as keys.
    """
    *parents, last = error["loc"] or ("",)
    is_entered = False
    for part in parents:
        if is_entered and _is_kind(part, values):
            is_entered = False
            continue
        yield str(part)
        values, is_entered = _inside(values, part), True
    if error["type"] == "missing" or not (is_entered and _is_kind(last, values)):
        yield str(last)


def _is_kind(part: str | int, values: Any) -> bool:
    """Tell the name of a union's member from a key."""
    if isinstance(part, int):
        return False
    if isinstance(values, dict):
        return part == values.get("kind") or part not in values
    return not hasattr(values, part)


def _inside(values: Any, part: str | int) -> Any:
    if isinstance(values, BaseModel):
        return getattr(values, str(part), None)
    try:
        return values[part]
    except (KeyError, IndexError, TypeError):
        return None


def _about_kinds(kind: type[BaseModel], values: Any, error: ErrorDetails) -> str:
    """Say that a value is of an unknown kind, or of none, and the kinds there are."""
    if error["type"] == "union_tag_invalid":
        tag, known = error["ctx"]["tag"], error["ctx"]["expected_tags"]
        return f".kind is {_short(tag)}; it must be one of {known}"
    # Pydantic lists them only for a kind that it does not know.
    changed, known = _with_kind(values, [*_place(error, values)]), ""
    try:
        kind.model_validate(changed)
    except ValidationError as told:
        for one in told.errors():
            if one["type"] == "union_tag_invalid" and one["ctx"]["tag"] == _NO_KIND:
                known = f", one of {one['ctx']['expected_tags']}"
    return f" does not say its kind; add it{known}"


def _with_kind(values: Any, place: list[str]) -> Any:
    """Give a copy in which the value at a place is of an unknown kind."""
    if not place:
        return {**values, "kind": _NO_KIND}
    first, *rest = place
    if isinstance(values, dict):
        return values | {first: _with_kind(values[first], rest)}
    changed = list(values)
    changed[int(first)] = _with_kind(changed[int(first)], rest)
    return changed


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
