"""Taking over what others have chosen, without telling them so: they know better."""

from __future__ import annotations


class Following:
    """A context in which a form's fields change one by one, and nobody is told."""

    def __init__(self) -> None:
        self._depth = 0

    @property
    def is_on(self) -> bool:
        """Whether the form is being filled in."""
        return self._depth > 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *raised: object) -> None:
        self._depth -= 1
