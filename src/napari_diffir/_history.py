"""Undo and redo, for any value that is never changed in place."""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class History(Generic[Value]):
    """The values that were chosen, and a place among them.

    Changes that follow each other under one topic are one step, until `seal`: a slider
    that was dragged is undone as a whole.
    """

    def __init__(self, value: Value, limit: int = 200) -> None:
        self._values, self._place, self._limit = [value], 0, limit
        self._topic = ""

    @property
    def value(self) -> Value:
        """The value that holds."""
        return self._values[self._place]

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier value."""
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a later value."""
        return self._place < len(self._values) - 1

    def record(self, value: Value, topic: str = "") -> None:
        """Choose a value; later ones are forgotten."""
        if value == self.value:
            return
        del self._values[self._place + 1 :]
        if topic and topic == self._topic and self.can_undo:
            self._values[self._place] = value
        else:
            self._values.append(value)
        del self._values[: -self._limit]
        self._place, self._topic = len(self._values) - 1, topic

    def seal(self) -> None:
        """Let the next change be a step of its own."""
        self._topic = ""

    def undo(self) -> Value:
        """Go back a step if there is one, and give the value that holds now."""
        return self._go(-1)

    def redo(self) -> Value:
        """Go forth a step if there is one, and give the value that holds now."""
        return self._go(1)

    def _go(self, steps: int) -> Value:
        self.seal()
        self._place = min(max(0, self._place + steps), len(self._values) - 1)
        return self.value
