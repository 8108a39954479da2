"""YAML as people write it: read whole, or refused with one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from diffir_core.errors import InputError


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that is given twice: one of its values would be lost silently."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Any, Any]:
        """Make a mapping of a node."""
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in known:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice", key.start_mark
                )
            known.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> Any:
    """Give the values in a YAML file.

    Raises
    ------
    InputError
        If it cannot be read, or is not UTF-8 or not YAML, or names a key twice.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        return yaml.load(text, _OnceLoader)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8; save it as UTF-8, or name the right file."
        ) from error
    except RecursionError as error:
        raise InputError(
            f"{path} nests values too deeply; name the right file."
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: of impossible dates.
        raise InputError(f"{path} is not valid YAML: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem}, in line {error.problem_mark.line + 1}"
    return " ".join(str(error).split())
