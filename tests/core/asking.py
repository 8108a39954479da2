"""Commands in the process of the tests: starting one takes seconds."""

from __future__ import annotations

from collections.abc import Callable

Command = Callable[..., tuple[int, str]]
"""Takes the words after ``diffir``; gives the exit status and all that was said."""
