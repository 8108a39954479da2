"""The frozen, validated value that every configuration of this project is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from diffir_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class FrozenConfig(BaseModel):
    """A configuration as a value: immutable, validated, YAML in and out.

    Unknown keys are refused, because a misspelt option that is silently ignored
    costs its user a run.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    def replace(self, **changes: Any) -> Self:
        """Give a copy with some fields changed, validated anew."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return self.parse({**fields, **changes})

    def changed(self, assignments: Sequence[str]) -> Self:
        """Give a copy with values changed that are written as ``a.b=value``."""
        values = self.model_dump(mode="json")
        for assignment in assignments:
            _assign(values, assignment)
        return self.parse(values) if assignments else self

    def to_yaml(self) -> str:
        """Give the whole configuration as YAML text."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validate plain values; bad ones raise `InputError` with one sentence."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(_one_sentence(cls.__name__, error)) from error

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a configuration from a YAML file."""
        try:
            with open(path, encoding="utf-8") as file:
                values = yaml.safe_load(file)
        except OSError as error:
            raise InputError(f"Cannot read {path}: {error.strerror}.") from error
        except yaml.YAMLError as error:
            raise InputError(f"{path} is not valid YAML: {error}.") from error
        if not isinstance(values, dict):
            raise InputError(f"{path} must hold 'key: value' lines, like a YAML map.")
        return cls.parse(values)


def _assign(values: dict[str, Any], assignment: str) -> None:
    key, separator, text = assignment.partition("=")
    if not separator:
        raise InputError(f"'{assignment}' must look like key=value, such as seed=1.")
    *parents, last = key.split(".")
    target: Any = values
    try:
        for parent in parents:
            target = target[int(parent) if isinstance(target, list) else parent]
        target[int(last) if isinstance(target, list) else last] = yaml.safe_load(text)
    except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"There is no value '{key}' to set; mend it.") from error


def _one_sentence(name: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if not where:
        return f"{name}: {message}."
    if first["type"] == "extra_forbidden":
        return f"{name} has no option '{where}'; remove it or mend its spelling."
    return f"{name}.{where} is {first['input']!r}: {message}."
