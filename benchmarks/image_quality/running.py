"""Score every image by every method; what was scored before is read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from image_quality.methods import Method
from image_quality.pairs import Pair
from image_quality.scores import Scores, score

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One image of a set, by method."""

    name: str
    group: str
    scores: dict[str, Scores]


class ScoreFile:
    """Numbers in a file of JSON lines, written as they come: a run can be stopped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Values] = {}
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        for line in whole.splitlines():
            entry = json.loads(line)
            self._values[entry["key"]] = entry["scores"]
        if whole != text:  # The line that was being written when a run ended.
            path.write_text(whole, encoding="utf-8")

    def values(self, key: str, compute: Callable[[], Values]) -> Values:
        """Give numbers by their key, found before or now."""
        if key not in self._values:
            self._values[key] = compute()
            entry = {"key": key, "scores": self._values[key]}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        return self._values[key]


def score_set(
    title: str, pairs: Iterable[Pair], methods: list[Method], file: ScoreFile
) -> list[Row]:
    """Score the images of a set, one after the other."""
    return [
        Row(
            pair.name,
            pair.group,
            {method.name: _scores(title, pair, method, file) for method in methods},
        )
        for pair in pairs
    ]


def _scores(title: str, pair: Pair, method: Method, file: ScoreFile) -> Scores:
    key = " / ".join((title, pair.name, method.name, method.version))
    return Scores(**file.values(key, lambda: asdict(score(pair, method.restore(pair)))))
