"""The frozen, validated value that every configuration of this project is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from diffir_core._assigning import assigned
from diffir_core._refusals import one_sentence
from diffir_core._yaml import read_yaml
from diffir_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


class FrozenConfig(BaseModel):
    """A configuration as a value: immutable, validated, YAML in and out.

    Unknown keys are refused, because a misspelt option that is silently ignored
    costs its user a run. So are numbers that are not finite: no value wants them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, values: Any) -> Any:
        """Refuse what would be taken for 1 or 0."""
        for name, field in cls.model_fields.items():
            value = values.get(name) if isinstance(values, dict) else None
            if isinstance(value, bool) and not _takes_bool(field.annotation):
                raise ValueError(f"{name} is {value}, which is no value of it")
        return values

    def replace(self, **changes: Any) -> Self:
        """Give a copy with some fields changed, validated anew."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return self.parse({**fields, **changes})

    def changed(self, assignments: Sequence[str]) -> Self:
        """Give a copy with values changed that are written as ``a.b=value``."""
        return self.parse(assigned(self, assignments)) if assignments else self

    def to_yaml(self) -> str:
        """Give the whole configuration as YAML text."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validate plain values; bad ones raise `InputError` with one sentence."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(one_sentence(cls, values, error)) from error

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a configuration from a YAML file."""
        values = read_yaml(path)
        if not isinstance(values, dict):
            raise InputError(f"{path} must hold 'key: value' lines, like a YAML map.")
        return cls.parse(cls.in_folder(values, Path(path).resolve().parent))

    @classmethod
    def in_folder(cls, values: dict[str, Any], folder: Path) -> dict[str, Any]:
        """Let paths that are read with a file start at its folder; here are none."""
        return values


def _takes_bool(annotation: Any) -> bool:
    # By identity: a Literal's 1 is equal to True.
    if any(annotation is one for one in (bool, Any, object, True, False)):
        return True
    return any(_takes_bool(part) for part in get_args(annotation))
