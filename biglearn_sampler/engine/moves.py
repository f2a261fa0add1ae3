"""What happens to components, as the rows of a history have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Move = Mapping[str, Any]
"""`move`, what happened; `component` or `searcher`, to which one; `count`, to how many; `by`, what brought it about."""


def in_short(moves: Iterable[Move], **about: int) -> list[Move]:
    """How many components moves of each kind concern.

    Arguments:
        moves: one by one.
        about: what is said of all of them.
    """
    counts: Counter[tuple[str, str | None]] = Counter()
    for move in moves:
        counts[move["move"], move.get("by")] += move.get("count", 1)
    return [
        {"move": name, **about, **({} if by is None else {"by": by}), "count": count}
        for (name, by), count in counts.items()
    ]
